"""What every job is launched with: environment variables, binds, listeners, toolkit paths."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sagebrush import clientdata
from sagebrush.compute.base import Bind, Limits
from sagebrush.compute.local import gpus, sandbox
from sagebrush.environments import sources, standins
from sagebrush.environments.environment import Environment
from sagebrush.toolkit.sudo import SUDO
from sagebrush.world import World

PACKAGE = Path(__file__).resolve().parent.parent
INSIDE = "/opt/sagebrush"
"""Where toolkit and algorithms are in a sandbox."""
PORT = 4566
GATEWAY = f"http://127.0.0.1:{PORT}"
"""The AWS API as a sandbox sees it, plain and by TLS."""
UNTRACKED = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""By which libraries report nothing of their use; the SDKs' own reports: `client/quiet.py`."""
CLIENT = "client-jobs"
"""The folder of the data directory that sandboxes see as `/opt/sagebrush/client`."""
CONDA = sandbox.CONDA
INTERPRETER = f"{INSIDE}/python"
"""Where the interpreter is under an environment in a sandbox."""
PYVENV = "pyvenv"
"""The folder in CLIENT of the `pyvenv.cfg` of environments at CONDA."""
BIN = "bin"
"""The folder in it of programs that scripts expect to find."""
PROXY = "http://127.0.0.1:3128"
OVERLAY = "/tmp/sagebrush-overlay"
"""Where the client folder's sitecustomize lets `pip install` put what a job installs by itself."""
LISTENERS = ("aws", "credentials", "metadata", "egress")
AUTHORITIES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
"""Variables by which OpenSSL and httpx, requests and pip, curl, and git find whom to trust."""


class Unstartable(Exception):
    """A process cannot be started, and trying again would not help; the text is a FailureReason."""


@dataclass(frozen=True)
class Place:
    """How a job of this world sees its files."""

    sandbox: bool
    ml: str
    """Its /opt/ml."""
    toolkit: str
    algorithms: str
    models: str
    """Comprehend's models."""


def place(world: World, root: Path) -> Place:
    """Where the job whose directory is `root` finds things."""
    if world.backend.isolation == "sandbox":
        return Place(
            True, "/opt/ml", f"{INSIDE}/toolkit", f"{INSIDE}/algorithms", f"{INSIDE}/models"
        )
    own = (str(PACKAGE / "toolkit"), str(PACKAGE / "algorithms"), str(world.settings.models_folder))
    return Place(False, str(root / "ml"), *own)


def prepare(world: World) -> None:
    """The files that make the SDKs inside jobs find this server's STS are there; once at start."""
    settings = world.settings
    folder = settings.home / CLIENT
    clientdata.write(folder, PORT)
    _put(folder / "ca-bundle.pem", (settings.home / "keys" / "ca-bundle.pem").read_text())
    (folder / BIN).mkdir(exist_ok=True)
    _put(folder / BIN / "sudo", SUDO)
    for path in (folder, *folder.rglob("*")):  # jobs have users of their own
        path.chmod(0o755 if path.is_dir() or path.parent.name == BIN else 0o644)


def _put(file: Path, text: str) -> None:
    """`file` holds `text`; readers see the old text or the new one."""
    if not file.exists() or file.read_text() != text:
        part = file.with_suffix(f".{uuid.uuid4().hex}.part")
        part.write_text(text)
        part.chmod(0o644)
        part.replace(file)


def shown(world: World, environment: Environment) -> tuple[Bind, ...]:
    """What a sandbox must show, read-only, for the environment and the toolkit to run."""
    own = (
        Bind(PACKAGE / "toolkit", f"{INSIDE}/toolkit"),
        Bind(PACKAGE / "algorithms", f"{INSIDE}/algorithms"),
        Bind(PACKAGE / "nlp", f"{INSIDE}/nlp"),
        Bind(world.settings.home / CLIENT, f"{INSIDE}/client"),
    )
    models = world.settings.models_folder
    trained = (Bind(models, f"{INSIDE}/models"),) if models.is_dir() else ()
    return (*own, *trained, *(Bind(prefix, str(prefix)) for prefix in environment.prefixes))


def binds(world: World, environment: Environment) -> tuple[Bind, ...]:
    """The same, and the environment where AWS's images have theirs."""
    return (*shown(world, environment), *image(world, environment))


def image(world: World, environment: Environment) -> tuple[Bind, ...]:
    """The environment as `/opt/conda`, so that programs say what they say on AWS, and nothing of
    this host: `sys.executable`, `sys.prefix`, files in tracebacks.

    A virtual environment finds its standard library by the line `home` of its pyvenv.cfg, which
    names a directory of this host: it gets another one, for the same directory shown elsewhere.
    (Python 3.9 and 3.10 follow the link `bin/python` instead.) `bin/python` stays a link to the
    interpreter's own path, which is shown too.
    """
    whole = Bind(environment.path, CONDA)
    file = environment.path / "pyvenv.cfg"
    text = file.read_text() if file.is_file() else ""
    home = re.search(r"(?m)^home *= *(/.*)/bin *$", text)
    if home is None or any(PurePosixPath(home[1]).is_relative_to(p) for p in sandbox.SYSTEM):
        return (whole,)  # the system's Python is at the same place for everyone
    text = f"{text[: home.start()]}home = {INTERPRETER}/bin{text[home.end() :]}"
    changed = world.settings.home / CLIENT / PYVENV / f"{environment.path.name}.cfg"
    changed.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _put(changed, text)
    return (whole, Bind(changed, f"{CONDA}/pyvenv.cfg"), Bind(Path(home[1]), INTERPRETER))


