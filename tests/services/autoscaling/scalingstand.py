"""An endpoint that scales, in a world without threads: traffic is put, minutes pass, alarms act."""

from __future__ import annotations

from typing import Any

from sagebrush.app import App
from sagebrush.errors import Doc
from sagebrush.routing.tallies import NAMESPACE
from sagebrush.store.series import Point
from tests.conftest import Clock
from tests.services.sagemaker.stand import NAME, Stand

RESOURCE = "endpoint/e/variant/AllTraffic"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
WHICH = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": INSTANCES,
}
DIMENSIONS = {"EndpointName": "e", "VariantName": "AllTraffic"}
SETTLING = 9
"""Seconds in which what is under way is looked at often enough to be seen to end."""
INVOCATIONS = {
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }
}


class Scaled(Stand):
    """`Stand` with a scalable target; the caller is the account itself."""

    def __init__(self, app: App, clock: Clock) -> None:
        super().__init__(app, clock)
        self.own = app.world.service_ctx()
        self.create()

    def aas(self, name: str, **params: Any) -> Doc:
        """An operation of Application Auto Scaling."""
        return self.own.call("application-autoscaling", name, params)

    def register(self, least: int = 1, most: int = 4, **more: Any) -> str:
        """The endpoint's variant is a scalable target; returns its ARN."""
        bounds = {"MinCapacity": least, "MaxCapacity": most}
        return self.aas("RegisterScalableTarget", **WHICH, **bounds, **more)["ScalableTargetARN"]

    def track(self, name: str = "p", target: float = 70.0, **more: Any) -> Doc:
        """A target tracking policy of invocations per instance."""
        config = {"TargetValue": target, **(more or INVOCATIONS)}
        if not any(k.endswith("Specification") for k in more):
            config |= INVOCATIONS
        return self.aas(
            "PutScalingPolicy",
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            **WHICH,
            TargetTrackingScalingPolicyConfiguration=config,
        )

    def capacity(self) -> int:
        """The instances that the variant should have."""
        return self.describe()["ProductionVariants"][0]["DesiredInstanceCount"]

    def minutes(self, number: int, requests: float | None) -> list[int]:
        """So many minutes pass, each with so many requests (None: without a metric); the capacity
        after each."""
        found = []
        for _ in range(number):
            if requests is not None:
                self.measure("InvocationsPerInstance", requests / max(self.capacity(), 1))
            self.clock.forward(60 - SETTLING)
            self.settle()
            found.append(self.capacity())
        return found

    def measure(self, metric: str, value: float) -> None:
        """A datapoint of the variant's, now."""
        point = Point(NAMESPACE, metric, self.clock.now, value, DIMENSIONS)
        self.app.world.series.append(*NAME[:2], [point])

    def settle(self) -> None:
        """The loop has nothing more to do, and what runs is healthy; SETTLING seconds later."""
        for _ in range(SETTLING // 3):
            self.turn(3)
            for key in self.backend.running():
                self.health.answers(key)
            row = self.app.world.rows.get(*NAME[:2], "endpoint", "e")
            if row is not None:
                self.app.world.rows.touch(row.id)
            self.clock.forward(3)  # looks at what is under way
        self.turn(3)

    def activities(self, **more: Any) -> list[Doc]:
        """The scaling activities, oldest first."""
        found = self.aas("DescribeScalingActivities", ServiceNamespace="sagemaker", **more)
        return found["ScalingActivities"][::-1]

    def alarm(self, name: str) -> Doc:
        (found,) = self.own.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [name]})[
            "MetricAlarms"
        ]
        return found
