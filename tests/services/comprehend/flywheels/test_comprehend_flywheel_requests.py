"""Flywheels, data sets and iterations by boto3, and what their requests may not say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.engine.loop import Loop
from tests.conftest import Server, make_settings, started
from tests.people import account
from tests.services.comprehend.flywheels.flywheel_requests import (
    ACCOUNT,
    ANNOTATED,
    CSV,
    LAKE,
    LISTED,
    MANIFEST,
    REGION,
    TASK,
    TYPES,
    arn,
    classifier,
    flywheel,
)

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose loop takes no step: what is created stays so until a test says otherwise."""
    patched = pytest.MonkeyPatch()
    patched.setattr(Loop, "start", lambda self: None)
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    made.client("s3").create_bucket(Bucket="bucket")
    yield made
    made.stop()
    patched.undo()


@pytest.fixture
def comprehend(server: Server) -> Iterator[Any]:
    """A client; afterwards there are no flywheels and no models."""
    yield server.client("comprehend")
    rows = server.world.rows
    kinds = ("flywheel", "flywheel-dataset", "flywheel-iteration", "document-classifier")
    for kind in kinds:
        for row in rows.select(kind):
            rows.delete(row.id)


def becomes(server: Server, kind: str, name: str, status: str, **doc: Any) -> None:
    """The row has that status, and members of its document."""
    row = server.world.rows.get(ACCOUNT, REGION, kind, name)
    assert row is not None
    server.world.rows.update(row.id, lambda r: replace(r, status=status, doc={**r.doc, **doc}))


def active(server: Server, comprehend: Any, name: str = "wheel", **changes: Any) -> str:
    """The ARN of an ACTIVE flywheel."""
    found = comprehend.create_flywheel(**flywheel(name, **changes))["FlywheelArn"]
    becomes(server, "flywheel", name, "ACTIVE")
    return found


def completed(server: Server, comprehend: Any, wheel: str, name: str, part: str = "TRAIN") -> str:
    """The ARN of a COMPLETED data set."""
    made = comprehend.create_dataset(
        FlywheelArn=wheel, DatasetName=name, DatasetType=part, InputDataConfig=CSV
    )
    becomes(server, "flywheel-dataset", f"{wheel.rpartition('/')[2]}/dataset/{name}", "COMPLETED")
    return made["DatasetArn"]


