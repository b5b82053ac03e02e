"""A custom classifier from its training data to a real-time endpoint and a job, by boto3 alone."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.algorithms.comprehend.custom_model import word
from tests.conftest import Server, started
from tests.services.comprehend.conftest import ended, modelled
from tests.waiting import until

pytestmark = [
    pytest.mark.costs("trains a classifier and starts the models, each some seconds"),
    pytest.mark.timeout(400),
]
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
SUBJECTS = {
    "COOKING": "Simmer the {} with butter and garlic, then bake it with {} in a hot oven.",
    "SAILING": "The {} left the harbour at dawn, and the crew raised {} sails in the wind.",
}
THINGS = [
    "soup", "red", "onion", "small", "fish", "white", "rice", "old", "bread", "heavy", "sauce", "two",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that has models."""
    made = started(modelled(tmp_path_factory.mktemp("home")))
    made.client("s3").create_bucket(Bucket="bucket")
    yield made
    ended(made)


@pytest.fixture(scope="module")
def classifier(server: Server) -> str:
    """The ARN of a trained classifier of two subjects."""
    lines = []
    for name, form in SUBJECTS.items():
        lines += [f'{name},"{form.format(a, b)}"' for a in THINGS for b in THINGS if a != b]
    put(server, "train.csv", "\n".join(lines).encode())
    client = server.client("comprehend")
    arn = client.create_document_classifier(
        DocumentClassifierName="subjects",
        DataAccessRoleArn=ROLE,
        InputDataConfig={"S3Uri": "s3://bucket/train.csv"},
        LanguageCode="en",
    )["DocumentClassifierArn"]

    def look() -> dict[str, Any] | None:
        found = client.describe_document_classifier(DocumentClassifierArn=arn)
        told = found["DocumentClassifierProperties"]
        return told if told["Status"] not in ("SUBMITTED", "TRAINING") else None

    told = until(look, "the end of the training", 240.0)
    assert told["Status"] in ("TRAINED", "TRAINED_WITH_WARNING"), told
    return arn


@pytest.fixture(scope="module")
def endpoint(server: Server, classifier: str) -> str:
    """The ARN of an endpoint of the classifier that is in service."""
    client = server.client("comprehend")
    arn = client.create_endpoint(
        EndpointName="subjects", ModelArn=classifier, DesiredInferenceUnits=1
    )["EndpointArn"]

    def look() -> dict[str, Any] | None:
        told = client.describe_endpoint(EndpointArn=arn)["EndpointProperties"]
        return told if told["Status"] != "CREATING" else None

    told = until(look, "the endpoint", 100.0)
    assert told["Status"] == "IN_SERVICE", told
    return arn


def put(server: Server, key: str, body: bytes) -> None:
    server.client("s3").put_object(Bucket="bucket", Key=key, Body=body)


def test_a_document_is_classified_in_real_time(server: Server, endpoint: str) -> None:
    client = server.client("comprehend")
    found = client.classify_document(Text="Fry the fish with garlic.", EndpointArn=endpoint)
    names = [each["Name"] for each in found["Classes"]]
    assert (names[0], sorted(names)) == ("COOKING", ["COOKING", "SAILING"])
    assert sum(each["Score"] for each in found["Classes"]) == pytest.approx(1, abs=0.01)
    body = word("The harbour was full of old sails and ropes.")
    found = client.classify_document(Bytes=body, EndpointArn=endpoint)
    assert (found["Classes"][0]["Name"], found["Classes"][0]["Page"]) == ("SAILING", 1)
    assert found["DocumentType"] == [{"Page": 1, "Type": "MS_WORD"}]
    assert found["DocumentMetadata"]["ExtractedCharacters"] == [{"Page": 1, "Count": 44}]


def test_files_that_cannot_be_read_are_refused_by_reason(server: Server, endpoint: str) -> None:
    client = server.client("comprehend")
    for body, reason in (
        (b"\x89PNG\r\n\x1a\n", "UNSUPPORTED_DOC_TYPE"),
        (b"%PDF-1.4 secret", "INVALID_DOCUMENT"),
        (b"PK\x03\x04" + b"x" * (4 << 20), "DOCUMENT_SIZE_EXCEEDED"),
    ):
        with pytest.raises(ClientError) as refused:
            client.classify_document(Bytes=body, EndpointArn=endpoint)
        answer: Any = refused.value.response
        assert answer["Error"]["Code"] == "InvalidRequestException"
        assert (answer["Reason"], answer["Detail"]["Reason"]) == ("INVALID_DOCUMENT", reason)
    with pytest.raises(ClientError) as refused:
        client.classify_document(Text="x" * 100_001, EndpointArn=endpoint)
    assert refused.value.response["Error"]["Code"] == "TextSizeLimitExceededException"


def test_another_accounts_endpoint_is_not_found(server: Server, endpoint: str) -> None:
    client = server.client("comprehend")
    other = endpoint.replace("123456789012", "210987654321")
    with pytest.raises(ClientError) as refused:
        client.classify_document(Text="x", EndpointArn=other)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert server.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_a_job_classifies_lines_and_files(server: Server, classifier: str) -> None:
    put(server, "lines/a.txt", b"Bake the bread in the oven.\n\nThe crew left the harbour.")
    put(server, "files/a.docx", word("Bake the bread.", "The sails were white."))
    put(server, "files/b.txt", b"The sauce needs garlic.")
    client = server.client("comprehend")
    jobs = {}
    for folder, form in (("lines", "ONE_DOC_PER_LINE"), ("files", "ONE_DOC_PER_FILE")):
        jobs[folder] = client.start_document_classification_job(
            DocumentClassifierArn=classifier,
            InputDataConfig={"S3Uri": f"s3://bucket/{folder}/", "InputFormat": form},
            OutputDataConfig={"S3Uri": "s3://bucket/out"},
            DataAccessRoleArn=ROLE,
        )["JobId"]
    lines, files = (records(server, jobs[folder]) for folder in ("lines", "files"))
    assert [each["Line"] for each in lines] == ["0", "1", "2"]
    assert lines[1]["ErrorCode"] == "EMPTY_DOCUMENT"
    assert [each["Classes"][0]["Name"] for each in (lines[0], lines[2])] == ["COOKING", "SAILING"]
    assert [(each["File"], each["Classes"][0]["Name"]) for each in files] == [
        ("a.docx", "COOKING"), ("a.docx", "SAILING"), ("b.txt", "COOKING"),
    ]  # fmt: skip
    assert files[1]["DocumentMetadata"] == {"PageNumber": 2, "Pages": 2}


def records(server: Server, job: str) -> list[dict[str, Any]]:
    """What the job wrote."""
    client = server.client("comprehend")

    def look() -> dict[str, Any] | None:
        found = client.describe_document_classification_job(JobId=job)
        told = found["DocumentClassificationJobProperties"]
        return told if told["JobStatus"] in ("COMPLETED", "FAILED") else None

    told = until(look, f"the end of {job}", 100.0)
    assert told["JobStatus"] == "COMPLETED", told
    bucket, _, key = told["OutputDataConfig"]["S3Uri"].removeprefix("s3://").partition("/")
    body = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        member = archive.extractfile("output")
        assert member is not None
        return [json.loads(line) for line in member.read().splitlines()]
