"""What an execution environment of a function is started with: its files, variables and process.

Source: AWS Lambda Developer Guide, "Defined runtime environment variables" and "Managing Lambda
dependencies with layers".
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Bind, Limits, Spec
from sagebrush.compute.local import sandbox
from sagebrush.compute.local.launcher import Launcher
from sagebrush.environments import interpreters
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from sagebrush.routing.functions import lines
from sagebrush.routing.functions.environment import LOG_LIMIT
from sagebrush.routing.functions.parents import Plan
from sagebrush.routing.functions.prepared import Ground, Prepared
from sagebrush.routing.functions.runtimes import NODE, PROVIDED, PYTHON, Runtime, runtime
from sagebrush.routing.functions.values import FunctionVersion, Unrunnable
from sagebrush.workload import function_layers, launch
from sagebrush.world import World

FOLDER = "function-runtimes"
"""The folder of the data directory with what functions share: runtimes' packages, merged layers."""
TASK, LAYERS, RUNTIME, LANGUAGE = "/var/task", "/opt", "/var/runtime", "/var/lang"
VCPU = 1769
"""MB of memory with which a function has one processor ("Configure Lambda function memory")."""
PROCESSES = 1024
"""Processes and threads of an environment ("Lambda quotas")."""
BEGIN = "sagebrush.toolkit.lambda_.boot:Boot"
BOOT = "sagebrush/toolkit/lambda_"
SDK = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six.py")
"""What Lambda's Python runtimes bring: the SDK and what it needs, all in Python alone."""
WARM = (
    "boto3", "boto3.session", "boto3.resources.factory", "botocore.httpsession", "botocore.endpoint",
    "botocore.signers", "botocore.retries.standard", "botocore.handlers", "botocore.regions",
    "json", "logging", "decimal", "uuid", "random", "base64", "csv", "urllib.request", "ssl",
)  # fmt: skip
"""What is imported before an environment begins."""
YOUNG = 60.0
"""Seconds in which a directory that has been made is begun in."""
KEPT = 60.0
"""Seconds for which it is not looked again whether an environment is built."""
_KEY = "function-that-is-blank"
"""Stands for an environment's key."""
_USER, _HOME = "sbx_user1051", "/home/sbx_user1051"
"""The user of Lambda's environments."""


