"""JumpStart's model ids by the unmodified SDKs, with a tiny encoder, against a live server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from tests import needs
from tests.built_environments import released_huggingface  # noqa: F401
from tests.sdk_server import SCRIPTS, run

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def encoder(released_huggingface: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The folder with a tiny BERT of random weights."""
    folder = tmp_path_factory.mktemp("encoder") / "model"
    made = [str(released_huggingface.python), str(SCRIPTS / "make_encoder.py"), str(folder)]
    subprocess.run(made, check=True, capture_output=True)
    return folder


@pytest.mark.costs("two training jobs, an endpoint and a batch job, each of which loads PyTorch")
def test_sdk_v2_jumpstart(variables: dict[str, str], encoder: Path, tmp_path: Path) -> None:
    said = run(
        variables, needs.sdk("sdk2"), SCRIPTS / "v2_jumpstart.py", encoder, tmp_path, seconds=850
    )
    assert "all well" in said


def test_sdk_v3_jumpstart(variables: dict[str, str], encoder: Path, tmp_path: Path) -> None:
    said = run(
        variables, needs.sdk("sdk3"), SCRIPTS / "v3_jumpstart.py", encoder, tmp_path, seconds=850
    )
    assert "all well" in said
