"""A server whose Comprehend has models: those of SAGEBRUSH_MODELS, or those that come with Sagebrush."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.settings import Settings
from tests import shipped_models
from tests.built_environments import built
from tests.conftest import Server, make_settings, started
from tests.crowding import crowding


def modelled(home: Path) -> Settings:
    """Settings of a server that has models."""
    built("comprehend")
    return make_settings(home, isolation="process", models=str(shipped_models.folder()))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that has models."""
    made = started(modelled(tmp_path_factory.mktemp("home")))
    yield made
    ended(made)


def ended(server: Server) -> None:
    """The server has stopped, and its models' processes with it."""
    until = time.monotonic() + 30 * crowding()
    server.app.stop_jobs(lambda: time.monotonic() > until)
    server.stop()
