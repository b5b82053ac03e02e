"""What scripts import from AWS's toolkits, in the process of a script."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from sagebrush.environments import interpreters
from sagebrush.toolkit import job

CLIENT = Path(job.__file__).parent / "client"

SCRIPT = """
import json, sys
import sagemaker_containers, sagemaker_training
from sagemaker_containers import _content_types, entry_point
from sagemaker_containers.beta.framework import (
    content_types, encoders, env, modules, server, transformer, worker)
from sagemaker_inference.encoder import encode
from sagemaker_training import environment, logging_config
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_content_type, get_dmatrix
this = environment.Environment()
entry_point._wait_hostname_resolution()
seen = []
distributed.rabit_run(lambda is_master: seen.append(is_master), {}, True, ["algo-1"], "algo-1")
print(json.dumps([
    this.num_cpus, this["hyperparameters"], this.channel_input_dirs, env.TrainingEnv().model_dir,
    encode([1, 2], content_types.CSV).decode(), get_content_type("text/x-libsvm"), seen,
    get_dmatrix(None, "csv"), hasattr(server, "start"), sys.path[-1].endswith("containers")]))
"""
MEMBERS = {
    "num_cpus": 2,
    "hyperparameters": {"depth": 3},
    "channel_input_dirs": {"train": "/opt/ml/input/data/train"},
    "model_dir": "/opt/ml/model",
}


def test_a_training_script_finds_awss_packages_behind_its_environments(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CLIENT),
        "TRAINING_JOB_NAME": "a",
        "SM_TRAINING_ENV": json.dumps(MEMBERS),
        "SM_HOSTS": '["localhost"]',
    }
    ran = subprocess.run(
        [sys.executable, script], env=environ, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [
        2, {"depth": 3}, {"train": "/opt/ml/input/data/train"}, "/opt/ml/model",
        "1\n2\n", "libsvm", [True], None, False, True,
    ]  # fmt: skip


def test_failures_are_told_on_the_oldest_python_of_jobs() -> None:
    """Environments of old images run on Python 3.9, whose `traceback` takes three arguments."""
    found = interpreters.find(os.environ, ("3.9",))
    python = str(found.executable) if found else sys.executable
    code = (
        "from sagebrush.toolkit.serving import handler\n"
        "class module:\n"
        "    model_fn = staticmethod(lambda folder: 1)\n"
        "    predict_fn = staticmethod(lambda data, model: 1 / 0)\n"
        "answer = handler.Handler(module, '/').answer(b'[1]', {})\n"
        "print(answer.status, answer.body.decode())\n"
    )
    root = str(Path(job.__file__).parents[2])
    ran = subprocess.run(
        [python, "-c", code], env={"PYTHONPATH": root}, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "500 ZeroDivisionError: division by zero\n"
    assert "Traceback" in ran.stderr


def test_channels_become_matrices_of_xgboost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """xgboost itself is in the environments of its images alone; what it is given is looked at."""
    monkeypatch.syspath_prepend(str(job.CONTAINERS))
    monkeypatch.setitem(sys.modules, "xgboost", SimpleNamespace(DMatrix=_Matrix))
    data_utils = importlib.import_module("sagemaker_xgboost_container.data_utils")
    encoder = importlib.import_module("sagemaker_xgboost_container.encoder")
    matrix = encoder.decode("1,,3\n4,5,6", "text/csv; charset=utf-8").data
    assert matrix.shape == (2, 3)
    assert numpy.isnan(matrix[0, 1])
    assert encoder.decode("1.5 2.5", "text/csv").data.tolist() == [[1.5, 2.5]]
    with pytest.raises(encoder.UnsupportedFormatError):
        encoder.decode("1", "application/json")
    assert data_utils.get_dmatrix(str(tmp_path), "csv") is None
    with pytest.raises(ValueError, match="not an accepted ContentType"):
        data_utils.get_dmatrix(str(tmp_path), "image/png")


class _Matrix:
    def __init__(self, data: Any, label: Any = None, weight: Any = None) -> None:
        self.data, self.label, self.weight = data, label, weight
