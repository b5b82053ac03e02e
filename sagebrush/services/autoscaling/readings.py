"""What a target's policies have to decide on: their configurations, alarms and metrics, as values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

from sagebrush.errors import AwsError, Doc
from sagebrush.services.autoscaling import rows
from sagebrush.services.autoscaling.checks import CONFIGS, STEP, TRACKING
from sagebrush.services.autoscaling.decisions import Policy, Signal, Step, Stepping, Tracking
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

COOLDOWN = 300.0
"""Seconds of every cooldown that a policy does not give ("Define cooldown periods", for SageMaker)."""
ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
EXTRA = 2
"""Periods that are looked at beside those that an alarm evaluates, as the alarm itself does."""
Readings = tuple[tuple[float, float], ...]
"""(start, value) of datapoints, oldest first: see `decisions.Signal`."""


def tracking(name: str, config: Doc, high: Signal | None, low: Signal | None) -> Tracking:
    """The policy with that TargetTrackingScalingPolicyConfiguration."""
    return Tracking(
        name,
        float(config["TargetValue"]),
        float(config.get("ScaleOutCooldown", COOLDOWN)),
        float(config.get("ScaleInCooldown", COOLDOWN)),
        not config.get("DisableScaleIn"),
        high,
        low,
    )


def stepping(name: str, config: Doc, signals: Sequence[Signal]) -> Stepping:
    """The policy with that StepScalingPolicyConfiguration."""
    steps = tuple(
        Step(
            s.get("MetricIntervalLowerBound"),
            s.get("MetricIntervalUpperBound"),
            s["ScalingAdjustment"],
        )
        for s in config["StepAdjustments"]
    )
    return Stepping(
        name,
        config["AdjustmentType"],
        steps,
        config.get("MinAdjustmentMagnitude", 0),
        float(config.get("Cooldown", COOLDOWN)),
        config.get("MetricAggregationType", "Average"),
        tuple(signals),
    )


def alarms_of(ctx: Ctx, policies: Sequence[Row]) -> dict[str, list[Doc]]:
    """Policy ARN -> the alarms whose actions name it, in any of their states."""
    found: dict[str, list[Doc]] = {}
    for row in policies:
        arn = row.doc["PolicyARN"]
        answer = ctx.call("cloudwatch", "DescribeAlarms", {"ActionPrefix": arn})
        found[arn] = [
            alarm
            for alarm in answer.get("MetricAlarms", ())
            if any(arn in alarm.get(member, ()) for member in ACTIONS.values())
        ]
    return found


def read(world: World, target: Row) -> list[Policy]:
    """The target's policies, with what their alarms and metrics are now."""
    policies = rows.of_target(world, rows.POLICY, target)
    alarms = alarms_of(rows.scaler(world, target), policies)
    ctx = world.service_ctx(region=target.region, account=target.account)
    return [_policy(ctx, row, alarms[row.doc["PolicyARN"]]) for row in policies]


def _policy(ctx: Ctx, row: Row, alarms: Sequence[Doc]) -> Policy:
    kind, arn = row.doc["PolicyType"], row.doc["PolicyARN"]
    config = row.doc[CONFIGS[kind]]
    signals = {a["AlarmName"]: _signal(ctx, a, arn) for a in alarms}
    if kind == STEP:
        return stepping(row.doc["PolicyName"], config, list(signals.values()))
    assert kind == TRACKING
    own = [signals.get(a["AlarmName"]) for a in row.doc.get("Alarms", ())]
    high, low = [*own, None, None][:2]
    return tracking(row.doc["PolicyName"], config, high, low)


def _signal(ctx: Ctx, alarm: Doc, arn: str) -> Signal:
    member = ACTIONS.get(alarm.get("StateValue", ""), "")
    triggered = bool(alarm.get("ActionsEnabled", True)) and arn in alarm.get(member, ())
    found = _readings(ctx, alarm) if triggered else ()
    below = alarm.get("ComparisonOperator", "").startswith("LessThan")
    threshold = float(alarm.get("Threshold", 0.0))
    return Signal(alarm["AlarmName"], triggered, threshold, below, found)


def _readings(ctx: Ctx, alarm: Doc) -> Readings:
    """The datapoints of the whole periods that the alarm evaluates; () where there are none."""
    queries = queries_of(alarm)
    period = period_of(queries)
    end = math.floor(ctx.world.clock() / period) * period
    number = alarm.get("EvaluationPeriods", 1)
    begin = end - period * (number + EXTRA)
    params = {
        "MetricDataQueries": queries,
        "StartTime": dt.datetime.fromtimestamp(begin, dt.UTC),
        "EndTime": dt.datetime.fromtimestamp(end, dt.UTC),
        "ScanBy": "TimestampAscending",
    }
    try:
        results = ctx.call("cloudwatch", "GetMetricData", params)["MetricDataResults"]
    except AwsError:  # an expression that cannot be worked out: as if nothing was measured
        return ()
    if not results:
        return ()
    times = [at.timestamp() for at in results[-1]["Timestamps"]]
    return tuple(zip(times, results[-1]["Values"], strict=True))[-number:]


def queries_of(alarm: Doc) -> list[Doc]:
    """The alarm's metric as GetMetricData asks for it; exactly one query returns data."""
    if alarm.get("Metrics"):
        return alarm["Metrics"]
    metric = {m: alarm[m] for m in ("Namespace", "MetricName", "Dimensions") if m in alarm}
    stat: Doc = {
        "Metric": metric,
        "Period": alarm["Period"],
        "Stat": alarm.get("Statistic") or alarm["ExtendedStatistic"],
    }
    if alarm.get("Unit"):
        stat["Unit"] = alarm["Unit"]
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]


def period_of(queries: Sequence[Doc]) -> int:
    """Seconds of a datapoint of the queries: of the longest of their metrics."""
    periods = [q["MetricStat"].get("Period", 60) for q in queries if "MetricStat" in q]
    return max(periods or [q.get("Period", 60) for q in queries])
