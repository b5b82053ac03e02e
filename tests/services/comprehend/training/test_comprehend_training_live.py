"""Custom models trained by real processes: what they store by signed URLs, and who may have it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.services.comprehend.training import artifacts, program
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.store.rows import Row
from tests.built_environments import built
from tests.conftest import Server, make_settings, started
from tests.people import account
from tests.services.comprehend.training import programs
from tests.services.sagemaker.jobworld import ROLE
from tests.waiting import until

KIND = "document-classifier"


@pytest.fixture(
    scope="module", params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)]
)
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server, in each isolation."""
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation=request.param))
    made.client("s3").create_bucket(Bucket="bucket")
    made.client("s3").put_object(Bucket="bucket", Key="in/a.csv", Body=b"a,text\nb,words\n")
    yield made
    made.stop()


def create(server: Server, name: str, **changes: Any) -> str:
    """The ARN of a classifier in training."""
    given = {
        "DocumentClassifierName": name,
        "DataAccessRoleArn": ROLE,
        "LanguageCode": "en",
        "InputDataConfig": {"S3Uri": "s3://bucket/in/"},
        **changes,
    }
    return server.client("comprehend").create_document_classifier(**given)["DocumentClassifierArn"]


def told(server: Server, arn: str) -> dict[str, Any]:
    found = server.client("comprehend").describe_document_classifier(DocumentClassifierArn=arn)
    return found["DocumentClassifierProperties"]


def ended(server: Server, arn: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = told(server, arn)
        return found if found["Status"] not in ("SUBMITTED", "TRAINING", "STOP_REQUESTED") else None

    return until(look, f"the end of {arn}", 100.0)


def names(body: bytes | None) -> list[str]:
    """What the archive has."""
    assert body is not None
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


def row_of(server: Server, name: str) -> Row:
    row = server.world.rows.get("123456789012", "us-east-1", KIND, name)
    assert row is not None
    return row


def code(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**given)
    return error.value.response["Error"]["Code"]


@pytest.mark.costs("a process that stores a model")
def test_what_is_stored_by_signed_urls_is_nobodys_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    built("comprehend")
    server.client("s3").put_object(Bucket="bucket", Key="program", Body=programs.PRIES.encode())
    monkeypatch.setattr(program, "PROGRAM", programs.PROGRAM)
    arn = create(server, "films", OutputDataConfig={"S3Uri": "s3://bucket/out"})
    found = ended(server, arn)
    assert found["Status"] == "TRAINED", found
    assert found["ClassifierMetadata"] == {
        "NumberOfLabels": 2,
        "EvaluationMetrics": {"Accuracy": 0.5},
    }
    assert found["SubmitTime"] <= found["TrainingStartTime"] <= found["TrainingEndTime"]
    assert found["TrainingEndTime"] <= found["EndTime"]
    row = row_of(server, "films")
    assert names(artifacts.read(server.world, row, artifacts.MODEL)) == ["custom.json"]
    s3 = server.client("s3")
    key = found["OutputDataConfig"]["S3Uri"].removeprefix("s3://bucket/")
    body = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
    assert names(body) == ["confusion_matrix.json"]
    pried = json.loads(s3.get_object(Bucket="bucket", Key="pried")["Body"].read())
    assert pried[:4] == ["AccessDenied"] * 4, "the user's role"
    assert pried[4:] == [403] * 3, "the URL is for one object, and to put it"
    bucket, _, key = plan_of(row).get("model", "").removeprefix("s3://").partition("/")
    _, stranger = account(server, "210987654321")
    for other in (s3, stranger("s3")):
        assert code(other.get_object, Bucket=bucket, Key=key) == "AccessDenied"
        assert code(other.put_object, Bucket=bucket, Key=key, Body=b"") == "AccessDenied"
        assert code(other.delete_object, Bucket=bucket, Key=key) == "AccessDenied"
        assert code(other.list_objects_v2, Bucket=bucket) == "AccessDenied"
        assert code(other.get_bucket_policy, Bucket=bucket) == "AccessDenied"
        assert bucket not in [each["Name"] for each in other.list_buckets()["Buckets"]]
    comprehend = server.client("comprehend")
    copied = comprehend.import_model(SourceModelArn=arn, ModelName="copied")["ModelArn"]
    until(lambda: told(server, copied)["Status"] == "TRAINED", "the copy")
    assert told(server, copied)["ClassifierMetadata"] == found["ClassifierMetadata"]
    comprehend.delete_document_classifier(DocumentClassifierArn=arn)
    until(lambda: server.world.rows.by_id(row.id) is None, "the end of the model")
    assert artifacts.read(server.world, row, artifacts.MODEL) is None
    assert artifacts.exists(server.world, row_of(server, "copied"), artifacts.MODEL)