def code(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response: Any = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# ---- flywheels


def test_a_flywheel_of_a_new_model(server: Server, comprehend: Any) -> None:
    made = comprehend.create_flywheel(**flywheel(Tags=[{"Key": "team", "Value": "a"}]))
    assert made["FlywheelArn"] == arn("flywheel/wheel")
    assert "ActiveModelArn" not in made
    found = comprehend.describe_flywheel(FlywheelArn=made["FlywheelArn"])["FlywheelProperties"]
    stamp = f"{found['CreationTime']:%Y%m%dT%H%M%SZ}"
    assert found["DataLakeS3Uri"] == f"{LAKE}/wheel/schemaVersion=1/{stamp}/"
    assert (found["Status"], found["ModelType"]) == ("CREATING", "DOCUMENT_CLASSIFIER")
    assert (found["TaskConfig"], found["DataSecurityConfig"]) == (TASK, {})
    assert found["LastModifiedTime"] == found["CreationTime"]
    listed = comprehend.list_flywheels()["FlywheelSummaryList"]
    assert [each["FlywheelArn"] for each in listed] == [made["FlywheelArn"]]
    assert "TaskConfig" not in listed[0]
    tags = comprehend.list_tags_for_resource(ResourceArn=made["FlywheelArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_a_flywheel_of_a_model(server: Server, comprehend: Any) -> None:
    server.world.rows.insert(classifier())
    model = arn("document-classifier/model/version/1")
    given = flywheel(ActiveModelArn=model, ModelType=None, TaskConfig=None)
    made = comprehend.create_flywheel(**given)
    assert made["ActiveModelArn"] == model
    found = comprehend.describe_flywheel(FlywheelArn=made["FlywheelArn"])["FlywheelProperties"]
    assert found["ModelType"] == "DOCUMENT_CLASSIFIER"
    assert found["TaskConfig"] == {
        "LanguageCode": "en",
        "DocumentClassificationConfig": {"Mode": "MULTI_CLASS"},
    }


def test_a_recognizers_flywheel(comprehend: Any) -> None:
    given = flywheel(ModelType="ENTITY_RECOGNIZER", TaskConfig=TYPES)
    made = comprehend.create_flywheel(**given)
    found = comprehend.describe_flywheel(FlywheelArn=made["FlywheelArn"])["FlywheelProperties"]
    assert found["TaskConfig"] == TYPES


LABELLED = {**TASK["DocumentClassificationConfig"]}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"TaskConfig": None}, "InvalidRequestException"),
        ({"ModelType": None}, "InvalidRequestException"),
        ({"ActiveModelArn": arn("document-classifier/none")}, "InvalidRequestException"),
        ({"TaskConfig": TYPES}, "InvalidRequestException"),
        ({"ModelType": "ENTITY_RECOGNIZER"}, "InvalidRequestException"),
        (
            {"TaskConfig": {**TASK, "EntityRecognitionConfig": TYPES["EntityRecognitionConfig"]}},
            "InvalidRequestException",
        ),
        (
            {
                "TaskConfig": {
                    **TASK, "DocumentClassificationConfig": {**LABELLED, "Labels": ["a", "a"]},
                }
            },
            "InvalidRequestException",
        ),
        *(
            (
                {"ModelType": "ENTITY_RECOGNIZER", "TaskConfig": {**TYPES, "EntityRecognitionConfig": {"EntityTypes": types}}},
                "InvalidRequestException",
            )
            for types in ([], [{"Type": " "}])
        ),
        ({"TaskConfig": {**TASK, "LanguageCode": "ja"}}, "UnsupportedLanguageException"),
        ({"DataSecurityConfig": {"DataLakeKmsKeyId": "no key"}}, "KmsKeyValidationException"),
        (
            {"DataAccessRoleArn": "arn:aws:iam::999999999999:role/Other"},
            "InvalidRequestException",
        ),
        ({"Tags": [{"Key": "a"}, {"Key": "a"}]}, "InvalidRequestException"),
        (
            {
                "ActiveModelArn": arn("document-classifier/none"),
                "ModelType": None,
                "TaskConfig": None,
            },
            "ResourceNotFoundException",
        ),
    ],
)  # fmt: skip
def test_what_no_flywheel_can_be_made_of(
    changes: dict[str, Any], error: str, comprehend: Any
) -> None:
    with pytest.raises(ClientError) as refused:
        comprehend.create_flywheel(**flywheel(**changes))
    assert code(refused)[0] == error
    assert comprehend.list_flywheels()["FlywheelSummaryList"] == []


@pytest.mark.parametrize(
    ("status", "changes", "error"),
    [
        ("TRAINING", {}, "ResourceUnavailableException"),
        ("IN_ERROR", {}, "ResourceUnavailableException"),
        ("TRAINED", {"InputDataConfig": None}, "InvalidRequestException"),
        (
            "TRAINED",
            {"InputDataConfig": {"S3Uri": "s3://b", "DocumentType": "SEMI_STRUCTURED_DOCUMENT"}},
            "InvalidRequestException",
        ),
    ],
)
def test_a_model_that_no_flywheel_can_go_on_from(
    status: str, changes: dict[str, Any], error: str, server: Server, comprehend: Any
) -> None:
    server.world.rows.insert(classifier(status=status, **changes))
    given = flywheel(
        ActiveModelArn=arn("document-classifier/model/version/1"), ModelType=None, TaskConfig=None
    )
    with pytest.raises(ClientError) as refused:
        comprehend.create_flywheel(**given)
    assert code(refused)[0] == error


def test_a_name_is_used_once_and_a_token_for_one_request(comprehend: Any) -> None:
    first = comprehend.create_flywheel(**flywheel(ClientRequestToken="t"))
    again = comprehend.create_flywheel(**flywheel(ClientRequestToken="t"))
    assert first["FlywheelArn"] == again["FlywheelArn"]
    for changes in (
        {},
        {"ClientRequestToken": "u"},
        {"ClientRequestToken": "t", "DataLakeS3Uri": "s3://other"},
    ):
        with pytest.raises(ClientError) as refused:
            comprehend.create_flywheel(**flywheel(**changes))
        assert code(refused) == ("ResourceInUseException", 400)


