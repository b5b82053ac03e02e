"""kill -9 of the server and of the process while a custom model of Comprehend's is trained, in the sandbox."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests import shipped_models
from tests.built_environments import built
from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, ROLE, Stand, until
from tests.services.comprehend.training import made_texts

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
BEFORE = ("SUBMITTED", "TRAINING")


def models() -> str:
    """The folder of models, and what runs them is there."""
    built("comprehend")
    return str(shipped_models.folder())


def begun(stand: Stand) -> str:
    """The ARN of a classifier whose training has just begun to run."""
    stand.s3.put_object(Bucket=BUCKET, Key="train.csv", Body=made_texts.csv(300))
    answer = stand.client("comprehend").create_document_classifier(
        DocumentClassifierName="letters",
        InputDataConfig={"S3Uri": f"s3://{BUCKET}/train.csv"},
        OutputDataConfig={"S3Uri": f"s3://{BUCKET}/out"},
        DataAccessRoleArn=ROLE,
        LanguageCode="en",
    )
    arn = answer["DocumentClassifierArn"]
    until(lambda: told(stand, arn)["Status"] == "TRAINING", "the start of the training", 100)
    return arn


def told(stand: Stand, arn: str) -> dict[str, Any]:
    found = stand.client("comprehend").describe_document_classifier(DocumentClassifierArn=arn)
    return found["DocumentClassifierProperties"]


def ended(stand: Stand, arn: str) -> dict[str, Any]:
    until(lambda: told(stand, arn)["Status"] not in BEFORE, "the end of the training", 400)
    return told(stand, arn)


@pytest.mark.costs("a process that trains a classifier while its server is killed and starts again")
def test_a_training_outlives_its_server(start: Start) -> None:
    stand = start(models=models())
    arn = begun(stand)
    stand.kill()
    stand.up()
    found = ended(stand, arn)
    assert found["Status"] == "TRAINED", found
    assert found["ClassifierMetadata"]["NumberOfLabels"] == 2
    key = found["OutputDataConfig"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
    assert stand.s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] > 0
    comprehend = stand.client("comprehend")
    copied = comprehend.import_model(SourceModelArn=arn, ModelName="copied")["ModelArn"]
    stand.kill()
    stand.up()
    assert ended(stand, copied)["Status"] == "TRAINED"


@pytest.mark.costs("a process of a training, which is killed")
def test_a_training_whose_process_is_killed_fails(start: Start) -> None:
    stand = start(models=models())
    arn = begun(stand)
    (place,) = until(stand.live, "the supervisor of the training")
    os.kill(stand.tree(place)[-1], signal.SIGKILL)
    found = ended(stand, arn)
    assert found["Status"] == "IN_ERROR"
    assert found["Message"].startswith("INTERNAL_SERVER_ERROR: ")
    assert "ClassifierMetadata" not in found
