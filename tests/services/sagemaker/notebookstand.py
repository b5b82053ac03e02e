"""A notebook instance's world without threads, for tests of its operations and of its life."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagebrush.app import App, build
from sagebrush.compute.base import Exited, Spec
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import Doc
from sagebrush.routing import notebooks
from sagebrush.services.sagemaker.notebook.logs import GROUP
from sagebrush.settings import Settings
from sagebrush.store.rows import Row
from tests.conftest import Clock
from tests.services.sagemaker.doubles import FakeBackend
from tests.services.sagemaker.test_model import ROLE

PLACE = ("123456789012", "us-east-1")


class Built:
    """Environments that stand once the test says so; `asked` keeps the order of the questions."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []

    def ready(self, name: str) -> Environment | None:
        self.asked.append(name)
        if name in self.broken:
            raise BuildFailed(f"environment {name}: no luck")
        path = Path("/environments") / name
        if name in self.missing:
            return None
        return Environment(name, path, path / "bin/python", (path, Path(sys.base_prefix)))


class Watched(notebooks.Notebooks):
    """Servers answer when the test says so."""

    def watch(self, key: str, row_id: int, until: float) -> None:
        pass

    def answers(self, key: str) -> None:
        self._ready.add(key)


class Desk:
    """The world of the instance `nb`: `turn` is the loop, the clock passes when told."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.world = app.world
        self.backend = FakeBackend()
        self.backend.isolation = "sandbox"
        self.environments = Built()
        self.world.backend = self.backend
        self.world.environments = self.environments  # type: ignore[assignment]
        self.live = self.world.notebooks = Watched(
            app.world.settings, app.world.rows, self.backend, clock, lambda: app.world.wake()
        )
        self.ctx = app.world.service_ctx(ROLE)
        key = app.world.credentials.user_key[0]
        self.owner = replace(
            self.ctx, caller=replace(app.world.service_ctx().caller, access_key=key)
        )

    def call(self, name: str, **params: Any) -> Doc:
        return self.ctx.call("sagemaker", name, params)

    def create(self, name: str = "nb", **more: Any) -> Doc:
        asked = {"NotebookInstanceName": name, "InstanceType": "ml.t3.medium", "RoleArn": ROLE}
        return self.call("CreateNotebookInstance", **{**asked, **more})

    def script(self, name: str = "lc", **hooks: str) -> None:
        """A lifecycle configuration of these scripts."""
        given = {
            hook: [{"Content": base64.b64encode(text.encode()).decode()}]
            for hook, text in hooks.items()
        }
        self.call(
            "CreateNotebookInstanceLifecycleConfig",
            NotebookInstanceLifecycleConfigName=name,
            **given,
        )

    def describe(self, name: str = "nb") -> Doc:
        return self.call("DescribeNotebookInstance", NotebookInstanceName=name)

    def status(self, name: str = "nb") -> str:
        return self.describe(name)["NotebookInstanceStatus"]

    def row(self, name: str = "nb") -> Row:
        found = self.world.rows.get(*PLACE, "notebook-instance", name)
        assert found is not None
        return found

    @property
    def spec(self) -> Spec:
        """Of the present start."""
        return self.backend.specs[self.row().plan["key"]]

    @property
    def ml(self) -> Path:
        return self.spec.root / "ml"

    def turn(self, seconds: float = 0.0, times: int = 6) -> None:
        """`seconds` have passed and the loop has had `times` turns."""
        self.clock.forward(seconds)
        for _ in range(times):
            self.app.loop.run_once()

    def touch(self) -> None:
        """The instance has had a step, whenever it is due."""
        self.world.rows.touch(self.row().id)
        self.turn()

    def serve(self, name: str = "nb") -> None:
        """Jupyter has answered: the instance is InService."""
        self.turn()
        self.live.answers(self.row(name).plan["key"])
        self.turn(3)
        assert self.status(name) == "InService"

    def start(self) -> None:
        self.call("StartNotebookInstance", NotebookInstanceName="nb")

    def stop(self) -> None:
        """The instance is Stopped."""
        self.call("StopNotebookInstance", NotebookInstanceName="nb")
        self.turn()
        assert self.status() == "Stopped"

    def die(self, code: int = 1, reason: str = "", log: str = "") -> None:
        """The process has ended by itself, and the loop knows."""
        key = self.row().plan["key"]
        self.backend.lines[key] = log.splitlines()
        self.backend.states[key] = Exited(code, reason)
        self.touch()

    def events(self, stream: str) -> list[str]:
        """The messages of `nb`'s stream."""
        for each in self.world.streams.streams(*PLACE, GROUP):
            if each.name == f"nb/{stream}":
                return [e.message for e in self.world.streams.events(each, 0, 1000)]
        return []


@contextmanager
def desk(settings: Settings, clock: Clock) -> Iterator[Desk]:
    """A desk in an app that was not started."""
    app = build(settings, clock)
    real = app.world.backend
    yield Desk(app, clock)
    app.world.backend = real
    app.stop()
