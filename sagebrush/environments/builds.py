"""One build of an environment, under its lock: created, recorded, given bytecode."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagebrush.compute.local import gpus
from sagebrush.environments import (
    bytecode,
    interpreters,
    locks,
    machine_code,
    releases,
    resolution,
    uvtool,
)
from sagebrush.environments.uvtool import READABLE, UvFailed
from sagebrush.toolkit.packages import import_check

log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
"""Called with what is being done and the share that is done, from 0 to 1."""

LEAST = 200 << 20
"""Bytes that must be free before any build."""
CUDA = 5 << 30
"""Bytes of CUDA's libraries, which come with torch's build for GPUs."""
IMPORTED = {
    "boto3": "boto3",
    "numpy": "numpy",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "torch": "torch",
    "tensorflow": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "transformers": "transformers",
    "xgboost": "xgboost",
}
"""The principal packages of releases -> their modules."""
CREATED, INSTALLED = 0.05, 0.6
"""The share done once the environment is there, and once its packages are."""


class BuildFailed(Exception):
    """The environment could not be built; the text says why."""


@dataclass
class LayerBuilds:
    """What is known of the layers that are built over environments (`workload.layers`)."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held where a build begins or its end is looked at, and where layers are removed."""
    tries: dict[str, int] = field(default_factory=dict)
    """A layer's hash -> how often its build ended by no fault of its own."""