def python(environment: Environment, here: Place) -> str:
    """The interpreter of a job, as the job sees it."""
    return f"{CONDA}/bin/{environment.python.name}" if here.sandbox else str(environment.python)


def banner(
    image: str, environment: Environment, scaled: str, asked: Mapping[str, str] | None = None
) -> str:
    """What a job's log begins with: what its image means here, what stands in for what its tag `asked`
    for, and if its type is scaled down."""
    first = f"Sagebrush: image {image} runs as environment {environment.told()}"
    if words := standins.told(standins.changes(asked or {}, environment)):
        first += f"; {words}"
    return f"{first}\n{scaled}" if scaled else first


def carried(algorithm: str | None, framework: str | None) -> dict[str, str]:
    """The environment variables from which the toolkit learns what the image carries."""
    found = {"SAGEBRUSH_ALGORITHM": algorithm, "SAGEBRUSH_FRAMEWORK": framework}
    return {name: value for name, value in found.items() if value}


def listeners(isolated: bool) -> tuple[str, ...]:
    """The listeners of a job; one with EnableNetworkIsolation has none, as on AWS (not even S3)."""
    return () if isolated else LISTENERS


def variables(
    world: World,
    environment: Environment,
    here: Place,
    limits: Limits,
    region: str,
    isolated: bool,
    own: Mapping[str, str],
) -> dict[str, str]:
    """The environment variables of a job in `region`; `own` are those of the request.

    A request's variables win over conveniences (PATH, threads), never over how AWS is reached.
    The backend adds what only it knows in process mode (credentials and gateway addresses).
    """
    threads = str(max(1, int(limits.cpu)))
    tools = f"{INSIDE}/client/{BIN}" if here.sandbox else f"{world.settings.home / CLIENT / BIN}"
    path = Path(python(environment, here)).parent
    easy = {
        "PATH": f"{path}:{tools}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root" if here.sandbox else "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        **UNTRACKED,
    }
    if here.sandbox:  # its /tmp is this job's alone
        easy["PATH"] = f"{OVERLAY}/bin:{easy['PATH']}"
    else:  # its user is the server's; AWS's containers run as root, whom scripts ask for by name
        easy["LOGNAME"] = "root"
    fixed = {} if here.sandbox else {"SAGEBRUSH_ML": here.ml}
    if not here.sandbox:  # a sandbox has the devices of its job's GPUs, and no others
        easy[gpus.VISIBLE] = ",".join(map(str, limits.gpus))
    if here.sandbox:
        paths = (f"{here.toolkit}/client", own.get("PYTHONPATH"))
        fixed["PYTHONPATH"] = ":".join(path for path in paths if path)
    if here.sandbox and not isolated:
        fixed |= {
            "AWS_ENDPOINT_URL": GATEWAY,
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/job",
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_CA_BUNDLE": f"{INSIDE}/client/ca-bundle.pem",
            "SAGEBRUSH_CLIENT_DATA": f"{INSIDE}/client/data",
            "SAGEMAKER_USER_CONFIG_OVERRIDE": f"{INSIDE}/client/sagemaker.yaml",
        }
        # algo-1: this job itself, where it is alone; gRPC would ask the proxy for it
        no_proxy = "127.0.0.1,localhost,169.254.170.2,169.254.169.254,.localhost,algo-1"
        for name, value in (("HTTP_PROXY", PROXY), ("HTTPS_PROXY", PROXY), ("NO_PROXY", no_proxy)):
            easy |= {name: value, name.lower(): value}
        easy |= dict.fromkeys(AUTHORITIES, f"{INSIDE}/client/ca-bundle.pem")
        # NLTK trusts no proxy otherwise; ours refuses the private addresses that it fears
        easy["NLTK_ALLOW_PROXIED_URLOPEN"] = "1"
    if not here.sandbox and not isolated:
        easy |= _outside(world)
    if not here.sandbox:
        own = {name: value.replace("/opt/ml", here.ml) for name, value in own.items()}
    return {**easy, **own, **fixed}


def _outside(world: World) -> dict[str, str]:
    """How a job in process mode reaches the internet: as this host does."""
    found = {**os.environ, **sources.variables(os.environ)}
    given = {
        name: found[name]
        for each in sources.PROXIES
        for name in (each, each.lower())
        if found.get(name)
    }
    if given:
        exempt = found.get("no_proxy") or found.get("NO_PROXY")
        told = ",".join(filter(None, (exempt, "127.0.0.1,localhost,.localhost")))
        given |= {"NO_PROXY": told, "no_proxy": told}
    return given | dict.fromkeys(AUTHORITIES, str(world.settings.home / CLIENT / "ca-bundle.pem"))


def index_of_pip(passwords: bool) -> dict[str, str]:
    """pip's variables for the indexes that this host is configured for, for who works at a notebook;
    their addresses have the names and passwords of this host's owner, or none."""
    found = {**os.environ, **sources.variables(os.environ)}
    if passwords:
        found = sources.with_passwords(found, os.environ)
    else:
        found = sources.without_passwords(found)
    names = ((sources.DEFAULT, "PIP_INDEX_URL"), (sources.EXTRA, "PIP_EXTRA_INDEX_URL"))
    given = {pip: " ".join(sources.urls({ours: found.get(ours, "")})) for ours, pip in names}
    return {name: value for name, value in given.items() if value}
