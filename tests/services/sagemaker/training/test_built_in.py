"""What CreateTrainingJob refuses of AWS's built-in algorithms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.environments.images import IMAGES
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.training import built_in, checks
from sagebrush.workload import log_lines

FOLDERS = sorted(
    {image.algorithm for image in IMAGES.values() if image.algorithm and not image.brings_models}
)
REPORTED = [{"Name": "validation:accuracy", "Regex": "#validation_accuracy:\\s*(\\S+)"}]


def request(**changes: Any) -> Doc:
    return checks.defaults(
        {
            "AlgorithmSpecification": {"TrainingImage": "blazingtext", "TrainingInputMode": "File"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
            **changes,
        }
    )


def channel(mode: str) -> Doc:
    return {"InputDataConfig": [{"ChannelName": "train", "InputMode": mode}]}


def several(count: int) -> Doc:
    return {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count}}


def spot(wait: int, **more: Any) -> Doc:
    stopping = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": wait}
    return {"EnableManagedSpotTraining": True, "StoppingCondition": stopping, **more}


def metrics(*definitions: Doc) -> Doc:
    specification = {"TrainingInputMode": "File", "MetricDefinitions": list(definitions)}
    return {"AlgorithmSpecification": specification}


@pytest.mark.parametrize("algorithm", FOLDERS)
def test_every_algorithm_says_what_it_can(algorithm: str) -> None:
    folder = built_in.ALGORITHMS / algorithm
    assert (folder / "train.py").exists()
    assert built_in.facts(algorithm).input_modes
    names = [each["Name"] for each in built_in.metrics(algorithm)]
    assert names
    assert len(set(names)) == len(names)
    log_lines.compiled(built_in.metrics(algorithm))  # raises for a bad expression
    assert json.loads((folder / "tunable.json").read_text())


@pytest.mark.parametrize(
    ("algorithm", "changes", "words"),
    [
        ("blazingtext", metrics({"Name": "m", "Regex": "m=(.*)"}), built_in.OVERRIDE),
        ("blazingtext", metrics({**REPORTED[0], "Regex": "other=(.*)"}), built_in.OVERRIDE),
        (
            "lda",
            several(2),
            "2 instances: the built-in algorithm lda trains on a single instance only",
        ),
        ("object2vec", several(3), "3 instances: the built-in algorithm object2vec"),
        ("object2vec", channel("Pipe"), "does not support input mode Pipe; use File or FastFile"),
        ("ntm", spot(3601), "Invalid MaxWaitTimeInSeconds. It must be at most 3600"),
    ],
)
def test_refused(algorithm: str, changes: Doc, words: str) -> None:
    with pytest.raises(AwsError) as error:
        built_in.check(algorithm, request(**changes))
    assert error.value.code == "ValidationException"
    assert words in error.value.message


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("blazingtext", {}),
        ("blazingtext", metrics(*REPORTED)),
        ("blazingtext", several(2)),
        ("ntm", channel("Pipe")),
        ("ntm", several(2)),
        ("object2vec", channel("FastFile")),
        ("ntm", spot(3600)),
        ("sagemaker_xgboost", spot(86400)),
        ("one that says nothing", {**several(2), **channel("Pipe"), **spot(86400)}),
    ],
)
def test_allowed(algorithm: str, changes: Doc) -> None:
    built_in.check(algorithm, request(**changes))
