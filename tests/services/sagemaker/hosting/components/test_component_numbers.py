"""Inference components in such numbers, of such names, or so broken, that others could be harmed."""

from __future__ import annotations

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.hosting.components import instances
from sagebrush.services.sagemaker.hosting.plan import Variant
from sagebrush.store.rows import Row
from sagebrush.world import World
from tests.services.sagemaker.hosting.components.test_component_life import Room, spec
from tests.services.sagemaker.stand import NAME, Stand


@pytest.fixture
def room(stand: Stand) -> Room:
    return Room(stand)


def test_counts_beyond_reason_are_refused(room: Room) -> None:
    room.endpoint()
    room.answering()
    room.config("huge", 2**31 - 1)
    many = {"CopyCount": 2**31 - 1}
    component = {"EndpointName": "e", "Specification": spec(), "RuntimeConfig": many}
    desired = [{"VariantName": "v", "DesiredInstanceCount": 2**31 - 1}]
    asked: list[tuple[str, Doc]] = [
        ("CreateInferenceComponent", {"InferenceComponentName": "d", **component}),
        ("UpdateInferenceComponent", {"InferenceComponentName": "c", "RuntimeConfig": many}),
        (
            "UpdateInferenceComponentRuntimeConfig",
            {"InferenceComponentName": "c", "DesiredRuntimeConfig": many},
        ),
        ("CreateEndpoint", {"EndpointName": "f", "EndpointConfigName": "huge"}),
        ("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "huge"}),
        (
            "UpdateEndpointWeightsAndCapacities",
            {"EndpointName": "e", "DesiredWeightsAndCapacities": desired},
        ),
    ]
    managed = {"Status": "ENABLED", "MinInstanceCount": 2**31 - 1}
    with pytest.raises(AwsError, match="limited to 1000"):
        room.config("managed", 1, ManagedInstanceScaling=managed)
    for operation, request in asked:
        with pytest.raises(AwsError) as caught:
            room.stand.sm(operation, **request)
        assert caught.value.code == "ResourceLimitExceeded"
        assert "limited to 1000" in caught.value.message


def test_copies_without_room_do_not_all_look_for_it_in_each_step(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.endpoint()
    room.create(copies=12)  # two have room
    room.healthy()
    looked: list[str] = []
    place = instances.place

    def counted(world: World, row: Row, key: str, variant: Variant) -> str:
        looked.append(key)
        return place(world, row, key, variant)

    monkeypatch.setattr(instances, "place", counted)
    rows = room.stand.app.world.rows
    (row,) = rows.select("inference-component")
    rows.touch(row.id)
    room.stand.turn(1)
    assert len(looked) == 1
    assert len(room.stand.backend.running()) == 2


def test_a_deleted_component_is_not_taken_for_the_endpoint_of_its_name(room: Room) -> None:
    room.endpoint()
    room.answering("other")
    demand, key = room.stand.app.world.forward.demand, ((*NAME[:2], "other"), "")
    demand.leave(key, demand.enter(key, None))
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="other")
    room.stand.turn(5)
    with pytest.raises(AwsError, match="Could not find"):
        room.describe("other")
    assert demand.seen(key).last


def test_what_ends_again_and_again_can_be_deleted_though_it_was_scaled(room: Room) -> None:
    room.endpoint()
    room.answering()
    for _ in range(4):
        for key in room.routes():
            room.stand.backend.die(key, -9)
        room.touch()
        room.healthy()
    for key in room.routes():
        room.stand.backend.die(key, -9)
    room.touch()
    room.scale(2)
    room.touch()
    assert room.describe()["InferenceComponentStatus"] == "InService"
    room.stand.sm("DeleteInferenceComponent", InferenceComponentName="c")
