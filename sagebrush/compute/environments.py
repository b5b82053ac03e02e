"""Image URI -> environment: one pinned virtual environment, built once, shared read-only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from sagebrush.compute import images, interpreters
from sagebrush.compute.images import Image, UnknownImage

__all__ = ["BuildFailed", "Environment", "Environments", "Image", "UnknownImage"]

Progress = Callable[[str, float], None]
"""Told (what is being done, share done from 0 to 1)."""

SPACE = 1500 * 1024 * 1024
"""Bytes that must be free before a build: base takes 380 MB, its bytecode 125 MB, uv's cache the
same again where it cannot hard-link."""

READABLE = 0o022
"""The umask of builds: jobs run as users of their own and must be able to read what is built."""


@dataclass(frozen=True)
class Environment:
    """A built environment: its directory, its interpreter, what must be visible for it to run."""

    name: str
    path: Path
    python: Path
    prefixes: tuple[Path, ...]
    """Directories to bind read-only at their own path (the environment and its base interpreter)."""


class BuildFailed(Exception):
    """The environment could not be built; the text says why."""


class Environments:
    """The environments under `root`, content-addressed, built on first need."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._environ = dict(os.environ if environ is None else environ)
        self._guard = threading.Lock()
        self._builds: dict[str, threading.Thread] = {}
        self._failures: dict[str, BuildFailed] = {}

    def resolve(self, image: str) -> Image:
        """What `image` means; raises UnknownImage."""
        return images.resolve(image)

    def ready(self, name: str) -> Environment | None:
        """The environment when it is built; None after starting its build in the background.

        Raises BuildFailed when the last build failed (asking again later starts a new one).
        """
        found = self._recorded(name)
        with self._guard:
            if failure := self._failures.pop(name, None):
                raise failure
            thread = self._builds.get(name)
            if (thread is None or not thread.is_alive()) and not (found and found[1]):
                thread = threading.Thread(
                    target=self._build_quietly, args=(name,), name=f"build-{name}", daemon=True
                )
                self._builds[name] = thread
                thread.start()
        return found[0] if found else None

    def build(self, name: str, progress: Progress | None = None) -> Environment:
        """The environment, built now if need be; blocks. Raises BuildFailed.

        Whoever asks while another process builds it waits for that build.
        """
        found = self._recorded(name)
        if found and found[1]:
            return found[0]
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
            with self._lock(name, progress) as fd:
                return _Build(self.root, name, self._environ, progress or _silent, fd).run(
                    self._recorded(name)
                )
        except OSError as error:
            raise BuildFailed(
                f"environment {name} in {self.root} (SAGEBRUSH_ENVIRONMENTS names another place): {error}"
            ) from error

    def _build_quietly(self, name: str) -> None:
        try:
            self.build(name)
        except BuildFailed as error:
            with self._guard:
                self._failures[name] = error

    def _recorded(self, name: str) -> tuple[Environment, bool] | None:
        """The built environment and whether its bytecode is there; None where it is not built.

        The record spares every question a search for interpreters.
        """
        try:
            record = json.loads((self.root / _record_name(name)).read_text())
        except (OSError, ValueError):
            return None
        environment = Environment(
            name,
            self.root / record["directory"],
            self.root / record["directory"] / "bin" / "python",
            (self.root / record["directory"], *map(Path, record["prefixes"])),
        )
        return (environment, record["compiled"]) if environment.python.exists() else None

    @contextlib.contextmanager
    def _lock(self, name: str, progress: Progress | None) -> Iterator[int]:
        """Holds the build lock of `name` among all processes."""
        fd = os.open(self.root / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                (progress or _silent)("waiting for another build of it", 0.0)
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)


