"""Classifiers trained in the environment `comprehend`, on made texts and on sets of real ones."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import shipped_models
from tests.built_environments import built
from tests.needs import ROOT, eval_data

PROBE = Path(__file__).with_name("classification_probe.py")


def probed(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(built("comprehend").python), str(PROBE), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return probed(str(shipped_models.folder()))


@pytest.mark.costs("trains some classifiers, and may build an environment")
@pytest.mark.parametrize("kind", ["one", "several"])
def test_a_classifier_learns_the_same_each_time_and_can_be_stopped(
    kind: str, found: dict[str, Any]
) -> None:
    assert found[kind] == {"same": True, "right": 1.0, "stopped": True}


@pytest.mark.costs("trains some classifiers, and may build an environment")
def test_a_model_of_the_real_encoder_answers(found: dict[str, Any]) -> None:
    if "MULTI_CLASS" not in found:
        pytest.skip("the encoder is not there")
    one, several = found["MULTI_CLASS"], found["MULTI_LABEL"]
    assert one["metadata"]["NumberOfLabels"] == 3
    assert one["metadata"]["NumberOfTrainedDocuments"] == 216
    assert one["metadata"]["NumberOfTestDocuments"] == 24
    assert one["metadata"]["EvaluationMetrics"]["Accuracy"] == 1
    matrix = one["outputs"]["output/confusion_matrix.json"]
    assert matrix["confusion_matrix"] == [[8, 0, 0], [0, 8, 0], [0, 0, 8]]
    assert matrix["labels"] == ["billing", "cooking", "travel"]
    assert [each["Classes"][0]["Name"] for each in one["answers"][:2]] == ["travel", "cooking"]
    assert [each["Labels"][0]["Name"] for each in several["answers"][:2]] == ["travel", "cooking"]
    assert len(one["answers"][2]["Classes"]) == 3


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.costs("trains a classifier on thousands of real texts, a minute or two")
@pytest.mark.parametrize(
    ("name", "metric", "least"),
    [
        ("banking77", "Accuracy", 0.91),
        pytest.param("clinc150", "Accuracy", 0.93, marks=pytest.mark.nightly),
        pytest.param("goemotions", "F1Score", 0.46, marks=pytest.mark.nightly),
    ],
)
def test_sets_of_real_texts_are_learned(name: str, metric: str, least: float) -> None:
    done = probed(str(shipped_models.folder()), str(eval_data(name).parent), name)
    assert done["metadata"]["EvaluationMetrics"][metric] >= least
    assert done["megabytes"] < 3000
