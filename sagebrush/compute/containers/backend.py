"""Runs jobs as containers of the host's engine: the Backend of Specs that name an image.

A thread for each container makes it, follows its log and records its end (`life`); the engine keeps
it running when this process ends. The job's directory holds spec.json, container.json (it
was started: when, and its address), stop (why it was asked to end, and when it is killed), the log
and exit.json, in the shim's words.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone, LogLine, Pending, Running, Spec, State, Unsupported
from sagebrush.compute.containers import container
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.containers.job import ContainerJob, Outside, Surroundings
from sagebrush.compute.containers.life import Life
from sagebrush.compute.containers.stopping import Stopper
from sagebrush.compute.jobs import Jobs

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for which a thread that has been asked to end is waited for."""


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
        self._jobs: Jobs[ContainerJob] = Jobs(jobs_dir, changed)
        self._surroundings = Surroundings(self._jobs, engines, outside)
        self._stopper = Stopper(self._surroundings)
        self._swept = False

    # -- Backend

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is."""
        with self._jobs.lock:
            if not isinstance(self._find(spec.key), Gone):
                return
            if spec.peers:
                raise Unsupported("an image that runs as a container has one instance only")
            self._jobs.make_directory(spec)
            record.reserve(spec.root)
            record.write(spec.root, "spec.json", {"spec": record.to_json(spec)})
            self._watch(ContainerJob(spec))

    def poll(self, key: str) -> State:
        """What is known of the job now."""
        with self._jobs.lock:
            return self._find(key)

    def stop(self, key: str, grace: float) -> None:
        """The job has had SIGTERM and gets SIGKILL after `grace` seconds. Stopping twice is fine."""
        ended = isinstance(self.poll(key), Exited | Gone)
        job = self._jobs.get(key)
        if job is not None and not ended:  # none is watched while this closes
            self._stopper.stop(job, "stopped", grace)

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        return self._jobs.logs(key, offset, limit, self.poll(key))

    def log_end(self, key: str) -> int:
        """Where the job's log ends now."""
        return record.log_end(self.jobs_dir / key)

    def forget(self, key: str) -> None:
        """The job's directory and log may be removed by the caller; nothing of it still runs."""
        self.stop(key, 0)
        job = self._jobs.get(key)
        if job is not None and job.thread is not None:
            job.thread.join(PATIENCE)
        with self._jobs.lock:
            self._jobs.remove(key)

    # -- not of Backend

    def adopt(self) -> list[str]:
        """The keys of jobs that live on from before; they are looked after again."""
        if not self._swept:
            self._swept = True
            threading.Thread(target=self._sweep, name="sweep-containers", daemon=True).start()
        keys = [directory.name for directory in self._jobs.unfinished() if mine(directory)]
        return [key for key in keys if isinstance(self.poll(key), Pending | Running)]

    def close(self) -> None:
        """This process looks after no job any more; the containers go on."""
        self._surroundings.closing.set()
        jobs = self._jobs.all()
        for job in jobs:
            job.wake()
        self._stopper.join(PATIENCE)
        for job in jobs:
            if job.thread is not None:
                job.thread.join(PATIENCE)
        self._jobs.clear()

    # -- finding

    def _find(self, key: str) -> State:
        """The state as memory or the job's directory holds it; what lives is looked after again."""
        job = self._jobs.get(key)
        if job is not None:
            return job.state
        directory = self.jobs_dir / key
        found = record.read(directory, "spec.json")
        if found is None:
            return Gone()
        job = ContainerJob(record.from_json(found["spec"]), exited=record.ended(directory))
        if job.exited is not None:
            self._jobs.add(job)
            return job.exited
        if started := record.read(directory, "container.json"):
            job.running = Running(started["started"], started["address"])
        if asked := record.read(directory, "stop"):
            job.kill_at = asked["kill_at"]
        self._watch(job)
        return job.state

    def _watch(self, job: ContainerJob) -> None:
        """A thread looks after the job from now on."""
        if self._surroundings.closing.is_set():
            return
        self._jobs.add(job)
        life = Life(job, self._surroundings)
        name = f"container-{job.spec.key}"
        job.thread = threading.Thread(target=life.run, name=name, daemon=True)
        job.thread.start()
        self._stopper.start()

    # -- what earlier servers left

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


def mine(directory: Path) -> bool:
    """Whether the job of that directory runs as a container."""
    found = record.read(directory, "spec.json")
    return bool(found and found["spec"].get("image"))
