"""Asynchronous jobs as processes: documents from S3 to results in S3, by boto3 alone."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests import shipped_models
from tests.built_environments import built
from tests.conftest import Server, make_settings, started
from tests.services.comprehend.comprehend_world import request
from tests.waiting import until

MODEL_MISSING = "MODEL_NOT_AVAILABLE"
SUBJECTS = {
    "kitchen": "simmer butter garlic onion pepper sauce oven flour sugar recipe pan dough",
    "garden": "soil seed tulip prune compost lawn weed bloom root hedge mulch spade",
    "sailing": "anchor mast rudder harbour tide keel rope captain wave breeze deck hull",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server, that has models."""
    home = tmp_path_factory.mktemp("home")
    models = str(shipped_models.folder())
    made = started(make_settings(home, isolation="process", models=models))
    made.client("s3").create_bucket(Bucket="bucket")
    yield made
    made.stop()


def put(server: Server, prefix: str, **files: bytes) -> str:
    """The URI of the files, below a prefix of their own."""
    for name, body in files.items():
        server.client("s3").put_object(Bucket="bucket", Key=f"{prefix}/{name}.txt", Body=body)
    return f"s3://bucket/{prefix}/"


def ended(server: Server, noun: str, job_id: str) -> dict[str, Any]:
    """The job's description at its end."""
    client = server.client("comprehend")
    mapping = client.meta.method_to_api_mapping
    describe = next(m for m, api in mapping.items() if api == f"Describe{noun}Job")

    def look() -> dict[str, Any] | None:
        found = getattr(client, describe)(JobId=job_id)[f"{noun}JobProperties"]
        return found if found["JobStatus"] in ("COMPLETED", "FAILED", "STOPPED") else None

    return until(look, f"the end of {noun} {job_id}", 100.0)


def completed(server: Server, noun: str, job_id: str) -> dict[str, Any]:
    found = ended(server, noun, job_id)
    assert found["JobStatus"] == "COMPLETED", found
    return found


