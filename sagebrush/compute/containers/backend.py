"""Runs jobs as containers of the host's engine: the Backend of Specs that name an image.

A thread for each container makes it, follows its log and records its end; the engine keeps it
running whatever becomes of this process. Beside the job lie spec.json, container.json (it was
started: when, and its address), stop (why it was told to end, and when it is killed), the log and
exit.json, whose words are the shim's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.compute.base import Exited, Gone, LogLine, Pending, Running, Spec, State, Unsupported
from sagebrush.compute.containers import container
from sagebrush.compute.containers.container import Logs, Memory, Unstartable
from sagebrush.compute.containers.engines import Engine, Engines, Host
from sagebrush.compute.local import record
from sagebrush.compute.shim import log as joblog

if TYPE_CHECKING:
    from docker import APIClient

log = logging.getLogger(__name__)

Outside = Callable[[Spec, Host], Mapping[str, str]]
"""(spec, how a container reaches this machine) -> the variables by which it reaches AWS's API;
whatever listens for that is there."""

AWAY = 600.0
"""Seconds for which an engine may not answer until its container counts as lost."""
TICK = 0.05
"""Seconds between looks at memory and time limits."""
CHECK = 5.0
"""Seconds between checks that what is followed still runs."""
NEVER = 125
"""The exit status of what never started (as of the shim, and of Docker's own client)."""
ROOM = 4096
"""Bytes kept for exit.json, so that a full disk cannot hide how a job ended."""


class _Away(Exception):
    """No engine answers now."""


@dataclass
class _Job:
    """A container that a thread of this process looks after, or that has ended."""

    spec: Spec
    running: Running | None = None
    exited: Exited | None = None
    memory: Memory = field(default_factory=lambda: Memory(0))
    stream: Logs | None = None
    """The engine's log stream that the thread reads; closing it wakes the thread."""
    thread: threading.Thread | None = None
    woken: threading.Event = field(default_factory=threading.Event)
    followed: int = 0
    """How many log streams have ended."""
    kill_at: float = float("inf")
    failing: float | None = None
    """Since when nothing that was tried with it has worked."""

    @property
    def root(self) -> Path:
        return self.spec.root


class OciBackend:
    """The Backend of one machine's container engine; `jobs_dir` holds a directory per key."""

    isolation = "sandbox"
    networks = False

    def __init__(
        self,
        jobs_dir: Path,
        engines: Engines,
        changed: Callable[[str], Any],
        outside: Outside | None = None,
    ) -> None:
        self.jobs_dir = jobs_dir
        self.engines = engines
        self.changed = changed
        self.outside = outside
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._ticker: threading.Thread | None = None
        self._swept = False

    # -- Backend

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is."""
        with self._lock:
            if not isinstance(self._find(spec.key), Gone):
                return
            root = spec.root
            if root != self.jobs_dir / spec.key:
                raise ValueError(f"the job's root is {root}, not {self.jobs_dir / spec.key}")
            if spec.peers:
                raise Unsupported("an image that runs as a container has one instance only")
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / "ml").mkdir(mode=0o755, exist_ok=True)
            (root / "exit.room").write_bytes(b" " * ROOM)
            record.write(root, "spec.json", {"spec": record.to_json(spec)})
            self._watch(_Job(spec))

    def poll(self, key: str) -> State:
        """What is known of the job now."""
        with self._lock:
            return self._find(key)

    def stop(self, key: str, grace: float) -> None:
        """The job has had SIGTERM and gets SIGKILL after `grace` seconds. Stopping twice is fine."""
        ended = isinstance(self.poll(key), Exited | Gone)
        job = self._jobs.get(key)
        if job is not None and not ended:  # none is watched while this closes
            self._stop(job, "stopped", grace)

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        ended = isinstance(self.poll(key), Exited)
        return record.lines(self.jobs_dir / key, offset, limit, ended)

    def log_end(self, key: str) -> int:
        """Where the job's log ends now."""
        return joblog.end(str(self.jobs_dir / key))

    def forget(self, key: str) -> None:
        """The job's directory and log may be removed by the caller; nothing of it still runs."""
        self.stop(key, 0)
        job = self._jobs.get(key)
        if job is not None and job.thread is not None:
            job.thread.join(10)
        with self._lock:
            self._jobs.pop(key, None)

    # -- beside Backend

    def adopt(self) -> list[str]:
        """The keys of jobs that live on from before; they are looked after again."""
        alive = []
        if not self._swept:
            self._swept = True
            threading.Thread(target=self._sweep, name="sweep-containers", daemon=True).start()
        for directory in sorted(self.jobs_dir.iterdir()) if self.jobs_dir.is_dir() else ():
            if mine(directory) and not (directory / "exit.json").exists():
                state = self.poll(directory.name)
                if isinstance(state, Pending | Running):
                    alive.append(directory.name)
        return alive

    def _sweep(self) -> None:
        """Containers of jobs that have ended or are forgotten are gone, where an engine answers."""
        try:
            self._remove_ended()
        except Exception as error:  # the next start tries again
            log.warning("containers of ended jobs could not be removed: %s", error)

    def _remove_ended(self) -> None:
        engine = self.engines.find()
        if engine is None:
            return
        label = f"{container.HOME}={container.home(self.jobs_dir)}"
        with engine.client() as client:
            networks = client.networks(filters={"label": label})
            for found in client.containers(all=True, filters={"label": label}):
                directory = self.jobs_dir / found["Labels"].get(container.KEY, "")
                known = record.read(directory, "spec.json")
                if known is None:
                    container.discard(client, found["Id"])
                elif (directory / "exit.json").exists():
                    container.remove(client, record.from_json(known["spec"]))
            for found in networks:
                key = (found.get("Labels") or {}).get(container.KEY, "")
                if not (self.jobs_dir / key / "spec.json").exists():
                    client.remove_network(found["Id"])

    def close(self) -> None:
        """This process looks after no job any more; the containers go on."""
        self._closing.set()
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            self._wake(job)
        for thread in [self._ticker, *(job.thread for job in jobs)]:
            if thread is not None:
                thread.join(10)
        with self._lock:
            self._jobs.clear()

    # -- finding

    def _find(self, key: str) -> State:
        """The state as memory or the job's directory tells it; what lives is looked after again."""
        job = self._jobs.get(key)
        if job is not None:
            return job.exited or job.running or Pending()
        directory = self.jobs_dir / key
        found = record.read(directory, "spec.json")
        if found is None:
            return Gone()
        job = _Job(record.from_json(found["spec"]), exited=record.ended(directory))
        if job.exited is not None:
            self._jobs[key] = job
            return job.exited
        if started := record.read(directory, "container.json"):
            job.running = Running(started["started"], started["address"])
        if told := record.read(directory, "stop"):
            job.kill_at = told["kill_at"]
        self._watch(job)
        return job.running or Pending()

    def _watch(self, job: _Job) -> None:
        """A thread looks after the job from now on."""
        if self._closing.is_set():
            return
        self._jobs[job.spec.key] = job
        job.thread = threading.Thread(
            target=self._live, args=(job,), name=f"container-{job.spec.key}", daemon=True
        )
        job.thread.start()
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="containers", daemon=True)
            self._ticker.start()

    # -- the life of one container, in its thread

    def _live(self, job: _Job) -> None:
        """The container's end is recorded, or this process looks after it no more."""
        pause = 0.0
        while not self._closing.is_set():
            try:
                if self._step(job):
                    return
                pause, job.failing = 0.0, None
            except Exception as error:  # the engine may be restarting; it is asked again
                if self._closing.is_set():
                    return
                log.warning("container of %s: %s: %s", job.spec.key, type(error).__name__, error)
                job.failing = job.failing or time.monotonic()
                if time.monotonic() - job.failing > AWAY:
                    with contextlib.suppress(OSError):  # a full disk: it is told again
                        self._give_up(job, error)
                        return
                pause = min(2 * pause + TICK, 5.0)
            job.woken.wait(pause)
            job.woken.clear()

    def _give_up(self, job: _Job, error: Exception) -> None:
        """Nothing has worked for long: what ran is lost, what did not never will."""
        if (job.root / "container.json").exists():
            self._end(job, -9, record.LOST, f"the container engine does not answer: {error}")
        else:
            why = f"start: {job.spec.image}: {error}"
            self._end(job, NEVER, f"sandbox: {why}", why)

    def _step(self, job: _Job) -> bool:
        """The container is further on its way; True once its end is recorded."""
        engine = self.engines.find()
        if engine is None:
            raise _Away("no container engine answers")
        spec = job.spec
        with engine.client() as client:
            info = container.inspect(client, spec)
            launched = (job.root / "container.json").exists()
            if info is None and launched:
                self._end(job, -9, record.LOST, "the container was removed by somebody else")
                return True
            if info is None or not container.moment(info["State"].get("StartedAt", "")):
                return self._begin(job, engine, client, info)
            self._runs(job, info, launched)
            job.failing = None
            if not _running(info):
                self._finish(job, engine, client, info)
                return True
        self._follow(job, engine)
        return False

    def _begin(
        self, job: _Job, engine: Engine, client: APIClient, info: dict[str, Any] | None
    ) -> bool:
        """The container has been started; True when it never will be."""
        spec = job.spec
        try:
            if info is None and not self._told(job):
                with engine.client(None) as patient:  # an image may take an hour
                    container.pull(patient, spec, lambda: self._closing.is_set() or self._told(job))
                if self._closing.is_set():
                    return False
                outside = self._reach(spec, engine)
                if not self._told(job):
                    container.create(client, engine, spec, outside)
            if self._told(job):
                container.remove(client, spec)
                self._end(job, -signal.SIGTERM, self._told(job), "it was stopped before it began")
                return True
            container.start(client, spec)
        except Unstartable as failure:
            container.remove(client, spec)
            self._end(job, NEVER, f"sandbox: {failure}", str(failure))
            return True
        return False

    def _reach(self, spec: Spec, engine: Engine) -> Mapping[str, str]:
        """The variables by which the container reaches AWS; what listens for that is there."""
        if self.outside is None or container.isolated(spec):
            return {}
        return self.outside(spec, engine.host)

    def _runs(self, job: _Job, info: dict[str, Any], launched: bool) -> None:
        """It is known that the container runs, since when and where."""
        if _running(info):
            job.memory = Memory(info["State"].get("Pid") or 0)
            job.memory.look()
        if not launched:
            started = container.moment(info["State"]["StartedAt"])
            where = container.address(job.spec, info)
            told = {"started": started, "address": where, "pid": info["State"].get("Pid") or 0}
            record.write(job.root, "container.json", told)
            job.running = Running(started, where)
            if _running(info):
                self._tell(job)
        elif job.running is not None and self.outside is not None:
            engine = self.engines.find()  # after a restart: the listener must be there again
            if engine is not None:
                self._reach(job.spec, engine)

    def _follow(self, job: _Job, engine: Engine) -> None:
        """All that the container writes is in the job's log; returns when its stream ends."""
        with self._writer(job, engine) as (writer, skip):
            job.stream = container.Logs(engine, job.spec, follow=True)
            try:
                if not (self._closing.is_set() or job.woken.is_set()):
                    container.take(job.stream, writer, skip)
            finally:
                job.stream = None
        job.followed += 1  # an engine that ends streams of what still runs is asked ever less often
        job.woken.wait(min(TICK * job.followed, 5.0))

    @contextlib.contextmanager
    def _writer(self, job: _Job, engine: Engine) -> Iterator[tuple[joblog.Writer, int]]:
        """The job's log, and how many bytes of the engine's are in it."""
        writer = joblog.Writer(str(job.root), job.spec.log_limit, resume=True)
        try:
            banner = container.banner(job.spec, engine)
            if writer.offset < len(banner):
                writer.write(banner[writer.offset :], int(time.time() * 1000))
            yield writer, max(0, writer.offset - len(banner))
        finally:
            writer.close()

    def _finish(self, job: _Job, engine: Engine, client: APIClient, info: dict[str, Any]) -> None:
        """The container ended: log and exit status are on disk, and it is removed."""
        spec, state = job.spec, info["State"]
        with self._writer(job, engine) as (writer, skip):
            container.take(container.Logs(engine, spec, follow=False), writer, skip)
        code = int(state["ExitCode"])
        reason = self._told(job)
        if not reason and code:
            full = code == 137 and job.memory.exhausted(spec.limits.memory)
            reason = "oom" if state.get("OOMKilled") or job.memory.killed or full else ""
        if os.geteuid() != 0 and engine.direct:
            with contextlib.suppress(OSError):  # then the caller cannot remove all of it
                container.give_back(client, spec, os.geteuid(), os.getegid())
        times = [container.moment(state.get(name, "")) for name in ("StartedAt", "FinishedAt")]
        self._end(job, code, reason, state.get("Error") or "", *times)
        with contextlib.suppress(OSError):  # `sweep` removes it else
            container.remove(client, spec)

    def _end(
        self,
        job: _Job,
        code: int,
        reason: str,
        message: str,
        started: float = 0.0,
        ended: float = 0.0,
    ) -> None:
        """How the job ended is on disk and told."""
        started = started or (job.running.started if job.running else 0.0)
        ended = max(started, ended or time.time())
        exited = Exited(code, reason, message, started, ended, job.memory.peak)
        record.settle(job.root, exited)
        with self._lock:
            job.exited = exited
        self._tell(job)

    def _tell(self, job: _Job) -> None:
        try:
            self.changed(job.spec.key)
        except Exception:
            log.exception("the change of %s could not be told", job.spec.key)

    # -- stopping and limits

    def _told(self, job: _Job) -> str:
        """Why the job was told to end: "stopped", "timeout", or "" where it was not."""
        found = record.read(job.root, "stop")
        return found["reason"] if found else ""

    def _stop(self, job: _Job, reason: str, grace: float) -> None:
        """The container is told to end, now by SIGTERM and after `grace` seconds by SIGKILL."""
        with self._lock:
            job.kill_at = min(job.kill_at, time.time() + grace)
            why = self._told(job) or reason
            record.write(job.root, "stop", {"reason": why, "kill_at": job.kill_at})
        self._signal(job, "SIGTERM" if grace > 0 else "SIGKILL")

    def _signal(self, job: _Job, name: str) -> None:
        """The container is sent the signal, by a thread of its own: an engine may be slow."""

        def send() -> None:
            engine = self.engines.find()
            try:
                if engine is None:
                    raise _Away("no container engine answers")
                with engine.client(10.0) as client:
                    container.signal(client, job.spec, name)
            except Exception as error:
                log.warning("%s of %s could not be sent: %s", name, job.spec.key, error)
                if name == "SIGKILL":
                    job.kill_at = time.time() + 1.0  # again
            if job.running is None:
                self._wake(job)  # it is not started any more

        threading.Thread(target=send, name=f"signal-{job.spec.key}", daemon=True).start()

    def _wake(self, job: _Job) -> None:
        """The job's thread looks again."""
        job.woken.set()
        stream = job.stream
        if stream is not None:
            stream.close()

    def _tick(self) -> None:
        """Memory, time limits and streams that outlive their container are looked at."""
        checked = time.monotonic()
        while not self._closing.wait(TICK):
            now = time.time()
            with self._lock:
                jobs = [job for job in self._jobs.values() if job.exited is None]
            for job in jobs:
                job.memory.look()
                self._limit(job, now)
            if jobs and time.monotonic() - checked > CHECK:
                self._check(jobs)
                checked = time.monotonic()

    def _limit(self, job: _Job, now: float) -> None:
        """The job is stopped when its time is over, and killed when its grace is."""
        if now >= job.kill_at:
            job.kill_at = float("inf")
            self._signal(job, "SIGKILL")
        limit = job.spec.time_limit
        if limit is None or job.running is None or now < job.running.started + limit:
            return
        if not self._told(job):
            self._stop(job, "timeout", job.spec.grace)

    def _check(self, jobs: list[_Job]) -> None:
        """A log stream whose container has ended is closed, should the engine not have done so."""
        engine = self.engines.find()
        label = f"{container.HOME}={container.home(self.jobs_dir)}"
        try:
            if engine is None:
                return
            with engine.client(10.0) as client:
                found = client.containers(filters={"label": label})
        except Exception as error:
            log.warning("the containers could not be listed: %s", error)
            return
        runs = {each["Labels"].get(container.KEY) for each in found}
        for job in jobs:
            if job.stream is not None and job.spec.key not in runs:
                self._wake(job)


def mine(directory: Path) -> bool:
    """Whether the job of that directory runs as a container."""
    found = record.read(directory, "spec.json")
    return bool(found and found["spec"].get("image"))


def _running(info: Mapping[str, Any]) -> bool:
    return bool(info["State"].get("Running") or info["State"].get("Paused"))
