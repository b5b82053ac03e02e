"""Fixtures for tests of users' own code: `sagebrush` is an empty account for each test.

Pytest loads this module wherever Sagebrush is installed, so it imports nothing and does nothing
until a test asks for a fixture. docs/testing.md shows their use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sagebrush.testing import Account, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option of the data directory."""
    parser.getgroup("sagebrush").addoption(
        "--sagebrush-home",
        metavar="DIR",
        help="keep the test server's data, with its logs, in DIR (default: a temporary directory)",
    )


@pytest.fixture(scope="session")
def sagebrush_settings() -> dict[str, Any]:
    """Settings of the server (docs/settings.md): a `conftest.py` overrides this fixture."""
    return {}


@pytest.fixture(scope="session")
def sagebrush_server(
    pytestconfig: pytest.Config, sagebrush_settings: dict[str, Any]
) -> Iterator[Server]:
    """The server of this session; each worker of pytest-xdist has its own."""
    from sagebrush import testing

    home = pytestconfig.getoption("--sagebrush-home")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    place = Path(home) / (worker or "") if home else None
    try:
        server = testing.Server.start(place, **sagebrush_settings)
    except (testing.ServerError, ValueError) as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.stop()


@pytest.fixture
def sagebrush(request: pytest.FixtureRequest, sagebrush_server: Server) -> Iterator[Account]:
    """An empty account for this test, to which `boto3.client("s3")` and the SageMaker SDKs talk."""
    if "sagebrush_module" in request.fixturenames:
        pytest.fail("sagebrush would empty the account of sagebrush_module", pytrace=False)
    yield from _used(sagebrush_server)


@pytest.fixture(scope="module")
def sagebrush_module(sagebrush_server: Server) -> Iterator[Account]:
    """An account that is empty when the module's tests begin, and that they share."""
    yield from _used(sagebrush_server)


def _used(server: Server) -> Iterator[Account]:
    from sagebrush import testing

    server.reset()
    with testing.use(server.account) as account:
        yield account
    server.reset()  # nothing runs on beside the tests that follow
