"""How an endpoint of a custom model lives: one endpoint of SageMaker, in Comprehend's account."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.comprehend.endpoints import child, life
from sagebrush.store.rows import Row
from tests.services.comprehend.endpoints.endpoint_stand import (
    ACCOUNT,
    ARN,
    CHILD,
    KIND,
    MODEL,
    OTHER,
    REGION,
    Stand,
)


def provisioned(stand: Stand) -> int:
    """The processes that SageMaker is told to keep ready."""
    (found,) = stand.children()
    name = {"EndpointName": found.name}
    return child.units(stand.here.call("sagemaker", "DescribeEndpoint", name))


def test_an_endpoint_is_served_by_one_of_sagemakers(stand: Stand) -> None:
    arn = stand.create(units=2, Tags=[{"Key": "team", "Value": "a"}])
    assert arn == f"{ARN}document-classifier-endpoint/e"
    assert stand.status(arn) == "CREATING"
    stand.settle()
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told["DesiredModelArn"]) == (
        "IN_SERVICE", MODEL, MODEL,
    )  # fmt: skip
    assert (told["DesiredInferenceUnits"], told["CurrentInferenceUnits"]) == (2, 2)
    (found,) = stand.children()
    assert found.parent == arn
    assert found.name.startswith("e-")
    assert provisioned(stand) == 2
    assert stand.app.world.rows.select(CHILD, account=ACCOUNT) == []
    listed = stand.call("ListTagsForResource", ResourceArn=arn)["Tags"]
    assert listed == [{"Key": "team", "Value": "a"}]


def test_deleting_it_leaves_nothing_behind(stand: Stand) -> None:
    arn = stand.served()
    stand.call("DeleteEndpoint", EndpointArn=arn)
    assert stand.status(arn) == "DELETING"
    stand.settle(6)
    with pytest.raises(AwsError) as refused:
        stand.told(arn)
    assert refused.value.code == "ResourceNotFoundException"
    for kind in (CHILD, "endpoint-config", "model"):
        assert stand.children(kind) == []
    assert stand.backend.running() == []


def test_one_that_is_created_again_has_another_endpoint(stand: Stand) -> None:
    arn = stand.served()
    before = stand.children()[0].name
    stand.call("DeleteEndpoint", EndpointArn=arn)
    stand.settle(6)
    stand.served()
    assert stand.children()[0].name != before


def test_units_change_the_processes_and_not_the_model(stand: Stand) -> None:
    arn = stand.served()
    configured = stand.children()[0].doc["EndpointConfigName"]
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredInferenceUnits=3)
    assert stand.status(arn) == "UPDATING"
    assert stand.told(arn)["CurrentInferenceUnits"] == 1
    stand.settle()
    assert stand.told(arn)["CurrentInferenceUnits"] == 3
    assert provisioned(stand) == 3
    assert stand.children()[0].doc["EndpointConfigName"] == configured


def test_another_model_takes_the_place_of_the_first(stand: Stand) -> None:
    arn = stand.served(units=2)
    answer = stand.call("UpdateEndpoint", EndpointArn=arn, DesiredModelArn=OTHER)
    assert answer == {"DesiredModelArn": OTHER}
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told["DesiredModelArn"]) == ("UPDATING", MODEL, OTHER)
    stand.settle(8)
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told["CurrentInferenceUnits"]) == (
        "IN_SERVICE", OTHER, 2,
    )  # fmt: skip
    (row,) = stand.children("model")
    assert "version/2" in row.doc["PrimaryContainer"]["ModelDataUrl"]
    assert len(stand.children("endpoint-config")) == 1


def test_the_model_before_serves_where_the_next_cannot(stand: Stand) -> None:
    arn = stand.served()
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredModelArn=lost)
    stand.settle()
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told["DesiredModelArn"]) == (
        "IN_SERVICE", MODEL, MODEL,
    )  # fmt: skip
    assert told["Message"].startswith("The update failed: ")
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredModelArn=OTHER)
    stand.settle(8)
    told = stand.told(arn)
    assert (told["ModelArn"], told.get("Message")) == (OTHER, None)


def test_an_endpoint_whose_model_does_not_start_has_failed(stand: Stand) -> None:
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    arn = stand.create(arn=lost)
    stand.settle()
    told = stand.told(arn)
    assert told["Status"] == "FAILED"
    assert told["Message"]
    stand.call("DeleteEndpoint", EndpointArn=arn)
    stand.settle()
    assert stand.app.world.rows.select(KIND) == []


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_a_server_that_is_killed_finds_what_it_began(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    arn = stand.create()
    done = stand.app.world.dispatch

    class Killed(Exception):
        pass

    def dispatch(ctx: Any, service: str, name: str, params: Any) -> Any:
        answer = done(ctx, service, name, params)
        if name == operation:
            raise Killed
        return answer

    row = stand.app.world.rows.select(KIND)[0]
    with monkeypatch.context() as patched:
        patched.setattr(stand.app.world, "dispatch", dispatch)
        with pytest.raises(Killed):
            life.reconcile(stand.app.world, row)
    stand.settle()
    assert stand.status(arn) == "IN_SERVICE"
    assert [len(stand.children(kind)) for kind in (CHILD, "endpoint-config", "model")] == [1, 1, 1]


def test_a_server_that_is_killed_while_it_updates_goes_on(stand: Stand) -> None:
    arn = stand.served()
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredModelArn=OTHER)
    (row,) = stand.app.world.rows.select(KIND)
    child.deploy(stand.app.world, row)  # and nothing of it was stored
    stand.settle(8)
    assert stand.told(arn)["ModelArn"] == OTHER
    assert stand.status(arn) == "IN_SERVICE"


def test_an_endpoint_of_a_flywheel_serves_its_active_model(stand: Stand) -> None:
    wheel = f"{ARN}flywheel/w"
    doc = {"ActiveModelArn": MODEL}
    made = stand.app.world.rows.insert(Row(ACCOUNT, REGION, "flywheel", "w", "ACTIVE", doc, {}))
    given = {"EndpointName": "f", "DesiredInferenceUnits": 1, "FlywheelArn": wheel}
    answer = stand.call("CreateEndpoint", **given)
    assert answer["ModelArn"] == MODEL
    stand.settle()
    arn = answer["EndpointArn"]
    assert stand.told(arn)["FlywheelArn"] == wheel
    stand.app.world.rows.update(
        made.id, lambda row: Row(**{**vars(row), "doc": {"ActiveModelArn": OTHER}})
    )
    stand.clock.forward(61)
    stand.settle(8)
    assert (stand.status(arn), stand.told(arn)["ModelArn"]) == ("IN_SERVICE", OTHER)


def test_a_flywheels_model_that_cannot_be_served_is_not_tried_again(stand: Stand) -> None:
    wheel, rows = f"{ARN}flywheel/w", stand.app.world.rows
    made = rows.insert(
        Row(ACCOUNT, REGION, "flywheel", "w", "ACTIVE", {"ActiveModelArn": MODEL}, {})
    )
    given = {"EndpointName": "f", "DesiredInferenceUnits": 1, "FlywheelArn": wheel}
    arn = stand.call("CreateEndpoint", **given)["EndpointArn"]
    stand.settle()
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    rows.update(made.id, lambda row: Row(**{**vars(row), "doc": {"ActiveModelArn": lost}}))
    stand.clock.forward(61)
    stand.settle(8)
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"]) == ("IN_SERVICE", MODEL)
    for _ in range(3):
        stand.clock.forward(61)
        stand.settle()
        assert stand.told(arn) == told
    rows.update(made.id, lambda row: Row(**{**vars(row), "doc": {"ActiveModelArn": OTHER}}))
    stand.clock.forward(61)
    stand.settle(8)
    assert (stand.status(arn), stand.told(arn)["ModelArn"]) == ("IN_SERVICE", OTHER)


def test_a_flywheels_model_is_tried_again_once_another_one_was_served(stand: Stand) -> None:
    wheel = stand.flywheel("w", MODEL)
    arn = stand.served(name="f", arn=None, FlywheelArn=wheel)
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    stand.promote("w", lost)
    assert stand.told(arn)["ModelArn"] == MODEL
    stand.promote("w", OTHER)
    assert stand.told(arn)["ModelArn"] == OTHER
    stand.store(lost)
    stand.promote("w", lost)
    assert (stand.status(arn), stand.told(arn)["ModelArn"]) == ("IN_SERVICE", lost)


def test_a_flywheels_model_is_tried_again_once_another_one_was_active(stand: Stand) -> None:
    wheel = stand.flywheel("w", MODEL)
    arn = stand.served(name="f", arn=None, FlywheelArn=wheel)
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    stand.promote("w", lost)
    stand.promote("w", MODEL)
    assert stand.told(arn)["ModelArn"] == MODEL
    stand.store(lost)
    stand.promote("w", lost)
    assert (stand.status(arn), stand.told(arn)["ModelArn"]) == ("IN_SERVICE", lost)


def test_the_flywheel_before_is_followed_where_the_next_model_cannot_be_served(
    stand: Stand,
) -> None:
    wheel = stand.flywheel("w", MODEL)
    arn = stand.served(name="f", arn=None, FlywheelArn=wheel)
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredModelArn=lost)
    assert "FlywheelArn" not in stand.told(arn)
    stand.settle()
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told.get("FlywheelArn")) == (
        "IN_SERVICE", MODEL, wheel,
    )  # fmt: skip
    stand.promote("w", OTHER)
    assert stand.told(arn)["ModelArn"] == OTHER
    other = stand.flywheel("x", lost)
    stand.call("UpdateEndpoint", EndpointArn=arn, FlywheelArn=other)
    stand.settle()
    assert (stand.told(arn)["ModelArn"], stand.told(arn)["FlywheelArn"]) == (OTHER, wheel)


def test_a_flywheel_whose_model_cannot_be_served_is_not_followed(stand: Stand) -> None:
    arn = stand.served()
    lost = stand.model(f"{ARN}document-classifier/lost", stored=False)
    wheel = stand.flywheel("w", lost)
    stand.call("UpdateEndpoint", EndpointArn=arn, FlywheelArn=wheel)
    assert stand.told(arn)["FlywheelArn"] == wheel
    stand.settle()
    told = stand.told(arn)
    assert (told["Status"], told["ModelArn"], told.get("FlywheelArn")) == (
        "IN_SERVICE", MODEL, None,
    )  # fmt: skip


def test_an_update_to_what_there_is_already_is_one_too(stand: Stand) -> None:
    arn = stand.served(units=2)
    stand.call("UpdateEndpoint", EndpointArn=arn, DesiredInferenceUnits=2, DesiredModelArn=MODEL)
    assert stand.status(arn) == "UPDATING"
    stand.settle()
    assert (stand.status(arn), len(stand.children("model"))) == ("IN_SERVICE", 1)
