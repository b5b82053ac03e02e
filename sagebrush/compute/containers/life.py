"""The life of one container, in a thread of its own: made, started, followed, its end recorded."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Running
from sagebrush.compute.containers import container
from sagebrush.compute.containers.container import Memory, Unstartable
from sagebrush.compute.containers.engines import Engine
from sagebrush.compute.containers.job import Away, ContainerJob, Surroundings
from sagebrush.compute.shim.log import Writer

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

AWAY = 600.0
"""Seconds for which an engine may not answer until its container counts as lost."""
PAUSE = 0.05
"""Seconds until what failed, or a log stream that ended, is tried again; longer each time."""
LONGEST = 5.0
"""The longest such pause."""
NEVER = 125
"""The exit status of what never started (as of the shim, and of Docker's own client)."""


class Life:
    """Looks after the container of one job until its end is recorded."""

    def __init__(self, job: ContainerJob, surroundings: Surroundings) -> None:
        self.job = job
        self.spec = job.spec
        self._surroundings = surroundings
        self._followed = 0
        """How many log streams have ended."""
        self._failing: float | None = None
        """Since when nothing that was tried with it has worked (`time.monotonic`)."""

    def run(self) -> None:
        """The container's end is recorded, or this process looks after it no more."""
        pause = 0.0
        while not self._closing():
            try:
                if self._step():
                    return
                pause, self._failing = 0.0, None
            except Exception as error:  # the engine may be restarting; it is asked again
                if self._closing():
                    return
                log.warning("container of %s: %s: %s", self.spec.key, type(error).__name__, error)
                self._failing = self._failing or time.monotonic()
                if time.monotonic() - self._failing > AWAY:
                    with contextlib.suppress(OSError):  # a full disk: it is tried again
                        self._give_up(error)
                        return
                pause = min(2 * pause + PAUSE, LONGEST)
            self.job.woken.wait(pause)
            self.job.woken.clear()

    def _closing(self) -> bool:
        return self._surroundings.closing.is_set()

    def _give_up(self, error: Exception) -> None:
        """Nothing has worked for long: what ran is lost, what did not never will."""
        if (self.job.root / "container.json").exists():
            self._end(-9, record.LOST, f"the container engine does not answer: {error}")
        else:
            why = f"start: {self.spec.image}: {error}"
            self._end(NEVER, f"sandbox: {why}", why)

    def _step(self) -> bool:
        """The container is further on its way; True once its end is recorded."""
        engine = self._surroundings.engines.find()
        if engine is None:
            raise Away("no container engine answers")
        with engine.client() as client:
            info = container.inspect(client, self.spec)
            launched = (self.job.root / "container.json").exists()
            if info is None and launched:
                self._end(-9, record.LOST, "the container was removed by somebody else")
                return True
            if info is None or not container.moment(info["State"].get("StartedAt", "")):
                return self._begin(engine, client, info)
            self._runs(info, launched)
            self._failing = None
            if not _running(info):
                self._finish(engine, client, info)
                return True
        self._follow(engine)
        return False

    # -- its start

    def _begin(self, engine: Engine, client: APIClient, info: dict[str, Any] | None) -> bool:
        """The container has been started; True when it never will be."""
        try:
            if info is None and not self.job.stop_reason():
                self._pull(engine)
                if self._closing():
                    return False
                outside = self._reach(engine)
                if not self.job.stop_reason():
                    container.create(client, engine, self.spec, outside)
            if reason := self.job.stop_reason():
                container.remove(client, self.spec)
                self._end(-signal.SIGTERM, reason, "it was stopped before it began")
                return True
            container.start(client, self.spec)
        except Unstartable as failure:
            container.remove(client, self.spec)
            self._end(NEVER, f"sandbox: {failure}", str(failure))
            return True
        return False

    def _pull(self, engine: Engine) -> None:
        """The image is on this machine, unless it is not needed any more. Raises Unstartable."""
        with engine.client(None) as patient:  # an image may take an hour
            container.pull(patient, self.spec, lambda: self._closing() or self.job.stop_reason())

    def _reach(self, engine: Engine) -> Mapping[str, str]:
        """The variables by which the container reaches AWS; what listens for that is there."""
        outside = self._surroundings.outside
        if outside is None or container.isolated(self.spec):
            return {}
        return outside(self.spec, engine.host)

    def _runs(self, info: dict[str, Any], launched: bool) -> None:
        """It is known that the container runs, since when and where."""
        job = self.job
        if _running(info):
            job.memory = Memory(info["State"].get("Pid") or 0)
            job.memory.look()
        if not launched:
            started = container.moment(info["State"]["StartedAt"])
            where = container.address(self.spec, info)
            facts = {"started": started, "address": where, "pid": info["State"].get("Pid") or 0}
            record.write(job.root, "container.json", facts)
            job.running = Running(started, where)
            if _running(info):
                self._surroundings.jobs.announce(self.spec.key)
        elif job.running is not None and self._surroundings.outside is not None:
            # after a restart: the listener must be there again
            engine = self._surroundings.engines.find()
            if engine is not None:
                self._reach(engine)

    # -- its log

    def _follow(self, engine: Engine) -> None:
        """All that the container writes is in the job's log; returns when its stream ends."""
        job = self.job
        with self._writer(engine) as (writer, skip):
            job.stream = container.Logs(engine, self.spec, follow=True)
            try:
                if not (self._closing() or job.woken.is_set()):
                    container.take(job.stream, writer, skip)
            finally:
                job.stream = None
        self._followed += 1  # an engine that ends streams of what still runs is asked less often
        job.woken.wait(min(PAUSE * self._followed, LONGEST))

    @contextlib.contextmanager
    def _writer(self, engine: Engine) -> Iterator[tuple[Writer, int]]:
        """The job's log, and how many bytes of the engine's are in it."""
        writer = Writer(str(self.job.root), self.spec.log_limit, resume=True)
        try:
            banner = container.banner(self.spec, engine)
            if writer.offset < len(banner):
                writer.write(banner[writer.offset :], int(time.time() * 1000))
            yield writer, max(0, writer.offset - len(banner))
        finally:
            writer.close()

    # -- its end

    def _finish(self, engine: Engine, client: APIClient, info: dict[str, Any]) -> None:
        """The container ended: log and exit status are on disk, and it is removed."""
        spec, state, memory = self.spec, info["State"], self.job.memory
        with self._writer(engine) as (writer, skip):
            container.take(container.Logs(engine, spec, follow=False), writer, skip)
        code = int(state["ExitCode"])
        reason = self.job.stop_reason()
        if not reason and code:
            full = code == 137 and memory.exhausted(spec.limits.memory)
            reason = "oom" if state.get("OOMKilled") or memory.killed or full else ""
        if os.geteuid() != 0 and engine.direct:
            with contextlib.suppress(OSError):  # then the caller cannot remove all of it
                container.give_back(client, spec, os.geteuid(), os.getegid())
        times = [container.moment(state.get(name, "")) for name in ("StartedAt", "FinishedAt")]
        self._end(code, reason, state.get("Error") or "", *times)
        with contextlib.suppress(OSError):  # else the next server's sweep removes it
            container.remove(client, spec)

    def _end(
        self, code: int, reason: str, message: str, started: float = 0.0, ended: float = 0.0
    ) -> None:
        """How the job ended is on disk and announced."""
        job = self.job
        started = started or (job.running.started if job.running else 0.0)
        ended = max(started, ended or time.time())
        exited = Exited(code, reason, message, started, ended, job.memory.peak)
        self._surroundings.end(job, exited)


def _running(info: Mapping[str, Any]) -> bool:
    return bool(info["State"].get("Running") or info["State"].get("Paused"))
