"""Recognizers as jobs train them, in their environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests import shipped_models
from tests.built_environments import built
from tests.needs import ROOT


@pytest.fixture(scope="module")
def comprehend() -> Environment:
    """The environment of Comprehend's programs."""
    return built("comprehend")


def run(environment: Environment, program: str, *arguments: str) -> dict[str, Any]:
    """What a program beside this module prints."""
    done = subprocess.run(
        [str(environment.python), str(Path(__file__).with_name(program)), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_chain_learns_is_the_same_twice_and_stops(comprehend: Environment) -> None:
    found = run(comprehend, "chain_program.py")
    assert found["right"] == 1.0
    assert found["same"]
    assert found["stopped"]
    assert found["asked"] < 3100


@pytest.mark.costs("two recognizers are trained on the shared encoder, some seconds each")
def test_a_recognizer_finds_what_it_has_not_seen(comprehend: Environment) -> None:
    found = run(comprehend, "recognition_program.py", str(shipped_models.folder()))
    assert found["stopped"]
    for language in ("en", "es"):
        told = found[language]
        metadata = told["metadata"]
        assert (metadata["NumberOfTrainedDocuments"], metadata["NumberOfTestDocuments"]) == (
            135,
            15,
        )
        assert metadata["EvaluationMetrics"]["F1Score"] > 95
        assert sum(each["NumberOfTrainMentions"] for each in metadata["EntityTypes"]) == 270
        assert told["warning"] == ""
        entities = told["answers"][0]["Entities"]
        wanted = [("Sarah Miller", "PERSON"), ("QX-77", "PART")]
        assert [(each["Text"], each["Type"]) for each in entities] == wanted
        assert all(0 < each["Score"] <= 1 for each in entities)
        for text, answer in zip(told["texts"], told["answers"], strict=True):
            for each in answer["Entities"]:
                assert text[each["BeginOffset"] : each["EndOffset"]] == each["Text"] != ""
        assert told["answers"][1]["Entities"] == told["answers"][2]["Entities"] == []
