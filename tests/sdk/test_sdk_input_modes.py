"""Channels of both SDKs in Pipe and FastFile mode."""

from __future__ import annotations

import json
import re
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


def seen(said: str) -> dict[str, list[str]]:
    """What the script found in each channel."""
    lines = re.findall(r"seen (\w+) (\[.*\])", said)
    return {name: json.loads(found) for name, found in lines}


def test_sdk_v2(variables: dict[str, str], tmp_path: Path) -> None:
    script = HERE / "v2_input_modes.py"
    said = run(variables, needs.sdk("sdk2"), script, tmp_path, HERE / "inputs")
    assert "all well" in said
    found = seen(said)
    assert [sorted(epoch.split()) for epoch in found.pop("piped")] == [["0", "1", "2"]] * 2
    assert found == {"lazy": ["012"], "copied": ["012"], "told": ["good1bad0"] * 2}


def test_sdk_v3(variables: dict[str, str], tmp_path: Path) -> None:
    script = HERE / "v3_input_modes.py"
    said = run(variables, needs.sdk("sdk3"), script, tmp_path, HERE / "inputs")
    assert "all well" in said
    assert seen(said) == {"lazy": ["012"], "piped": ["012"] * 2}
