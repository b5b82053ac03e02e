"""Fixtures of Application Auto Scaling's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagebrush.app import build
from sagebrush.settings import Settings
from tests.conftest import Clock
from tests.services.autoscaling.scalingstand import Scaled


@pytest.fixture
def scaled(settings: Settings, clock: Clock) -> Iterator[Scaled]:
    app = build(settings, clock)
    real = app.backend
    yield Scaled(app, clock)
    app.backend = real
    app.stop()
