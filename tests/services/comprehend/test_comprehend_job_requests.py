"""Start, Describe, List and Stop of asynchronous jobs by boto3, and what they refuse."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.engine.loop import Loop
from sagebrush.services.comprehend.jobs.families import FAMILIES, Family
from tests.conftest import Server, make_settings, started
from tests.people import account
from tests.services.comprehend.comprehend_world import request

EVERY = list(FAMILIES.values())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose loop takes no step: jobs stay SUBMITTED."""
    patched = pytest.MonkeyPatch()
    patched.setattr(Loop, "start", lambda self: None)
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    yield made
    made.stop()
    patched.undo()


@pytest.fixture(scope="module")
def comprehend(server: Server) -> Any:
    return server.client("comprehend")


def asked(family: Family, **changes: Any) -> dict[str, Any]:
    """A request of the family."""
    given: dict[str, Any] = {"ClientRequestToken": None, **changes}
    if not family.language or family.noun == "DocumentClassification":
        given.setdefault("LanguageCode", None)
    if family.noun == "PiiEntitiesDetection":
        given.setdefault("Mode", "ONLY_OFFSETS")
    return request(**given)


def verb(comprehend: Any, name: str) -> Any:
    """The client's method of an operation."""
    mapping = comprehend.meta.method_to_api_mapping
    return getattr(comprehend, next(method for method, api in mapping.items() if api == name))


