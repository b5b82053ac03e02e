"""MXNet's files of arrays in a notebook's kernel, by the names that notebooks call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import ndarrays

from sagebrush.toolkit import job

CLIENT = Path(job.__file__).parent / "client"
SCRIPT = """
import json, sys
import mxnet as mx
alpha, beta = mx.ndarray.load("model_algo-1")
params = mx.nd.load("params")
scores = params["arg:projection_weight"]
chances = mx.nd.softmax(mx.nd.array(scores[:, 1])).asnumpy()
mx.nd.save("again", {"a": alpha})
try:
    mx.gluon
except AttributeError as error:
    said = str(error)
print(json.dumps([
    alpha.asnumpy().tolist(), beta.shape, len(beta), [list(row.asnumpy()) for row in beta][1] == [3, 4],
    float(chances.sum()), chances.argmax().item(), repr(alpha), mx.nd.array([1]).dtype.__name__,
    mx.nd.load("again")["a"].asscalar() if alpha.size == 1 else alpha[1].asscalar(), said]))
"""


def floats(values: Any) -> Any:
    return np.array(values, np.float32)


def test_a_kernel_reads_the_models_of_topics(tmp_path: Path) -> None:
    """In a process that is started as a kernel is; another program has no package of the name."""
    ndarrays.save(tmp_path / "model_algo-1", [floats([1, 2]), floats([[1, 2], [3, 4]])])
    weights = floats([[0, 1], [0, 5], [0, 2]])
    ndarrays.save(tmp_path / "params", {"arg:projection_weight": weights})
    (tmp_path / "ipykernel_launcher.py").write_text(SCRIPT)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{CLIENT}{os.pathsep}{tmp_path}"}
    given = {"cwd": tmp_path, "env": environ, "capture_output": True, "text": True}
    ran = subprocess.run([sys.executable, "-m", "ipykernel_launcher"], check=True, **given)
    *found, said = json.loads(ran.stdout)
    assert found[:4] == [[1, 2], [2, 2], 2, True]
    assert found[4:6] == [pytest.approx(1), 1]
    assert found[6:] == ["\n[1. 2.]\n<NDArray 2 @cpu(0)>", "float32", 2]
    assert said.startswith("mxnet.gluon is not here: this is Sagebrush's stand-in")
    assert isinstance(ndarrays.load(tmp_path / "again"), dict)
    ran = subprocess.run([sys.executable, "-c", "import mxnet"], check=False, **given)
    assert "No module named 'mxnet'" in ran.stderr
