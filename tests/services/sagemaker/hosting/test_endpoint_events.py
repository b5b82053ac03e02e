"""Events of endpoints and their deployments, over a backend that does as the test says."""

from __future__ import annotations

import json

import pytest

from sagebrush import registry
from sagebrush.services.sagemaker.hosting.events import loud
from sagebrush.store.events import Event, Events, Interest
from tests.services.sagemaker.stand import Stand

STATE = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"


@pytest.fixture
def watched(stand: Stand) -> Stand:
    world = stand.app.world
    sources = registry.event_sources()
    world.events = Events(world.db, stand.clock, sources, Interest(always=True))
    world.rows.changed = world.events.changed
    return stand


def taken(stand: Stand) -> list[Event]:
    """The events since the last time."""
    found = stand.app.world.events.due(1000)
    for each in found:
        stand.app.world.events.drop(each.number)
    return [each.event for each in found if each.event.detail_type in (STATE, DEPLOYMENT)]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("InService", "IN_SERVICE"),
        ("Creating", "CREATING"),
        ("SystemUpdating", "SYSTEM_UPDATING"),
        ("UpdateRollbackFailed", "UPDATE_ROLLBACK_FAILED"),
    ],
)
def test_statuses_are_in_upper_case(status: str, word: str) -> None:
    assert loud(status) == word


def test_an_endpoint_from_its_creation_to_its_deletion(watched: Stand) -> None:
    watched.create()
    first, last = taken(watched)
    assert first.detail["EndpointStatus"] == "CREATING"
    assert last.detail_type == STATE
    assert last.resources == ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",)
    at = round(watched.clock() * 1000)
    assert last.detail == {
        "EndpointName": "e",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
        "EndpointConfigName": "c-m",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "InstanceType": "ml.m5.large",
                "CurrentInstanceCount": 1,
                "DesiredInstanceCount": 1,
                "CurrentWeight": 1.0,
                "DesiredWeight": 1.0,
            }
        ],
        "EndpointStatus": "IN_SERVICE",
        "CreationTime": at,
        "LastModifiedTime": at,
        "Tags": {},
    }
    watched.sm("DeleteEndpoint", EndpointName="e")
    watched.turn()
    assert [each.detail["EndpointStatus"] for each in taken(watched)] == ["DELETING"]


def test_an_update_tells_how_far_it_has_come(watched: Stand) -> None:
    watched.create()
    taken(watched)
    watched.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    watched.turn()
    watched.healthy()
    for _ in range(4):
        watched.clock.forward(700)
        watched.touch()
    found = taken(watched)
    states = [each.detail["EndpointStatus"] for each in found if each.detail_type == STATE]
    assert (states[0], states[-1]) == ("UPDATING", "IN_SERVICE")
    steps = [each.detail for each in found if each.detail_type == DEPLOYMENT]
    pending = steps[0]["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == "c-n"
    (said,) = pending["ProductionVariants"][0]["VariantStatus"]
    assert (said["Status"], said["StatusMessage"]) == ("Creating", "Launching 1 instance(s).")
    assert steps[0]["EndpointConfigName"] == "c-m"
    assert isinstance(said["StartTime"], int)
    assert isinstance(pending["StartTime"], int)
    assert len(steps) <= 6, "one for each stage, not for each step of the loop"
    json.dumps(steps)
