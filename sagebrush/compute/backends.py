"""Several Backends as one: a Spec that names an image runs as a container, any other here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from sagebrush.compute.base import Backend, LogLine, Spec, State
from sagebrush.compute.containers.backend import OciBackend, mine
from sagebrush.compute.local.backend import LocalBackend


class LocalOrContainer:
    """The Backend of one machine with both; a job's directory shows which of them has it."""

    def __init__(
        self,
        local: LocalBackend,
        containers: OciBackend,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        """`check()` is called before each launch, and may raise to forbid it."""
        self._check = check
        self._launching = threading.Lock()
        self.local = local
        self.containers = containers
        self.isolation = local.isolation
        self.jobs_dir: Path = local.jobs_dir
        self._owners: dict[str, Backend] = {}

    @property
    def networks(self) -> bool:
        """Whether several instances of one job get a network of their own here."""
        return self.local.networks

    def launch(self, spec: Spec) -> None:
        """The job runs or will; a key that was launched before is left as it is."""
        with self._launching:
            self._check()
            self._owners[spec.key] = self.containers if spec.image else self.local
            self._owners[spec.key].launch(spec)

    def poll(self, key: str) -> State:
        """What is known of the job now."""
        return self._owner(key).poll(key)

    def stop(self, key: str, grace: float) -> None:
        """The job has had SIGTERM and gets SIGKILL after `grace` seconds. Stopping twice is fine."""
        self._owner(key).stop(key, grace)

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        """Up to `limit` whole lines from byte `offset` on; [] when there is nothing (yet)."""
        return self._owner(key).logs(key, offset, limit)

    def log_end(self, key: str) -> int:
        """Where the job's log ends now."""
        return self._owner(key).log_end(key)

    def forget(self, key: str) -> None:
        """The job's directory and log may be removed by the caller; nothing of it still runs."""
        self._owner(key).forget(key)
        self._owners.pop(key, None)

    # -- not of Backend

    def launched(self) -> None:
        """Returns once the launches that were allowed have been done: `adopt` and `poll` know them."""
        with self._launching:
            pass

    def adopt(self) -> list[str]:
        """The keys of jobs that live on from before; they are looked after again."""
        return [*self.local.adopt(), *self.containers.adopt()]

    def close(self) -> None:
        """This process looks after no job any more; the jobs go on."""
        self.local.close()
        self.containers.close()

    def _owner(self, key: str) -> Backend:
        found = self._owners.get(key)
        if found is None:
            directory = self.jobs_dir / key
            if not (directory / "spec.json").exists():  # neither has it yet
                return self.local
            found = self._owners[key] = self.containers if mine(directory) else self.local
        return found
