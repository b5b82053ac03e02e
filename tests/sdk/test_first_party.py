"""First-party estimators of the unmodified SDKs, against a live server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import needs
from tests.sdk_server import run

HERE = Path(__file__).parent
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.mark.parametrize("algorithm", ["lda", "ntm", "ntm_sparse", "object2vec"])
def test_sdk_v2_first_party(variables: dict[str, str], tmp_path: Path, algorithm: str) -> None:
    said = run(variables, needs.sdk("sdk2"), HERE / "v2_first_party.py", tmp_path, algorithm)
    assert "all well" in said


def test_sdk_v3_first_party(variables: dict[str, str]) -> None:
    assert "all well" in run(variables, needs.sdk("sdk3"), HERE / "v3_first_party.py", "ntm")
