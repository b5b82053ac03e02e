"""What a running server knows of an endpoint: its traffic, capacity, policies and activities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sagebrush.commands import places, running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

Doc = dict[str, Any]
NAMESPACE = "AWS/SageMaker"


@dataclass(frozen=True)
class Window:
    """A span of time, in seconds since the epoch, and the period of datapoints in it."""

    start: float
    end: float
    period: int = 60


class Endpoint:
    """One endpoint of a running server, asked by the API as any client would."""

    def __init__(self, chosen: Settings, server: Server, region: str, name: str) -> None:
        self.name = name
        self._ask = lambda service: running.client(chosen, server, service, region)
        try:
            self.doc: Doc = self._ask("sagemaker").describe_endpoint(EndpointName=name)
        except ClientError as error:
            raise CommandError(error.response["Error"]["Message"]) from error

    @property
    def variants(self) -> list[str]:
        """The names of its production variants."""
        return [v["VariantName"] for v in self.doc.get("ProductionVariants", ())]

    def variant(self, name: str = "") -> str:
        """The variant of that name, or the only one. Raises CommandError."""
        if name and name in self.variants:
            return name
        if name or len(self.variants) != 1:
            words = ", ".join(self.variants)
            raise CommandError(f"{self.name} has the variants {words}: say which by --variant")
        return self.variants[0]

    def type_of(self, variant: str) -> str:
        """The type of the variant's instances; "" where it has none."""
        name = self.doc["EndpointConfigName"]
        try:
            config = self._ask("sagemaker").describe_endpoint_config(EndpointConfigName=name)
        except ClientError:  # it may be deleted before its endpoint
            return ""
        found = [v for v in config["ProductionVariants"] if v["VariantName"] == variant]
        return found[0].get("InstanceType", "") if found else ""

    def series(self, variant: str, metric: str, stat: str, of: Window) -> list[tuple[float, float]]:
        """(time, value) of a metric of the variant ("": of the endpoint itself), oldest first."""
        dimensions = [{"Name": "EndpointName", "Value": self.name}]
        if variant:
            dimensions.append({"Name": "VariantName", "Value": variant})
        query = {
            "Id": "m",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": metric,
                    "Dimensions": dimensions,
                },
                "Period": of.period,
                "Stat": stat,
            },
        }
        pages = (
            self._ask("cloudwatch")
            .get_paginator("get_metric_data")
            .paginate(
                MetricDataQueries=[query],
                StartTime=_moment(of.start),
                EndTime=_moment(of.end),
                ScanBy="TimestampAscending",
            )
        )
        return [
            (at.timestamp(), value)
            for page in pages
            for result in page["MetricDataResults"]
            for at, value in zip(result["Timestamps"], result["Values"], strict=True)
        ]

    def activities(self, variant: str) -> list[Doc]:
        """The scaling activities that changed the variant's capacity, oldest first."""
        found = self._scaling("describe_scaling_activities", "ScalingActivities", variant)
        return [a for a in found if a["Description"].startswith("Setting desired")][::-1]

    def scaling(self, variant: str) -> Doc:
        """The variant's scalable target, its policies with their alarms, its scheduled actions.

        Raises CommandError where it is no scalable target.
        """
        targets = self._scaling("describe_scalable_targets", "ScalableTargets", variant)
        if not targets:
            raise CommandError(
                f"{self._resource(variant)} is no scalable target, so it has no policies of its own:"
                " give one by --policy, or register it (RegisterScalableTarget)"
            )
        policies = self._scaling("describe_scaling_policies", "ScalingPolicies", variant)
        actions = self._scaling("describe_scheduled_actions", "ScheduledActions", variant)
        for policy in policies:
            policy["Alarms"] = self._alarms([a["AlarmName"] for a in policy.get("Alarms", ())])
        return {"target": targets[0], "policies": policies, "actions": actions}

    def _alarms(self, names: Sequence[str]) -> list[Doc]:
        if not names:
            return []
        answer = self._ask("cloudwatch").describe_alarms(AlarmNames=list(names))
        return answer["MetricAlarms"]

    def _scaling(self, operation: str, member: str, variant: str) -> list[Doc]:
        client = self._ask("application-autoscaling")
        many = operation == "describe_scalable_targets"
        named = {"ResourceIds": [self._resource(variant)]} if many else {
            "ResourceId": self._resource(variant)
        }  # fmt: skip
        pages = client.get_paginator(operation).paginate(ServiceNamespace="sagemaker", **named)
        return [each for page in pages for each in page[member]]

    def _resource(self, variant: str) -> str:
        return f"endpoint/{self.name}/variant/{variant}"


def endpoint(args: Any) -> Endpoint:
    """The endpoint that the arguments `name`, `region` and `account` name. Raises CommandError."""
    chosen = running.settings()
    server = places.server(chosen, args)
    region = places.region_of(chosen, server, args.name, args.region)
    return Endpoint(chosen, server, region, args.name)


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
