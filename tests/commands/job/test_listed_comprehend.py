"""What `sagebrush jobs` and `sagebrush endpoints` say of Comprehend's resources."""

from __future__ import annotations

import datetime as dt
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from sagebrush.commands.endpoint import table
from sagebrush.commands.job import comprehend

NOON = dt.datetime(2026, 5, 2, 12, tzinfo=dt.UTC)
ROOT = "arn:aws:comprehend:us-east-1:123456789012"
MODEL = f"{ROOT}:document-classifier/tickets/version/v2"
ENDPOINT: dict[str, Any] = {
    "EndpointArn": f"{ROOT}:document-classifier-endpoint/live",
    "Status": "IN_SERVICE",
    "ModelArn": MODEL,
    "DesiredModelArn": MODEL,
    "DesiredInferenceUnits": 2,
    "CurrentInferenceUnits": 1,
    "CreationTime": NOON,
}
LISTS = (
    *("sentiment_detection_jobs", "targeted_sentiment_detection_jobs", "entities_detection_jobs"),
    *("key_phrases_detection_jobs", "dominant_language_detection_jobs"),
    *("pii_entities_detection_jobs", "topics_detection_jobs", "document_classification_jobs"),
    *("document_classifiers", "entity_recognizers", "flywheels", "endpoints"),
)


def client(answers: dict[str, list[dict[str, Any]]], count: int, region: str = "us-east-1") -> Any:
    """A client that is answered these summaries, in the order in which they are asked for."""
    session = botocore.session.get_session()
    made = session.create_client(
        "comprehend", region, aws_access_key_id="a", aws_secret_access_key="s"
    )
    stubber = Stubber(made)
    for name in LISTS:
        shape = made.meta.service_model.operation_model(
            made.meta.method_to_api_mapping[f"list_{name}"]
        ).output_shape
        assert shape is not None
        member = next(key for key, each in shape.members.items() if each.type_name == "list")
        answer = {member: answers.get(name, [])}
        stubber.add_response(f"list_{name}", answer, {"MaxResults": count})
    stubber.activate()
    return made


def job(name: str, status: str, minutes: int, **more: Any) -> dict[str, Any]:
    began = NOON + dt.timedelta(minutes=minutes)
    return {"JobId": name * 32, "JobStatus": status, "SubmitTime": began, **more}


@pytest.fixture
def local_noon() -> str:
    """What a line says of noon."""
    return f"{NOON.astimezone():%Y-%m-%d %H:%M:%S}"


def test_each_kind_has_its_lines(local_noon: str) -> None:
    took = NOON + dt.timedelta(seconds=75)
    answers = {
        "sentiment_detection_jobs": [
            job("a", "COMPLETED", 0, JobName="reviews", EndTime=took),
            job("b", "FAILED", 0, Message="The role may not read it"),
        ],
        "document_classifiers": [
            {
                **{"DocumentClassifierArn": MODEL, "Status": "TRAINED", "SubmitTime": NOON},
                **{"TrainingStartTime": NOON, "TrainingEndTime": took},
                "ClassifierMetadata": {"EvaluationMetrics": {"F1Score": 0.93251}},
            }
        ],
        "entity_recognizers": [
            {
                "EntityRecognizerArn": f"{ROOT}:entity-recognizer/terms",
                **{"Status": "TRAINED", "SubmitTime": NOON},
                "RecognizerMetadata": {"EvaluationMetrics": {"F1Score": 87.5}},
            }
        ],
        "flywheels": [
            {"FlywheelArn": f"{ROOT}:flywheel/wheel", "Status": "ACTIVE", "CreationTime": NOON}
        ],
        "endpoints": [ENDPOINT],
    }
    assert comprehend.lines({"us-east-1": client(answers, 20)}, 20) == [
        ("sentiment-detection", "reviews", "COMPLETED", local_noon, f"{'a' * 32}; 1 min 15 s"),
        ("sentiment-detection", "b" * 32, "FAILED", local_noon, "The role may not read it"),
        ("document-classifier", "tickets/version/v2", "TRAINED", local_noon, "F1 0.933; 1 min 15 s"),
        ("entity-recognizer", "terms", "TRAINED", local_noon, "F1 0.875"),
        ("flywheel", "wheel", "ACTIVE", local_noon, ""),
        ("text-endpoint", "live", "IN_SERVICE", local_noon,
         "1 of 2 inference units of tickets/version/v2"),
    ]  # fmt: skip


def test_the_newest_of_all_regions_are_shown() -> None:
    here = {"topics_detection_jobs": [job("a", "COMPLETED", 2), job("c", "COMPLETED", 0)]}
    there = {"topics_detection_jobs": [job("b", "COMPLETED", 1)]}
    clients = {"us-east-1": client(here, 2), "eu-west-1": client(there, 2, "eu-west-1")}
    found = comprehend.lines(clients, 2)
    assert [line[:3] for line in found] == [
        ("topics-detection", "us-east-1", "a" * 32),
        ("topics-detection", "eu-west-1", "b" * 32),
    ]


def test_an_endpoint_of_a_text_model_stands_among_the_others() -> None:
    units = "1 of 2 inference units of tickets/version/v2"
    assert table.text_row(ENDPOINT, 1) == (
        "live", "answers", "1 request", "-", units, "unknown", "unknown",
    )  # fmt: skip
    failed = {**ENDPOINT, "Status": "FAILED", "Message": "no room"}
    assert table.text_row(failed, 0)[1] == "FAILED: no room"
