"""What the operations on endpoints of custom models answer and refuse."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.store.rows import Row
from tests.services.comprehend.endpoints.endpoint_stand import (
    ACCOUNT,
    ARN,
    MODEL,
    OTHER,
    RECOGNIZER,
    REGION,
    Stand,
)

TRUST = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",'
    ' "Principal": {"Service": "sagemaker.amazonaws.com"}}}'
)
"""Of a role that does not let Comprehend assume it."""
NONE = f"{ARN}document-classifier-endpoint/none"


def refused(stand: Stand, operation: str, **given: Any) -> str:
    """The code of the refusal."""
    with pytest.raises(AwsError) as caught:
        stand.call(operation, **given)
    return caught.value.code


def new(**changes: Any) -> dict[str, Any]:
    """A request that creates an endpoint; a change to None leaves a member out."""
    given = {"EndpointName": "n", "ModelArn": MODEL, "DesiredInferenceUnits": 1, **changes}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ModelArn": None}, "InvalidRequestException"),
        ({"FlywheelArn": f"{ARN}flywheel/w"}, "InvalidRequestException"),
        ({"ModelArn": f"{ARN}document-classifier/none"}, "ResourceNotFoundException"),
        ({"ModelArn": MODEL.replace(ACCOUNT, "210987654321")}, "ResourceNotFoundException"),
        ({"ModelArn": None, "FlywheelArn": f"{ARN}flywheel/none"}, "ResourceNotFoundException"),
        ({"ModelArn": None, "FlywheelArn": f"{ARN}flywheel/new"}, "ResourceUnavailableException"),
        ({"ModelArn": f"{ARN}document-classifier/young"}, "ResourceUnavailableException"),
        ({"DesiredInferenceUnits": 11}, "ResourceLimitExceededException"),
        ({"DataAccessRoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"}, "InvalidRequestException"),
        ({"Tags": [{"Key": "aws:x", "Value": ""}]}, "InvalidRequestException"),
    ],
)
def test_what_cannot_be_created(stand: Stand, changes: dict[str, Any], code: str) -> None:
    stand.model(f"{ARN}document-classifier/young", "TRAINING")
    stand.app.world.rows.insert(Row(ACCOUNT, REGION, "flywheel", "new", "ACTIVE", {}, {}))
    stand.ctx.call("iam", "CreateRole", {"RoleName": "none", "AssumeRolePolicyDocument": TRUST})
    assert refused(stand, "CreateEndpoint", **new(**changes)) == code
    assert stand.call("ListEndpoints") == {"EndpointPropertiesList": []}


def test_a_model_that_was_trained_with_a_warning_can_be_served(stand: Stand) -> None:
    warned = stand.model(f"{ARN}document-classifier/warned", "TRAINED_WITH_WARNING")
    assert stand.create(arn=warned).endswith("document-classifier-endpoint/e")


def test_a_name_is_one_endpoints_whatever_its_type(stand: Stand) -> None:
    stand.create("same")
    given = new(EndpointName="same", ModelArn=RECOGNIZER)
    assert refused(stand, "CreateEndpoint", **given) == "ResourceInUseException"
    assert stand.create("other", RECOGNIZER) == f"{ARN}entity-recognizer-endpoint/other"


def test_a_token_is_for_one_request(stand: Stand) -> None:
    given = new(ClientRequestToken="t-1")
    answer = stand.call("CreateEndpoint", **given)
    assert stand.call("CreateEndpoint", **given) == answer
    assert len(stand.call("ListEndpoints")["EndpointPropertiesList"]) == 1
    other = {**given, "EndpointName": "other"}
    assert refused(stand, "CreateEndpoint", **other) == "ResourceInUseException"


def test_an_account_has_a_hundred_units(stand: Stand) -> None:
    for number in range(10):
        stand.create(f"e{number}", units=10)
    assert refused(stand, "CreateEndpoint", **new()) == "ResourceLimitExceededException"


def test_updates_that_are_refused(stand: Stand) -> None:
    arn = stand.create()
    change = {"EndpointArn": arn, "DesiredInferenceUnits": 2}
    assert refused(stand, "UpdateEndpoint", **change) == "ResourceInUseException"  # CREATING
    stand.settle()
    assert refused(stand, "UpdateEndpoint", EndpointArn=arn) == "InvalidRequestException"
    other = {"EndpointArn": arn, "DesiredModelArn": RECOGNIZER}
    assert refused(stand, "UpdateEndpoint", **other) == "InvalidRequestException"
    many = {**change, "DesiredInferenceUnits": 11}
    assert refused(stand, "UpdateEndpoint", **many) == "ResourceLimitExceededException"
    missing = {**change, "EndpointArn": NONE}
    assert refused(stand, "UpdateEndpoint", **missing) == "ResourceNotFoundException"
    stand.call("UpdateEndpoint", **change)
    assert refused(stand, "UpdateEndpoint", **change) == "ResourceInUseException"  # UPDATING
    stand.call("DeleteEndpoint", EndpointArn=arn)
    assert refused(stand, "UpdateEndpoint", **change) == "ResourceNotFoundException"


@pytest.mark.parametrize("operation", ["DescribeEndpoint", "DeleteEndpoint"])
def test_what_is_not_there_is_not_found(stand: Stand, operation: str) -> None:
    assert refused(stand, operation, EndpointArn=NONE) == "ResourceNotFoundException"
    elsewhere = NONE.replace("us-east-1", "eu-west-1")
    assert refused(stand, operation, EndpointArn=elsewhere) == "ResourceNotFoundException"


def test_lists_are_filtered_and_paged(stand: Stand) -> None:
    start = dt.datetime.fromtimestamp(stand.clock.now, dt.UTC)
    arns = []
    for number, model in enumerate((MODEL, OTHER, RECOGNIZER, MODEL)):
        arns.append(stand.create(f"e{number}", model))
        stand.clock.forward(10)

    def listed(**given: Any) -> list[str]:
        found = stand.call("ListEndpoints", **given)["EndpointPropertiesList"]
        return [arns[int(each["EndpointArn"][-1])][-1] for each in found]

    assert listed() == ["3", "2", "1", "0"]
    assert listed(Filter={"ModelArn": MODEL}) == ["3", "0"]
    assert listed(Filter={"Status": "IN_SERVICE"}) == []
    assert listed(Filter={"CreationTimeAfter": start + dt.timedelta(seconds=5)}) == ["3", "2", "1"]
    assert listed(Filter={"CreationTimeBefore": start + dt.timedelta(seconds=15)}) == ["0", "1"]
    page = stand.call("ListEndpoints", MaxResults=3)
    assert len(page["EndpointPropertiesList"]) == 3
    assert listed(MaxResults=3, NextToken=page["NextToken"]) == ["0"]
    assert refused(stand, "ListEndpoints", NextToken="no") == "InvalidRequestException"
