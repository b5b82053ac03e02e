"""What two requests at the same time leave behind: of endpoints, and of a model and its users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.errors import AwsError
from tests.services.comprehend.endpoints.endpoint_stand import (
    ACCOUNT,
    ARN,
    KIND,
    MODEL,
    OTHER,
    RECOGNIZER,
    REGION,
    Stand,
)
from tests.services.comprehend.flywheels.flywheel_requests import arn as named
from tests.services.comprehend.flywheels.flywheel_requests import classifier, flywheel
from tests.services.sagemaker.jobworld import ROLE

GONE = {
    "DELETING": "ResourceUnavailableException",
    "deleted": "ResourceNotFoundException",
}
"""What a model has become meanwhile -> the code of the refusal."""
USED = named("document-classifier/model/version/1")
JOB: dict[str, Any] = {
    "InputDataConfig": {"S3Uri": "s3://bucket/in/"},
    "OutputDataConfig": {"S3Uri": "s3://bucket/out"},
    "DataAccessRoleArn": ROLE,
    "DocumentClassifierArn": MODEL,
}


def refused(stand: Stand, operation: str, **given: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        stand.call(operation, **given)
    return caught.value


def new(name: str = "n", **changes: Any) -> dict[str, Any]:
    """A request that creates an endpoint."""
    return {"EndpointName": name, "ModelArn": MODEL, "DesiredInferenceUnits": 1, **changes}


def delete(stand: Stand, kind: str, name: str) -> None:
    """The row is gone."""
    row = stand.app.world.rows.get(ACCOUNT, REGION, kind, name)
    assert row is not None
    stand.app.world.rows.delete(row.id)


def deleted(stand: Stand, arn: str, how: str) -> Callable[[], object]:
    """What deletes the model: it is DELETING, or gone already."""
    if how == "DELETING":
        return lambda: stand.call("DeleteDocumentClassifier", DocumentClassifierArn=arn)
    kind, _, name = arn.removeprefix(ARN).partition("/")
    return lambda: delete(stand, kind, name)


# ---- endpoints


def test_a_token_that_is_sent_twice_at_once_creates_one_endpoint(stand: Stand) -> None:
    given, answers = new(ClientRequestToken="t"), []
    stand.before("insert", lambda: answers.append(stand.call("CreateEndpoint", **given)))
    answers.append(stand.call("CreateEndpoint", **given))
    assert answers[0] == answers[1]
    assert len(stand.app.world.rows.select(KIND)) == 1


def test_a_token_of_two_requests_at_once_is_the_first_ones(stand: Stand) -> None:
    token = {"ClientRequestToken": "t"}
    stand.before("insert", lambda: stand.call("CreateEndpoint", **new("a", **token)))
    error = refused(stand, "CreateEndpoint", **new("b", **token))
    assert (error.code, "ClientRequestToken" in error.message) == ("ResourceInUseException", True)
    assert [row.name for row in stand.app.world.rows.select(KIND)] == ["a"]


@pytest.mark.parametrize("model", [MODEL, RECOGNIZER])
def test_a_name_that_two_want_at_once_is_the_first_ones(stand: Stand, model: str) -> None:
    stand.before("insert", lambda: stand.create("n", model))
    error = refused(stand, "CreateEndpoint", **new("n", ClientRequestToken="t"))
    assert (error.code, "name" in error.message) == ("ResourceInUseException", True)


def test_units_that_two_want_at_once_are_bounded_together(stand: Stand) -> None:
    for number in range(9):
        stand.create(f"e{number}", units=10)
    arn = stand.create("a")
    (row,) = (each for each in stand.app.world.rows.select(KIND) if each.name == "a")
    stand.app.world.rows.update(row.id, lambda found: replace(found, status="IN_SERVICE"))
    stand.before("update", lambda: stand.create("late", units=9))
    error = refused(stand, "UpdateEndpoint", EndpointArn=arn, DesiredInferenceUnits=10)
    assert error.code == "ResourceLimitExceededException"
    assert stand.told(arn)["DesiredInferenceUnits"] == 1


def test_an_endpoint_that_is_gone_meanwhile_is_not_updated(stand: Stand) -> None:
    arn = stand.served()
    stand.before("update", lambda: delete(stand, KIND, "e"))
    error = refused(stand, "UpdateEndpoint", EndpointArn=arn, DesiredInferenceUnits=2)
    assert error.code == "ResourceNotFoundException"


# ---- users of a model that is deleted


@pytest.mark.parametrize("how", GONE)
def test_no_endpoint_is_created_of_a_model_that_is_deleted_meanwhile(
    stand: Stand, how: str
) -> None:
    stand.before("insert", deleted(stand, MODEL, how))
    assert refused(stand, "CreateEndpoint", **new()).code == GONE[how]
    assert stand.app.world.rows.select(KIND) == []


@pytest.mark.parametrize("how", GONE)
def test_no_endpoint_is_given_a_model_that_is_deleted_meanwhile(stand: Stand, how: str) -> None:
    arn = stand.served()
    stand.before("update", deleted(stand, OTHER, how))
    error = refused(stand, "UpdateEndpoint", EndpointArn=arn, DesiredModelArn=OTHER)
    assert error.code == GONE[how]
    assert (stand.status(arn), stand.told(arn)["DesiredModelArn"]) == ("IN_SERVICE", MODEL)


@pytest.mark.parametrize("how", GONE)
def test_no_job_is_started_of_a_model_that_is_deleted_meanwhile(stand: Stand, how: str) -> None:
    stand.before("insert", deleted(stand, MODEL, how))
    assert refused(stand, "StartDocumentClassificationJob", **JOB).code == GONE[how]
    assert stand.app.world.rows.select("document-classification-job") == []


@pytest.mark.parametrize("how", GONE)
def test_no_flywheel_is_made_of_a_model_that_is_deleted_meanwhile(stand: Stand, how: str) -> None:
    stand.app.world.rows.insert(classifier())
    stand.before("insert", deleted(stand, USED, how))
    given = flywheel(ActiveModelArn=USED, ModelType=None, TaskConfig=None)
    assert refused(stand, "CreateFlywheel", **given).code == GONE[how]
    assert stand.app.world.rows.select("flywheel") == []


@pytest.mark.parametrize("how", GONE)
def test_no_flywheel_is_given_a_model_that_is_deleted_meanwhile(stand: Stand, how: str) -> None:
    arn = active(stand)
    stand.app.world.rows.insert(classifier())
    stand.before("update", deleted(stand, USED, how))
    error = refused(stand, "UpdateFlywheel", FlywheelArn=arn, ActiveModelArn=USED)
    codes = {**GONE, "DELETING": "InvalidRequestException"}  # what AWS lists for UpdateFlywheel
    assert (error.code, "RESOURCE_UNAVAILABLE" in error.message) == (codes[how], False)
    told = stand.call("DescribeFlywheel", FlywheelArn=arn)["FlywheelProperties"]
    assert "ActiveModelArn" not in told


def active(stand: Stand) -> str:
    """The ARN of an ACTIVE flywheel of a new model."""
    arn = stand.call("CreateFlywheel", **flywheel())["FlywheelArn"]
    (row,) = stand.app.world.rows.select("flywheel")
    stand.app.world.rows.update(row.id, lambda found: replace(found, status="ACTIVE"))
    return arn


@pytest.mark.parametrize("operation", ["UpdateFlywheel", "DeleteFlywheel"])
def test_a_flywheel_that_is_gone_meanwhile_is_not_found(stand: Stand, operation: str) -> None:
    arn = active(stand)
    stand.before("update", lambda: delete(stand, "flywheel", "wheel"))
    assert refused(stand, operation, FlywheelArn=arn).code == "ResourceNotFoundException"


def test_a_job_of_a_token_that_is_sent_twice_at_once_is_one(stand: Stand) -> None:
    given, answers = {**JOB, "ClientRequestToken": "t"}, []
    for _ in range(9):
        stand.call("StartDocumentClassificationJob", **JOB)
    stand.before(
        "insert", lambda: answers.append(stand.call("StartDocumentClassificationJob", **given))
    )
    answers.append(stand.call("StartDocumentClassificationJob", **given))
    assert answers[0] == answers[1]


def test_what_cannot_be_used_now_is_told_in_one_way(stand: Stand) -> None:
    young = stand.model(f"{ARN}document-classifier/young", "TRAINING")
    wheel = stand.call("CreateFlywheel", **flywheel())["FlywheelArn"]
    endpoint = stand.create()
    for operation, given in (
        ("CreateEndpoint", new(ModelArn=young)),
        ("DeleteDocumentClassifier", {"DocumentClassifierArn": young}),
        ("DeleteFlywheel", {"FlywheelArn": wheel}),
        ("ImportModel", {"SourceModelArn": young, "ModelName": "copy"}),
    ):
        error = refused(stand, operation, **given)
        assert error.code == "ResourceUnavailableException"
        assert error.message.startswith("RESOURCE_UNAVAILABLE: ")
    assert stand.status(endpoint) == "CREATING"