class Places:
    """Prepares environments (`routing.functions.prepared.Places`)."""

    def __init__(
        self,
        home: Path,
        world: Callable[[], World],
        launcher: Launcher,
        credentials: Callable[[str, str], Mapping[str, str]],
        outside: Callable[[Spec], Mapping[str, str]],
    ) -> None:
        """`credentials(role, session)`: new ones, as ECS's credentials endpoint gives them; `outside`: how a
        process without a sandbox reaches this server."""
        self._home = home
        self._world = world
        self._launcher = launcher
        self._credentials = credentials
        self._outside = outside
        self._folder = home / FOLDER
        self._lock = threading.RLock()
        self._built: dict[str, tuple[float, Environment]] = {}
        self._found: dict[str, interpreters.Interpreter | None] = {}
        self._blanks: dict[tuple[Ground, bool], tuple[Spec, str]] = {}
        """What blank environments of a kind are begun with, and the text of that: the same for all but
        for the key. There are as many kinds as runtimes and environments of layers."""

    @property
    def _sandbox(self) -> bool:
        return self._launcher.isolation == "sandbox"

    def ground(self, version: FunctionVersion) -> Ground:
        """What environments of that version have in common with others. Raises Unrunnable."""
        asked = runtime(version.runtime)
        if asked is None:
            raise Unrunnable(f"the runtime {version.runtime} cannot run here")
        if asked.language == NODE and shutil.which("node") is None:
            raise Unrunnable(f"the runtime {asked.name} needs Node.js, which this host lacks")
        return self._ground(asked, version.environment)

    def laid(self, ground: Ground, key: str, awaited: bool) -> Spec:
        """What a blank environment is begun with; its directory is there."""
        found = self._blanks.get((ground, awaited))
        if found is None:
            spec = self._blank(ground, awaited)
            configuration = self._launcher.configuration(spec)
            text = json.dumps({"spec": record.to_json(spec), "shim": configuration})
            found = self._blanks[ground, awaited] = (spec, text)
        spec = replace(found[0], key=key, root=found[0].root.with_name(key))
        spec.root.mkdir(mode=0o700, parents=True)
        fd = os.open(spec.root / "spec.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w") as file:
            file.write(found[1].replace(_KEY, key))
        return spec

    def _blank(self, ground: Ground, awaited: bool) -> Spec:
        """A blank environment of that kind, with _KEY for its key."""
        return Spec(
            key=_KEY,
            argv=(),
            env={},
            root=self._home / "jobs" / _KEY,
            binds=ground.binds if self._sandbox else (),
            cwd="/",
            hostname="localhost",
            user=_USER,
            home=_HOME,
            limits=Limits(freezable=True, pids=PROCESSES),
            listeners=("aws", "egress", "runtime") if self._sandbox else ("runtime",),
            log_limit=LOG_LIMIT,
            tied=True,
            awaited=awaited,
        )

    def clean(self) -> None:
        """Directories of environments of an earlier server that never were of any function are gone."""
        before = time.time() - YOUNG
        for path in (self._home / "jobs").glob("function-*"):
            with contextlib.suppress(OSError):
                old = path.stat().st_mtime < before
                if old and not record.log_end(path) and not record.held(path):
                    shutil.rmtree(path, ignore_errors=True)

    def used(self, root: Path) -> int:
        """Bytes that the environment in `root` has in its /tmp."""
        return function_layers.held(root / "tmp")

    def prepared(
        self, version: FunctionVersion, ground: Ground, blank: Spec, stream: str
    ) -> Prepared:
        """What the blank environment is told to be one of `version`, with that log stream."""
        asked = runtime(version.runtime)
        assert asked is not None
        layers = self.merged(version.layers)
        binds = [Bind(version.code, TASK)]
        if layers is not None:
            binds.append(Bind(layers, LAYERS))
        credentials = self._credentials(version.role, version.name)
        limits = Limits(
            cpu=version.memory / VCPU,
            memory=version.memory << 20,
            pids=PROCESSES,
            share=True,
            freezable=True,
        )
        spec = replace(
            blank,
            argv=_argv(self._sandbox, asked, version, ground, layers),
            binds=tuple(binds),
            cwd=TASK if self._sandbox else str(version.code),
            limits=limits,
            banner=_banner(version, ground, self._world().clock()),
            executed=asked.language != PYTHON,
            storage=version.storage << 20,
        )
        variables = {
            **_paths(self._sandbox, blank.root, version, layers),
            **self._reach(spec),
            **own(version, stream),
            **role(credentials),
            **version.variables,
        }
        return Prepared(self._launcher.told(spec, variables), expiry(credentials))

    def _binds(self, *prefixes: Path) -> tuple[Bind, ...]:
        """What sandboxes of functions show, read-only, for an interpreter with those `prefixes`."""
        sdk = self._sdk()
        return (
            Bind(sdk, RUNTIME),
            Bind(sdk, str(sdk)),
            Bind(launch.PACKAGE / "toolkit", f"{RUNTIME}/sagebrush/toolkit"),
            Bind(self._home / launch.CLIENT, _CLIENT),
            Bind(prefixes[-1], LANGUAGE),
            *(Bind(prefix, str(prefix)) for prefix in prefixes),
        )

    # -- the interpreter

    def _environment(self, name: str) -> Environment:
        """The built environment of that name, built now if need be. Raises Unrunnable."""
        with self._lock:
            at, found = self._built.get(name, (0.0, None))
            if found is None or time.monotonic() - at > KEPT:
                try:
                    found = self._world().environments.build(name)
                except BuildFailed as error:
                    raise Unrunnable(str(error)) from error
                self._built[name] = (time.monotonic(), found)
            return found

    def _ground(self, asked: Runtime, environment: str) -> Ground:
        """The interpreter for the runtime: of its version where the host has one."""
        base = self._environment(environment or "base")
        version, python, prefixes, told = base.versions["Python"], base.python, base.prefixes, ""
        fits = asked.language != PYTHON or _minor(version) == asked.version
        if not fits and not environment:
            other = self._interpreter(asked.version)
            if other is not None:
                version, python = other.version.split()[0], other.executable
                prefixes, fits = (base.path, other.prefix), True
        if not fits:
            told = f"runs on Python {version}, the nearest here"
        if environment:
            told = ", ".join(filter(None, (told, f"has the environment {base.told()}")))
            plan = Plan(python, BEGIN, site=True, modules=WARM)
        else:
            plan = Plan(python, BEGIN, path=(str(self._sdk()),), modules=WARM)
            if self._sandbox:
                python = Path(LANGUAGE, "bin", f"python{_minor(version)}")
        node = _node() if asked.language == NODE else ()
        return Ground(plan, (*self._binds(*prefixes), *node), version, told, python)

    def _interpreter(self, version: str) -> interpreters.Interpreter | None:
        """The host's interpreter of that version; looked for once."""
        with self._lock:
            if version not in self._found:
                self._found[version] = interpreters.find(os.environ, (version,))
            return self._found[version]

    def _sdk(self) -> Path:
        """A folder with the SDK for Python alone, as links into the base environment."""
        base = self._environment("base")
        folder = self._folder / f"sdk-{base.path.name}"
        if not folder.is_dir():
            (packages,) = base.path.glob("lib/python3*/site-packages")
            part = folder.with_name(f".{folder.name}.{os.getpid()}.{threading.get_ident()}")
            shutil.rmtree(part, ignore_errors=True)
            for inner in ("toolkit", "client"):  # what is shown there
                (part / "sagebrush" / inner).mkdir(parents=True, mode=0o755)
            for name in SDK:
                (part / name).symlink_to(packages / name)
            for path in (part, *part.rglob("*")):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o755)
            with contextlib.suppress(OSError):  # another thread was first
                part.rename(folder)
            shutil.rmtree(part, ignore_errors=True)
        return folder

    # -- layers

    def merged(self, layers: tuple[Path, ...]) -> Path | None:
        """One directory with all layers, later ones over earlier ones; None for none."""
        if len(layers) <= 1:
            return layers[0] if layers else None
        name = hashlib.sha256("\0".join(map(str, layers)).encode()).hexdigest()[:32]
        folder = self._folder / "layers" / name
        if not folder.is_dir():
            part = folder.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")
            part.mkdir(parents=True, mode=0o755)
            function_layers.lay_over(layers, part)
            with contextlib.suppress(OSError):
                part.rename(folder)
            shutil.rmtree(part, ignore_errors=True)
        return folder

    # -- how it reaches this server

    def _reach(self, spec: Spec) -> dict[str, str]:
        if not self._sandbox:
            own = self._outside(spec)
            kept = ("AWS_ENDPOINT_URL", "AWS_DISABLE_HOST_PREFIX_INJECTION")
            return {name: own[name] for name in kept if name in own}
        return reach()


