"""The stand of these tests."""

from __future__ import annotations

from tests.services.events.conftest import stand

__all__ = ["stand"]
