"""A job that runs as a container: what this process knows of it, and what is asked of its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Spec
from sagebrush.compute.containers.container import Logs, Memory
from sagebrush.compute.containers.engines import Engines, Host
from sagebrush.compute.jobs import Job, Jobs

Outside = Callable[[Spec, Host], Mapping[str, str]]
"""(spec, how a container reaches this machine) -> the variables by which it reaches AWS's API;
whatever listens for that is there."""


class Away(Exception):
    """No engine answers now."""


@dataclass
class ContainerJob(Job):
    """A container that a thread of this process looks after, or that has ended."""

    memory: Memory = field(default_factory=lambda: Memory(0))
    stream: Logs | None = None
    """The engine's log stream that the thread reads; closing it wakes the thread."""
    thread: threading.Thread | None = None
    woken: threading.Event = field(default_factory=threading.Event)
    kill_at: float = float("inf")
    """When it is killed (`time.time`), once it was asked to end."""

    @property
    def root(self) -> Path:
        """The job's directory."""
        return self.spec.root

    def wake(self) -> None:
        """The job's thread looks again."""
        self.woken.set()
        stream = self.stream
        if stream is not None:
            stream.close()

    def stop_reason(self) -> str:
        """Why the job was asked to end: "stopped", "timeout", or "" where it was not."""
        found = record.read(self.root, "stop")
        return found["reason"] if found else ""

    def ask_to_stop(self, reason: str, grace: float) -> None:
        """On disk: why the job is to end, and when it is killed. The first reason stays."""
        self.kill_at = min(self.kill_at, time.time() + grace)
        why = self.stop_reason() or reason
        record.write(self.root, "stop", {"reason": why, "kill_at": self.kill_at})


@dataclass(frozen=True)
class Surroundings:
    """What all containers of one backend share."""

    jobs: Jobs[ContainerJob]
    engines: Engines
    outside: Outside | None
    closing: threading.Event = field(default_factory=threading.Event)
    """Set once this process looks after no container any more."""

    def end(self, job: ContainerJob, exited: Exited) -> None:
        """How the job ended is on disk and announced; raises OSError on a full disk."""
        record.settle(job.root, exited)
        with self.jobs.lock:
            job.exited = exited
        self.jobs.announce(job.spec.key)
