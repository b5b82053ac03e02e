"""Asynchronous endpoints over a backend that does as the test says: configurations, scaling to zero."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sagebrush.services.sagemaker.hosting import asynchronous
from sagebrush.toolkit.serving import serve
from tests.services.sagemaker.hosting.test_model import ROLE
from tests.services.sagemaker.stand import NAME, Stand, refused

TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
OUTPUT = {"S3OutputPath": "s3://models/out"}


def config(stand: Stand, name: str, model: str = "m", **more: Any) -> None:
    """An endpoint configuration of one variant, asynchronous unless `more` says otherwise."""
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    given = {"AsyncInferenceConfig": {"OutputConfig": OUTPUT}, **more}
    stand.sm(
        "CreateEndpointConfig",
        EndpointConfigName=name,
        ProductionVariants=[variant],
        **{k: v for k, v in given.items() if v is not None},
    )


def scale(stand: Stand, count: int) -> None:
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": count}]
    stand.sm(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=wanted,
    )
    stand.turn()


def test_to_zero_and_back(stand: Stand) -> None:
    config(stand, "a")
    stand.create("a")
    assert stand.describe()["AsyncInferenceConfig"] == {"OutputConfig": OUTPUT}
    known = stand.app.world.endpoints.get(NAME)
    assert known is not None
    assert (known.asynchronous, known.role) == ({"OutputConfig": OUTPUT}, ROLE)
    scale(stand, 0)
    stand.turn()
    assert stand.status() == "InService"
    assert stand.backend.running() == []
    assert stand.routed() == {"AllTraffic": []}
    scale(stand, 2)
    assert stand.status() == "Updating"
    stand.healthy()
    assert stand.status() == "InService"
    assert len(stand.routed()["AllTraffic"]) == 2


def test_an_endpoint_that_does_not_come_back_says_why_and_stays_at_zero(stand: Stand) -> None:
    config(stand, "a")
    stand.create("a")
    scale(stand, 0)
    stand.turn()
    scale(stand, 1)
    (key,) = stand.backend.running()
    stand.backend.die(key)
    stand.touch()
    found = stand.describe()
    assert found["EndpointStatus"] == "InService"
    assert found["FailureReason"]
    assert found["ProductionVariants"][0]["DesiredInstanceCount"] == 0


def test_a_request_of_an_hour_may_end_before_its_replica_does(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(stand, "a")
    stand.create("a")
    monkeypatch.setattr(stand.app.world.endpoints, "busy", lambda _: 1)
    scale(stand, 0)
    for _ in range(3):
        stand.clock.forward(1200)
        stand.touch()
        assert len(stand.backend.running()) == 1
    stand.clock.forward(100)
    stand.touch()
    assert stand.backend.running() == []


def test_real_time_endpoints_are_not_scaled_to_zero(stand: Stand) -> None:
    stand.create()
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    said = refused(
        stand.sm,
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=wanted,
    )
    assert "only asynchronous endpoints are scaled to zero" in said


def test_an_endpoint_stays_asynchronous_or_not(stand: Stand) -> None:
    config(stand, "a")
    stand.create("a")
    said = refused(stand.sm, "UpdateEndpoint", EndpointName="e", EndpointConfigName="c-n")
    assert "from asynchronous to real-time" in said
    config(stand, "a-n", "n")
    stand.sm("UpdateEndpoint", EndpointName="e", EndpointConfigName="a-n")
    stand.turn()
    stand.healthy()
    assert stand.describe()["EndpointConfigName"] == "a-n"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "needs an OutputConfig.S3OutputPath"),
        (
            {
                "AsyncInferenceConfig": {
                    "OutputConfig": {
                        **OUTPUT,
                        "NotificationConfig": {
                            "SuccessTopic": TOPIC,
                            "IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"],
                        },
                    }
                }
            },
            "there is no ErrorTopic",
        ),
        (
            {
                "DataCaptureConfig": {
                    "InitialSamplingPercentage": 1,
                    "DestinationS3Uri": "s3://models/c",
                    "CaptureOptions": [{"CaptureMode": "Input"}],
                }
            },
            r"data capture \(DataCaptureConfig\), with asynchronous inference",
        ),
    ],
)
def test_configurations_that_could_not_be_carried_out(
    stand: Stand, more: dict[str, Any], says: str
) -> None:
    assert re.search(says, refused(config, stand, "x", **more))


def test_results_may_be_told_alone(stand: Stand) -> None:
    included = {"SuccessTopic": TOPIC, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}
    output = {"NotificationConfig": included}
    config(stand, "told", AsyncInferenceConfig={"OutputConfig": output})
    found = stand.sm("DescribeEndpointConfig", EndpointConfigName="told")
    assert found["AsyncInferenceConfig"]["OutputConfig"] == output


def test_what_an_asynchronous_fleet_has() -> None:
    variant = {"mode": "Serial", "containers": []}
    fleet: Any = {"id": "f", "config": "c", "variants": [variant], "started": 0.0}
    assert asynchronous.floor(fleet) == 1
    found = asynchronous.apply(fleet, {"OutputConfig": OUTPUT})
    assert asynchronous.floor(found) == 0
    assert found["variants"][0].get("drain") == asynchronous.DRAIN
    assert serve.LONGEST >= 3600  # as long as a request may take, its model server waits
