"""Inference components while something else changes: the instances' type, a start that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sagebrush.compute.host import Host
from sagebrush.routing.demand import Demand
from sagebrush.services.sagemaker.hosting.components import checks
from sagebrush.services.sagemaker.hosting.deployment import rollback_alarms
from sagebrush.store.rows import Row
from tests.services.sagemaker.hosting.components.test_component_life import MB, Room, invoked
from tests.services.sagemaker.stand import NAME, TRACE, Stand, refused


@pytest.fixture
def room(stand: Stand) -> Room:
    return Room(stand)


def test_after_an_update_to_larger_instances_copies_have_their_room(room: Room) -> None:
    room.stand.app.world.host = Host(8.0, 64 << 30)
    room.endpoint(1)
    room.answering()
    room.config("large", 1, InstanceType="ml.m5.xlarge")  # 4 vCPU, 16 GiB
    room.stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="large")
    room.stand.turn()
    room.healthy()
    assert room.stand.status() == "InService"
    (key,) = room.routes()
    assert room.stand.backend.specs[key].limits.memory == 16 << 30
    room.scale(4)
    room.healthy()
    assert room.describe()["RuntimeConfig"] == {"DesiredCopyCount": 4, "CurrentCopyCount": 4}


def test_an_update_to_instances_that_hold_no_copy_is_refused(room: Room) -> None:
    room.endpoint(1)
    room.answering(MinMemoryRequiredInMb=6000)
    room.config("small", 1, InstanceType="ml.t2.medium")  # 2 vCPU, 4 GiB
    message = refused(room.stand.sm, "UpdateEndpoint", EndpointName="e", EndpointConfigName="small")
    assert "inference component c" in message
    assert room.stand.status() == "InService"
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="c")
    room.touch()
    room.stand.app.world.host = Host(2.0, 8 << 30)
    room.stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="small")
    message = refused(room.create, "d", MinMemoryRequiredInMb=6000)
    assert "ml.t2.medium of endpoint configuration small" in message


def test_a_model_that_cannot_load_from_zero_is_tried_once(room: Room) -> None:
    room.endpoint(1)
    room.answering()
    room.scale(0)
    room.touch()
    started = len(room.stand.backend.specs)
    room.scale(1)
    (key,) = room.stand.backend.running()
    room.stand.backend.die(key, 1, log=TRACE)
    for _ in range(4):
        room.touch()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    assert "no luck" in found["FailureReason"]
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}
    assert len(room.stand.backend.specs) == started + 1


def test_scaling_that_fails_keeps_the_copies_that_are_being_replaced(room: Room) -> None:
    room.endpoint(2)
    room.answering(copies=2)
    first, second = room.routes()
    room.scale(3)
    (third,) = set(room.stand.backend.running()) - {first, second}
    room.stand.backend.die(first, -9)
    room.touch()
    room.stand.backend.die(third, 1, log=TRACE)
    room.touch()
    room.healthy()
    assert room.describe()["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}


def test_scaling_that_waits_for_the_host_is_given_up(room: Room) -> None:
    world = room.stand.app.world
    room.endpoint(1)
    room.answering()
    world.host = Host(2.0, 1024 * MB)
    room.scale(2)
    room.touch()
    assert room.describe()["InferenceComponentStatus"] == "Updating"
    room.stand.clock.forward(500)
    room.healthy()
    found = room.describe()
    assert found["InferenceComponentStatus"] == "InService"
    assert "Insufficient capacity" in found["FailureReason"]
    assert found["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}


def test_a_component_that_serves_a_mix_can_be_scaled(room: Room) -> None:
    room.endpoint(2)
    room.answering(copies=2)
    world = room.stand.app.world
    row = world.rows.get(*NAME[:2], "inference-component", "c")
    assert row is not None

    def mixed(row: Row) -> Row:
        active = {**row.plan["active"], "now": {"v": 2}}
        return replace(row, plan={**row.plan, "active": active})

    world.rows.update(row.id, mixed)
    room.scale(3)
    room.healthy()
    assert len(room.routes()) == 3


def test_a_deleted_component_leaves_an_endpoint_of_its_name_alone(room: Room) -> None:
    room.endpoint(1)
    room.answering("e")
    demand: Demand = room.stand.app.world.forward.demand
    with demand.entered((NAME, ""), None):
        pass
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="e")
    room.touch()
    assert demand.seen((NAME, "")).last > 0


def test_an_alarm_brings_the_old_copies_back(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"latency": "OK"}
    monkeypatch.setattr(rollback_alarms, "states", lambda *_: found)
    room.endpoint(2)
    room.answering(copies=2)
    old = set(room.routes())
    rolling = {
        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 60,
        "RollbackMaximumBatchSize": {"Type": "COPY_COUNT", "Value": 2},
    }
    room.stand.sm(
        "UpdateInferenceComponent",
        InferenceComponentName="c",
        Specification={"ModelName": "n"},
        DeploymentConfig={
            "RollingUpdatePolicy": rolling,
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "latency"}]},
        },
    )
    room.stand.turn()
    room.healthy()
    room.stand.clock.forward(60)
    room.healthy()  # the second batch, and one old copy is gone
    assert room.describe()["InferenceComponentStatus"] == "Updating"
    assert not old <= set(room.routes())
    found["latency"] = "ALARM"
    for _ in range(3):
        room.healthy()
        assert len(room.routes()) >= 2
    told = room.describe()
    assert told["InferenceComponentStatus"] == "InService"
    assert told["FailureReason"].endswith("went into ALARM state: latency.")
    assert told["Specification"]["ModelName"] == "m"
    assert told["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}


def test_an_update_has_the_copies_that_there_are_by_then(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.endpoint(2)
    room.answering()
    variant_of = checks.variant_of

    def scaled_first(*given: Any) -> Any:
        monkeypatch.undo()
        room.scale(3)
        room.healthy()
        return variant_of(*given)

    monkeypatch.setattr(checks, "variant_of", scaled_first)
    room.stand.sm(
        "UpdateInferenceComponent", InferenceComponentName="c", Specification={"ModelName": "n"}
    )
    for _ in range(3):
        room.healthy()
    assert room.describe()["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}


def test_a_component_is_named_where_its_variant_or_session_is_not_there(room: Room) -> None:
    room.endpoint(1)
    room.answering()
    asked = {"InferenceComponentName": "c"}
    error = invoked(room.stand, TargetVariant="w", **asked)
    assert "Variant w of inference component c of account" in error.message
    error = invoked(room.stand, SessionId="s", **asked)
    assert error.message.startswith("Session s of inference component c was not found")
