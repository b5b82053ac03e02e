"""Runs jobs on this machine, each supervised by a shim that outlives the server."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone, LogLine, Pending, Running, Spec, State
from sagebrush.compute.jobs import Jobs
from sagebrush.compute.local import launcher
from sagebrush.compute.local.launcher import Launcher, Outside
from sagebrush.compute.local.watcher import Attach, ShimJob, Watcher, lost
from sagebrush.compute.shim import cgroup, switch
from sagebrush.net import dial


class LocalBackend:
    """The Backend of one machine; `jobs_dir` holds a directory per key."""

    def __init__(
        self,
        jobs_dir: Path,
        attach: Attach,
        changed: Callable[[str], Any],
        isolation: str,
        outside: Outside | None = None,
        networked: Callable[[], bool] = lambda: False,
    ) -> None:
        """`isolation` is "sandbox" or "process"; `networked()` returns whether this host can
        give the instances of one job a network of their own."""
        self.jobs_dir = jobs_dir
        self.isolation = isolation
        self._jobs: Jobs[ShimJob] = Jobs(jobs_dir, changed)
        self.launcher = Launcher(jobs_dir, isolation, outside)
        self._watcher = Watcher(self._jobs, attach)
        self._networked = networked
        self._connects = False

    # -- Backend

    @property
    def networks(self) -> bool:
        """Whether several instances of one job get a network of their own here: tried when asked,
        until it has worked once."""
        if self.isolation == "sandbox" and not self._connects:
            self._connects = self._networked()
        return self._connects

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is."""
        with self._jobs.lock:
            if not isinstance(self._find(spec.key), Gone):
                return
            if spec.peers:
                self.launcher.check_peers(spec)
            self._jobs.make_directory(spec)
            spec = self.launcher.ported(spec)
            configuration = self.launcher.configuration(spec)
            written = {"spec": record.to_json(spec), "shim": configuration}
            record.write(spec.root, "spec.json", written)
            if spec.peers:
                place, env = self.launcher.network(spec), launcher.environment(session=False)
                self._watcher.reap(switch.start(place, spec.peers, env))
            ours, theirs = socket.socketpair()
            with theirs:
                self._watcher.reap([launcher.spawn(spec.root, configuration, theirs)])
            self._watcher.watch(ShimJob(spec, mode=self.launcher.mode(spec), link=ours))

    def poll(self, key: str) -> State:
        """What is known of the job now."""
        job = self._jobs.get(key)
        if job is not None:
            return job.state
        with self._jobs.lock:
            return self._find(key)

    def stop(self, key: str, grace: float) -> None:
        """The job has had SIGTERM and gets SIGKILL after `grace` seconds. Stopping twice is fine."""
        directory = self.jobs_dir / key
        state = self.poll(key)
        if isinstance(state, Exited) or not (directory / "spec.json").exists():
            return
        # for a shim that does not listen yet; one that the last server had just started when it was
        # killed may not even hold its lock, and looks Gone
        (directory / "stop").touch(mode=0o600)
        if isinstance(state, Gone) and not record.held(directory):
            return
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            dial.control(directory / "ctl", f"stop {grace}").close()

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        return self._jobs.logs(key, offset, limit, self.poll(key))

    def log_end(self, key: str) -> int:
        """Where the job's log ends now."""
        return record.log_end(self.jobs_dir / key)

    def forget(self, key: str) -> None:
        """The job's directory and log may be removed by the caller; nothing of it still runs."""
        self.stop(key, 0)
        directory = self.jobs_dir / key
        limit = time.monotonic() + 10
        while record.held(directory) and time.monotonic() < limit:
            time.sleep(0.01)
        with self._jobs.lock:
            found = record.read(directory, "spec.json")
            if found is not None and found["spec"].get("network"):
                switch.remove(self.launcher.network(record.from_json(found["spec"])))
            self._watcher.forget(key)

    # -- not of Backend

    def adopt(self) -> list[str]:
        """The keys of jobs that live on from before; their listeners have been attached again."""
        cgroup.sweep(self.launcher.layout.roots.values(), 60.0)
        keys = [directory.name for directory in self._jobs.unfinished()]
        return [key for key in keys if isinstance(self.poll(key), Pending | Running)]

    def close(self) -> None:
        """This process watches no job any more; the jobs go on."""
        self._watcher.close()

    # -- finding

    def _find(self, key: str) -> State:
        """The state as the job's directory holds it; a live shim is connected to."""
        job = self._jobs.get(key)
        if job is not None:
            return job.state
        directory = self.jobs_dir / key
        found = record.read(directory, "spec.json")
        if found is None:
            return Gone()
        spec = record.from_json(found["spec"])
        if spec.tied:  # who started it looks after it
            return _of_tied(directory)
        if record.held(directory):
            return self._watcher.connect(spec, found["shim"]["mode"])
        exited = record.ended(directory)
        if exited is None and (directory / "state.json").exists():
            exited = lost(directory)
        if exited is None:
            return Gone()
        self._jobs.add(ShimJob(spec, exited=exited))
        return exited


def _of_tied(directory: Path) -> State:
    """The state of a job that lives as long as its server, as its directory has it."""
    if record.held(directory):
        return Running(0.0)
    if not (directory / "state.json").exists():  # it is just being started, or never was
        return record.ended(directory) or Pending()
    return record.ended(directory) or lost(directory)
