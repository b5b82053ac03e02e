"""Unmodified clients after `eval "$(sagebrush env)"`: SageMaker SDK v2 and v3, the AWS CLI."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs

HERE = Path(__file__).parent
pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

PYTHON = 'eval "$("$SAGEBRUSH_PYTHON" -m sagebrush env)"; exec "$@"'


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a user whose server runs; HOME is empty, so nothing of AWS is set up."""
    home = tmp_path_factory.mktemp("user")
    given = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "SAGEBRUSH_HOME": str(home / "data"),
        "SAGEBRUSH_ENVIRONMENTS": os.environ.get(
            "SAGEBRUSH_ENVIRONMENTS", str(Path("~/.cache/sagebrush/environments").expanduser())
        ),
        "SAGEBRUSH_PORT": "0",
        "SAGEBRUSH_PYTHON": sys.executable,
    }
    up = subprocess.run(
        [sys.executable, "-m", "sagebrush", "up", "-d"], env=given, capture_output=True, text=True
    )
    assert up.returncode == 0, up.stderr
    yield given
    subprocess.run([sys.executable, "-m", "sagebrush", "down"], env=given, check=True)


def run(variables: dict[str, str], *command: str | Path) -> str:
    done = subprocess.run(
        ["sh", "-c", PYTHON, "sh", *map(str, command)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.parametrize("script", ["v2_script.py", "v2_blazingtext.py", "v2_errors.py"])
def test_sdk_v2(variables: dict[str, str], tmp_path: Path, script: str) -> None:
    said = run(variables, needs.sdk("sdk2"), HERE / script, tmp_path, HERE)
    assert "all well" in said
    # Streamed logs: each line once, and whole.
    assert said.count("train_accuracy=") == (1 if script == "v2_script.py" else 0)


def test_sdk_v3(variables: dict[str, str], tmp_path: Path) -> None:
    python = needs.sdk("sdk3")
    source = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        archive.add(HERE / "train_sklearn.py", "train_sklearn.py")
    run(variables, "aws", "s3", "mb", "s3://sagemaker-us-east-1-123456789012")
    run(
        variables, "aws", "s3", "cp", source, "s3://sagemaker-us-east-1-123456789012/v3/code.tar.gz"
    )
    where = "s3://sagemaker-us-east-1-123456789012/v3/code.tar.gz"
    said = run(variables, python, HERE / "v3_trainer.py", tmp_path, HERE, where)
    assert "all well" in said


def test_aws_cli(variables: dict[str, str], tmp_path: Path) -> None:
    assert "all well" in run(variables, "sh", HERE / "aws_cli.sh", tmp_path)