@dataclass
class _Build:
    """One build under the lock whose descriptor is `lock`."""

    root: Path
    name: str
    environ: Mapping[str, str]
    progress: Progress
    lock: int

    def run(self, found: tuple[Environment, bool] | None) -> Environment:
        """The environment, complete; builds what of it is missing."""
        if found is None:
            self._sweep()
            found = self._create(), False
        if not found[1]:
            self.progress("compiling bytecode", 0.6)
            self._compile(found[0])
        self.progress("ready", 1.0)
        return found[0]

    def _create(self) -> Environment:
        """The environment without bytecode, recorded: jobs may use it from here on."""
        if shutil.disk_usage(self.root).free < SPACE:
            raise BuildFailed(
                f"environment {self.name}: {self.root} has less than {SPACE >> 20} MB free; "
                "free some space or set SAGEBRUSH_ENVIRONMENTS to a larger disk"
            )
        self.progress("looking for a Python interpreter", 0.0)
        python = self._python()
        lock = lock_text(self.name)
        identity = "\n".join((lock, python.version, python.platform, str(python.prefix)))
        directory = f"{self.name}-{_digest(identity)[:16]}"
        target = self.root / directory
        if not (target / "bin" / "python").exists():
            shutil.rmtree(target, ignore_errors=True)
            staging = self.root / f".building-{self.name}-{uuid.uuid4().hex[:8]}"
            try:
                self.progress(f"creating it with Python {python.version.split()[0]}", 0.05)
                self._uv("venv", "--relocatable", "--python", str(python.executable), str(staging))
                count = sum(1 for line in lock.splitlines() if "==" in line)
                self.progress(f"installing {count} packages", 0.1)
                inside = str(staging / "bin" / "python")
                lock_file = staging / "requirements.txt"
                lock_file.write_text(lock)
                self._uv("pip", "sync", "--python", inside, str(lock_file))
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
        prefixes = sorted({str(python.prefix), *_homes(target / "bin" / "python")})
        self._record({"directory": directory, "prefixes": prefixes, "compiled": False})
        return Environment(
            self.name, target, target / "bin" / "python", (target, *map(Path, prefixes))
        )

    def _compile(self, environment: Environment) -> None:
        """Every module has its bytecode: a job cannot write it, and would compile at each import."""
        command = [str(environment.python), "-m", "compileall", "-q", "-j", "0", "-x", "/tests/"]
        subprocess.run(
            # Some packages carry templates and tests that do not compile: no failure.
            [*command, str(environment.path / "lib")],
            env={k: v for k, v in self.environ.items() if not k.startswith("PYTHON")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self.lock,),
            umask=READABLE,
            check=False,
        )
        record = json.loads((self.root / _record_name(self.name)).read_text())
        self._record({**record, "compiled": True})

    def _python(self) -> interpreters.Interpreter:
        python = interpreters.find(self.environ)
        if python is None:
            self.progress("fetching Python 3.12", 0.0)
            with contextlib.suppress(BuildFailed):
                self._uv("python", "install", "3.12")
            python = interpreters.find(self.environ)
        if python is None:
            raise BuildFailed(
                f"environment {self.name} needs Python 3.12, 3.11 or 3.13 with ssl, ctypes and "
                "zlib: none was found on PATH, under pyenv or with uv, and "
                "uv could not fetch one. Install one of them, for instance: uv python install 3.12"
            )
        return python

    def _uv(self, *arguments: str) -> None:
        """Runs uv; raises BuildFailed with its last lines."""
        # The child holds the lock too: if we are killed, the next builder waits until it ended.
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            env=uv_environ(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=(self.lock,),
            umask=READABLE,
            check=False,
        )
        if done.returncode:
            last = "\n".join(done.stdout.strip().splitlines()[-8:])
            raise BuildFailed(
                f"environment {self.name}: uv {' '.join(arguments[:2])} ended with "
                f"{done.returncode}:\n{last}"
            )

    def _sweep(self) -> None:
        """What builds that were cut off left behind is gone."""
        for left in self.root.glob(f".building-{self.name}-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _record(self, record: Mapping[str, object]) -> None:
        temporary = self.root / f".{self.name}.json"
        temporary.write_text(json.dumps(record))
        temporary.replace(self.root / _record_name(self.name))


def lock_text(name: str) -> str:
    """The pinned requirements of the environment `name`; raises BuildFailed.

    They are the repository's `requirements/<name>.txt`; an installed package carries a copy under
    `share/sagebrush/requirements`.
    """
    file = Path(__file__).parents[2] / "requirements" / f"{name}.txt"
    if not file.is_file():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for entry in importlib.metadata.files("sagebrush") or ():
                if entry.parts[-2:] == ("requirements", f"{name}.txt"):
                    file = Path(str(entry.locate()))
    try:
        return file.read_text()
    except OSError as error:
        raise BuildFailed(f"environment {name} has no lock file ({error.strerror})") from error


def uv_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for uv: pip's index settings, which uv ignores, under uv's own names."""
    drop = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "UV_CONSTRAINT", "UV_PYTHON")
    result = {k: v for k, v in environ.items() if k not in drop and not k.startswith("PYTHON")}
    for pip, ours in (
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if value := environ.get(pip):
            result.setdefault(ours, value)
    # uv separates find-links by commas, pip by blanks.
    if "UV_FIND_LINKS" in result and "UV_FIND_LINKS" not in environ:
        result["UV_FIND_LINKS"] = ",".join(result["UV_FIND_LINKS"].split())
    if not _writable(_uv_cache(result)):
        result["UV_NO_CACHE"] = "1"
    return result


def _uv_cache(environ: Mapping[str, str]) -> Path:
    """Where uv keeps what it fetched."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return Path(environ.get("UV_CACHE_DIR") or Path(base) / "uv")


def _writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, which may have to be made itself."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return os.access(there, os.W_OK | os.X_OK)


def _homes(python: Path) -> set[str]:
    """The installations through which the link `python` leads: uv's own has a link as its name."""
    homes = set()
    while python.is_symlink():
        python = Path(os.path.normpath(python.parent / python.readlink()))
        # /bin/python3.12 belongs to /usr, which the link's next step or its prefix names.
        if python.parent.parent != Path("/"):
            homes.add(str(python.parent.parent))
    return homes


def _record_name(name: str) -> str:
    """The record of the environment `name` as locked now; other releases keep their own."""
    return f"{name}-{_digest(lock_text(name))[:12]}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _silent(_doing: str, _share: float) -> None:
    """Tells nobody."""