def code(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response: Any = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("family", [f for f in EVERY if f.noun != "DocumentClassification"],
                         ids=lambda family: family.noun)  # fmt: skip
def test_each_family_starts_describes_lists_and_stops(family: Family, comprehend: Any) -> None:
    given = asked(family, JobName="a name", Tags=[{"Key": "team", "Value": "blue"}])
    answer = verb(comprehend, f"Start{family.job}")(**given)
    job = answer["JobId"]
    assert len(job) == 32
    assert answer["JobArn"] == f"arn:aws:comprehend:us-east-1:123456789012:{family.kind}/{job}"
    assert answer["JobStatus"] == "SUBMITTED"
    found = verb(comprehend, f"Describe{family.job}")(JobId=job)[family.properties]
    assert (found["JobId"], found["JobArn"], found["JobName"]) == (job, answer["JobArn"], "a name")
    assert found["InputDataConfig"] == {
        "S3Uri": "s3://bucket/in/",
        "InputFormat": "ONE_DOC_PER_LINE",
    }
    end = "" if family.noun == "PiiEntitiesDetection" else "output.tar.gz"
    place = f"s3://bucket/out/123456789012-{family.code}-{job}/output/{end}"
    assert found["OutputDataConfig"] == {"S3Uri": place}
    assert found.get("LanguageCode") == given.get("LanguageCode")
    assert found["SubmitTime"] <= dt.datetime.now(dt.UTC)
    assert not {"EndTime", "Message"} & set(found)
    listed = verb(comprehend, f"List{family.job}s")()[f"{family.properties}List"]
    assert found in listed
    tags = comprehend.list_tags_for_resource(ResourceArn=answer["JobArn"])
    assert tags["Tags"] == [{"Key": "team", "Value": "blue"}]
    if family.stops:
        stopped = verb(comprehend, f"Stop{family.job}")(JobId=job)
        assert (stopped["JobId"], stopped["JobStatus"]) == (job, "STOP_REQUESTED")
    else:
        assert f"Stop{family.job}" not in comprehend.meta.method_to_api_mapping.values()


@pytest.mark.parametrize("family", EVERY, ids=lambda family: family.noun)
def test_a_job_that_there_is_not(family: Family, comprehend: Any) -> None:
    verbs = ["Describe", *(["Stop"] if family.stops else [])]
    for each in verbs:
        with pytest.raises(ClientError, match="The specified job was not found") as refused:
            verb(comprehend, f"{each}{family.job}")(JobId="0" * 32)
        assert code(refused) == ("JobNotFoundException", 404)


def test_a_token_starts_one_job(comprehend: Any) -> None:
    given = request(ClientRequestToken="once", JobName="j")
    first = comprehend.start_sentiment_detection_job(**given)
    assert comprehend.start_sentiment_detection_job(**given)["JobId"] == first["JobId"]
    with pytest.raises(ClientError, match="already in use") as refused:
        comprehend.start_sentiment_detection_job(**{**given, "JobName": "other"})
    assert code(refused) == ("ResourceInUseException", 400)
    other = comprehend.start_key_phrases_detection_job(**given)
    assert other["JobId"] != first["JobId"]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("SentimentDetection", {"LanguageCode": "de"}, "InvalidRequestException", "German"),
    ("TargetedSentimentDetection", {"LanguageCode": "es"}, "InvalidRequestException", "es"),
    ("SentimentDetection", {"DataAccessRoleArn": "arn:aws:iam::999999999999:role/other"},
     "InvalidRequestException", "Cross-account pass role"),
    ("SentimentDetection", {"DataAccessRoleArn": "arn:aws:iam::123456789012:role/closed"},
     "InvalidRequestException", "Could not assume the role"),
    ("SentimentDetection", {"VolumeKmsKeyId": "no key"}, "KmsKeyValidationException", "CMK"),
    ("SentimentDetection", {"VolumeKmsKeyId": "alias/mine"}, "KmsKeyValidationException", "CMK"),
    ("SentimentDetection",
     {"OutputDataConfig": {"S3Uri": "s3://bucket", "KmsKeyId": "arn:aws:kms:x"}},
     "KmsKeyValidationException", "CMK"),
    ("SentimentDetection", {"Tags": [{"Key": f"k{n}"} for n in range(51)]},
     "TooManyTagsException", "50 tags"),
    ("SentimentDetection", {"Tags": [{"Key": "k"}, {"Key": "k"}]}, "InvalidRequestException", "twice"),
    ("SentimentDetection", {"Tags": [{"Key": "aws:k"}]}, "InvalidRequestException", "aws:"),
    ("PiiEntitiesDetection", {"Mode": "ONLY_REDACTION"}, "InvalidRequestException", "PiiEntityTypes"),
    ("PiiEntitiesDetection", {"Mode": "ONLY_REDACTION", "RedactionConfig": {"MaskMode": "MASK"}},
     "InvalidRequestException", "PiiEntityTypes"),
    ("EntitiesDetection",
     {"EntityRecognizerArn": "arn:aws:comprehend:us-east-1:123456789012:entity-recognizer/none"},
     "ResourceNotFoundException", "Could not find"),
    ("DocumentClassification", {}, "InvalidRequestException", "must be given"),
    ("DocumentClassification",
     {"DocumentClassifierArn": "arn:aws:comprehend:us-east-1:123456789012:document-classifier/none"},
     "ResourceNotFoundException", "Could not find"),
    ("DocumentClassification",
     {"FlywheelArn": "arn:aws:comprehend:us-east-1:123456789012:flywheel/none"},
     "ResourceNotFoundException", "Could not find"),
    ("KeyPhrasesDetection",
     {"InputDataConfig": {"S3Uri": "s3://bucket/in", "DocumentReaderConfig": {
         "DocumentReadAction": "TEXTRACT_ANALYZE_DOCUMENT"}}},
     "InvalidRequestException", "FeatureTypes"),
]  # fmt: skip


@pytest.mark.parametrize(("noun", "changes", "error", "words"), REFUSED)
def test_what_is_refused(
    noun: str, changes: dict[str, Any], error: str, words: str, server: Server, comprehend: Any
) -> None:
    iam = server.client("iam")
    if "closed" in str(changes):
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole"}]}  # fmt: skip
        iam.create_role(RoleName="closed", AssumeRolePolicyDocument=json.dumps(policy))
    family = next(each for each in EVERY if each.noun == noun)
    with pytest.raises(ClientError, match=words) as refused:
        verb(comprehend, f"Start{family.job}")(**asked(family, **changes))
    assert code(refused)[0] == error


