"""Fixtures of the endpoints of custom models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagebrush.app import build
from sagebrush.settings import Settings
from tests.conftest import Clock
from tests.services.comprehend.endpoints.endpoint_stand import Stand


@pytest.fixture
def stand(settings: Settings, clock: Clock) -> Iterator[Stand]:
    app = build(settings, clock)
    real = app.backend
    yield Stand(app, clock)
    app.backend = real
    app.stop()
