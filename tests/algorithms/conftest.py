"""The environments of built-in algorithms, and the time that building one may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.built_environments import (
    algorithms,
    pytorch,
    released_tensorflow,
    released_xgboost,
    xgboost,
)

__all__ = ["algorithms", "pytorch", "released_tensorflow", "released_xgboost", "xgboost"]
BUILDING = 400
"""Seconds for the first test that needs an environment: its kernels are compiled with it, which on a
machine in use takes minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder that use an environment may wait until it is built."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        if set(__all__) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(BUILDING), append=False)
