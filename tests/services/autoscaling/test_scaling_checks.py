"""What requests may not say, and what alarms a policy makes: pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.autoscaling import checks, resources, schedules, tracking_alarms
from sagebrush.services.autoscaling.checks import CONFIGS, STEP, TRACKING

INSTANCES = resources.DIMENSIONS[resources.INSTANCES]
METRIC = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
NOW = 1767225600.0


def refused(function: Any, *args: Any) -> str:
    with pytest.raises(AwsError) as caught:
        function(*args)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def tracking(**config: Any) -> Any:
    whole = {"TargetValue": 70.0, "PredefinedMetricSpecification": METRIC, **config}
    return {CONFIGS[TRACKING]: {k: v for k, v in whole.items() if v is not None}}


def stepping(*bounds: tuple[float | None, float | None], **config: Any) -> Any:
    members = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    steps = [
        {"ScalingAdjustment": 1,
         **{m: v for m, v in zip(members, pair, strict=True) if v is not None}}
        for pair in bounds
    ]  # fmt: skip
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps, **config}
    return {CONFIGS[STEP]: {k: v for k, v in config.items() if v is not None}}


@pytest.mark.parametrize(
    "custom",
    [
        {"MetricName": "m", "Namespace": "n", "Statistic": "Average", "Dimensions": []},
        {"Metrics": [{"Id": "a", "Expression": "1"}]},
    ],
)
def test_configurations_that_are_right(custom: Any) -> None:
    checks.check_policy(TRACKING, tracking(), INSTANCES)
    alone = {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": custom}
    checks.check_policy(TRACKING, tracking(**alone), INSTANCES)
    for bounds in (((0, None),), ((None, 0),), ((None, -5), (-5, 0)), ((0, 10), (10, None)),
                   ((-5, None), (None, -5))):  # fmt: skip
        checks.check_policy(STEP, stepping(*bounds), INSTANCES)


@pytest.mark.parametrize(
    ("kind", "request_", "words"),
    [
        ("PredictiveScaling", {}, "PredictiveScaling policies are not supported"),
        (TRACKING, {}, "needs TargetTrackingScalingPolicyConfiguration"),
        (TRACKING, {**tracking(), **stepping((0, None))}, "no other configuration"),
        (TRACKING, tracking(PredefinedMetricSpecification=None), "either a predefined"),
        (TRACKING, tracking(CustomizedMetricSpecification={}), "either a predefined"),
        (TRACKING, tracking(TargetValue=0.0), "must be greater than 0"),
        (TRACKING, tracking(TargetValue=float("nan")), "must be greater than 0"),
        (TRACKING, tracking(ScaleInCooldown=-1), "ScaleInCooldown"),
        (
            TRACKING,
            tracking(PredefinedMetricSpecification={"PredefinedMetricType": "ALBRequestCount"}),
            "not supported for the scalable dimension",
        ),
        (
            TRACKING,
            tracking(PredefinedMetricSpecification={**METRIC, "ResourceLabel": "app/x"}),
            "ResourceLabel",
        ),
        (STEP, stepping(AdjustmentType="ExactCapacity"), "at least one step"),
        (STEP, stepping((0, None), AdjustmentType=None), "AdjustmentType"),
        (STEP, stepping((None, None)), "At least one of the bounds"),
        (STEP, stepping((5, 5)), "greater than its lower"),
        (STEP, stepping((0, 10), (5, None)), "overlap"),
        (STEP, stepping((0, 10), (11, None)), "gaps"),
        (STEP, stepping((-10, 0)), "unspecified lower bound"),
        (STEP, stepping((0, 10)), "unspecified upper bound"),
        (STEP, stepping(*((n, n + 1) for n in range(20)), (20, None)), "at most 20"),
        (STEP, stepping((0, None), MinAdjustmentMagnitude=2), "only for Percent"),
        (STEP, stepping((0, None), Cooldown=-1), "Cooldown"),
    ],
)
def test_configurations_that_are_wrong(kind: str, request_: Any, words: str) -> None:
    assert words in refused(checks.check_policy, kind, request_, INSTANCES)


@pytest.mark.parametrize(
    ("queries", "words"),
    [
        ([{"Id": "a", "Expression": "1"}] * 2, "unique"),
        ([{"Id": "a"}], "either Expression or MetricStat"),
        ([{"Id": "a", "Expression": "1"}, {"Id": "b", "Expression": "2"}], "Exactly one"),
    ],
)
def test_queries_that_are_wrong(queries: Any, words: str) -> None:
    given = tracking(
        PredefinedMetricSpecification=None, CustomizedMetricSpecification={"Metrics": queries}
    )
    assert words in refused(checks.check_policy, TRACKING, given, INSTANCES)


def test_bounds_and_names() -> None:
    assert "required" in refused(checks.check_bounds, None, 3)
    assert "less than minimum" in refused(checks.check_bounds, 4, 3)
    assert "greater than or equal to 0" in refused(checks.check_bounds, -1, 3)
    assert "service namespace ecs" in refused(resources.dimension_of, "ecs", resources.INSTANCES)
    unknown = ("sagemaker", "ecs:service:DesiredCount")
    assert "no dimension of sagemaker" in refused(resources.dimension_of, *unknown)
    assert "must have the form" in refused(resources.names, INSTANCES, "endpoint/e")
    assert resources.names(INSTANCES, "endpoint/e/variant/v") == ("e", "v")


def test_the_alarms_of_a_policy() -> None:
    config = tracking()[CONFIGS[TRACKING]]
    resource, arn = "endpoint/e/variant/v", "arn:aws:autoscaling:r:1:scalingPolicy:x"
    high, low = tracking_alarms.alarms(config, INSTANCES.name, resource, arn, ("h", "l"))
    assert high == {
        "AlarmName": "TargetTracking-endpoint/e/variant/v-AlarmHigh-h",
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [arn],
        "EvaluationPeriods": 3,
        "Threshold": 70.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Namespace": "AWS/SageMaker",
        "MetricName": "InvocationsPerInstance",
        "Dimensions": [
            {"Name": "EndpointName", "Value": "e"},
            {"Name": "VariantName", "Value": "v"},
        ],
        "Statistic": "Sum",
        "Period": 60,
    }
    assert (low["AlarmName"], low["EvaluationPeriods"], low["Threshold"]) == (
        "TargetTracking-endpoint/e/variant/v-AlarmLow-l",
        15,
        63.0,
    )
    alone = {**config, "DisableScaleIn": True}
    assert len(tracking_alarms.alarms(alone, INSTANCES.name, resource, arn, ("h", "l"))) == 1
    fast = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
    config = {"TargetValue": 5.0, "PredefinedMetricSpecification": fast}
    high, low = tracking_alarms.alarms(config, INSTANCES.name, resource, arn, ("h", "l"))
    assert (high["Period"], low["Period"], high["Statistic"]) == (10, 60, "Maximum")


def scheduled(expression: str, **more: Any) -> Any:
    return {"Schedule": expression, "CreationTime": dt.datetime.fromtimestamp(NOW, dt.UTC), **more}


def test_schedules_fire_at_their_start_too() -> None:
    start = dt.datetime.fromtimestamp(NOW + 90, dt.UTC)
    table = schedules.timetable(scheduled("cron(0 12 * * ? *)", StartTime=start))
    assert table.next(NOW, NOW) == NOW + 90
    assert table.due(NOW, NOW + 100) == NOW + 90
    assert table.next(NOW + 90, NOW + 100) == NOW + 12 * 3600
    berlin = schedules.timetable(scheduled("cron(0 12 * * ? *)", Timezone="Europe/Berlin"))
    assert berlin.next(NOW, NOW) == NOW + 11 * 3600
    hourly = schedules.timetable(scheduled("rate(1 hour)", StartTime=start))
    assert [hourly.next(NOW, NOW), hourly.next(NOW + 90, NOW + 90)] == [NOW + 90, NOW + 3690]


@pytest.mark.parametrize(
    ("doc", "words"),
    [
        (scheduled("every day"), "Invalid schedule expression"),
        (scheduled("rate(5 minutes)", Timezone="Mars/Base"), "time zone"),
        (scheduled("at(2020-01-01T00:00:00)"), "in the future"),
        (
            scheduled("rate(1 hour)", EndTime=dt.datetime.fromtimestamp(NOW - 1, dt.UTC)),
            "EndTime must be in the future",
        ),
    ],
)
def test_schedules_that_are_wrong(doc: Any, words: str) -> None:
    assert words in refused(schedules.check, doc, NOW)


def test_a_bound_that_is_passed_moves_the_other() -> None:
    assert schedules.bounds({"MinCapacity": 5}, 1, 3) == (5, 5)
    assert schedules.bounds({"MaxCapacity": 2}, 4, 8) == (2, 2)
    assert schedules.bounds({"MinCapacity": 2, "MaxCapacity": 6}, 4, 4) == (2, 6)