def test_an_update_changes_what_it_names(server: Server, comprehend: Any) -> None:
    keys = {"ModelKmsKeyId": KEY, "VolumeKmsKeyId": KEY, "DataLakeKmsKeyId": KEY}
    wheel = active(server, comprehend, DataSecurityConfig=keys)
    server.world.rows.insert(classifier())
    model = arn("document-classifier/model/version/1")
    found = comprehend.update_flywheel(FlywheelArn=wheel, ActiveModelArn=model)[
        "FlywheelProperties"
    ]
    assert (found["ActiveModelArn"], found["DataSecurityConfig"]) == (model, keys)
    assert found["Status"] == "ACTIVE"
    found = comprehend.update_flywheel(
        FlywheelArn=wheel, DataSecurityConfig={"VolumeKmsKeyId": KEY}
    )["FlywheelProperties"]
    assert found["DataSecurityConfig"] == {"VolumeKmsKeyId": KEY, "DataLakeKmsKeyId": KEY}
    assert found["ActiveModelArn"] == model


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        ("TRAINED", {"Mode": "MULTI_LABEL"}),
        ("TRAINED", {"LanguageCode": "de"}),
        ("TRAINING", {}),
    ],
)
def test_a_model_of_another_kind_is_not_promoted(
    status: str, changes: dict[str, Any], server: Server, comprehend: Any
) -> None:
    wheel = active(server, comprehend)
    server.world.rows.insert(classifier(status=status, **changes))
    with pytest.raises(ClientError) as refused:
        comprehend.update_flywheel(
            FlywheelArn=wheel, ActiveModelArn=arn("document-classifier/model/version/1")
        )
    assert code(refused) == ("InvalidRequestException", 400)


def test_a_flywheel_is_updated_and_filled_when_it_is_active(
    server: Server, comprehend: Any
) -> None:
    wheel = comprehend.create_flywheel(**flywheel())["FlywheelArn"]
    for ask in (
        lambda: comprehend.update_flywheel(FlywheelArn=wheel, DataSecurityConfig={}),
        lambda: comprehend.create_dataset(FlywheelArn=wheel, DatasetName="a", InputDataConfig=CSV),
        lambda: comprehend.start_flywheel_iteration(FlywheelArn=wheel),
    ):
        with pytest.raises(ClientError) as refused:
            ask()
        assert code(refused) == ("InvalidRequestException", 400)
    with pytest.raises(ClientError) as refused:
        comprehend.delete_flywheel(FlywheelArn=wheel)
    assert code(refused) == ("ResourceUnavailableException", 404)


def test_what_is_not_there(comprehend: Any) -> None:
    wheel = arn("flywheel/none")
    number = "20230616T200543Z"
    for ask in (
        lambda: comprehend.describe_flywheel(FlywheelArn=wheel),
        lambda: comprehend.update_flywheel(FlywheelArn=wheel),
        lambda: comprehend.delete_flywheel(FlywheelArn=wheel),
        lambda: comprehend.create_dataset(FlywheelArn=wheel, DatasetName="a", InputDataConfig=CSV),
        lambda: comprehend.describe_dataset(DatasetArn=f"{wheel}/dataset/a"),
        lambda: comprehend.list_datasets(FlywheelArn=wheel),
        lambda: comprehend.start_flywheel_iteration(FlywheelArn=wheel),
        lambda: comprehend.describe_flywheel_iteration(
            FlywheelArn=wheel, FlywheelIterationId=number
        ),
        lambda: comprehend.list_flywheel_iteration_history(FlywheelArn=wheel),
    ):
        with pytest.raises(ClientError) as refused:
            ask()
        assert code(refused) == ("ResourceNotFoundException", 404)


def test_pages_and_filters_of_flywheels(server: Server, comprehend: Any) -> None:
    names = [f"wheel-{number}" for number in range(3)]
    for name in names:
        comprehend.create_flywheel(**flywheel(name))
    becomes(server, "flywheel", "wheel-1", "ACTIVE")
    page = comprehend.list_flywheels(MaxResults=2)
    more = comprehend.list_flywheels(MaxResults=2, NextToken=page["NextToken"])
    assert "NextToken" not in more
    listed = [
        each["FlywheelArn"].rpartition("/")[2]
        for each in page["FlywheelSummaryList"] + more["FlywheelSummaryList"]
    ]
    assert listed == names[::-1]
    found = comprehend.list_flywheels(Filter={"Status": "ACTIVE"})["FlywheelSummaryList"]
    assert [each["FlywheelArn"] for each in found] == [arn("flywheel/wheel-1")]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert not comprehend.list_flywheels(Filter={"CreationTimeAfter": later})["FlywheelSummaryList"]
    for wanted in (
        {"Status": "ACTIVE", "CreationTimeAfter": later},
        {"CreationTimeAfter": later, "CreationTimeBefore": later},
    ):
        with pytest.raises(ClientError) as refused:
            comprehend.list_flywheels(Filter=wanted)
        assert code(refused) == ("InvalidFilterException", 400)


