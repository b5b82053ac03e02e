"""Traffic against policies: days whose capacity is worked out by hand."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from sagebrush.commands.running import CommandError
from sagebrush.commands.scaling import given
from sagebrush.commands.scaling.simulation import Run, Scenario, Traffic, simulate

HOUR, MINUTE = 3600.0, 60.0
TRACKED = {
    "TargetValue": 100.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    },
    "ScaleOutCooldown": 300,
    "ScaleInCooldown": 300,
}
CONCURRENT = {
    "TargetValue": 5.0,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    },
}


def hours(*per_minute: float) -> Traffic:
    """So many requests a minute in each hour."""
    return Traffic(0.0, MINUTE, tuple(n for n in per_minute for _ in range(60)))


def replayed(traffic: Traffic, *policies: dict[str, Any], **more: Any) -> Run:
    rules = tuple(given.rule(p, f"p{n}") for n, p in enumerate(policies, 1))
    given_ = {"least": 1, "most": 10, **more}
    return simulate(Scenario(traffic, rules=rules, **given_))


def changes(run: Run) -> list[tuple[str, int]]:
    """(time, capacity after it) of each change."""
    return [
        (dt.datetime.fromtimestamp(e.at, dt.UTC).strftime("%H:%M:%S").removesuffix(":00"), e.after)
        for e in run.events
    ]


def test_a_day_of_traffic() -> None:
    """Out: three whole minutes above 100 an instance, then capacity * metric / 100, rounded up. In:
    fifteen below 90, by the same proportion."""
    day = [50] * 6 + [150, 300, 650, 650, 500, 900] + [620] * 4 + [350, 350, 180, 180, 90, 30, 5, 0]
    run = replayed(hours(*day), TRACKED)
    assert changes(run) == [
        ("06:03", 2),  # 1 * 150 / 100
        ("07:03", 3),  # 2 * 150 / 100
        ("08:03", 7),  # 3 * 216.7 / 100
        ("10:15", 5),  # 7 * 71.4 / 100
        ("11:03", 9),  # 5 * 180 / 100
        ("12:15", 7),  # 9 * 68.9 / 100
        ("16:15", 4),  # 7 * 50 / 100
        ("18:15", 2),  # 4 * 45 / 100
        ("20:15", 1),  # 2 * 45 / 100
    ]
    # No zero is published, so nothing changes in the last hour; it is at its minimum anyway.
    assert run.serving[-1] == 1
    paid = [1] * 363 + [2] * 60 + [3] * 60 + [7] * 132 + [5] * 48 + [9] * 72 + [7] * 240 + [4] * 120
    paid += [2] * 120 + [1] * 225
    assert run.billed == paid
    assert run.hours == sum(paid) / 60


def test_without_traffic_it_does_not_scale_in_as_on_aws() -> None:
    run = replayed(hours(50, 500, 0, 0), TRACKED)
    assert changes(run) == [("01:03", 5)]
    assert run.serving[-1] == 5


def test_requests_above_what_the_instances_take() -> None:
    run = replayed(hours(50, 300), TRACKED, startup=180.0)
    assert changes(run) == [("01:03", 3)]
    # Three minutes until the alarm goes off and three until the instances serve, 200 too many each.
    assert run.above(100.0) == 6 * 200
    assert run.serving[62:67] == [1, 1, 1, 1, 3]
    assert run.billed[62:64] == [1, 3]


def test_two_policies_the_larger_capacity_wins() -> None:
    both = replayed(hours(50, 300, 300, 40, 40), TRACKED, {**CONCURRENT, "TargetValue": 0.25},
                    latency=0.1)  # fmt: skip
    # 300 a minute of 0.1 s are 0.5 in flight: two instances for that policy, after half a minute.
    # On those it is 150 for the other, which within the cooldown asks for 1 * 1.5, and then 2 * 1.5.
    # In: 40 are 0.067 in flight and 13 an instance: both ask for one.
    assert changes(both) == [("01:00:30", 2), ("01:06", 3), ("03:15", 1)]


def test_high_resolution_scales_out_in_half_a_minute() -> None:
    run = replayed(hours(60, 1200), CONCURRENT, latency=0.5)  # 10 in flight
    assert changes(run)[0] == ("01:00:30", 2)


def test_a_cooldown_holds_back_what_was_added_for() -> None:
    # 300 at once, then 390: within the cooldown it is worked out from one instance again.
    traffic = Traffic(0.0, MINUTE, (50.0,) * 60 + (300.0,) * 4 + (390.0,) * 30)
    run = replayed(traffic, {**TRACKED, "ScaleOutCooldown": 600})
    assert changes(run) == [("01:03", 3), ("01:13", 4)]
    quick = replayed(traffic, {**TRACKED, "ScaleOutCooldown": 0})
    assert changes(quick) == [("01:03", 3), ("01:07", 4)]


def test_steps_and_a_schedule() -> None:
    steps = {
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [
                {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 100,
                 "ScalingAdjustment": 1},
                {"MetricIntervalLowerBound": 100, "ScalingAdjustment": 3},
            ],
            "Cooldown": 3600,
        },
        "Alarms": [
            {"MetricName": "Invocations", "Statistic": "Sum", "Threshold": 200,
             "EvaluationPeriods": 2, "ComparisonOperator": "GreaterThanThreshold"}
        ],
    }  # fmt: skip
    action = {
        "ScheduledActionName": "night",
        "Schedule": "cron(30 3 * * ? *)",
        "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 2},
        "CreationTime": dt.datetime.fromtimestamp(0, dt.UTC),
    }
    run = replayed(hours(100, 250, 450, 100, 100), steps, actions=(action,))
    # A larger breach within the cooldown (250 and 450 on average) adds 3 to what there was before the
    # first.
    assert changes(run) == [("01:02", 2), ("02:01", 4), ("03:30", 2)]


def test_traffic_by_the_hour_is_replayed_by_the_minute() -> None:
    traffic = Traffic(0.0, HOUR, tuple(100.0 + 50 * (n % 24) for n in range(24)))
    run = replayed(traffic, TRACKED)
    assert len(run.requests) == 24 * 60
    assert sum(run.requests) == pytest.approx(sum(traffic.counts))


# Files --------------------------------------------------------------------------------------------


def test_traffic_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time,requests\n00:00,60\n01:00,120\n01:30,0\n")
    found = given.traffic_of(path)
    assert (found.start, found.step, len(found.counts)) == (0.0, 60.0, 120)
    assert (found.counts[0], found.counts[60], found.counts[119]) == (1.0, 4.0, 0.0)
    path.write_text("2026-01-01T00:00:00Z,5\n2026-01-01T00:01:00+00:00,7\n")
    assert given.traffic_of(path).counts == (5.0, 7.0)
    path.write_text("# seconds\n1767225600,5\n1767225660.0,7\n")
    assert given.traffic_of(path).counts == (5.0, 7.0)
    assert sum(given.spread([(10.0, 7.0), (100.0, 3.0)]).counts) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least two lines"),
        ("time,requests\n00:00,1\n", "at least two lines"),
        ("00:00,1\n00:01,many\n", "line 2"),
        ("00:00,1\n00:01,-1\n", "line 2"),
        ("00:00,1\n00:01\n", "line 2"),
        ("00:05,1\n00:01,1\n", "ascend"),
        ("0,1\n99999999999,1\n", "more than a year"),
        ("00:00,1\n00:01,inf\n", "line 2"),
    ],
)
def test_wrong_traffic_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(CommandError, match=words):
        given.traffic_of(path)


def test_policies_out_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(TRACKED))
    (rule,) = given.scaling_of(path)["policies"]
    assert [a["Threshold"] for a in rule.alarms] == [100.0, 90.0]
    whole = {
        "MinCapacity": 2,
        "MaxCapacity": 9,
        "Policies": [
            {"PolicyName": "a", "TargetTrackingScalingPolicyConfiguration": TRACKED},
            {"PolicyName": "b", "TargetTrackingScalingPolicyConfiguration": CONCURRENT},
        ],
        "ScheduledActions": [
            {"Schedule": "cron(0 8 * * ? *)", "ScalableTargetAction": {"MinCapacity": 4}}
        ],
    }
    path.write_text(json.dumps(whole))
    found = given.scaling_of(path)
    assert [r.name for r in found["policies"]] == ["a", "b"]
    assert (found["MinCapacity"], found["MaxCapacity"], len(found["actions"])) == (2, 9, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting"),
        ("[1]", "no policy"),
        ('{"TargetValue": 0}', "predefined metric specification or a customized"),
        (
            '{"TargetValue": 5, "CustomizedMetricSpecification": {"MetricName": "CPUUtilization",'
            ' "Namespace": "n", "Statistic": "Average"}}',
            "CPUUtilization cannot be simulated",
        ),
        (
            '{"StepScalingPolicyConfiguration": {"AdjustmentType": "ExactCapacity",'
            ' "StepAdjustments": [{"ScalingAdjustment": 1, "MetricIntervalLowerBound": 0}]}}',
            "needs its Alarms",
        ),
    ],
)
def test_wrong_policies_are_told(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(CommandError, match=words):
        given.scaling_of(path)