@dataclass
class Build:
    """One build under the lock whose descriptor is `lock`."""

    root: Path
    name: str
    environ: Mapping[str, str]
    progress: Progress
    lock: int
    urgent: bool = False
    """Whether of the machine code only what users begin with is made."""

    def run(self, record: Mapping[str, Any] | None, again: bool = False) -> None:
        """The environment is complete and recorded; what `record` says is missing has been built.

        A release's lock that stands for now is made anew where that is due; `again` makes it anew in
        any case, and raises BuildFailed where that cannot be done.
        """
        if again or locks.due(self.root, self.name):
            try:
                self._anew()
                return
            except (BuildFailed, OSError):
                if again:
                    raise
                locks.tried(self.root, self.name)
        lock = self._lock_text()  # read once: a user may redefine it meanwhile
        if record is None:
            sweep(self.root, self.name)
            record = self._create(lock)
        if not record["compiled"]:
            self._compile(record, lock)
        self._complete_kernels(self.root / record["directory"])
        self.progress("ready", 1.0)

    def _complete_kernels(self, path: Path) -> None:
        """What built-in algorithms compute in machine code is compiled, or the log says why it is not:
        jobs compile in memory then."""
        if not machine_code.missing(self.name, path, self.urgent):
            return
        self.progress("compiling the algorithms' kernels", 0.99)
        python = path / "bin" / "python"
        compiler = machine_code.Compiler(python, self.environ, self.lock, READABLE)
        if why := machine_code.complete(compiler, path, self.urgent):
            log.warning("the kernels of environment %s were not compiled: %s", self.name, why)

    def _anew(self) -> None:
        """The release has a lock of now, and is built of it; what it had before stands until then."""
        release = releases.named(self.name)
        if release is None:
            raise BuildFailed(
                f"environment {self.name} is no release of AWS's, to be resolved anew"
            )
        lock = self._resolved(release)
        self._compile(self._create(lock), lock)
        locks.keep(self.root, self.name, lock)
        self.progress("ready", 1.0)

    def _create(self, lock: str) -> Mapping[str, Any]:
        """The record of the environment without bytecode: jobs may use it from here on."""
        self.progress("looking for a Python interpreter", 0.0)
        python = self._python(lock)
        backend = self._torch(lock, python)
        self._require_room(lock, CUDA if "auto" in backend else 0)
        identity = [lock, python.version, python.platform, str(python.prefix), *backend]
        directory = f"{self.name}-{locks.digest(chr(10).join(identity))[:16]}"
        target = self.root / directory
        if not (target / "bin" / "python").exists():
            shutil.rmtree(target, ignore_errors=True)
            staging = aside(self.root, self.name)
            try:
                self._install(staging, lock, python, backend)
                self._check_imports(staging, lock)
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        record = {
            "directory": directory,
            "prefixes": sorted({str(python.prefix), *_homes(target / "bin" / "python")}),
            "compiled": False,
            "python": python.version.split()[0],
            "pins": _installed(target),
        }
        return self._record(record, lock)

    def _install(
        self, staging: Path, lock: str, python: interpreters.Interpreter, backend: list[str]
    ) -> None:
        """The packages of `lock` are in a new environment at `staging`."""
        self.progress(f"creating it with Python {python.version.split()[0]}", CREATED)
        self._uv(["venv", "--relocatable", "--python", str(python.executable), str(staging)])
        count = max(1, len(locks.pins(lock)))
        self.progress(f"installing {count} packages", CREATED)
        lock_file = staging / "requirements.txt"
        lock_file.write_text(lock)
        inside = ["--python", str(staging / "bin" / "python")]
        ready: set[str] = set()

        def hear(line: str) -> None:
            """Reports the names of large packages while they are downloaded."""
            if line.startswith(("Downloading", "Downloaded", "Built")):
                ready.add(line.split()[1])
            share = CREATED + (INSTALLED - CREATED) * min(0.9, len(ready) / max(8, count / 4))
            self.progress(line[:60].lower() if ready else f"installing {count} packages", share)

        if "auto" in backend:  # CUDA's libraries are not in the lock: they depend on the driver
            self._uv(["pip", "install", *backend, *inside, "-r", str(lock_file)], hear)
            return
        self._uv(["pip", "sync", *backend, *inside, str(lock_file)], hear)
        if found := _cuda(staging):
            raise BuildFailed(
                f"environment {self.name}: the package index gave a CUDA build of torch ({found})"
                " though no GPU was found; name an index that has the CPU build (UV_INDEX)"
            )
        let_torchvision_load(staging)

    def _check_imports(self, staging: Path, lock: str) -> None:
        """The principal packages of a release that was resolved here can be imported; else raises
        BuildFailed with the package and the reason. Nobody tried that set of versions before."""
        if releases.named(self.name) is None or locks.of_the_project(self.name, lock):
            return
        modules = [name for package, name in IMPORTED.items() if package in locks.pins(lock)]
        self.progress(f"importing {', '.join(modules)}", INSTALLED)
        python = str(staging / "bin" / "python")
        # -B: bytecode that names this folder, which is renamed, would be kept
        failed = import_check.asked(python, modules, staging, ("-B",))
        if failed:
            pins = locks.pins(lock)
            involved = [f"{name} {pins[name]}" for name in failed["packages"] if name in pins]
            told = f" (among {', '.join(involved)})" if involved else ""
            raise BuildFailed(
                f"environment {self.name}: its {failed['module']} cannot be imported:"
                f" {failed['error']}{told}. Its packages are those of the release's day; sagebrush"
                f" image build --again {self.name} resolves them anew"
            )

    def _lock_text(self) -> str:
        """The lock, which is resolved now for a release that has none that suits this host."""
        release = releases.named(self.name)
        try:
            lock = locks.text(self.root, self.name)
            if release is None or self._suits(lock):
                return lock
        except locks.NoLock as error:
            if release is None:
                raise BuildFailed(str(error)) from error
        assert release is not None
        lock = self._resolved(release)
        locks.keep(self.root, self.name, lock)
        return lock

    def _resolved(self, release: releases.Release) -> str:
        """The release's lock of now; of one between two of the table, where it cannot be had, that of
        the one below it, if it has one, for now."""
        try:
            return resolution.lock(release, self.environ, self.root, self._doing, self.lock)
        except resolution.Unresolved as error:
            if release not in releases.table():
                below = releases.below(release).environment
                if locks.locked(self.root, below):
                    text = locks.text(self.root, below)
                    if self._suits(text):
                        return locks.for_now(text, f"{below} for {self.name}: {error}")
            raise BuildFailed(f"environment {self.name}: {error}") from error

    def _suits(self, lock: str) -> bool:
        """Whether the lock of a release is for this host, whose Python may have to be fetched."""
        if "tensorflow-cpu" in locks.pins(lock) and not resolution.x86():
            return False
        wanted = locks.pythons(lock)
        found = not wanted or interpreters.find(self.environ, wanted) is not None
        return found or self._fetched(wanted[0])

    def _doing(self, what: str) -> None:
        self.progress(what, 0.0)

    def _fetched(self, version: str) -> bool:
        """Whether uv could fetch that Python."""
        self.progress(f"fetching Python {version}", 0.0)
        with contextlib.suppress(BuildFailed):
            self._uv(["python", "install", version])
        return interpreters.find(self.environ, (version,)) is not None

    def _require_room(self, lock: str, more: int) -> None:
        """Raises BuildFailed when the disk is too small for what must be added."""
        present = []
        for file in self.root.glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                present.append(json.loads(file.read_text()).get("pins", {}))
        needed = LEAST + more + locks.room(lock, present)
        if shutil.disk_usage(self.root).free < needed:
            raise BuildFailed(
                f"environment {self.name}: {self.root} has less than {needed >> 20} MB free; "
                "free some space or set SAGEBRUSH_ENVIRONMENTS to a larger disk"
            )

    def _compile(self, record: Mapping[str, Any], lock: str) -> None:
        """Every module has its bytecode: a job cannot write it, and would compile at each import."""
        path = self.root / record["directory"]

        def report(share: float) -> None:
            self.progress("compiling bytecode", INSTALLED + (0.99 - INSTALLED) * share)

        report(0.0)
        others = [
            other / "lib"
            for other in sorted(self.root.iterdir())
            if other != path and (other / "bin" / "python").exists()
        ]
        python = path / "bin" / "python"
        bytecode.complete(python, path / "lib", others, self.environ, report, self.lock, READABLE)
        self._record({**record, "compiled": True}, lock)

    def _python(self, lock: str) -> interpreters.Interpreter:
        wanted = locks.pythons(lock)
        python = interpreters.find(self.environ, wanted)
        if python is None and self._fetched(wanted[0] if wanted else "3.12"):
            python = interpreters.find(self.environ, wanted)
        if python is None:
            raise BuildFailed(
                f"environment {self.name} needs Python {' or '.join(wanted) or '3.12, 3.11 or 3.13'} with ssl, ctypes and "
                "zlib: none was found on PATH, under pyenv or with uv, and "
                "uv could not fetch one. Install one of them, for instance: uv python install 3.12"
            )
        return python

    def _torch(self, lock: str, python: interpreters.Interpreter) -> list[str]:
        """uv's options that give torch's build for this machine: CPU, or CUDA where a GPU is.

        A CPU wheel that is available locally is taken as it is: `--torch-backend` would override it
        with PyTorch's own index.
        """
        version = locks.pins(lock).get("torch")
        if version is None:
            return []
        if gpus.found(self.environ):
            return ["--torch-backend", "auto"]
        wanted = f"torch=={version.partition('+')[0]}+cpu"
        probe = ["pip", "install", "-q", "--dry-run", "--no-deps", "--system"]
        with contextlib.suppress(BuildFailed):
            self._uv([*probe, "--python", str(python.executable), wanted])
            return []
        return ["--torch-backend", "cpu"]

    def _uv(self, arguments: list[str], report: Callable[[str], None] = lambda _: None) -> None:
        """Runs uv; raises BuildFailed with its last lines."""
        environ = uvtool.variables(self.environ, self.root)
        try:
            uvtool.run(arguments, environ, report, self.lock)
        except UvFailed as error:
            raise BuildFailed(f"environment {self.name}: {error}") from error

    def _record(self, record: Mapping[str, Any], lock: str) -> Mapping[str, Any]:
        temporary = self.root / f".{self.name}.json"
        temporary.write_text(json.dumps(record))
        temporary.replace(self.root / record_name(self.name, lock))
        return record


