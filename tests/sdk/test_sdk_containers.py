"""Unmodified SDKs and endpoints of several containers, variants, streams and captured data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import needs
from tests.built_environments import released_sklearn  # noqa: F401
from tests.sdk_server import run

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("released_sklearn"),
]


@pytest.mark.parametrize("sdk", ["2", "3"])
def test_several_containers(variables: dict[str, str], sdk: str) -> None:
    said = run(
        variables, needs.sdk(f"sdk{sdk}"), HERE / f"v{sdk}_containers.py", HERE / "containers"
    )
    assert "all well" in said
