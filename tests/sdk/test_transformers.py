"""Unmodified SDKs' Transformers."""

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


def test_v2(variables: dict[str, str], tmp_path: Path) -> None:
    said = run(variables, needs.sdk("sdk2"), HERE / "v2_transform.py", tmp_path, HERE)
    assert "all well" in said
    assert "MaxConcurrentTransforms=" in said  # streamed logs


def test_v3(variables: dict[str, str], tmp_path: Path) -> None:
    said = run(variables, needs.sdk("sdk3"), HERE / "v3_transform.py", tmp_path)
    assert "all well" in said
