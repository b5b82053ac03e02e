"""Fixtures: a server of its own in this process, clients as users make them, a clock to turn."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

import tests.rewriting  # noqa: F401  (before the package's modules are imported)

# isort: split
from sagebrush.app import App, build
from sagebrush.commands.env import exempt
from sagebrush.settings import Settings
from sagebrush.world import Ctx, World
from tests.aws_session import SESSION

pytest_plugins = ["tests.lanes", "tests.plan", "tests.progress", "tests.temporary"]

# Tests ask for an engine of their own: a Docker that happens to run would know other images.
os.environ["DOCKER_HOST"] = "unix:///no/engine"
# Where a proxy leads out, clients of servers on this machine do not ask it.
os.environ.update(exempt(os.environ))


class Clock:
    """Seconds since the epoch that pass only when told."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        """`seconds` have passed."""
        self.now += seconds


class Server:
    """A running app and clients for it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.world = app.world
        self.url = f"http://127.0.0.1:{app.port}"
        self._clients: dict[str, Any] = {}

    def client(self, service: str, **given: Any) -> Any:
        """A boto3 client with the user's key; `given` as `boto3.client` takes it (kept if empty)."""
        if not given and service in self._clients:
            return self._clients[service]
        key, secret = self.world.credentials.user_key
        options: dict[str, Any] = {
            "endpoint_url": self.url,
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "region_name": self.app.settings.region,
            "config": Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
        }
        made = SESSION.client(service, **{**options, **given})
        if not given:
            self._clients[service] = made
        return made

    def stop(self) -> None:
        """The app has stopped, and no client keeps a connection."""
        SESSION.close()
        self.app.stop()


def make_settings(home: Path, **given: Any) -> Settings:
    """Settings for a server on free ports whose data is in `home`."""
    values: dict[str, Any] = {"home": home, "port": 0, **given}
    return Settings.load({}, None, **values)


@pytest.fixture(scope="module", autouse=True)
def umask() -> Iterator[None]:
    """A server in this process sets its umask; the next module begins with the usual one again."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="module", autouse=True)
def connections() -> Iterator[None]:
    """Clients of a module's tests leave no connection open."""
    yield
    SESSION.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a data directory that is this test's alone."""
    return make_settings(tmp_path / "home", isolation="process")


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 2026-01-01T00:00:00Z."""
    return Clock(1767225600.0)


@pytest.fixture
def app(settings: Settings) -> Iterator[App]:
    """An app that was not started; its World works without HTTP and without the loop."""
    made = build(settings)
    yield made
    made.stop()


@pytest.fixture
def world(app: App) -> World:
    """A World without HTTP."""
    return app.world


@pytest.fixture
def ctx(world: World) -> Ctx:
    """The user's context in `world`."""
    return world.ctx(world.credentials.user_caller, "test-request")


def started(settings: Settings, clock: Callable[[], float] | None = None) -> Server:
    """A running server; end it by `server.stop()`."""
    app = build(settings, clock) if clock else build(settings)
    app.start()
    return Server(app)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that the tests of one module share."""
    logging.getLogger("sagebrush").setLevel(logging.INFO)
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def client(server: Server) -> Callable[..., Any]:
    """`client(service, **kw)`: a boto3 client of the module's server."""
    return server.client
