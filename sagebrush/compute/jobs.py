"""The jobs that a Backend of this machine knows: in memory by key, on disk a directory for each.

Both Backends keep them alike; what each adds to a job is a class of its own, derived from Job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sagebrush.compute import record
from sagebrush.compute.base import Exited, LogLine, Pending, Running, Spec, State

log = logging.getLogger(__name__)


@dataclass
class Job:
    """A job that this process watches, or that has ended."""

    spec: Spec
    running: Running | None = None
    exited: Exited | None = None

    @property
    def state(self) -> State:
        """What is known of the job now."""
        return self.exited or self.running or Pending()


J = TypeVar("J", bound=Job)


class Jobs(Generic[J]):
    """The jobs of one directory; code that changes several facts at once must hold `lock`."""

    def __init__(self, directory: Path, changed: Callable[[str], Any]) -> None:
        """`changed(key)` is called when a job runs or has ended."""
        self.directory = directory
        self.lock = threading.RLock()
        self._changed = changed
        self._known: dict[str, J] = {}

    def get(self, key: str) -> J | None:
        """The job of that key, where this process watches it or saw its end."""
        return self._known.get(key)

    def add(self, job: J) -> None:
        """Adds the job under its key."""
        self._known[job.spec.key] = job

    def remove(self, key: str) -> J | None:
        """Removes the job of that key and returns it, or None; its directory stays."""
        return self._known.pop(key, None)

    def all(self) -> list[J]:
        """All jobs that this process knows."""
        with self.lock:
            return list(self._known.values())

    def clear(self) -> list[J]:
        """Removes all jobs and returns them; their directories stay."""
        with self.lock:
            jobs = list(self._known.values())
            self._known.clear()
            return jobs

    def make_directory(self, spec: Spec) -> None:
        """The job's directory and its /opt/ml are there; raises ValueError where `spec.root` is none
        of this directory's."""
        if spec.root != self.directory / spec.key:
            raise ValueError(f"the job's root is {spec.root}, not {self.directory / spec.key}")
        spec.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (spec.root / "ml").mkdir(mode=0o755, exist_ok=True)

    def unfinished(self) -> Iterator[Path]:
        """The directories of jobs that were launched and whose end is not recorded, by key."""
        if not self.directory.is_dir():
            return
        for each in sorted(self.directory.iterdir()):
            if (each / "spec.json").exists() and not (each / "exit.json").exists():
                yield each

    def logs(self, key: str, offset: int, limit: int, state: State) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        return record.lines(self.directory / key, offset, limit, isinstance(state, Exited))

    def announce(self, key: str) -> None:
        """Calls `changed` for the job; an exception there is only logged."""
        try:
            self._changed(key)
        except Exception:
            log.exception("the change of %s could not be announced", key)
