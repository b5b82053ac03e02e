"""Object2Vec trained on small pairs in the environment `pytorch`: measures, files, answers, failures."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import object2vec
import pytest

from sagebrush.environments.environment import Environment
from tests.algorithms import object2vec_probe
from tests.algorithms.blazingtext_job import TRAIN
from tests.algorithms.test_blazingtext_serving import SERVE, ask, connected

FOLDER = Path(object2vec.__path__[0])


def probe(folder: Path, python: Path, what: str) -> tuple[dict[str, Any], str]:
    """What the probe found, and its log."""
    done = subprocess.run(
        [str(python), object2vec_probe.__file__, str(folder), what],
        env={"PATH": os.defpath, "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    return json.loads(last), done.stdout


def measured(log: str) -> dict[str, list[float]]:
    """The metrics of a job's log, as the platform reads them by metrics.json."""
    definitions = json.loads((FOLDER / "metrics.json").read_text())
    return {d["Name"]: [float(v) for v in re.findall(d["Regex"], log)] for d in definitions}


def test_training_and_answers(tmp_path: Path, pytorch: Environment) -> None:
    found, log = probe(tmp_path, pytorch.python, "basics")
    assert found["status"] == 0
    metrics = measured(log)
    assert len(metrics["validation:cross_entropy"]) == len(metrics["validation:accuracy"]) == 5
    assert metrics["test:accuracy"] == [found["accuracy"]]
    assert found["accuracy"] > 0.95
    # The classes of a pair; the embeddings of single objects, which are the frozen vectors' means here.
    left, right, pair = found["answers"]
    assert left["embeddings"] == right["embeddings"] == [1.0] + [0.0] * 15
    assert sum(pair["scores"]) == pytest.approx(1)
    assert len(pair["scores"]) == 2
    # Without a validation channel the best epoch is that with the lowest loss in training.
    same, other = (each["scores"] for each in found["regression"])
    assert (same, other) == ([pytest.approx(3.5, abs=0.6)], [pytest.approx(0.5, abs=0.6)])
    assert len(metrics["train:mean_squared_error"]) == 5
    # The files: JSON and arrays that NumPy reads without pickle; the table that is shared lies there once.
    model = tmp_path / "first" / "model"
    assert {file.name for file in model.iterdir()} == {"model.json", "weights.npz"}
    assert json.loads((model / "model.json").read_text())["one_table"]
    with np.load(model / "weights.npz", allow_pickle=False) as arrays:
        assert [n for n in arrays if "table" in n] == ["encoders.0.table.weight"]
        assert arrays["encoders.0.table.weight"].shape == (50, 16)
    # Like encoders begin alike, so that their comparison means something from the first step on.
    assert found["starts"] == {
        **{"hcnn": [True, True, True], "bilstm": [True, True], "pooled_embedding": [True, True]},
    }
    # What the user can mend is 2, with the cause in output/failure.
    assert (found["bad"], found["huge"]) == (2, 2)
    failure = (tmp_path / "third" / "output" / "failure").read_text()
    assert failure.startswith('ClientError: Inconsistent vocab for in1 found. Vocab id "50" is not')
    assert "data.jsonl, line 5" in failure
    failure = (tmp_path / "huge" / "output" / "failure").read_text()
    assert failure.startswith("ClientError: Out of memory: ")
    assert "112 GiB, and the instance has 16 GiB" in failure
    assert failure.rstrip().endswith("or token_embedding_dim=143 or less")


@pytest.mark.full
@pytest.mark.timeout(300)
def test_each_network_learns_and_answers_do_not_depend_on_the_batch(
    tmp_path: Path, pytorch: Environment
) -> None:
    found, _ = probe(tmp_path, pytorch.python, "kinds")
    for name, each in found.items():
        assert each["status"] == 0, name
        assert each["accuracy"] > 0.85, name
        assert each["apart"] < 1e-5, name


@pytest.mark.full
def test_a_job_and_an_endpoint(tmp_path: Path, pytorch: Environment) -> None:
    """Through the toolkit and over HTTP, as in production; a model of AWS's own is refused by name."""
    config, folder = tmp_path / "input" / "config", tmp_path / "input" / "data" / "train"
    config.mkdir(parents=True)
    folder.mkdir(parents=True)
    lines = [json.dumps(each) + "\n" for each in object2vec_probe.pairs(400, 0)]
    (folder / "data.jsonl").write_text("".join(lines))
    given = {**object2vec_probe.COMMON, "enc0_network": "pooled_embedding", "epochs": "2"}
    (config / "hyperparameters.json").write_text(json.dumps(given))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {}}))
    environ = {
        **{"PATH": os.defpath, "SAGEBRUSH_ML": str(tmp_path)},
        **{"SAGEBRUSH_ALGORITHM": "object2vec", "OMP_NUM_THREADS": "1"},
    }
    command = [str(pytorch.python), str(TRAIN)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    port = free_port()
    process = subprocess.Popen(
        [str(pytorch.python), str(SERVE)], env={**environ, "SAGEMAKER_BIND_TO_PORT": str(port)}
    )
    try:
        connection = connected(port, process)
        body = '{"label": 1, "in0": [1, 2, 3], "in1": [4]}\n{"in1": [1]}\n'
        status, kind, said = ask(connection, body, "application/jsonlines")
        assert (status, kind) == (200, "application/jsonlines")
        assert [list(json.loads(line)) for line in said.splitlines()] == [
            ["scores"],
            ["embeddings"],
        ]
        asked = '{"instances": [{"in0": [7, 50]}, {"in0": [7, 49]}]}'  # a vocabulary of 50
        status, _, said = ask(connection, asked, "application/json")
        beyond, last = json.loads(said)["predictions"]
        assert (status, beyond) == (200, last)
        status, _, said = ask(connection, '{"instances": [{"in0": [-1]}]}', "application/json")
        assert (status, "is negative" in said) == (400, True)
        assert ask(connection, '{"instances": [{"in0": []}]}', "application/json")[0] == 400
        connection.close()
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