_CLIENT = f"{RUNTIME}/sagebrush/client"
AUTHORITY = f"{_CLIENT}/ca-bundle.pem"
"""Whom to trust, as an environment sees it."""
RUNTIME_API = "127.0.0.1:9001"


def reach() -> dict[str, str]:
    """Variables by which an environment with listeners reaches AWS's API and the internet."""
    proxies = {name: launch.PROXY for name in ("HTTP_PROXY", "HTTPS_PROXY")}
    proxies["NO_PROXY"] = "127.0.0.1,localhost,.localhost"
    return {
        "AWS_ENDPOINT_URL": launch.GATEWAY,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_CA_BUNDLE": AUTHORITY,
        **dict.fromkeys(launch.AUTHORITIES, AUTHORITY),
        **proxies,
        **{name.lower(): value for name, value in proxies.items()},
    }


def _node() -> tuple[Bind, ...]:
    """What a sandbox must show for the host's Node.js, besides the system's directories."""
    path = Path(os.path.realpath(shutil.which("node") or "/usr/bin/node"))
    if any(path.is_relative_to(each) for each in sandbox.SYSTEM):
        return ()
    return (Bind(path.parent.parent, str(path.parent.parent)),)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _argv(
    inside: bool,
    asked: Runtime,
    version: FunctionVersion,
    ground: Ground,
    layers: Path | None,
) -> tuple[str, ...]:
    """The program of a runtime, where it is executed."""
    task = TASK if inside else str(version.code)
    folder = RUNTIME if inside else str(launch.PACKAGE.parent)
    if asked.language == PYTHON:
        return (str(ground.python), f"{folder}/{BOOT}/boot.py")
    if asked.language == NODE:
        node = shutil.which("node")
        return (os.path.realpath(node or "node"), f"{folder}/{BOOT}/node/bootstrap.mjs")
    if layers is not None and not (version.code / "bootstrap").exists():
        return (*_shell(layers / "bootstrap"), f"{LAYERS if inside else layers}/bootstrap")
    return (*_shell(version.code / "bootstrap"), f"{task}/bootstrap")


