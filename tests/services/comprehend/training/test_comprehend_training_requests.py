"""Create, Describe, List, Delete and StopTraining by boto3, and what they refuse."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.people import Person, allow, text
from tests.services.comprehend.training.asking import (
    ARN,
    KEY,
    MAIN,
    OTHER,
    become,
    created,
    refused,
    told,
)  # fmt: skip
from tests.services.comprehend.training.training_world import classifier, recognizer

MANIFEST = {"S3Uri": "s3://bucket/m.jsonl", "AttributeNames": ["labels"]}


def test_a_classifier_is_described_as_it_was_asked_for(comprehend: Any) -> None:
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    arn = created(
        comprehend,
        VersionName="v1",
        Mode="MULTI_LABEL",
        InputDataConfig={
            "S3Uri": "s3://bucket/in",
            "TestS3Uri": "s3://bucket/t",
            "LabelDelimiter": "~",
        },
        OutputDataConfig={"S3Uri": "s3://bucket/out/", "KmsKeyId": "alias/mine"},
        VolumeKmsKeyId=KEY,
        ModelKmsKeyId=KEY,
        VpcConfig=network,
        Tags=[{"Key": "a", "Value": "1"}],
    )
    assert arn == f"{ARN}document-classifier/films/version/v1"
    found = told(comprehend, arn)
    assert (found["Status"], found["VersionName"], found["Mode"]) == (
        "SUBMITTED",
        "v1",
        "MULTI_LABEL",
    )
    assert (found["VolumeKmsKeyId"], found["ModelKmsKeyId"]) == (KEY, KEY)
    assert found["VpcConfig"] == network
    assert found["InputDataConfig"] == {
        "DataFormat": "COMPREHEND_CSV",
        "DocumentType": "PLAIN_TEXT_DOCUMENT",
        "S3Uri": "s3://bucket/in",
        "TestS3Uri": "s3://bucket/t",
        "LabelDelimiter": "~",
    }
    assert found["OutputDataConfig"]["KmsKeyId"] == "alias/mine"
    place = found["OutputDataConfig"]["S3Uri"]
    assert place.startswith(f"s3://bucket/out/{MAIN}-CLR-")
    assert place.endswith("/output/output.tar.gz")
    assert "EndTime" not in found
    tags = comprehend.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "1"}]


def test_a_recognizer_is_described_as_it_was_asked_for(comprehend: Any) -> None:
    arn = comprehend.create_entity_recognizer(**recognizer())["EntityRecognizerArn"]
    assert arn == f"{ARN}entity-recognizer/parts"
    found = told(comprehend, arn)
    assert (found["Status"], found["LanguageCode"]) == ("SUBMITTED", "en")
    assert found["InputDataConfig"]["Documents"]["InputFormat"] == "ONE_DOC_PER_LINE"
    assert not {"Mode", "OutputDataConfig", "VersionName"} & set(found)


def test_names_and_versions_are_taken_once(comprehend: Any) -> None:
    created(comprehend, VersionName="v1")
    created(comprehend, VersionName="v2")
    created(comprehend)
    comprehend.create_entity_recognizer(**recognizer("films"))
    for changes in ({"VersionName": "v1"}, {}):
        given = classifier("films", **changes)
        assert (
            refused(comprehend.create_document_classifier, **given)[0] == "ResourceInUseException"
        )


def test_a_token_is_one_requests(comprehend: Any) -> None:
    create = comprehend.create_document_classifier
    given = classifier("films", ClientRequestToken="t", Tags=[{"Key": "a", "Value": "1"}])
    arn = create(**given)["DocumentClassifierArn"]
    assert create(**given)["DocumentClassifierArn"] == arn
    assert len(comprehend.list_document_classifiers()["DocumentClassifierPropertiesList"]) == 1
    for changed in ({"LanguageCode": "de"}, {"DocumentClassifierName": "other"}):
        code, message = refused(create, **{**given, **changed})
        assert (code, "ClientRequestToken" in message) == ("ResourceInUseException", True)
    comprehend.create_entity_recognizer(**recognizer(ClientRequestToken="t"))


def test_a_policy_comes_with_the_model(comprehend: Any) -> None:
    policy = text(allow("comprehend:ImportModel", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}))
    arn = created(comprehend, ModelPolicy=policy)
    found = comprehend.describe_resource_policy(ResourceArn=arn)
    assert found["ResourcePolicy"] == policy
    comprehend.delete_resource_policy(ResourceArn=arn, PolicyRevisionId=found["PolicyRevisionId"])
    given = classifier("other", ModelPolicy="no policy")
    code, message = refused(comprehend.create_document_classifier, **given)
    assert (code, message[:23]) == ("InvalidRequestException", "The policy is not valid")


def test_ten_models_of_a_kind_may_be_in_training(idle_server: Server, comprehend: Any) -> None:
    last = [created(comprehend, f"m{number}") for number in range(10)][-1]
    create = comprehend.create_document_classifier
    assert refused(create, **classifier("more"))[0] == "ResourceLimitExceededException"
    comprehend.create_entity_recognizer(**recognizer())
    become(idle_server, last, "TRAINED")
    created(comprehend, "more")


def of_data(**config: Any) -> dict[str, Any]:
    return {"InputDataConfig": config}


def types(*names: str) -> list[dict[str, str]]:
    return [{"Type": name} for name in names]


PAGES = {"DocumentType": "SEMI_STRUCTURED_DOCUMENT", "S3Uri": "s3://bucket/in"}
CLASSIFIERS = [
    ({"LanguageCode": "ja"}, "UnsupportedLanguageException", "Japanese"),
    ({"VolumeKmsKeyId": "no key"}, "KmsKeyValidationException", "CMK"),
    ({"ModelKmsKeyId": "alias/mine"}, "KmsKeyValidationException", "CMK"),
    ({"OutputDataConfig": {"S3Uri": "s3://bucket", "KmsKeyId": "x"}}, "KmsKeyValidationException", "CMK"),
    ({"Tags": [{"Key": f"k{n}"} for n in range(51)]}, "TooManyTagsException", "50 tags"),
    ({"Tags": [{"Key": "k"}, {"Key": "k"}]}, "InvalidRequestException", "twice"),
    ({"DataAccessRoleArn": "arn:aws:iam::999999999999:role/other"}, "InvalidRequestException", "Cross-account"),
    ({"DataAccessRoleArn": f"arn:aws:iam::{MAIN}:role/closed"}, "InvalidRequestException", "Could not assume"),
    (of_data(TestS3Uri="s3://bucket/t"), "InvalidRequestException", "S3Uri must be given"),
    (of_data(DataFormat="AUGMENTED_MANIFEST"), "InvalidRequestException", "AugmentedManifests must be given"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[]), "InvalidRequestException", "must be given"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[MANIFEST], S3Uri="s3://bucket/in"),
     "InvalidRequestException", "S3Uri must not be given"),
    (of_data(AugmentedManifests=[MANIFEST], S3Uri="s3://bucket/in"), "InvalidRequestException", "must not be given"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[MANIFEST] * 6),
     "InvalidRequestException", "the most is 5"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[{**MANIFEST, "Split": "TEST"}]),
     "InvalidRequestException", "every Split is TEST"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[{**MANIFEST, "AttributeNames": []}]),
     "InvalidRequestException", "1 to 5 names"),
    (of_data(S3Uri="s3://bucket/in", LabelDelimiter="~"), "InvalidRequestException", "LabelDelimiter"),
    (of_data(**PAGES), "InvalidRequestException", "Documents must be given"),
    (of_data(S3Uri="s3://bucket/in", Documents={"S3Uri": "s3://bucket/d"}),
     "InvalidRequestException", "Documents must not be given"),
    (of_data(**PAGES, Documents={"S3Uri": "s3://bucket/d", "TestS3Uri": "s3://bucket/t"}),
     "InvalidRequestException", "TestS3Uri must be given both"),
    (of_data(**PAGES, Documents={"S3Uri": "s3://bucket/d"}, DocumentReaderConfig={
        "DocumentReadAction": "TEXTRACT_ANALYZE_DOCUMENT"}), "InvalidRequestException", "FeatureTypes"),
    (of_data(**PAGES, Documents={"S3Uri": "s3://bucket/d"}, DocumentReaderConfig={
        "DocumentReadAction": "TEXTRACT_DETECT_DOCUMENT_TEXT",
        "DocumentReadMode": "FORCE_DOCUMENT_READ_ACTION"}), "InvalidRequestException", "Textract"),
    (of_data(DataFormat="AUGMENTED_MANIFEST", AugmentedManifests=[
        {"S3Uri": f"s3://bucket/{'m' * 1000}", "AnnotationDataS3Uri": f"s3://bucket/{'a' * 1000}",
         "SourceDocumentsS3Uri": f"s3://bucket/{'s' * 1000}", "AttributeNames": ["n" * 60] * 5}] * 5),
     "InvalidRequestException", "too long"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "error", "words"), CLASSIFIERS)
def test_what_classifiers_are_refused_for(
    changes: dict[str, Any], error: str, words: str, idle_server: Server, comprehend: Any
) -> None:
    if "closed" in str(changes):
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole"}]}  # fmt: skip
        idle_server.client("iam").create_role(
            RoleName="closed", AssumeRolePolicyDocument=json.dumps(policy)
        )
    code, message = refused(comprehend.create_document_classifier, **classifier("films", **changes))
    assert (code, words in message) == (error, True), message
    assert comprehend.list_document_classifiers()["DocumentClassifierPropertiesList"] == []


DOCUMENTS = {"Documents": {"S3Uri": "s3://bucket/in"}}
LISTED = {**DOCUMENTS, "EntityList": {"S3Uri": "s3://bucket/list.csv"}}
MARKED = {**DOCUMENTS, "Annotations": {"S3Uri": "s3://bucket/a.csv"}}
RECOGNIZERS = [
    ({"EntityTypes": [], **LISTED}, "1 to 25"),
    ({"EntityTypes": types(*(f"T{n}" for n in range(26))), **LISTED}, "1 to 25"),
    ({"EntityTypes": types("A", "A"), **LISTED}, "twice"),
    ({"EntityTypes": types(r"A\tB"), **LISTED}, ""),
    ({"EntityTypes": types("A,B"), **LISTED}, ""),
    ({"EntityTypes": types("  "), **LISTED}, "blank"),
    ({"EntityTypes": types("A"), **DOCUMENTS}, "Either Annotations or EntityList"),
    ({"EntityTypes": types("A"), **LISTED, **MARKED}, "Either Annotations or EntityList"),
    ({"EntityTypes": types("A"), "EntityList": LISTED["EntityList"]}, "Documents must be given"),
    ({"EntityTypes": types("A"), "DataFormat": "AUGMENTED_MANIFEST"}, "AugmentedManifests must be"),
    ({"EntityTypes": types("A"), "DataFormat": "AUGMENTED_MANIFEST", "AugmentedManifests": [MANIFEST],
      **LISTED}, "must not be given"),
    ({"EntityTypes": types("A"), **MARKED,
      "Documents": {"S3Uri": "s3://bucket/in", "TestS3Uri": "s3://bucket/t"}}, "TestS3Uri"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "words"), RECOGNIZERS)
def test_what_recognizers_are_refused_for(
    config: dict[str, Any], words: str, comprehend: Any
) -> None:
    given = recognizer(InputDataConfig=config)
    code, message = refused(comprehend.create_entity_recognizer, **given)
    assert code in ("InvalidRequestException", "ValidationException")
    assert words in message


@pytest.mark.parametrize("config", [
    {**MARKED}, {**LISTED},
    {"DataFormat": "AUGMENTED_MANIFEST", "AugmentedManifests": [MANIFEST, {**MANIFEST, "Split": "TEST"}]},
    {"Documents": {"S3Uri": "s3://bucket/in", "TestS3Uri": "s3://bucket/t"},
     "Annotations": {"S3Uri": "s3://bucket/a.csv", "TestS3Uri": "s3://bucket/b.csv"}},
])  # fmt: skip
def test_what_recognizers_are_trained_with(config: dict[str, Any], comprehend: Any) -> None:
    given = recognizer(InputDataConfig={"EntityTypes": types("A", "B C"), **config})
    comprehend.create_entity_recognizer(**given)


def test_models_that_there_are_not(comprehend: Any, stranger: Person) -> None:
    arn = created(comprehend)
    other = stranger("comprehend")
    missing = "ResourceNotFoundException"
    for client, name in ((comprehend, f"{arn}/version/v1"), (other, arn)):
        for call in (
            client.describe_document_classifier,
            client.delete_document_classifier,
            client.stop_training_document_classifier,
        ):
            assert refused(call, DocumentClassifierArn=name)[0] == missing
    assert other.list_document_classifiers()["DocumentClassifierPropertiesList"] == []
    assert other.list_document_classifier_summaries()["DocumentClassifierSummariesList"] == []
    none = f"{ARN}entity-recognizer/films"
    assert refused(comprehend.describe_entity_recognizer, EntityRecognizerArn=none)[0] == missing


# ---- lists


@pytest.fixture
def listed(idle_server: Server, comprehend: Any) -> list[str]:
    """ARNs of five classifiers, oldest first."""
    names = [("a", "v1"), ("b", None), ("a", "v2"), ("c", "x"), ("a", None)]
    arns = [created(comprehend, name, VersionName=version) for name, version in names]
    for number, arn in enumerate(arns):
        become(idle_server, arn, "TRAINED" if number == 2 else "SUBMITTED", number)
    return arns


def pages(client: Any, size: int = 100, **wanted: Any) -> list[str]:
    """The ARNs of every page."""
    found, more = [], {}
    while True:
        answer = client.list_document_classifiers(
            **({"Filter": wanted} if wanted else {}), MaxResults=size, **more
        )
        found += [m["DocumentClassifierArn"] for m in answer["DocumentClassifierPropertiesList"]]
        if "NextToken" not in answer:
            return found
        more = {"NextToken": answer["NextToken"]}


@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_newest_come_first_on_pages(size: int, comprehend: Any, listed: list[str]) -> None:
    assert pages(comprehend, size) == listed[::-1]


def test_filters(comprehend: Any, listed: list[str]) -> None:
    at = dt.datetime(2026, 1, 1, 2, tzinfo=dt.UTC)
    assert pages(comprehend, DocumentClassifierName="a") == [listed[4], listed[2], listed[0]]
    assert pages(comprehend, Status="TRAINED") == [listed[2]]
    assert pages(comprehend, 1, SubmitTimeBefore=at) == listed[:2], "oldest to newest"
    assert pages(comprehend, 1, SubmitTimeAfter=at) == [listed[4], listed[3]]
    given = {"DocumentClassifierName": "a", "Status": "TRAINED"}
    code, _ = refused(comprehend.list_document_classifiers, Filter=given)
    assert code == "InvalidFilterException"
    code, _ = refused(comprehend.list_document_classifiers, NextToken="x")
    assert code == "InvalidRequestException"


def test_recognizers_have_an_order_of_their_own(idle_server: Server, comprehend: Any) -> None:
    arns = [
        comprehend.create_entity_recognizer(**recognizer(name))["EntityRecognizerArn"]
        for name in ("a", "b", "c")
    ]
    for number, arn in enumerate(arns):
        become(idle_server, arn, "SUBMITTED", number)
    answers = [
        comprehend.list_entity_recognizers(Filter={member: dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)})
        for member, hour in (("SubmitTimeAfter", 0), ("SubmitTimeBefore", 2))
    ]  # fmt: skip
    found = [
        [each["EntityRecognizerArn"] for each in answer["EntityRecognizerPropertiesList"]]
        for answer in answers
    ]
    assert found == [arns[1:], arns[1::-1]]
    named = comprehend.list_entity_recognizers(Filter={"RecognizerName": "b"})
    assert [m["EntityRecognizerArn"] for m in named["EntityRecognizerPropertiesList"]] == [arns[1]]
    names = comprehend.list_entity_recognizer_summaries()["EntityRecognizerSummariesList"]
    assert [each["RecognizerName"] for each in names] == ["c", "b", "a"]


def test_summaries_are_of_names(comprehend: Any, listed: list[str]) -> None:
    found, more = [], {}
    while True:
        answer = comprehend.list_document_classifier_summaries(MaxResults=1, **more)
        found += answer["DocumentClassifierSummariesList"]
        if "NextToken" not in answer:
            break
        more = {"NextToken": answer["NextToken"]}
    told_of = [
        (m["DocumentClassifierName"], m["NumberOfVersions"], m.get("LatestVersionName"))
        for m in found
    ]
    assert told_of == [("a", 3, None), ("c", 1, "x"), ("b", 1, None)]
    assert found[0]["LatestVersionCreatedAt"] == dt.datetime(2026, 1, 1, 4, tzinfo=dt.UTC)
    assert {each["LatestVersionStatus"] for each in found} == {"SUBMITTED"}


# ---- deletion


def test_what_is_used_is_not_deleted(idle_server: Server, comprehend: Any) -> None:
    arn = created(comprehend)
    become(idle_server, arn, "TRAINED")
    rows = idle_server.world.rows
    delete = comprehend.delete_document_classifier
    for kind, status, doc in (
        ("document-classifier-endpoint", "IN_SERVICE", {"ModelArn": arn}),
        ("document-classifier-endpoint", "UPDATING", {"ModelArn": "x", "DesiredModelArn": arn}),
        ("document-classification-job", "IN_PROGRESS", {"DocumentClassifierArn": arn}),
        ("flywheel", "ACTIVE", {"ActiveModelArn": arn}),
    ):
        user_row = rows.insert(Row(MAIN, "us-east-1", kind, "it", status, doc))
        code, message = refused(delete, DocumentClassifierArn=arn)
        assert (code, f":{kind}/it" in message) == ("ResourceInUseException", True)
        rows.delete(user_row.id)
    assert told(comprehend, arn)["Status"] == "TRAINED"
    for kind, status, doc in (
        ("document-classifier-endpoint", "IN_SERVICE", {"ModelArn": f"{arn}/version/v1"}),
        ("document-classification-job", "COMPLETED", {"DocumentClassifierArn": arn}),
    ):
        rows.insert(Row(MAIN, "us-east-1", kind, "it", status, doc))
    delete(DocumentClassifierArn=arn)
    assert told(comprehend, arn)["Status"] == "DELETING"
