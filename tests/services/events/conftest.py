"""The stand of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagebrush.settings import Settings
from tests.conftest import Clock
from tests.services.events.eventstand import Stand


@pytest.fixture
def stand(settings: Settings, clock: Clock) -> Iterator[Stand]:
    """A world whose time passes when told."""
    made = Stand(settings, clock)
    yield made
    made.app.stop()
