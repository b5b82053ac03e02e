"""What a user may choose, read once at start from a TOML file and the environment."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

COMPREHEND = "000000000015"
"""The account in which Comprehend's models and jobs run; no user's."""


class SettingsError(ValueError):
    """A setting is unknown or its value cannot be used; the text says which and why."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings; each is `SAGEBRUSH_<NAME>` in the environment and `<name>` in settings.toml."""

    home: Path = Path("~/.local/share/sagebrush")
    """The data directory (rows, objects, jobs, logs, keys)."""
    environments: Path = Path("~/.cache/sagebrush/environments")
    """Where built environments live, outside the data directory."""
    host: str = "127.0.0.1"
    """The address to bind; 127.0.0.1 binds ::1 too. Another one needs `tls_only` or `insecure`."""
    port: int = 4566
    """The plain HTTP port; TLS answers on the next one. 0 lets the system choose both."""
    insecure: bool = False
    """Allows plain HTTP on an address other than loopback."""
    tls_only: bool = False
    """Serves TLS alone on `host`; plain HTTP then stays on loopback."""
    account: str = "123456789012"
    """The 12-digit id of the owner's account; `sagebrush account add` makes further ones."""
    region: str = "us-east-1"
    """The region that `sagebrush env` chooses; requests signed for any other are served in it."""
    role: str = "SagebrushExecutionRole"
    """The seeded execution role."""
    hosts: tuple[str, ...] = ()
    """Host header names that are accepted in addition to loopback names and `*.localhost`."""
    isolation: str = "auto"
    """`sandbox`, `process`, or `auto`: the sandbox where the host can, else process mode, said aloud."""
    notebook_hosts: str = "names"
    """What distinguishes notebooks in a browser: `names` (`<name>-<id>.localhost`), or `addresses`
    where such names do not resolve: a loopback address of its own for each (Linux)."""
    egress_allow: tuple[str, ...] = ()
    """Private addresses or host names that jobs may reach through the egress proxy."""
    containers: str = "auto"
    """Whether images that no environment stands for run by the host's Docker or Podman: `auto`
    (where one answers), or `off`. Containers have the engine's network, not the egress proxy."""
    sample_data: str = "auto"
    """Whether AWS's public sample buckets are read from AWS: `auto` (where they can be; object names
    are all that is sent), or `off`: what is kept or was put there is all there is."""
    request_threads: int = 16
    """Threads that run synchronous operations."""
    job_connections: int = 512
    """Connections to this server that one job may hold at once, over all of its ways to it; more wait
    until one is free. Fewer where the system allows this server few open files."""
    body_limit: int = 16 * 1024 * 1024
    """Bytes of a request body outside S3 object bodies."""
    keep_jobs_days: int = 30
    """Days that the directory and logs of an ended job are kept."""
    log_limit: int = 256 * 1024 * 1024
    """Bytes of log kept for one job; the oldest go first."""
    stop_grace: int = 120
    """Seconds between SIGTERM and SIGKILL of a stopped training job (AWS: 120)."""
    notebook_environments: tuple[str, ...] = (
        "base",
        "pytorch",
        "tensorflow",
        "huggingface",
        "nlp",
        "sagemaker2",
        "sagemaker3",
    )
    """Environments whose kernels every notebook offers; built while it already answers."""
    notebook_folders: tuple[str, ...] = ()
    """Folders of this machine inside notebooks: `NAME=/path` shows the folder, writable, in the
    notebook NAME as `/home/ec2-user/SageMaker/<its last part>`."""
    scale_down: bool = True
    """Whether an instance type larger than this host runs with what the host has, said in its log;
    otherwise such a request is refused (ResourceLimitExceeded)."""
    gpu_as_cpu: bool = False
    """Whether a GPU instance type runs without a GPU on a host that has too few; otherwise such a
    request is refused (ResourceLimitExceeded)."""
    quotas: tuple[str, ...] = ()
    """How many instances may be in use at once in a region: `ml.p3.2xlarge=0`, `ml.m5.large=4`. A type that is
    not named has no quota."""
    sleep_after: int = 0
    """Seconds without a request after which an endpoint has no processes until the next one; 0: never.
    An endpoint's tag `sagebrush:sleep-after` says otherwise for itself."""
    serverless_idle: int = 300
    """Seconds that a serverless endpoint keeps a process that it does not need any more."""
    models: str = ""
    """A folder of Comprehend's models, as `./run models train` writes them, instead of the models that
    come with Sagebrush."""
    memory_default: int = 1024 * 1024 * 1024
    """Bytes that admission counts for a job whose past peak is not known."""

    @property
    def models_folder(self) -> Path:
        """Where Comprehend's models are."""
        own = Path(__file__).parent / "nlp" / "models"
        return Path(self.models).expanduser().absolute() if self.models else own

    @staticmethod
    def load(environ: Mapping[str, str], file: Path | None = None, **given: Any) -> Settings:
        """Settings from defaults, then the file, then `environ`, then `given`; raises SettingsError."""
        values: dict[str, Any] = {}
        if file is not None and file.exists():
            try:
                values.update(tomllib.loads(file.read_text(encoding="utf-8")))
            except ValueError as error:
                raise SettingsError(f"{file} is no TOML file: {error}") from error
        for field in dataclasses.fields(Settings):
            text = environ.get("SAGEBRUSH_" + field.name.upper())
            if text is not None:
                values[field.name] = text
        values.update({k: v for k, v in given.items() if v is not None})
        hints = get_type_hints(Settings)
        unknown = sorted(set(values) - set(hints))
        if unknown:
            raise SettingsError(f"unknown setting: {', '.join(unknown)}")
        settings = Settings(**{k: _convert(k, v, hints[k]) for k, v in values.items()})
        if not re.fullmatch(r"\d{12}", settings.account):
            raise SettingsError(f"account must be 12 digits, not {settings.account!r}")
        if settings.account == COMPREHEND:
            raise SettingsError(f"the account {settings.account} is Comprehend's own")
        if settings.isolation not in ("auto", "sandbox", "process"):
            raise SettingsError(
                f"isolation must be auto, sandbox or process, not {settings.isolation!r}"
            )
        if settings.containers not in ("auto", "off"):
            raise SettingsError(f"containers must be auto or off, not {settings.containers!r}")
        if settings.sample_data not in ("auto", "off"):
            raise SettingsError(f"sample_data must be auto or off, not {settings.sample_data!r}")
        if settings.notebook_hosts not in ("names", "addresses"):
            raise SettingsError(
                f"notebook_hosts must be names or addresses, not {settings.notebook_hosts!r}"
            )
        for each in settings.notebook_folders:
            if not re.fullmatch(r"[a-zA-Z0-9-]+=[/~].+", each):
                raise SettingsError(f"notebook_folders: {each!r} is not NAME=/path")
        for each in settings.quotas:
            if not re.fullmatch(r"ml\.[a-z0-9.-]+\s*=\s*[0-9]+", each):
                raise SettingsError(f"quotas: {each!r} is not TYPE=NUMBER (ml.m5.large=4)")
        return dataclasses.replace(
            settings,
            home=settings.home.expanduser().absolute(),
            environments=settings.environments.expanduser().absolute(),
        )


def _convert(name: str, value: Any, kind: Any) -> Any:
    """`value` (text, or TOML's own type) as the type of the setting `name`."""
    try:
        if kind is bool:
            if isinstance(value, bool):
                return value
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                str(value).lower()
            ]
        if kind is int:
            return int(value)
        if kind is Path:
            return Path(value)
        if kind == tuple[str, ...]:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(p.strip() for p in parts if p.strip())
        return str(value)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{name}: {value!r} is not a {getattr(kind, '__name__', kind)}"
        ) from error