def test_another_account_sees_none_of_it(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend)
    other = account(server)[1]("comprehend")
    assert other.list_flywheels()["FlywheelSummaryList"] == []
    with pytest.raises(ClientError) as refused:
        other.describe_flywheel(FlywheelArn=wheel)
    assert code(refused)[0] in ("ResourceNotFoundException", "AccessDeniedException")


# ---- data sets


def test_a_data_set(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend)
    made = comprehend.create_dataset(
        FlywheelArn=wheel,
        DatasetName="first",
        Description="Good Dataset",
        InputDataConfig=CSV,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert made["DatasetArn"] == f"{wheel}/dataset/first"
    found = comprehend.describe_dataset(DatasetArn=made["DatasetArn"])["DatasetProperties"]
    lake = comprehend.describe_flywheel(FlywheelArn=wheel)["FlywheelProperties"]["DataLakeS3Uri"]
    stamp = f"{found.pop('CreationTime'):%Y%m%dT%H%M%SZ}"
    assert found == {
        "DatasetArn": made["DatasetArn"],
        "DatasetName": "first",
        "DatasetType": "TRAIN",
        "DatasetS3Uri": f"{lake}datasets/first/{stamp}/",
        "Description": "Good Dataset",
        "Status": "CREATING",
    }
    tags = comprehend.list_tags_for_resource(ResourceArn=made["DatasetArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError) as refused:
        comprehend.create_dataset(FlywheelArn=wheel, DatasetName="first", InputDataConfig=CSV)
    assert code(refused) == ("ResourceInUseException", 400)


def test_data_sets_are_listed_by_flywheel_status_and_type(server: Server, comprehend: Any) -> None:
    one, two = active(server, comprehend, "one"), active(server, comprehend, "one-more")
    completed(server, comprehend, one, "a")
    completed(server, comprehend, one, "b", "TEST")
    completed(server, comprehend, two, "a")

    def names(**given: Any) -> list[str]:
        found = comprehend.list_datasets(**given)["DatasetPropertiesList"]
        return [each["DatasetName"] for each in found]

    assert names(FlywheelArn=one) == ["b", "a"]
    assert len(names()) == 3
    assert names(FlywheelArn=one, Filter={"DatasetType": "TEST"}) == ["b"]
    assert names(FlywheelArn=one, Filter={"Status": "CREATING"}) == []


def test_data_that_a_classifier_is_not_made_of(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend)
    page = {**MANIFEST["AugmentedManifests"][0], "DocumentType": "SEMI_STRUCTURED_DOCUMENT"}
    for config in (
        ANNOTATED,
        {"DataFormat": "AUGMENTED_MANIFEST", **{k: v for k, v in CSV.items() if k != "DataFormat"}},
        {"DataFormat": "COMPREHEND_CSV"},
        {**CSV, "AugmentedManifests": MANIFEST["AugmentedManifests"]},
        {**MANIFEST, "AugmentedManifests": MANIFEST["AugmentedManifests"] * 6},
        {**MANIFEST, "AugmentedManifests": [page]},
        {**MANIFEST, "AugmentedManifests": [{**page, "AttributeNames": ["a"] * 6}]},
    ):
        with pytest.raises(ClientError) as refused:
            comprehend.create_dataset(FlywheelArn=wheel, DatasetName="a", InputDataConfig=config)
        assert code(refused) == ("InvalidRequestException", 400)
    comprehend.create_dataset(FlywheelArn=wheel, DatasetName="a", InputDataConfig=MANIFEST)


def test_data_that_a_recognizer_is_not_made_of(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend, ModelType="ENTITY_RECOGNIZER", TaskConfig=TYPES)
    given = ANNOTATED["EntityRecognizerInputDataConfig"]
    both = {**given, **LISTED["EntityRecognizerInputDataConfig"]}
    for config, part in (
        (CSV, "TRAIN"),
        (LISTED, "TEST"),
        ({**ANNOTATED, "EntityRecognizerInputDataConfig": both}, "TRAIN"),
        ({"EntityRecognizerInputDataConfig": {"Documents": given["Documents"]}}, "TRAIN"),
    ):
        with pytest.raises(ClientError) as refused:
            comprehend.create_dataset(
                FlywheelArn=wheel, DatasetName="a", DatasetType=part, InputDataConfig=config
            )
        assert code(refused) == ("InvalidRequestException", 400)
    for number, config in enumerate((ANNOTATED, LISTED, MANIFEST)):
        name = f"a-{number}"
        comprehend.create_dataset(FlywheelArn=wheel, DatasetName=name, InputDataConfig=config)


# ---- iterations


def test_an_iteration_wants_new_data_and_runs_alone(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend)

    def refusal() -> tuple[str, int]:
        with pytest.raises(ClientError) as refused:
            comprehend.start_flywheel_iteration(FlywheelArn=wheel)
        return code(refused)

    assert refusal() == ("InvalidRequestException", 400)  # no data set
    comprehend.create_dataset(FlywheelArn=wheel, DatasetName="late", InputDataConfig=CSV)
    assert refusal() == ("InvalidRequestException", 400)  # none that is COMPLETED
    completed(server, comprehend, wheel, "test", "TEST")
    assert refusal() == ("InvalidRequestException", 400)  # nothing to train the first model with
    completed(server, comprehend, wheel, "train")
    made = comprehend.start_flywheel_iteration(FlywheelArn=wheel, ClientRequestToken="t")
    number = made["FlywheelIterationId"]
    assert made["FlywheelArn"] == wheel
    again = comprehend.start_flywheel_iteration(FlywheelArn=wheel, ClientRequestToken="t")
    assert again["FlywheelIterationId"] == number
    assert refusal() == ("ResourceInUseException", 400)
    found = comprehend.describe_flywheel(FlywheelArn=wheel)["FlywheelProperties"]
    assert found["LatestFlywheelIteration"] == number
    lake = found["DataLakeS3Uri"]
    found = comprehend.describe_flywheel_iteration(FlywheelArn=wheel, FlywheelIterationId=number)[
        "FlywheelIterationProperties"
    ]
    assert f"{found.pop('CreationTime'):%Y%m%dT%H%M%SZ}" == number
    assert found == {
        "FlywheelArn": wheel,
        "FlywheelIterationId": number,
        "Status": "TRAINING",
        "EvaluationManifestS3Prefix": f"{lake}evaluation/{number}/",
    }
    with pytest.raises(ClientError) as refused:
        comprehend.delete_flywheel(FlywheelArn=wheel)
    assert code(refused) == ("ResourceInUseException", 400)
    becomes(server, "flywheel-iteration", f"wheel/{number}", "COMPLETED")
    assert refusal() == ("InvalidRequestException", 400)  # it had all data
    completed(server, comprehend, wheel, "newer")
    later = comprehend.start_flywheel_iteration(FlywheelArn=wheel)["FlywheelIterationId"]
    assert later > number
    history = comprehend.list_flywheel_iteration_history(FlywheelArn=wheel)
    listed = history["FlywheelIterationPropertiesList"]
    assert [each["FlywheelIterationId"] for each in listed] == [later, number]


def test_one_request_sent_many_times_at_once_begins_one_iteration(
    server: Server, comprehend: Any
) -> None:
    wheel = active(server, comprehend)
    completed(server, comprehend, wheel, "train")

    def ask(_: int) -> str:
        made = comprehend.start_flywheel_iteration(FlywheelArn=wheel, ClientRequestToken="t")
        return made["FlywheelIterationId"]

    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(ask, range(8))}) == 1


def test_data_of_an_iteration_that_failed_are_new(server: Server, comprehend: Any) -> None:
    wheel = active(server, comprehend)
    completed(server, comprehend, wheel, "train")
    number = comprehend.start_flywheel_iteration(FlywheelArn=wheel)["FlywheelIterationId"]
    becomes(server, "flywheel-iteration", f"wheel/{number}", "FAILED")
    again = comprehend.start_flywheel_iteration(FlywheelArn=wheel)["FlywheelIterationId"]
    assert again > number


def test_new_test_data_alone_are_evaluated_with(server: Server, comprehend: Any) -> None:
    server.world.rows.insert(classifier())
    model = arn("document-classifier/model/version/1")
    wheel = active(server, comprehend, ActiveModelArn=model, ModelType=None, TaskConfig=None)
    completed(server, comprehend, wheel, "test", "TEST")
    number = comprehend.start_flywheel_iteration(FlywheelArn=wheel)["FlywheelIterationId"]
    found = comprehend.describe_flywheel_iteration(FlywheelArn=wheel, FlywheelIterationId=number)[
        "FlywheelIterationProperties"
    ]
    assert (found["Status"], found["EvaluatedModelArn"]) == ("EVALUATING", model)
