"""Custom models from their training data to real-time endpoints and jobs, by boto3 alone."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.services.comprehend import fleet
from sagebrush.store.rows import Row
from tests.algorithms.comprehend.custom_model import word
from tests.conftest import Server, started
from tests.services.comprehend.conftest import ended, modelled
from tests.services.sagemaker.doubles import archive
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
SHIPS = ["Silver Gull", "North Wind", "Sea Fox", "Morning Star", "Old Duke", "Red Heron", "Swift"]
CAPTAINS = ["Ada Quill", "Tom Harrow", "Ines Marsh", "Bo Lind", "Grace Odell", "Ed Rook", "Una Fay"]
FORMS = [
    "The {ship} sailed at noon under the command of captain {captain}.",
    "Captain {captain} brought the {ship} back to the harbour.",
    "Nobody but {captain} has ever steered the {ship} through the strait.",
]
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

    def look() -> dict[str, Any]:
        found = client.describe_document_classifier(DocumentClassifierArn=arn)
        return found["DocumentClassifierProperties"]

    trained(look)
    return arn


@pytest.fixture(scope="module")
def recognizer(server: Server) -> str:
    """The ARN of a trained recognizer of ships and their captains."""
    lines, marks = [], ["File,Line,Begin Offset,End Offset,Type"]
    pairs = ((form, a, b) for form in FORMS for a in SHIPS for b in CAPTAINS)
    for number, (form, ship, captain) in enumerate(pairs):
        text = form.format(ship=ship, captain=captain)
        for kind, name in (("SHIP", ship), ("CAPTAIN", captain)):
            begin = text.index(name)
            marks.append(f"names.txt,{number},{begin},{begin + len(name)},{kind}")
        lines.append(text)
    put(server, "names.txt", "\n".join(lines).encode())
    put(server, "marks.csv", "\n".join(marks).encode())
    client = server.client("comprehend")
    arn = client.create_entity_recognizer(
        RecognizerName="names",
        DataAccessRoleArn=ROLE,
        InputDataConfig={
            "EntityTypes": [{"Type": "SHIP"}, {"Type": "CAPTAIN"}],
            "Documents": {"S3Uri": "s3://bucket/names.txt"},
            "Annotations": {"S3Uri": "s3://bucket/marks.csv"},
        },
        LanguageCode="en",
    )["EntityRecognizerArn"]

    def look() -> dict[str, Any]:
        found = client.describe_entity_recognizer(EntityRecognizerArn=arn)
        return found["EntityRecognizerProperties"]

    trained(look)
    return arn


def trained(look: Callable[[], dict[str, Any]]) -> None:
    """The model that `look` describes is trained."""

    def over() -> dict[str, Any] | None:
        told = look()
        return told if told["Status"] not in ("SUBMITTED", "TRAINING") else None

    told = until(over, "the end of the training", 240.0)
    assert told["Status"] in ("TRAINED", "TRAINED_WITH_WARNING"), told


@pytest.fixture(scope="module")
def endpoint(server: Server, classifier: str) -> str:
    """The ARN of an endpoint of the classifier that is in service."""
    return serving(server, "subjects", classifier)


def serving(server: Server, name: str, model: str) -> str:
    """The ARN of an endpoint that serves the model."""
    client = server.client("comprehend")
    arn = client.create_endpoint(EndpointName=name, ModelArn=model, DesiredInferenceUnits=1)[
        "EndpointArn"
    ]

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
    lines, files = (
        records(server, "DocumentClassification", jobs[folder]) for folder in ("lines", "files")
    )
    assert [each["Line"] for each in lines] == ["0", "1", "2"]
    assert lines[1]["ErrorCode"] == "EMPTY_DOCUMENT"
    assert [each["Classes"][0]["Name"] for each in (lines[0], lines[2])] == ["COOKING", "SAILING"]
    assert [(each["File"], each["Classes"][0]["Name"]) for each in files] == [
        ("a.docx", "COOKING"), ("a.docx", "SAILING"), ("b.txt", "COOKING"),
    ]  # fmt: skip
    assert files[1]["DocumentMetadata"] == {"PageNumber": 2, "Pages": 2}


def test_a_model_of_another_encoder_is_not_served_and_says_why(server: Server) -> None:
    here = fleet.ctx(server.world, "us-east-1")
    here.call("s3", "CreateBucket", {"Bucket": "archives"})
    settings = {"Kind": "document-classifier", "Encoder": "another"}
    body = server.world.objects.spool_bytes(archive({"custom.json": json.dumps(settings)}))
    here.call("s3", "PutObject", {"Bucket": "archives", "Key": "m.tar.gz", "Body": body})
    plan = {"model": "s3://archives/m.tar.gz", "tags": {}}
    place = ("123456789012", "us-east-1", "document-classifier", "old")
    server.world.rows.insert(Row(*place, "TRAINED", {}, plan))
    client = server.client("comprehend")
    arn = client.create_endpoint(
        EndpointName="old",
        ModelArn="arn:aws:comprehend:us-east-1:123456789012:document-classifier/old",
        DesiredInferenceUnits=1,
    )["EndpointArn"]

    def look() -> dict[str, Any] | None:
        told = client.describe_endpoint(EndpointArn=arn)["EndpointProperties"]
        return told if told["Status"] != "CREATING" else None

    told = until(look, "the endpoint", 100.0)
    assert told["Status"] == "FAILED"
    assert "trained with another encoder" in told["Message"], told["Message"]


def test_entities_are_recognised_in_real_time_and_in_a_job(server: Server, recognizer: str) -> None:
    client = server.client("comprehend")
    arn = serving(server, "names", recognizer)
    text = FORMS[0].format(ship="Morning Star", captain="Ada Quill")
    found = client.detect_entities(Text=text, EndpointArn=arn)["Entities"]
    assert {(each["Type"], each["Text"]) for each in found} == {
        ("SHIP", "Morning Star"), ("CAPTAIN", "Ada Quill"),
    }  # fmt: skip
    for each in found:
        assert text[each["BeginOffset"] : each["EndOffset"]] == each["Text"]
    answer = client.detect_entities(
        Bytes=word(f"This is what the log says.\n{text}"), EndpointArn=arn
    )
    blocks = {each["Id"]: each["Text"] for each in answer["Blocks"]}
    for each in answer["Entities"]:
        (reference,) = each["BlockReferences"]
        assert blocks[reference["BlockId"]] == text
        assert text[reference["BeginOffset"] : reference["EndOffset"]] == each["Text"]
    put(server, "texts/a.txt", text.encode())
    job = client.start_entities_detection_job(
        EntityRecognizerArn=recognizer,
        InputDataConfig={"S3Uri": "s3://bucket/texts/"},
        OutputDataConfig={"S3Uri": "s3://bucket/out"},
        DataAccessRoleArn=ROLE,
        LanguageCode="en",
    )["JobId"]
    (record,) = records(server, "EntitiesDetection", job)
    assert (record["Line"], record["Entities"]) == (0, found)


def records(server: Server, noun: str, job: str) -> list[dict[str, Any]]:
    """What the job wrote."""
    client = server.client("comprehend")
    describe = {
        "DocumentClassification": client.describe_document_classification_job,
        "EntitiesDetection": client.describe_entities_detection_job,
    }[noun]

    def look() -> dict[str, Any] | None:
        told = describe(JobId=job)[f"{noun}JobProperties"]
        return told if told["JobStatus"] in ("COMPLETED", "FAILED") else None

    told = until(look, f"the end of {job}", 100.0)
    assert told["JobStatus"] == "COMPLETED", told
    bucket, _, key = told["OutputDataConfig"]["S3Uri"].removeprefix("s3://").partition("/")
    body = server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as opened:
        member = opened.extractfile("output")
        assert member is not None
        return [json.loads(line) for line in member.read().splitlines()]
