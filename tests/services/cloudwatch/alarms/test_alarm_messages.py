"""What alarms tell a topic: AWS's JSON, of alarms on metrics, on expressions, and over others."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from sagebrush.services.cloudwatch.alarms import messages
from sagebrush.services.cloudwatch.alarms.plan import Change
from sagebrush.store.rows import Row

AT = 1767225600.0
CHANGE: Change = {"at": AT, "old": {"value": "OK", "reason": "", "data": None}}


def told(type_: str, region: str = "eu-west-1", name: str = "a", **doc: Any) -> tuple[Any, str]:
    """The message and the subject of an alarm that has gone to ALARM."""
    base = {
        "AlarmArn": f"arn:aws:cloudwatch:{region}:1:alarm:{name}",
        "AlarmConfigurationUpdatedTimestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
        "StateValue": "ALARM", "StateReason": "why",
    }  # fmt: skip
    row = Row("1", region, "alarm", name, "ALARM", {**base, **doc}, {"tags": {}, "type": type_})
    return json.loads(messages.message(row, CHANGE)), messages.subject(row)


def test_an_alarm_on_an_expression() -> None:
    stat = {
        "Metric": {
            "Namespace": "n",
            "MetricName": "m",
            "Dimensions": [{"Name": "d", "Value": "v"}],
        },
        "Period": 60,
        "Stat": "p90",
    }
    queries = [{"Id": "m", "MetricStat": stat, "ReturnData": False}, {"Id": "e", "Expression": "m"}]
    found, subject = told(
        "MetricAlarm", Metrics=queries, EvaluationPeriods=2, DatapointsToAlarm=1, Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    assert subject == 'ALARM: "a" in EU (Ireland)'
    assert found["StateChangeTime"] == "2026-01-01T00:00:00.000+0000"
    assert found["Trigger"]["Metrics"] == [
        {
            "Id": "m",
            "MetricStat": {**stat, "Metric": {**stat["Metric"], "Dimensions": [{"value": "v", "name": "d"}]}},
            "ReturnData": False,
        },
        {"Id": "e", "Expression": "m", "ReturnData": True},
    ]  # fmt: skip
    assert found["Trigger"]["DatapointsToAlarm"] == 1


def test_a_percentile() -> None:
    found, _ = told(
        "MetricAlarm", MetricName="m", Namespace="n", ExtendedStatistic="p99", Period=300,
        EvaluationPeriods=1, Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    trigger = found["Trigger"]
    assert (trigger["StatisticType"], trigger["ExtendedStatistic"]) == ("ExtendedStatistic", "p99")
    assert "Statistic" not in trigger


def test_a_composite_alarm() -> None:
    child = {"arn": "arn:x", "state": {"value": "ALARM", "timestamp": "2026"}}
    found, _ = told(
        "CompositeAlarm",
        AlarmRule="ALARM(x)",
        StateReasonData=json.dumps({"triggeringAlarms": [child]}),
    )
    assert found["AlarmRule"] == "ALARM(x)"
    assert found["TriggeringChildren"] == [
        {"Arn": "arn:x", "State": {"Value": "ALARM", "Timestamp": "2026"}}
    ]
    for data in (None, "[1]", "no JSON"):
        found, _ = told("CompositeAlarm", AlarmRule="TRUE", StateReasonData=data)
        assert found["TriggeringChildren"] == []


def test_a_subject_is_short_and_in_ascii() -> None:
    _, subject = told("CompositeAlarm", name="é" * 200, AlarmRule="TRUE")
    assert len(subject) == 100
    assert subject.isascii()
