"""Doubles for what runs jobs: a backend that does as the test says, and environments that stand."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from sagebrush.compute.base import Exited, Gone, LogLine, Running, Spec, State
from sagebrush.environments import images
from sagebrush.environments.environment import Environment
from sagebrush.routing.endpoints import Endpoints
from sagebrush.routing.forward import Forward
from sagebrush.routing.health import Health
from sagebrush.world import World


class FakeBackend:
    """Jobs are states that the test sets; all that was asked for is kept."""

    isolation = "process"
    networks = False

    def __init__(self) -> None:
        self.specs: dict[str, Spec] = {}
        self.states: dict[str, State] = {}
        self.stopped: list[str] = []
        self.lines: dict[str, list[str]] = {}

    def launch(self, spec: Spec) -> None:
        if spec.key not in self.specs:
            self.specs[spec.key] = spec
            self.states[spec.key] = Running(0.0, "tcp:127.0.0.1:9")

    def poll(self, key: str) -> State:
        return self.states.get(key, Gone())

    def stop(self, key: str, grace: float) -> None:
        if isinstance(self.poll(key), Running):
            self.stopped.append(key)
            self.states[key] = Exited(-15, "stopped")

    def logs(self, key: str, offset: int = 0, limit: int = 10_000) -> list[LogLine]:
        return [
            LogLine(i, 0, t, i + 1) for i, t in enumerate(self.lines.get(key, [])) if i >= offset
        ]

    def log_end(self, key: str) -> int:
        return self.logs(key)[-1].offset + 1 if self.logs(key) else 0

    def forget(self, key: str) -> None:
        self.states.pop(key, None)

    def adopt(self) -> list[str]:
        return []

    def close(self) -> None:
        pass

    def running(self) -> list[str]:
        """The keys of jobs that run, oldest first."""
        return [k for k, s in self.states.items() if isinstance(s, Running)]

    def die(self, key: str, code: int = 1, reason: str = "", log: str = "") -> None:
        """The job has ended."""
        self.lines[key] = log.splitlines()
        self.states[key] = Exited(code, reason)


class FakeEnvironments:
    """Every environment is this process's own interpreter."""

    def resolve(self, image: str) -> images.Image:
        return images.resolve(image)

    def built(self, name: str) -> Environment | None:
        return self.ready(name)

    def ready(self, name: str) -> Environment | None:
        prefixes = tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix))))
        return Environment(name, Path(sys.prefix), Path(sys.executable), prefixes)


class FakeHealth(Health):
    """What runs answers when the test says so."""

    def __init__(self) -> None:
        super().__init__(FakeBackend(), lambda: 0.0, lambda row_id: None)

    def watch(self, key: str, row_id: int, path: str, until: float) -> None:
        pass

    def answers(self, key: str) -> None:
        self._ready.add(key)


def install(world: World) -> tuple[FakeBackend, FakeHealth]:
    """The world runs on doubles."""
    backend = FakeBackend()
    world.backend = backend
    world.environments = FakeEnvironments()  # type: ignore[assignment]
    world.endpoints = Endpoints(backend)
    world.forward = Forward(
        world.endpoints, world.tallies, world.rows, world.rows.touch, world.clock
    )
    world.health = health = FakeHealth()
    return backend, health


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz of `files`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            body = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return out.getvalue()
