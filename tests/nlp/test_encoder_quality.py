"""The encoder that ships answers as its card says. Needs SAGEBRUSH_EVAL_DATA."""

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
    assert found["sst2"] >= 0.82
    assert found["newsmtsc"] >= 0.72
    assert found["davidson"] >= 0.92
