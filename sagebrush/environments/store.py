"""Image URI -> environment: one pinned virtual environment, built once, shared read-only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sagebrush.environments import builds, images, kernels, locks, machine_code, releases, uvtool
from sagebrush.environments.builds import BuildFailed, Progress
from sagebrush.environments.environment import Environment
from sagebrush.environments.images import Image, UnknownImage
from sagebrush.toolkit.packages import wheels

__all__ = ["BuildFailed", "Environment", "Environments", "Image", "Progress", "UnknownImage"]

log = logging.getLogger(__name__)
NOTED = 3600.0
"""Seconds to which the last use of an environment is known."""


@dataclass(frozen=True)
class Known:
    """An environment as `sagebrush image list` shows it."""

    name: str
    built: Environment | None
    added: bool
    """Whether a user added it."""
    released: str = ""
    """The date of the image's release that it stands for; "" for none."""
    used: float = 0.0
    """When something last ran in it, in seconds since the epoch; 0 for never."""


@dataclass(frozen=True)
class Built:
    """A build of an environment."""

    name: str
    directory: Path
    used: float
    """When something last ran in it, in seconds since the epoch."""
    record: Path


class Environments:
    """The environments under `root`, content-addressed, built on first need."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str] | None = None,
        containers: Callable[[str], bool] | None = None,
    ) -> None:
        """`containers(uri)` says whether an image that no environment stands for can run as a
        container."""
        self.root = root
        self._environ = dict(os.environ if environ is None else environ)
        self._containers = containers
        self._guard = threading.Lock()
        self._builds: dict[str, threading.Thread] = {}
        self._failures: dict[str, BuildFailed] = {}
        self._doing: dict[str, str] = {}
        self._without: set[str] = set()
        """Environments whose kernels could not be compiled by this process: it tries once."""
        self._offered = False

    def resolve(self, image: str) -> Image:
        """What `image` means; raises UnknownImage."""
        try:
            return images.resolve(image, locks.added(self.root))
        except UnknownImage:
            known = self._containers or (lambda _uri: False)
            if images.well_formed(image) and known(image):
                return Image("", container=image)
            raise

    def ready(self, name: str) -> Environment | None:
        """The environment when it is built; None after starting its build in the background.

        Raises BuildFailed when the last build failed (asking again later starts a new one).
        """
        found = self._recorded(name)
        self._offer()
        with self._guard:
            if failure := self._failures.pop(name, None):
                raise failure
            thread = self._builds.get(name)
            done = found and self._done(name, *found[:2])
            if (thread is None or not thread.is_alive()) and not done:
                thread = threading.Thread(
                    target=self._build_quietly, args=(name,), name=f"build-{name}", daemon=True
                )
                self._builds[name] = thread
                thread.start()
        if found:
            _note_use(found[2])
        return found[0] if found else None

    def doing(self, name: str) -> str:
        """What the build of that environment that this process began is doing; "" for none."""
        return self._doing.get(name, "")

    def built(self, name: str) -> Environment | None:
        """The environment if it is built, else None; starts no build."""
        found = self._recorded(name)
        return found[0] if found else None

    def build(
        self,
        name: str,
        progress: Progress | None = None,
        again: bool = False,
        urgent: bool = False,
    ) -> Environment:
        """The environment, built now if need be; blocks. Raises BuildFailed.

        If another process is building it, this waits for that build. `again` has a release of AWS's
        resolved anew. With `urgent`, of the algorithms' machine code only what users begin with is
        waited for; the rest is made by the next that needs the environment.
        """
        found = self._recorded(name)
        if found and not again and self._done(name, *found[:2], urgent):
            return found[0]
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
            with self._lock(name, progress) as fd:
                record = (self._recorded(name) or (None, None, None))[1]
                build = builds.Build(
                    self.root, name, self._environ, progress or _silent, fd, urgent
                )
                build.run(record, again)
            self._write_kernels()
        except OSError as error:
            raise BuildFailed(
                f"environment {name} in {self.root} (SAGEBRUSH_ENVIRONMENTS names another place): {error}"
            ) from error
        found = self._recorded(name)
        if found is None:
            raise BuildFailed(f"environment {name} was removed or changed while it was built")
        if machine_code.missing(name, found[0].path, urgent):
            self._without.add(name)
        return found[0]

    def _done(
        self, name: str, environment: Environment, record: Mapping[str, Any], urgent: bool = False
    ) -> bool:
        """Whether there is nothing left to build of what is recorded."""
        lacking = name not in self._without and machine_code.missing(name, environment.path, urgent)
        lacking = lacking and os.access(environment.path, os.W_OK)  # it may be somebody else's
        return record["compiled"] and not lacking and not locks.due(self.root, name)

    def known(self) -> list[Known]:
        """Every environment there is, the project's own first: of releases of AWS's images those
        whose packages are locked; the others are resolved at first need."""
        users = locks.added(self.root)
        of_releases = {each.environment: each.released for each in releases.table()}
        locked = [name for name in of_releases if locks.locked(self.root, name)]
        locked += [name for name in locks.kept(self.root) if name not in of_releases]
        found = []
        for name in (*locks.BUILT_IN, *locked, *users):
            built, _, file = self._recorded(name) or (None, None, None)
            released, used = of_releases.get(name, ""), _used(file) if file else 0.0
            found.append(Known(name, built, name in users, released, used))
        return found

    def define(self, name: str, requirements: Path) -> int:
        """The user's environment `name` is what `requirements` (a requirements or a lock file) asks
        for; how many packages that is. Raises BuildFailed with uv's reasons."""
        try:
            locks.check_name(name)
            if name in images.IMAGES:
                raise locks.BadDefinition("an image of AWS's has that name: choose another")
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
            part = self.root / f".{name}.{os.getpid()}.lock.txt"
            more = self.root / f".{name}.{os.getpid()}.in"
            command = ["pip", "compile", "--universal", "--python-version", "3.11", "-q"]
            command += ["--no-header", "--no-annotate", "--no-emit-index-url"]
            command += ["--excludes", str(locks.shipped("cuda-excludes.txt"))]
            options = [line.strip() for line in requirements.read_text().splitlines()]
            command += wheels.only_binary(options)
            environ = uvtool.resolving(uvtool.variables(self._environ, self.root))
            try:
                more.write_text("pip\n")  # for what jobs and `image shell` install over it
                sources = [str(requirements.absolute()), str(more)]
                uvtool.run([*command, *sources, "-o", str(part)], environ)
                locked = part.read_text()
            finally:
                more.unlink(missing_ok=True)
                part.unlink(missing_ok=True)
            locks.define(self.root, name, locked)
        except (uvtool.UvFailed, locks.BadDefinition, OSError) as error:
            raise BuildFailed(f"environment {name}: {error}") from error
        return len(locks.pins(locked))

    def remove(self, name: str) -> bool:
        """The environment and a user's definition of it, or this host's lock, are removed; returns
        whether there was any. Raises BuildFailed while it is being built."""
        known = locks.NAME.fullmatch(name) or locks.of_release(self.root, name)
        if not self.root.is_dir() or not known:
            return False
        with self._alone(name):
            return self._remove(name)

    def builds(self) -> list[Built]:
        """What is built: of each environment also what its earlier locks made."""
        found = []
        for file in sorted(self.root.glob(f"*-{'[0-9a-f]' * 12}.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                directory = self.root / json.loads(file.read_text())["directory"]
                found.append(Built(file.stem[:-13], directory, _used(file), file))
        return found

    def drop(self, built: Built) -> None:
        """The build is gone; definitions and locks stay. Raises BuildFailed while the environment is
        being built."""
        with self._alone(built.name):
            built.record.unlink(missing_ok=True)
            gone = builds.aside(self.root, built.name)
            built.directory.rename(gone)
            shutil.rmtree(gone)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Nobody builds or removes the environment meanwhile. Raises BuildFailed where somebody does,
        and for what the system refuses."""
        try:
            fd = os.open(self.root / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
            finally:
                os.close(fd)
            self._write_kernels()
        except BlockingIOError as error:
            raise BuildFailed(f"environment {name} is being built just now") from error
        except OSError as error:
            raise BuildFailed(f"environment {name} in {self.root}: {error}") from error

    def directories(self, name: str) -> list[Path]:
        """Where `name` is built, as locked now or as releases and definitions before had it."""
        beneath = self.root.glob(f"{name}-{'[0-9a-f]' * 16}")
        return sorted(path for path in beneath if path.is_dir())

    def _remove(self, name: str) -> bool:
        builds.sweep(self.root, name)
        for record in self.root.glob(f"{name}-{'[0-9a-f]' * 12}.json"):
            record.unlink()
        found = locks.undefine(self.root, name) | locks.forget(self.root, name)
        for directory in self.directories(name):
            found = True
            # Renamed first: what an interrupted removal leaves is no environment.
            gone = builds.aside(self.root, name)
            directory.rename(gone)
            shutil.rmtree(gone)
        return found

    def _write_kernels(self) -> None:
        """The kernelspecs are those of what is built now; one process writes at a time."""
        fd = os.open(self.root / ".kernels.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            kernels.write(self.root, self._all())
        finally:
            os.close(fd)

    def _offer(self) -> None:
        """Kernelspecs are as this release writes them; once in this process."""
        if not self._offered and self.root.is_dir():
            self._offered = True
            with contextlib.suppress(OSError):  # another's folder, that we may only read
                self._write_kernels()

    def _all(self) -> dict[str, Environment]:
        names = (*locks.BUILT_IN, *locks.added(self.root))
        return {name: found[0] for name in names if (found := self._recorded(name))}

    def _build_quietly(self, name: str) -> None:
        try:
            self.build(name, lambda doing, _share: self._doing.update({name: doing}))
        except Exception as error:
            if not isinstance(error, BuildFailed):
                log.exception("environment %s could not be built", name)
                error = BuildFailed(f"environment {name}: {error}")
            with self._guard:
                self._failures[name] = error
        finally:
            self._doing.pop(name, None)

    def _recorded(self, name: str) -> tuple[Environment, dict[str, Any], Path] | None:
        """The built environment, its record and the record's file; None where it is not built.

        The record saves each caller a search for interpreters.
        """
        try:
            file = self.root / builds.record_name(name, locks.text(self.root, name))
            record = json.loads(file.read_text())
        except (OSError, ValueError, locks.NoLock):
            return None
        path = self.root / record["directory"]
        prefixes = tuple(map(Path, record["prefixes"]))
        environment = Environment(name, path, path / "bin" / "python", (path, *prefixes))
        if not environment.python.exists():
            return None
        pins = record.get("pins", {})
        shown = {each: pins[each] for each in locks.HIGHLIGHTS if each in pins}
        versions = {"Python": record.get("python", ""), **shown}
        return replace(environment, versions=versions, packages=pins), record, file

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


def _used(record: Path) -> float:
    """When something last ran in the environment of that record."""
    try:
        return record.stat().st_mtime
    except OSError:  # removed just now
        return 0.0


def _note_use(record: Path) -> None:
    """The environment of that record is in use now; noted to the hour."""
    if time.time() - _used(record) > NOTED:
        with contextlib.suppress(OSError):  # another's folder, that we may only read
            os.utime(record)


def _silent(_doing: str, _share: float) -> None:
    """A `Progress` that does nothing."""
