"""What alarms tell functions, member by member as CloudWatch's user guide shows it, and whether they may."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.services.cloudwatch.alarms import functions
from sagebrush.services.cloudwatch.alarms.plan import Change
from sagebrush.store.rows import Row
from tests.conftest import Clock, make_settings
from tests.services.cloudwatch.alarms.alarmworld import AlarmWorld

AT = 1767225600.0
CHANGE: Change = {
    "at": AT,
    "old": {"value": "OK", "reason": "fine", "data": '{"version":"1.0"}', "at": AT - 60},
}
ARN = "arn:aws:cloudwatch:eu-west-1:1:alarm:a"


def told(type_: str, **doc: Any) -> Any:
    base = {
        "AlarmArn": ARN, "StateValue": "ALARM", "StateReason": "why",
        "StateUpdatedTimestamp": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    }  # fmt: skip
    row = Row("1", "eu-west-1", "alarm", "a", "ALARM", {**base, **doc}, {"tags": {}, "type": type_})
    return functions.event(row, CHANGE)


def test_an_alarm_on_a_metric() -> None:
    found = told(
        "MetricAlarm", MetricName="m", Namespace="n", Statistic="Average", Period=60,
        AlarmDescription="what it is", Unit="Percent", StateReasonData='{"version":"1.0"}',
        Dimensions=[{"Name": "d", "Value": "v"}],
    )  # fmt: skip
    (metric,) = found["alarmData"]["configuration"].pop("metrics")
    assert found == {
        "source": "aws.cloudwatch",
        "alarmArn": ARN,
        "accountId": "1",
        "time": "2026-01-01T00:00:00.000+0000",
        "region": "eu-west-1",
        "alarmData": {
            "alarmName": "a",
            "state": {
                "value": "ALARM",
                "reason": "why",
                "reasonData": '{"version":"1.0"}',
                "timestamp": "2026-01-01T00:00:00.000+0000",
            },
            "previousState": {
                "value": "OK",
                "reason": "fine",
                "reasonData": '{"version":"1.0"}',
                "timestamp": "2025-12-31T23:59:00.000+0000",
            },
            "configuration": {"description": "what it is"},
        },
    }
    assert len(metric.pop("id")) == 36
    assert metric == {
        "metricStat": {
            "metric": {"namespace": "n", "name": "m", "dimensions": {"d": "v"}},
            "period": 60,
            "stat": "Average",
            "unit": "Percent",
        },
        "returnData": True,
    }


def test_an_alarm_on_an_expression() -> None:
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "p90"}
    queries = [
        {"Id": "m", "MetricStat": stat, "ReturnData": False},
        {"Id": "e", "Expression": "m*2", "Label": "twice"},
    ]
    found = told("MetricAlarm", Metrics=queries)
    assert found["alarmData"]["configuration"] == {
        "metrics": [
            {
                "id": "m",
                "metricStat": {
                    "metric": {"namespace": "n", "name": "m", "dimensions": {}},
                    "period": 60,
                    "stat": "p90",
                },
                "returnData": False,
            },
            {"id": "e", "expression": "m*2", "label": "twice", "returnData": True},
        ]
    }


def test_an_alarm_over_others() -> None:
    found = told(
        "CompositeAlarm", AlarmRule="ALARM(x)", ActionsSuppressor="s",
        ActionsSuppressorWaitPeriod=120, ActionsSuppressorExtensionPeriod=180,
    )  # fmt: skip
    assert found["alarmData"]["configuration"] == {
        "alarmRule": "ALARM(x)",
        "actionsSuppressor": "s",
        "actionsSuppressorWaitPeriod": 120,
        "actionsSuppressorExtensionPeriod": 180,
    }


@pytest.fixture
def alarms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmWorld]:
    clock = Clock(AT + 30)
    app = build(make_settings(tmp_path_factory.mktemp("home"), isolation="process"), clock)
    yield AlarmWorld(app, clock)
    app.stop()


def test_a_function_that_lets_the_alarm_invoke_it_is_sent_to(alarms: AlarmWorld) -> None:
    place = f"{alarms.ctx.region}:{alarms.ctx.account}"
    arn = f"arn:aws:lambda:{place}:function:f"
    statement = {
        "Sid": "s", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn,
        "Principal": {"Service": functions.SERVICE},
        "Condition": {"ArnEquals": {"AWS:SourceArn": f"arn:aws:cloudwatch:{place}:alarm:open"}},
    }  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    alarms.world.rows.insert(
        Row(
            alarms.ctx.account, alarms.ctx.region, "lambda-function", "f", "Active", {},
            {"policies": {"": policy}},
        )
    )  # fmt: skip
    for name in ("open", "shut"):
        alarms.alarm(name, AlarmActions=[arn])
        alarms.put(name, 99.0, ago=40)
    alarms.settle()
    (sent,) = (each.delivery for each in alarms.world.deliveries.due(arn, 10))
    assert json.loads(sent.payload)["alarmData"]["state"]["value"] == "ALARM"
    assert sent.source_arn.endswith(":alarm:open")
    (done,) = alarms.history("open", "Action")
    assert done["Data"]["actionState"] == "Succeeded"
    assert json.loads(done["Data"]["publishedMessage"]) == json.loads(sent.payload)
    (failed,) = alarms.history("shut", "Action")
    assert "is not authorized to perform: lambda:InvokeFunction" in failed["Data"]["error"]
