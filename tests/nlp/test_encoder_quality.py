"""The models that ship reach the goals set for them on validation texts. Needs SAGEBRUSH_EVAL_DATA."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from tests import shipped_models
from tests.built_environments import nlp  # noqa: F401
from tests.needs import ROOT, eval_data

pytestmark = pytest.mark.full


def test_validation_texts_are_read_right(nlp: Environment) -> None:  # noqa: F811
    folder = shipped_models.folder()
    program = Path(__file__).with_name("encoder_answers.py")
    done = subprocess.run(
        [str(nlp.python), str(program), str(folder), str(eval_data("sst2").parent)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    goals = {
        "sst2": 0.85,
        "newsmtsc": 0.70,
        "davidson": 0.92,
        "wnut17 all F1": 0.40,
        "btc all F1": 0.72,
        "DetectPiiEntities: all, exact F1": 0.80,
        "upos_f1": 0.95,
    }
    assert {name: found[name] for name, goal in goals.items() if found[name] < goal} == {}