def _shell(bootstrap: Path) -> tuple[str, ...]:
    """What executes a bootstrap that asks for /bin/sh, which is bash on Amazon Linux (AWS's guide,
    "Building a custom runtime", writes for that); () for the others, and where nothing differs."""
    bash = shutil.which("bash", path="/usr/bin:/bin")
    if bash is None or os.path.basename(os.path.realpath("/bin/sh")) == "bash":
        return ()
    try:
        with bootstrap.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return ()
    found = re.fullmatch(rb"#! */bin/sh(?: +([-+\w]+))? *\r?\n?", first)
    if found is None or not os.access(bootstrap, os.X_OK):
        return ()
    return (bash, "--posix", *filter(None, [(found[1] or b"").decode()]))


def _paths(
    inside: bool, root: Path, version: FunctionVersion, layers: Path | None
) -> dict[str, str]:
    """Variables that name directories."""
    task = TASK if inside else str(version.code)
    opt = LAYERS if inside else str(layers or root / "no-layers")
    runtime = RUNTIME if inside else str(launch.PACKAGE.parent)
    lib = f"{LANGUAGE}/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:{opt}/lib"
    found = {
        "LAMBDA_TASK_ROOT": task,
        "LAMBDA_RUNTIME_DIR": runtime,
        "SAGEBRUSH_LAYERS": opt,
        "PATH": f"{LANGUAGE}/bin:/usr/local/bin:/usr/bin:/bin:{opt}/bin",
        "LD_LIBRARY_PATH": lib,
    }
    if version.runtime.startswith(NODE):
        number = version.runtime.removeprefix(NODE).removesuffix(".x")
        modules = f"{opt}/nodejs/node{number}/node_modules:{opt}/nodejs/node_modules"
        found["NODE_PATH"] = f"{modules}:{runtime}/node_modules:{runtime}:{task}"
    if not inside:
        found["TMPDIR"] = str(root / "tmp")
    else:
        if version.runtime.startswith(PYTHON):
            found["PYTHONPATH"] = runtime  # for programs that it starts
        found["AWS_LAMBDA_RUNTIME_API"] = RUNTIME_API
    return found


def own(version: FunctionVersion, stream: str) -> dict[str, str]:
    """Variables that describe the function."""
    found = {
        "_HANDLER": version.handler,
        "AWS_REGION": version.region,
        "AWS_DEFAULT_REGION": version.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }
    if version.runtime.startswith(PROVIDED):
        del found["AWS_EXECUTION_ENV"]
    if version.as_json:
        found["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        found["AWS_LAMBDA_LOG_LEVEL"] = version.logging.get("ApplicationLogLevel", "INFO")
    if version.environment:  # NLTK trusts no proxy otherwise; ours refuses what it fears
        found["NLTK_ALLOW_PROXIED_URLOPEN"] = "1"
    return found


def role(credentials: Mapping[str, str]) -> dict[str, str]:
    """Variables with the role's credentials."""
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["Token"],
    }


def expiry(credentials: Mapping[str, str]) -> float:
    """When they end, in seconds since the epoch."""
    return dt.datetime.strptime(credentials["Expiration"], "%Y-%m-%dT%H:%M:%S%z").timestamp()


def _banner(version: FunctionVersion, ground: Ground, at: float) -> str:
    """What an environment's log begins with."""
    name = version.runtime
    if name.startswith(PYTHON):
        major, minor, patch = [*ground.version.split("."), "0", "0"][:3]
        name = f"python:{major}.{minor}.v{patch}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    arn = f"arn:aws:lambda:{version.region}::runtime:{digest}"
    first = f"Sagebrush: runtime {version.runtime} {ground.told}\n" if ground.told else ""
    return first + lines.began(name, arn, at, version.as_json).rstrip("\n")
