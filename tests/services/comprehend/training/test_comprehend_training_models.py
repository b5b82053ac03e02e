"""A classifier by boto3 from its training data to what it learnt, with the models that Sagebrush has."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from sagebrush.services.comprehend.training import artifacts
from tests.conftest import Server
from tests.services.comprehend.training import made_texts
from tests.services.sagemaker.jobworld import ROLE
from tests.waiting import until

COUNT = 60


def begun(server: Server, name: str, count: int) -> str:
    """The ARN of a classifier of so many letters of each kind."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="letters")
    s3.put_object(Bucket="letters", Key=f"{name}.csv", Body=made_texts.csv(count))
    return server.client("comprehend").create_document_classifier(
        DocumentClassifierName=name,
        InputDataConfig={"S3Uri": f"s3://letters/{name}.csv"},
        OutputDataConfig={"S3Uri": "s3://letters/out"},
        DataAccessRoleArn=ROLE,
        LanguageCode="en",
    )["DocumentClassifierArn"]


def past(server: Server, arn: str, *statuses: str) -> dict[str, Any]:
    """The model's description once it is in none of these statuses."""

    def look() -> dict[str, Any] | None:
        answer = server.client("comprehend").describe_document_classifier(DocumentClassifierArn=arn)
        found = answer["DocumentClassifierProperties"]
        return found if found["Status"] not in statuses else None

    return until(look, f"past {statuses}", 500.0)


@pytest.mark.timeout(600)
@pytest.mark.costs("a process that trains a classifier on the encoder")
def test_a_classifier_is_trained(reader: Server) -> None:
    s3 = reader.client("s3")
    arn = begun(reader, "letters", COUNT)
    found = past(reader, arn, "SUBMITTED", "TRAINING")
    assert found["Status"] == "TRAINED", found
    metadata = found["ClassifierMetadata"]
    assert metadata["NumberOfLabels"] == 2
    documents = metadata["NumberOfTrainedDocuments"], metadata["NumberOfTestDocuments"]
    assert (sum(documents), min(documents) > 0) == (2 * COUNT, True)
    assert metadata["EvaluationMetrics"]["F1Score"] > 0.9
    key = found["OutputDataConfig"]["S3Uri"].removeprefix("s3://letters/")
    body = s3.get_object(Bucket="letters", Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert any("confusion" in name for name in archive.getnames())
    row = reader.world.rows.get("123456789012", "us-east-1", "document-classifier", "letters")
    assert row is not None
    model = artifacts.read(reader.world, row, artifacts.MODEL)
    assert model is not None
    with tarfile.open(fileobj=io.BytesIO(model)) as archive:
        told = archive.extractfile("custom.json")
        assert told is not None
        assert json.loads(told.read())["Kind"] == "document-classifier"
    texts = [
        file.read_bytes() for file in reader.app.settings.home.glob("jobs/*/log*") if file.is_file()
    ]
    assert texts
    assert not [each for each in texts if b"We talked about" in each]


@pytest.mark.timeout(600)
@pytest.mark.costs("a process that begins to train a classifier")
def test_a_training_is_stopped(reader: Server) -> None:
    arn = begun(reader, "many", 20_000)
    assert past(reader, arn, "SUBMITTED")["Status"] == "TRAINING"
    reader.client("comprehend").stop_training_document_classifier(DocumentClassifierArn=arn)
    found = past(reader, arn, "TRAINING", "STOP_REQUESTED")
    assert found["Status"] == "STOPPED", found
    row = reader.world.rows.get("123456789012", "us-east-1", "document-classifier", "many")
    assert row is not None
    assert artifacts.read(reader.world, row, artifacts.MODEL) is None
