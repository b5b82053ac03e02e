"""The built framework environments, for tests that run what jobs of each framework run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed, Environments
from tests.needs import missing


def _built(name: str) -> Environment:
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    try:
        return Environments(root.expanduser()).build(name)
    except BuildFailed as error:
        missing(f"the environment {name} cannot be built: {error}")


@pytest.fixture(scope="session")
def pytorch() -> Environment:
    """The environment `pytorch`, built once for all test runs; a skip where it cannot be built."""
    return _built("pytorch")


@pytest.fixture(scope="session")
def tensorflow() -> Environment:
    """The environment `tensorflow`; a skip where it cannot be built."""
    return _built("tensorflow")


@pytest.fixture(scope="session")
def huggingface() -> Environment:
    """The environment `huggingface`; a skip where it cannot be built."""
    return _built("huggingface")