def got(server: Server, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return server.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def unpacked(server: Server, uri: str) -> dict[str, str]:
    """The files of the archive at the URI."""
    with tarfile.open(fileobj=io.BytesIO(got(server, uri))) as archive:
        bodies = {each.name: archive.extractfile(each) for each in archive}
        return {name: body.read().decode() for name, body in bodies.items() if body is not None}


@pytest.mark.timeout(300)
@pytest.mark.costs("a process that fits a topic model, once")
def test_topics_are_found_without_any_model(server: Server) -> None:
    built("algorithms")
    lines, about = [], []
    for number in range(120):
        subject = list(SUBJECTS)[number % 3]
        words = SUBJECTS[subject].split()
        lines.append(" ".join(words[(number * 5 + n * 7) % 12] for n in range(12)))
        about.append(subject)
    uri = put(server, "topics", texts="\n".join(lines).encode())
    client = server.client("comprehend")
    given = request(InputDataConfig={"S3Uri": uri}, LanguageCode=None, NumberOfTopics=3)
    job = client.start_topics_detection_job(**given)
    found = completed(server, "TopicsDetection", job["JobId"])
    files = unpacked(server, found["OutputDataConfig"]["S3Uri"])
    assert sorted(files) == ["doc-topics.csv", "topic-terms.csv"]
    terms = list(csv.DictReader(io.StringIO(files["topic-terms.csv"])))
    assert list(terms[0]) == ["topic", "term", "weight"]
    tops = {}
    for row in terms:
        tops.setdefault(row["topic"], set()).add(row["term"])
    assert sorted(tops) == ["000", "001", "002"]
    named = {}
    for topic, words in tops.items():
        (named[topic],) = [s for s, known in SUBJECTS.items() if words <= set(known.split())]
    assert sorted(named.values()) == sorted(SUBJECTS)
    shares = list(csv.DictReader(io.StringIO(files["doc-topics.csv"])))
    assert list(shares[0]) == ["docname", "topic", "proportion"]
    first = {}
    for row in shares:
        first.setdefault(row["docname"], (row["topic"], float(row["proportion"])))
    assert list(first) == [f"texts.txt:{n}" for n in range(120)]
    assert all(named[topic] == about[n] for n, (topic, _) in enumerate(first.values()))
    assert all(share > 0.5 for _, share in first.values())


@pytest.mark.costs("a process that imports the models' libraries")
def test_languages_of_lines(server: Server) -> None:
    built("comprehend")
    texts = [
        "The weather was fine when we walked along the river yesterday afternoon.",
        "Gestern Nachmittag sind wir bei schönem Wetter am Fluss entlang gegangen.",
        "",
        "Ayer por la tarde hacía buen tiempo y paseamos por la orilla del río.",
    ]
    uri = put(server, "languages", a="\r\n".join(texts).encode(), b=b"ok then\n\xff\xfe\nlost")
    client = server.client("comprehend")
    given = request(InputDataConfig={"S3Uri": uri}, LanguageCode=None)
    job = client.start_dominant_language_detection_job(**given)
    found = completed(server, "DominantLanguageDetection", job["JobId"])
    files = unpacked(server, found["OutputDataConfig"]["S3Uri"])
    assert list(files) == ["output"]
    records = [json.loads(line) for line in files["output"].splitlines()]
    assert [(r["File"], r["Line"]) for r in records] == [
        *(("a.txt", n) for n in range(4)),
        ("b.txt", 0),
        ("b.txt", 1),
    ]
    best = [r["Languages"][0]["LanguageCode"] for r in records if "Languages" in r]
    assert best[:3] == ["en", "de", "es"]
    assert records[2]["ErrorCode"] == "EMPTY_DOCUMENT"
    assert records[5]["ErrorCode"] == "UNSUPPORTED_ENCODING"


@pytest.mark.costs("a process that imports the models' libraries, for each mode")
@pytest.mark.parametrize("mode", ["ONLY_OFFSETS", "ONLY_REDACTION"])
def test_personal_data(mode: str, server: Server) -> None:
    built("comprehend")
    text = "Write to ann.lee@example.com, card 4111 1111 1111 1111 \N{SNOWMAN}.\n"
    uri = put(server, f"pii-{mode}", letter=text.encode())
    client = server.client("comprehend")
    given = request(InputDataConfig={"S3Uri": uri}, Mode=mode, LanguageCode="es")  # by rules alone
    if mode == "ONLY_REDACTION":
        given["RedactionConfig"] = {
            "PiiEntityTypes": ["EMAIL"],
            "MaskMode": "REPLACE_WITH_PII_ENTITY_TYPE",
        }
    job = client.start_pii_entities_detection_job(**given)
    found = completed(server, "PiiEntitiesDetection", job["JobId"])
    assert found["OutputDataConfig"]["S3Uri"].endswith(f"-PII-{job['JobId']}/output/")
    body = got(server, found["OutputDataConfig"]["S3Uri"] + "letter.txt.out").decode()
    if mode == "ONLY_REDACTION":
        assert body == text.replace("ann.lee@example.com", "[EMAIL]")
        return
    record = json.loads(body)
    spans = {
        each["Type"]: text[each["BeginOffset"] : each["EndOffset"]] for each in record["Entities"]
    }
    assert spans["EMAIL"] == "ann.lee@example.com"
    assert spans["CREDIT_DEBIT_NUMBER"] == "4111 1111 1111 1111"
    assert (record["File"], record["Line"]) == ("letter.txt", 0)


@pytest.mark.costs("a process that imports the models' libraries")
def test_a_role_of_the_users_reads_only_what_it_may(server: Server) -> None:
    built("comprehend")
    uri = put(server, "closed", a=b"text")
    iam = server.client("iam")
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "comprehend.amazonaws.com"},
        "Action": "sts:AssumeRole"}]}  # fmt: skip
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))
    allow = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/out/*"}]}  # fmt: skip
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(allow))
    client = server.client("comprehend")
    given = request(InputDataConfig={"S3Uri": uri}, DataAccessRoleArn=role["Role"]["Arn"])
    job = client.start_sentiment_detection_job(**given)["JobId"]
    found = ended(server, "SentimentDetection", job)
    assert found["Message"].startswith("NO_READ_ACCESS_TO_INPUT: ")
    given["OutputDataConfig"] = {"S3Uri": "s3://bucket/elsewhere"}
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    allow["Statement"].append(read)
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(allow))
    job = client.start_sentiment_detection_job(**given)["JobId"]
    found = ended(server, "SentimentDetection", job)
    assert found["Message"].startswith("NO_WRITE_ACCESS_TO_OUTPUT: ")


@pytest.mark.costs("a process that imports the models' libraries")
def test_nothing_of_the_work_is_seen_in_the_users_account(server: Server) -> None:
    built("comprehend")
    uri = put(server, "seen", a=b"a text of mine")
    client = server.client("comprehend")
    job = client.start_sentiment_detection_job(**request(InputDataConfig={"S3Uri": uri}))["JobId"]
    ended(server, "SentimentDetection", job)
    assert server.client("sagemaker").list_processing_jobs()["ProcessingJobSummaries"] == []
    logs = server.client("logs").describe_log_groups()["logGroups"]
    assert "/aws/sagemaker/ProcessingJobs" not in [each["logGroupName"] for each in logs]
    texts = [
        file.read_bytes() for file in server.app.settings.home.glob("jobs/*/log*") if file.is_file()
    ]
    assert not [each for each in texts if b"a text of mine" in each]
