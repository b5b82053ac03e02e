"""Ends containers that are to end: asked by a caller, by a time limit, or killed after their grace."""

from __future__ import annotations

import logging
import threading
import time

from sagebrush.compute.containers import container
from sagebrush.compute.containers.job import Away, ContainerJob, Surroundings

log = logging.getLogger(__name__)

TICK = 0.05
"""Seconds between looks at memory and time limits."""
CHECK = 5.0
"""Seconds between checks that what is followed still runs."""


class Stopper:
    """Signals containers, and a thread that looks at their limits; it starts with the first."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._jobs = surroundings.jobs
        self._ticker: threading.Thread | None = None

    def start(self) -> None:
        """The limits of containers are looked at from now on. Starting twice is fine."""
        if self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="containers", daemon=True)
            self._ticker.start()

    def join(self, seconds: float) -> None:
        """The thread has ended, or so many seconds have passed."""
        if self._ticker is not None:
            self._ticker.join(seconds)

    def stop(self, job: ContainerJob, reason: str, grace: float) -> None:
        """The container is asked to end, now by SIGTERM and after `grace` seconds by SIGKILL."""
        with self._jobs.lock:
            job.ask_to_stop(reason, grace)
        self._signal(job, "SIGTERM" if grace > 0 else "SIGKILL")

    def _signal(self, job: ContainerJob, name: str) -> None:
        """The container is sent the signal, by a thread of its own: an engine may be slow."""

        def send() -> None:
            engine = self._surroundings.engines.find()
            try:
                if engine is None:
                    raise Away("no container engine answers")
                with engine.client(10.0) as client:
                    container.signal(client, job.spec, name)
            except Exception as error:
                log.warning("%s of %s could not be sent: %s", name, job.spec.key, error)
                if name == "SIGKILL":
                    job.kill_at = time.time() + 1.0  # again
            if job.running is None:
                job.wake()  # it is not started any more

        threading.Thread(target=send, name=f"signal-{job.spec.key}", daemon=True).start()

    # -- in the thread

    def _tick(self) -> None:
        """Memory, time limits and streams that outlive their container are looked at."""
        checked = time.monotonic()
        while not self._surroundings.closing.wait(TICK):
            now = time.time()
            jobs = [job for job in self._jobs.all() if job.exited is None]
            for job in jobs:
                job.memory.look()
                self._limit(job, now)
            if jobs and time.monotonic() - checked > CHECK:
                self._check(jobs)
                checked = time.monotonic()

    def _limit(self, job: ContainerJob, now: float) -> None:
        """The job is stopped when its time is over, and killed when its grace is."""
        if now >= job.kill_at:
            job.kill_at = float("inf")
            self._signal(job, "SIGKILL")
        limit = job.spec.time_limit
        if limit is None or job.running is None or now < job.running.started + limit:
            return
        if not job.stop_reason():
            self.stop(job, "timeout", job.spec.grace)

    def _check(self, jobs: list[ContainerJob]) -> None:
        """A log stream whose container has ended is closed, should the engine not have done so."""
        engine = self._surroundings.engines.find()
        label = f"{container.HOME}={container.home(self._jobs.directory)}"
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
                job.wake()
