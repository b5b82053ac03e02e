"""How jobs of PyTorch's and TensorFlow's images start their script."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.toolkit.training import launchers
from tests.base_environment import base  # noqa: F401
from tests.built_environments import pytorch, tensorflow  # noqa: F401
from tests.toolkit.training.training_contract import Contract

DISTRIBUTED = """
import argparse, os
import torch, torch.distributed as dist
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
epochs = parser.parse_args().epochs
dist.init_process_group("gloo")
total = torch.tensor([1.0 + dist.get_rank()])
dist.all_reduce(total)
told = ("TOLD", dist.get_world_size(), os.environ["LOCAL_RANK"], total.item(), epochs)
os.write(1, (" ".join(map(str, told)) + "\\n").encode())  # in one write: both share the pipe
dist.destroy_process_group()
"""

pytestmark = pytest.mark.full  # these need environments of gigabytes


@pytest.fixture
def ml(tmp_path: Path) -> Contract:
    return Contract(tmp_path / "ml")


def test_torch_distributed_runs_processes_that_hear_each_other(
    ml: Contract,
    pytorch: Environment,  # noqa: F811
) -> None:
    ml.python = str(pytorch.python)
    done = ml.run(
        {
            **ml.script(DISTRIBUTED),
            "epochs": "3",
            "sagemaker_torch_distributed_enabled": "true",
            "sagemaker_instance_type": '"ml.m5.xlarge"',
            "sagemaker_mpi_num_of_processes_per_host": "2",
        },
        CUDA_VISIBLE_DEVICES="",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = sorted(line for line in done.stdout.splitlines() if line.startswith("TOLD"))
    assert told == ["TOLD 2 0 3.0 3", "TOLD 2 1 3.0 3"]
    assert '"distribution_instance_groups": [\n        "homogeneousCluster"' in done.stdout
    assert "MASTER_ADDR=127.0.0.1" in done.stdout
    assert "MASTER_PORT=7777" in done.stdout
    assert "NCCL_SOCKET_IFNAME=lo" in done.stdout


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            "sagemaker_mpi_enabled",
            "Open MPI (mpirun) is not installed on this machine; Debian: apt-get",
        ),
        ("sagemaker_distributed_dataparallel_enabled", "only a PyTorch script can do without it"),
        ("sagemaker_pytorch_xla_multi_worker_enabled", "PyTorch/XLA is not here"),
        ("sagemaker_torch_distributed_enabled", "this image has no PyTorch"),
    ],
)
def test_what_cannot_be_distributed_is_refused(
    ml: Contract,
    base: Environment,  # noqa: F811
    asked: str,
    told: str,
) -> None:
    ml.python = str(base.python)
    done = ml.run({**ml.script("print('never' + ' run')"), asked: "true"}, PATH=str(ml.root))
    assert done.returncode == 1
    assert ml.failure.startswith("ClientError: ")
    assert told in ml.failure
    assert "never run" not in done.stdout


def test_torchrun_takes_python_scripts_only(ml: Contract) -> None:
    asked = {"sagemaker_pytorch_ddp_enabled": "true"}
    assert ml.run({**ml.script("#!/bin/sh\n", "go.sh"), **asked}).returncode == 1
    assert ml.failure == "ClientError: Unsupported entry point type for torch_distributed"


def test_a_parameter_server_of_one_instance_is_none(ml: Contract) -> None:
    asked = {"sagemaker_parameter_server_enabled": "true"}
    done = ml.run({**ml.script("print('alone')"), **asked})
    assert done.returncode == 0, done.stdout
    assert "\nalone\n" in done.stdout


def test_tensorflows_variables_and_warnings(
    ml: Contract,
    tensorflow: Environment,  # noqa: F811
) -> None:
    ml.python = str(tensorflow.python)
    script = "import os, sys; print('TOLD', sys.argv[1:], os.environ['TF_CONFIG'])"
    done = ml.run(
        {
            **ml.script(script),
            "model_dir": '"s3://bucket/prefix"',
            "_tuning_objective_metric": '"accuracy"',
            "sagemaker_multi_worker_mirrored_strategy_enabled": "true",
        }
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [told] = [line for line in done.stdout.splitlines() if line.startswith("TOLD")]
    _, _, config = told.partition("] ")
    assert told.startswith("TOLD ['--model_dir', 's3://bucket/prefix/job-1/model'] ")
    assert json.loads(config) == {
        "cluster": {"worker": ["algo-1:8890"]},
        "environment": "cloud",
        "task": {"index": 0, "type": "worker"},
    }
    assert "No model artifact is saved under path" in done.stdout


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("1/saved_model.pb", []),
        ("export/Servo/0001/saved_model.pb", []),
        ("export/saved_model.pb", ['under directory "export", not a numeric name']),
        ("model.keras", ["not saved in the TensorFlow SavedModel directory structure"]),
    ],
)
def test_a_model_that_could_not_be_served_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, told: list[str]
) -> None:
    monkeypatch.setattr(launchers.job, "has", lambda package: package == "tensorflow")
    file = tmp_path / place
    os.makedirs(file.parent, exist_ok=True)
    file.touch()
    found = launchers.warnings(tmp_path)
    assert len(found) == len(told)
    assert all(text in said for text, said in zip(told, found, strict=True))
