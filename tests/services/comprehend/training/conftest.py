"""A server whose models stay as they were submitted, and its users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.engine.loop import Loop
from tests.conftest import Server, make_settings, started
from tests.people import Person, account
from tests.services.comprehend.training.asking import OTHER


@pytest.fixture(scope="module")
def idle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose loop takes no step: models stay SUBMITTED."""
    patched = pytest.MonkeyPatch()
    patched.setattr(Loop, "start", lambda self: None)
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield made
    made.stop()
    patched.undo()


@pytest.fixture
def comprehend(idle_server: Server) -> Iterator[Any]:
    """A client of an account that has no model."""
    yield idle_server.client("comprehend")
    for kind in ("document-classifier", "entity-recognizer"):
        for row in idle_server.world.rows.select(kind):
            idle_server.world.rows.delete(row.id)


@pytest.fixture(scope="module")
def stranger(idle_server: Server) -> Person:
    """The administrator of another account."""
    return account(idle_server, OTHER)[1]