def test_keys_and_networks_are_kept(comprehend: Any) -> None:
    key = "1234abcd-12ab-34cd-56ef-1234567890ab"
    given = request(
        VolumeKmsKeyId=key,
        OutputDataConfig={"S3Uri": "s3://bucket/out/", "KmsKeyId": "alias/mine"},
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    )
    job = comprehend.start_entities_detection_job(**given)["JobId"]
    found = comprehend.describe_entities_detection_job(JobId=job)["EntitiesDetectionJobProperties"]
    assert (found["VolumeKmsKeyId"], found["VpcConfig"]) == (key, given["VpcConfig"])
    assert found["OutputDataConfig"]["KmsKeyId"] == "alias/mine"
    assert found["OutputDataConfig"]["S3Uri"].startswith("s3://bucket/out/123456789012-NER-")


def test_redaction_is_told(comprehend: Any) -> None:
    config = {"PiiEntityTypes": ["ALL"], "MaskMode": "MASK", "MaskCharacter": "#"}
    given = request(Mode="ONLY_REDACTION", RedactionConfig=config)
    job = comprehend.start_pii_entities_detection_job(**given)["JobId"]
    answer = comprehend.describe_pii_entities_detection_job(JobId=job)
    found = answer["PiiEntitiesDetectionJobProperties"]
    assert (found["Mode"], found["RedactionConfig"]) == ("ONLY_REDACTION", config)


def test_events_are_closed(comprehend: Any) -> None:
    with pytest.raises(ClientError, match="not available to new customers") as refused:
        comprehend.start_events_detection_job(**request(TargetEventTypes=["BANKRUPTCY"]))
    assert code(refused) == ("InvalidRequestException", 400)
    assert comprehend.list_events_detection_jobs()["EventsDetectionJobPropertiesList"] == []
    with pytest.raises(ClientError) as refused:
        comprehend.describe_events_detection_job(JobId="0" * 32)
    assert code(refused)[0] == "JobNotFoundException"


# ---- lists


@pytest.fixture(scope="module")
def listed(server: Server, comprehend: Any) -> list[str]:
    """Ids of five language jobs of different times, in another region than other tests' jobs."""
    west = server.client("comprehend", region_name="us-west-2")
    ids = [
        west.start_dominant_language_detection_job(**request(LanguageCode=None, JobName=name))[
            "JobId"
        ]
        for name in ("a", "b", "a", "c", "d")
    ]
    west.stop_dominant_language_detection_job(JobId=ids[4])
    for number, job in enumerate(ids):
        _age(server, job, number)
    return ids


def _age(server: Server, job: str, hour: int) -> None:
    kind = "dominant-language-detection-job"
    row = server.world.rows.get("123456789012", "us-west-2", kind, job)
    assert row is not None
    when = dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)
    changed = {"SubmitTime": when}
    server.world.rows.update(row.id, lambda found: replace(found, doc={**found.doc, **changed}))


def pages(server: Server, size: int = 100, **wanted: Any) -> list[str]:
    """The ids of every page."""
    west = server.client("comprehend", region_name="us-west-2")
    found, more = [], {}
    while True:
        answer = west.list_dominant_language_detection_jobs(
            **({"Filter": wanted} if wanted else {}), MaxResults=size, **more
        )
        jobs = answer["DominantLanguageDetectionJobPropertiesList"]
        assert len(jobs) <= size
        found += [job["JobId"] for job in jobs]
        if "NextToken" not in answer:
            return found
        more = {"NextToken": answer["NextToken"]}


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_newest_come_first_on_pages(size: int, server: Server, listed: list[str]) -> None:
    assert pages(server, size) == listed[::-1]


def test_filters(server: Server, listed: list[str]) -> None:
    at = dt.datetime(2026, 1, 1, 2, tzinfo=dt.UTC)
    assert pages(server, JobName="a") == [listed[2], listed[0]]
    assert pages(server, JobStatus="STOP_REQUESTED") == [listed[4]]
    assert pages(server, 1, SubmitTimeBefore=at) == listed[:2], "oldest to newest"
    assert pages(server, 1, SubmitTimeAfter=at) == [listed[4], listed[3]]
    last = dt.datetime(2026, 1, 1, 4, tzinfo=dt.UTC)
    assert pages(server, SubmitTimeAfter=at, SubmitTimeBefore=last) == [listed[3]]
    assert pages(server, JobName="none") == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"JobName": "a", "JobStatus": "FAILED"},
        {"SubmitTimeAfter": dt.datetime(2026, 1, 2), "SubmitTimeBefore": dt.datetime(2026, 1, 1)},
    ],
)
def test_filters_that_exclude_each_other(wanted: dict[str, Any], comprehend: Any) -> None:
    with pytest.raises(ClientError) as refused:
        comprehend.list_sentiment_detection_jobs(Filter=wanted)
    assert code(refused) == ("InvalidFilterException", 400)


