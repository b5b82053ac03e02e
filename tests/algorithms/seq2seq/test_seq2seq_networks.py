"""Sequence-to-Sequence's networks, search, training and answers, in PyTorch's environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import sagebrush.algorithms
from sagebrush.environments.environment import Environment
from tests.built_environments import pytorch
from tests.crowding import crowding

__all__ = ["pytorch"]
ALGORITHMS = Path(next(iter(sagebrush.algorithms.__path__)))
METRICS = json.loads((ALGORITHMS / "seq2seq" / "metrics.json").read_text())


def test_networks_agree_with_themselves_and_learn(tmp_path: Path, pytorch: Environment) -> None:
    # One process for all of it: importing PyTorch takes longer than any of its parts.
    done = subprocess.run(
        [str(pytorch.python), str(Path(__file__).parent / "seq2seq_trials.py"), str(ALGORITHMS), str(tmp_path)],
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100 * crowding(),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert max(told["differences"]) < 1e-4
    assert max(told["slopes"]) < 1e-5
    assert told["beams"]
    assert told["lasting"] == [[4] * 6] * 4  # early ends, however many, do not end the search
    assert told["status"] == 0
    first, empty = told["answers"]
    assert first["target"] == "C B A"
    assert [row.index(max(row)) for row in first["matrix"]] == [2, 1, 0]
    assert empty == {"target": ""}
    assert told["kind"] == "application/x-recordio-protobuf"
    assert told["tokens"] == told["wanted"]
    for metric in METRICS:
        found = re.findall(metric["Regex"], done.stdout)
        assert len(found) == 3, metric
        assert found[-1] != found[0]
    assert "Checkpoint [3]\tValidation-bleu=" in done.stdout
