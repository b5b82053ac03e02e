"""Unmodified clients after `eval "$(sagebrush env)"`: SageMaker SDK v2 and v3, the AWS CLI."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from sagebrush.compute.local import probe
from tests import needs
from tests.built_environments import released_sklearn  # noqa: F401
from tests.sdk_server import run

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("released_sklearn"),
]


@pytest.mark.parametrize(
    "script",
    [
        "v2_script.py",
        "v2_blazingtext.py",
        "v2_word_vectors.py",
        "v2_xgboost.py",
        "v2_errors.py",
        "v2_remote.py",
    ],
)
def test_sdk_v2(
    variables: dict[str, str],
    tmp_path: Path,
    script: str,
) -> None:
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


def test_sdk_v3_word_vectors(variables: dict[str, str], tmp_path: Path) -> None:
    instances = "2" if probe.choose("auto") == "sandbox" else "1"
    said = run(variables, needs.sdk("sdk3"), HERE / "v3_word_vectors.py", tmp_path, instances)
    assert "all well" in said


def test_sdk_v3_remote(variables: dict[str, str]) -> None:
    assert "all well" in run(variables, needs.sdk("sdk3"), HERE / "v3_remote.py")


@pytest.mark.parametrize("sdk", ["2", "3"])
def test_asynchronous_endpoints(variables: dict[str, str], sdk: str) -> None:
    said = run(variables, needs.sdk(f"sdk{sdk}"), HERE / f"v{sdk}_async.py", HERE / "multiplier")
    assert "all well" in said


def test_multi_model_endpoints(variables: dict[str, str], tmp_path: Path) -> None:
    said = run(
        variables, needs.sdk("sdk2"), HERE / "v2_multi_model.py", tmp_path, HERE / "multiplier"
    )
    assert "all well" in said


@pytest.mark.parametrize("sdk", ["2", "3"])
def test_inference_components(variables: dict[str, str], sdk: str) -> None:
    script, code = HERE / f"v{sdk}_components.py", HERE / "multiplier"
    assert "all well" in run(variables, needs.sdk(f"sdk{sdk}"), script, code)


def test_aws_cli(variables: dict[str, str], tmp_path: Path) -> None:
    assert "all well" in run(variables, "sh", HERE / "aws_cli.sh", tmp_path)
