"""A server that was not started, whose clock and loop a test turns, and shortcuts for alarms."""

from __future__ import annotations

import json
from typing import Any

from sagebrush.app import App
from sagebrush.engine.kinds import Kind
from sagebrush.engine.loop import Loop
from sagebrush.errors import Doc
from sagebrush.registry import kinds
from sagebrush.store.rows import Next, Row
from sagebrush.store.series import Point
from sagebrush.world import World
from tests.conftest import Clock

ROLE = "AutoScaling"


class AlarmWorld:
    """Real rows, series and history; time passes when told. `policies` counts what scaling policies
    were due for, with the states of the alarm that each of them saw."""

    def __init__(self, app: App, clock: Clock) -> None:
        self.app, self.clock, self.world = app, clock, app.world
        self.ctx = self.world.ctx(self.world.credentials.user_caller, "test")
        self.policies: list[tuple[str, str]] = []
        self.table = {**kinds()}
        self.table["scaling-policy"] = Kind(
            "scaling-policy", "ScalingPolicy", running=None, reconcile=self._policy
        )
        self.loop = Loop(self.world, self.table, threads=1)

    def _policy(self, world: World, row: Row) -> Next:
        found = self.describe(row.doc["Alarm"])
        self.policies.append((row.name, found["StateValue"]))
        return Next()

    def policy(self, name: str, alarm: str) -> str:
        """The ARN of a scaling policy that looks at the alarm when it is due."""
        place = f"{self.ctx.region}:{self.ctx.account}"
        arn = (
            f"arn:aws:autoscaling:{place}:scalingPolicy:0f1e2d3c-0000-4000-8000-000000000000:"
            f"resource/sagemaker/endpoint/e/variant/v:policyName/{name}"
        )
        doc = {"PolicyARN": arn, "Alarm": alarm}
        self.world.rows.insert(
            Row(self.ctx.account, self.ctx.region, "scaling-policy", name, "", doc)
        )
        return arn

    def call(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("cloudwatch", operation, params)

    def alarm(self, name: str, **changes: Any) -> None:
        """A metric alarm: Sum of `m` with the alarm's own name as dimension, above 10, 1 of 1."""
        request = {
            "AlarmName": name,
            "Namespace": "test",
            "MetricName": "m",
            "Dimensions": [{"Name": "alarm", "Value": name}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 10.0,
            "ComparisonOperator": "GreaterThanThreshold",
            **changes,
        }
        self.call("PutMetricAlarm", **{k: v for k, v in request.items() if v is not None})

    def put(self, name: str, value: float, ago: float = 1.0) -> None:
        """A sample of an alarm's metric, `ago` seconds before now."""
        point = Point("test", "m", self.clock() - ago, value, {"alarm": name})
        self.world.series.append(self.ctx.account, self.ctx.region, [point])

    def settle(self) -> int:
        """All that is due now has run; how many steps."""
        count = 0
        while done := self.loop.run_once():
            count += done
        return count

    def forward(self, seconds: float) -> int:
        """Time passes, and the loop runs whenever something is due; how many steps."""
        until, count = self.clock() + seconds, 0
        while (due := self.world.rows.next_due()) is not None and due <= until:
            self.clock.now = max(self.clock.now, due)
            count += self.settle()
        self.clock.now = until
        return count

    def describe(self, name: str) -> Doc:
        found = self.call("DescribeAlarms", AlarmNames=[name],
                          AlarmTypes=["MetricAlarm", "CompositeAlarm"])  # fmt: skip
        return (found["MetricAlarms"] + found["CompositeAlarms"])[0]

    def state(self, name: str) -> str:
        return self.describe(name)["StateValue"]

    def history(self, name: str, kind: str | None = None) -> list[Doc]:
        """The alarm's history, oldest first, the JSON of each item as `Data`."""
        params: Doc = {"AlarmName": name, "ScanBy": "TimestampAscending"}
        params["AlarmTypes"] = ["MetricAlarm", "CompositeAlarm"]
        if kind:
            params["HistoryItemType"] = kind
        items = self.call("DescribeAlarmHistory", **params)["AlarmHistoryItems"]
        return [{**item, "Data": json.loads(item["HistoryData"])} for item in items]
