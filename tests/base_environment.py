"""The built base environment, for tests that run what jobs run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed, Environments
from tests.needs import missing


@pytest.fixture(scope="session")
def base() -> Environment:
    """The base environment, built once for all test runs; a skip where it cannot be built."""
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    try:
        return Environments(root.expanduser()).build("base")
    except BuildFailed as error:
        missing(f"the base environment cannot be built: {error}")
