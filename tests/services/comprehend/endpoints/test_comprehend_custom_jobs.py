"""Asynchronous jobs with custom models: which are taken, and what their programs are told."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.comprehend.jobs import families, program
from sagebrush.store.rows import Row
from tests.services.comprehend.endpoints.endpoint_stand import (
    ACCOUNT,
    ARN,
    BUCKET,
    MODEL,
    OTHER,
    RECOGNIZER,
    REGION,
    Stand,
)

ROLE = f"arn:aws:iam::{ACCOUNT}:role/SagebrushExecutionRole"


def start(stand: Stand, noun: str = "DocumentClassification", **changes: Any) -> Row:
    """The row of a job that was started now; a change to None leaves a member out."""
    given = {
        "InputDataConfig": {"S3Uri": "s3://bucket/in/"},
        "OutputDataConfig": {"S3Uri": "s3://bucket/out"},
        "DataAccessRoleArn": ROLE,
        **changes,
    }
    if noun == "EntitiesDetection":
        given.setdefault("LanguageCode", "en")
    answer = stand.call(f"Start{noun}Job", **{k: v for k, v in given.items() if v is not None})
    kind = {"DocumentClassification": families.CLASSIFICATION}.get(noun, families.ENTITIES).kind
    found = stand.app.world.rows.get(ACCOUNT, REGION, kind, answer["JobId"])
    assert found is not None
    return found


def refused(stand: Stand, noun: str, **changes: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        start(stand, noun, **changes)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("noun", "given", "key"),
    [
        ("DocumentClassification", {"DocumentClassifierArn": MODEL}, "document-classifier/topics"),
        (
            "DocumentClassification",
            {"DocumentClassifierArn": OTHER},
            "document-classifier/topics/version/2",
        ),
        ("EntitiesDetection", {"EntityRecognizerArn": RECOGNIZER}, "entity-recognizer/names"),
        (
            "DocumentClassification",
            {"FlywheelArn": f"{ARN}flywheel/w"},
            "document-classifier/topics",
        ),
    ],
)
def test_the_program_gets_the_models_archive(
    stand: Stand, noun: str, given: dict[str, str], key: str
) -> None:
    doc = {"ActiveModelArn": MODEL}
    stand.app.world.rows.insert(Row(ACCOUNT, REGION, "flywheel", "w", "ACTIVE", doc, {}))
    row = start(stand, noun, **given)
    told = program.told(stand.app.world, families.FAMILIES[row.kind], row)
    url = urlsplit(told["Model"])
    assert url.path == f"/{BUCKET}/{key}/model.tar.gz"
    assert "X-Amz-Signature" in url.query
    named = row.doc.get("DocumentClassifierArn") or row.doc["EntityRecognizerArn"]
    assert named.endswith(key)  # also of a flywheel: the model is in use


def test_other_jobs_have_no_model(stand: Stand) -> None:
    row = start(stand, "EntitiesDetection")
    assert program.told(stand.app.world, families.ENTITIES, row)["Model"] is None


def test_a_model_reads_languages_that_the_built_in_ones_do_not(stand: Stand) -> None:
    start(stand, "EntitiesDetection", EntityRecognizerArn=RECOGNIZER, LanguageCode="de")
    assert refused(stand, "EntitiesDetection", LanguageCode="de")[0] == "InvalidRequestException"


def test_models_that_are_refused(stand: Stand) -> None:
    young = stand.model(f"{ARN}document-classifier/young", "TRAINING")
    noun = "DocumentClassification"
    code, words = refused(stand, noun, DocumentClassifierArn=young)
    assert (code, "TRAINING" in words) == ("ResourceUnavailableException", True)
    none = f"{ARN}document-classifier/none"
    assert refused(stand, noun, DocumentClassifierArn=none)[0] == "ResourceNotFoundException"
    both = {"DocumentClassifierArn": MODEL, "FlywheelArn": f"{ARN}flywheel/w"}
    assert refused(stand, noun, **both)[0] == "InvalidRequestException"
    assert refused(stand, noun)[0] == "InvalidRequestException"


def test_text_recognition_is_refused_for_what_would_need_it(stand: Stand) -> None:
    config = {
        "DocumentReadAction": "TEXTRACT_DETECT_DOCUMENT_TEXT",
        "DocumentReadMode": "FORCE_DOCUMENT_READ_ACTION",
    }
    data = {
        "S3Uri": "s3://bucket/in/",
        "InputFormat": "ONE_DOC_PER_FILE",
        "DocumentReaderConfig": config,
    }
    noun, given = "DocumentClassification", {"DocumentClassifierArn": MODEL}
    code, words = refused(stand, noun, InputDataConfig=data, **given)
    assert (code, "Textract" in words) == ("InvalidRequestException", True)
    config["DocumentReadMode"] = "SERVICE_DEFAULT"
    row = start(stand, noun, InputDataConfig=data, **given)
    assert row.doc["InputDataConfig"]["DocumentReaderConfig"] == config
