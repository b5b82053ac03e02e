"""Unmodified SDKs' serverless endpoints."""

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


@pytest.mark.parametrize(("sdk", "script"), [("sdk2", "v2"), ("sdk3", "v3")])
def test_a_serverless_endpoint(variables: dict[str, str], sdk: str, script: str) -> None:
    script_of = HERE / f"{script}_serverless.py"
    said = run(variables, needs.sdk(sdk), script_of, HERE / "multiplier")
    assert "all well" in said