@pytest.mark.parametrize("token", ["x", "WyJhIl0=", "bm9uZQ==", "WzEsIDIsIDNd", "WzEsIDFlOTk5XQ=="])
def test_a_token_that_no_list_gave(token: str, comprehend: Any) -> None:
    with pytest.raises(ClientError, match="Invalid NextToken") as refused:
        comprehend.list_sentiment_detection_jobs(NextToken=token)
    assert code(refused) == ("InvalidRequestException", 400)


def test_ten_jobs_of_a_family_may_be_active(server: Server) -> None:
    east = server.client("comprehend", region_name="eu-west-1")
    for _ in range(10):
        east.start_topics_detection_job(**request(LanguageCode=None))
    with pytest.raises(ClientError, match="10 active jobs") as refused:
        east.start_topics_detection_job(**request(LanguageCode=None))
    assert code(refused) == ("TooManyRequestsException", 429)
    east.start_key_phrases_detection_job(**request())


# ---- tags


def test_tags_are_added_and_removed(comprehend: Any) -> None:
    given = request(JobName="tagged", Tags=[{"Key": "a", "Value": "1"}])
    arn = comprehend.start_sentiment_detection_job(**given)["JobArn"]
    comprehend.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b"}])
    found = comprehend.list_tags_for_resource(ResourceArn=arn)
    assert found["ResourceArn"] == arn
    assert found["Tags"] == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}]
    comprehend.untag_resource(ResourceArn=arn, TagKeys=["a", "none"])
    assert [tag["Key"] for tag in comprehend.list_tags_for_resource(ResourceArn=arn)["Tags"]] == [
        "b"
    ]
    many = [{"Key": f"k{n}"} for n in range(50)]
    with pytest.raises(ClientError) as refused:
        comprehend.tag_resource(ResourceArn=arn, Tags=many)
    assert code(refused)[0] == "TooManyTagsException"
    with pytest.raises(ClientError) as refused:
        comprehend.untag_resource(ResourceArn=arn, TagKeys=[f"k{n}" for n in range(51)])
    assert code(refused)[0] == "TooManyTagKeysException"


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:comprehend:us-east-1:123456789012:sentiment-detection-job/none",
        "arn:aws:comprehend:us-east-1:999999999999:sentiment-detection-job/none",
        "arn:aws:comprehend:us-east-1:123456789012:training-job/none",
    ],
)
def test_tags_of_what_there_is_not(arn: str, comprehend: Any) -> None:
    for call in (
        lambda: comprehend.list_tags_for_resource(ResourceArn=arn),
        lambda: comprehend.tag_resource(ResourceArn=arn, Tags=[{"Key": "a"}]),
        lambda: comprehend.untag_resource(ResourceArn=arn, TagKeys=["a"]),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code(refused) == ("ResourceNotFoundException", 404)


def test_jobs_of_another_account_are_not_seen(server: Server, comprehend: Any) -> None:
    _, stranger = account(server, "210987654321")
    other = stranger("comprehend")
    job = comprehend.start_sentiment_detection_job(**request(JobName="mine"))
    with pytest.raises(ClientError) as refused:
        other.describe_sentiment_detection_job(JobId=job["JobId"])
    assert code(refused)[0] == "JobNotFoundException"
    assert other.list_sentiment_detection_jobs()["SentimentDetectionJobPropertiesList"] == []
    with pytest.raises(ClientError) as refused:
        other.list_tags_for_resource(ResourceArn=job["JobArn"])
    assert code(refused)[0] == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="Cross-account pass role"):
        other.start_sentiment_detection_job(**request())
