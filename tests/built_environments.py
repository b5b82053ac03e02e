"""The built framework environments, for tests that run what jobs of each framework run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed, Environments
from tests.needs import missing


def built(name: str) -> Environment:
    """The environment of that name, built once for all test runs; a skip where it cannot be built."""
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    try:
        return Environments(root.expanduser()).build(name)
    except BuildFailed as error:
        missing(f"the environment {name} cannot be built: {error}")


@pytest.fixture(scope="session")
def algorithms() -> Environment:
    """The environment `algorithms`, of the built-in algorithms; a skip where it cannot be built."""
    return built("algorithms")


@pytest.fixture(scope="session")
def xgboost() -> Environment:
    """The environment `xgboost`, of XGBoost's newest image; a skip where it cannot be built."""
    return built("xgboost")


@pytest.fixture(scope="session")
def pytorch() -> Environment:
    """The environment `pytorch`, built once for all test runs; a skip where it cannot be built."""
    return built("pytorch")


@pytest.fixture(scope="session")
def tensorflow() -> Environment:
    """The environment `tensorflow`; a skip where it cannot be built."""
    return built("tensorflow")


@pytest.fixture(scope="session")
def released_sklearn() -> Environment:
    """The environment of scikit-learn's image 1.2-1, from the lock of it that is shipped."""
    return built("scikit-learn-1.2-1")


@pytest.fixture(scope="session")
def released_tensorflow() -> Environment:
    """The environment of TensorFlow's image 2.14, from the lock of it that is shipped."""
    return built("tensorflow-2.14.1")


@pytest.fixture(scope="session")
def released_huggingface() -> Environment:
    """The environment of Hugging Face's image 4.48.0, from the lock of it that is shipped."""
    return built("huggingface-pytorch-4.48.0-2.3.0")


@pytest.fixture(scope="session")
def released_pytorch() -> Environment:
    """The environment of PyTorch's image 2.5.1, resolved now; a skip where no index answers."""
    return built("pytorch-2.5.1")


@pytest.fixture(scope="session")
def released_xgboost() -> Environment:
    """The environment of XGBoost's image 1.7-1, resolved now; a skip where no index answers."""
    return built("xgboost-1.7-1")


@pytest.fixture(scope="session")
def huggingface() -> Environment:
    """The environment `huggingface`; a skip where it cannot be built."""
    return built("huggingface")


@pytest.fixture(scope="session")
def nlp() -> Environment:
    """The environment `nlp`; a skip where it cannot be built."""
    return built("nlp")
