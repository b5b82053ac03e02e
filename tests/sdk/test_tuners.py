"""HyperparameterTuner of SageMaker SDK v2 and v3, unmodified."""

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


@pytest.mark.parametrize(("sdk", "script"), [("sdk2", "v2_tuner.py"), ("sdk3", "v3_tuner.py")])
def test_hyperparameter_tuner(
    variables: dict[str, str],
    tmp_path: Path,
    sdk: str,
    script: str,
) -> None:
    assert "all well" in run(variables, needs.sdk(sdk), HERE / script, tmp_path, HERE)