def record_name(name: str, lock: str) -> str:
    """The record of the environment `name` as `lock` has it; other releases keep their own."""
    return f"{name}-{locks.digest(lock)[:12]}.json"


def aside(root: Path, name: str) -> Path:
    """A new path for what is not yet, or no longer, the environment `name`; `sweep` removes it."""
    return root / f".building-{name}-{uuid.uuid4().hex[:8]}"


def sweep(root: Path, name: str) -> None:
    """Leftovers of interrupted builds and removals of `name` are gone."""
    for left in root.glob(f".building-{name}-{'[0-9a-f]' * 8}"):  # not those of `name`-more
        shutil.rmtree(left, ignore_errors=True)


def _homes(python: Path) -> set[str]:
    """The installations that the link `python` leads through: the name of uv's own is a link."""
    homes = set()
    while python.is_symlink():
        python = Path(os.path.normpath(python.parent / python.readlink()))
        # /bin/python3.12 belongs to /usr, which the link's next step or its prefix names.
        if python.parent.parent != Path("/"):
            homes.add(str(python.parent.parent))
    return homes


def _installed(environment: Path) -> dict[str, str]:
    """Package -> version, as installed."""
    found = {}
    for info in environment.glob("lib/python*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        found[name.lower().replace("_", "-")] = version
    return dict(sorted(found.items()))


def _cuda(environment: Path) -> str:
    """The CUDA version that the environment's torch was built for, "" for a CPU build or none."""
    for file in environment.glob("lib/python*/site-packages/torch/version.py"):
        found = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)", file.read_text(), re.MULTILINE)
        if found:
            return found[1]
    return ""


VISION = """

if not _has_ops():  # a CUDA build beside a CPU build of torch: all that is written in Python works
    _undefined = torch.library.Library("torchvision", "FRAGMENT")
    _undefined.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _undefined.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
"""What follows torchvision's loading of its C++ operators: the two that it describes further on
whether it could load them or not, so that it could not be imported at all. Calls of them still say
that they are not there."""


def let_torchvision_load(environment: Path) -> None:
    """`import torchvision` works over the environment's CPU build of torch.

    PyPI has torchvision for CUDA alone; PyTorch's index, which has it for CPUs, may be out of reach
    where a wheel of torch lies on this machine. The file is replaced, for it is linked elsewhere, by
    one that jobs, which run as other users, can read whatever the umask of this process.
    """
    for file in environment.glob("lib/python*/site-packages/torchvision/extension.py"):
        if "+cu" in (file.parent / "version.py").read_text():
            part = file.with_suffix(".part")
            part.write_text(file.read_text() + VISION)
            part.chmod(0o666 & ~READABLE)
            part.replace(file)
