"""Application Auto Scaling of Comprehend's endpoints: by target tracking and by the clock."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend.endpoints import metrics
from tests.services.comprehend.endpoints.endpoint_stand import ACCOUNT, MODEL, RECOGNIZER, Stand

DIMENSIONS = {
    MODEL: "comprehend:document-classifier-endpoint:DesiredInferenceUnits",
    RECOGNIZER: "comprehend:entity-recognizer-endpoint:DesiredInferenceUnits",
}
KINDS = ("document-classifier-endpoint", "entity-recognizer-endpoint")
METRICS = (
    "ConsumedInferenceUnits",
    "InferenceUtilization",
    "ProvisionedInferenceUnits",
    "RequestedInferenceUnits",
)
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "ComprehendInferenceUtilization"},
    "ScaleOutCooldown": 0,
    "ScaleInCooldown": 0,
}


class Scaled:
    """An endpoint in service that is a scalable target of 1 to 4 units."""

    def __init__(self, stand: Stand, model: str = MODEL) -> None:
        self.stand = stand
        self.arn = stand.served(arn=model)
        self.which = {
            "ServiceNamespace": "comprehend",
            "ResourceId": self.arn,
            "ScalableDimension": DIMENSIONS[model],
        }

    def call(self, operation: str, **given: Any) -> Doc:
        found = self.stand.ctx.call("application-autoscaling", operation, {**self.which, **given})
        return found or {}

    def register(self, least: int = 1, most: int = 4) -> None:
        self.call("RegisterScalableTarget", MinCapacity=least, MaxCapacity=most)

    def minutes(self, number: int, characters: int) -> int:
        """So many minutes pass, each with a request of so many characters; the units after them."""
        for _ in range(number):
            answered(self.stand, characters)
            self.stand.clock.forward(50)
            self.pass_()
        return self.stand.told(self.arn)["DesiredInferenceUnits"]

    def pass_(self) -> None:
        """Ten seconds pass, in which what is under way comes to its end."""
        self.stand.settle(3)
        for row in self.stand.app.world.rows.select("scalable-target"):
            self.stand.app.world.rows.touch(row.id)
        self.stand.settle(2)


def answered(stand: Stand, characters: int) -> None:
    """A request of so many characters to the one endpoint was answered."""
    (row,) = (row for kind in KINDS for row in stand.app.world.rows.select(kind))
    metrics.answered(stand.app.world, row, characters)
    stand.app.world.unit_counts.flush()


def tracked(stand: Stand, model: str) -> Scaled:
    """An endpoint that is to use 70 % of its units."""
    scaled = Scaled(stand, model)
    scaled.register()
    made = scaled.call(
        "PutScalingPolicy",
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )
    assert len(made["Alarms"]) == 2
    return scaled


def test_units_follow_the_use(stand: Stand) -> None:
    scaled = tracked(stand, MODEL)
    assert scaled.minutes(3, characters=1_000) == 1  # 17 %
    after = scaled.minutes(4, characters=12_000)  # 200 % of one unit
    assert after in (3, 4)
    told = stand.told(scaled.arn)
    assert (told["Status"], told["CurrentInferenceUnits"]) == ("IN_SERVICE", after)
    assert scaled.minutes(16, characters=600) == 1
    found = scaled.call("DescribeScalingActivities")["ScalingActivities"]
    assert {each["StatusCode"] for each in found} == {"Successful"}
    assert "desired inference units" in found[0]["Description"]
    assert "fulfilled by comprehend" in found[0]["StatusMessage"]


def test_recognizers_have_units_too(stand: Stand) -> None:
    assert tracked(stand, RECOGNIZER).minutes(4, characters=12_000) in (3, 4)


def test_units_follow_the_clock(stand: Stand) -> None:
    scaled = Scaled(stand)
    scaled.register()
    scaled.call(
        "PutScheduledAction",
        ScheduledActionName="noon",
        Schedule="cron(0 12 * * ? *)",
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 5},
    )
    stand.clock.forward(12 * 3600)
    for _ in range(3):
        scaled.pass_()
    assert stand.told(scaled.arn)["CurrentInferenceUnits"] == 2


def test_the_role_that_scales_is_comprehends(stand: Stand) -> None:
    scaled = Scaled(stand)
    scaled.register()
    (found,) = scaled.call("DescribeScalableTargets")["ScalableTargets"]
    assert found["RoleARN"] == (
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/"
        "comprehend.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_ComprehendEndpoint"
    )


def test_what_is_no_target(stand: Stand) -> None:
    scaled = Scaled(stand)
    for wrong in (
        {"ResourceId": f"{scaled.arn}x"},
        {"ResourceId": "endpoint/e/variant/AllTraffic"},
        {"ScalableDimension": DIMENSIONS[RECOGNIZER]},
        {"ServiceNamespace": "sagemaker"},
        {"MinCapacity": 0},
    ):
        with pytest.raises(AwsError) as refused:
            scaled.call("RegisterScalableTarget", **{"MinCapacity": 1, "MaxCapacity": 2, **wrong})
        assert refused.value.code == "ValidationException"


def test_an_endpoint_that_is_deleted_is_no_target_any_more(stand: Stand) -> None:
    scaled = Scaled(stand)
    scaled.register()
    stand.call("DeleteEndpoint", EndpointArn=scaled.arn)
    stand.settle(6)
    found = stand.ctx.call(
        "application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "comprehend"}
    )
    assert found["ScalableTargets"] == []


def test_requests_are_measured_in_units(stand: Stand) -> None:
    arn = stand.served(units=2)
    (row,) = stand.app.world.rows.select(KINDS[0])
    answered(stand, 3_000)
    answered(stand, 6_000)
    metrics.refused(stand.app.world, row, 600, metrics.THROTTLED)
    metrics.refused(stand.app.world, row, 600, "InternalServerException")
    stand.app.world.unit_counts.flush()
    own = stand.ctx.call("cloudwatch", "ListMetrics", {"Namespace": "AWS/Comprehend"})["Metrics"]
    assert {each["MetricName"] for each in own} == set(METRICS)
    assert own[0]["Dimensions"] == [{"Name": "EndpointArn", "Value": arn}]
    values = {}
    for name in METRICS:
        now = dt.datetime.fromtimestamp(stand.clock.now, dt.UTC)
        asked = {
            "Namespace": "AWS/Comprehend",
            "MetricName": name,
            "Dimensions": [{"Name": "EndpointArn", "Value": arn}],
            "StartTime": now - dt.timedelta(minutes=1),
            "EndTime": now + dt.timedelta(minutes=1),
            "Period": 60,
            "Statistics": ["Sum", "Average"],
        }
        found = stand.ctx.call("cloudwatch", "GetMetricStatistics", asked)["Datapoints"]
        values[name] = (sum(p["Sum"] for p in found), found[0]["Average"])
    assert values["ConsumedInferenceUnits"][0] == pytest.approx(1.5)
    assert values["RequestedInferenceUnits"][0] == pytest.approx(1.6)
    assert values["InferenceUtilization"][0] == pytest.approx(75.0)
    assert values["ProvisionedInferenceUnits"][1] == 2.0
