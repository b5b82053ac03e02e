"""Alarms through boto3: each operation, its filters, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.waiting import until

TOPIC = "arn:aws:sns:us-east-1:123456789012:ops"
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
METRIC = {
    "Namespace": "test",
    "MetricName": "m",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
}
MATHS = {
    "EvaluationPeriods": 1,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "Metrics": [
        {
            "Id": "m1",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "test", "MetricName": "a"},
                "Period": 60,
                "Stat": "Sum",
            },
        },
        {"Id": "e1", "Expression": "m1 * 2", "Label": "twice"},
    ],
}


@pytest.fixture
def cloudwatch(client: Any) -> Iterator[Any]:
    made = client("cloudwatch")
    yield made
    for kind in ("CompositeAlarm", "MetricAlarm"):
        found = made.describe_alarms(AlarmTypes=[kind], MaxRecords=100)[f"{kind}s"]
        for name in sorted((each["AlarmName"] for each in found), reverse=True):
            made.delete_alarms(AlarmNames=[name])


def names(found: dict[str, Any]) -> list[str]:
    return [each["AlarmName"] for each in found["MetricAlarms"] + found["CompositeAlarms"]]


def without(*members: str, **more: Any) -> dict[str, Any]:
    return {**{k: v for k, v in METRIC.items() if k not in members}, **more}


def query(name: str, **more: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": {**stat, **more}}


def test_an_alarm_is_put_described_and_deleted(cloudwatch: Any) -> None:
    now = dt.datetime.now(dt.UTC)
    minute = now.replace(second=0, microsecond=0) - dt.timedelta(minutes=1)
    cloudwatch.put_metric_data(
        Namespace="test", MetricData=[{"MetricName": "m", "Timestamp": minute, "Value": 9.0}]
    )
    cloudwatch.put_metric_alarm(AlarmName="a", AlarmActions=[TOPIC], **METRIC)

    def alarm() -> dict[str, Any] | None:
        found = cloudwatch.describe_alarms(AlarmNames=["a"])["MetricAlarms"][0]
        return found if found["StateValue"] == "ALARM" else None

    found = until(alarm)
    assert found["AlarmArn"] == f"{ARN}a"
    assert found["ActionsEnabled"] is True
    assert (found["OKActions"], found["AlarmActions"], found["Dimensions"]) == ([], [TOPIC], [])
    assert found["Threshold"] == 5.0
    assert "DatapointsToAlarm" not in found
    assert found["StateReason"].startswith("Threshold Crossed: 1 datapoint [9.0 (")

    def acted() -> list[dict[str, Any]]:
        asked = {"AlarmName": "a", "HistoryItemType": "Action"}
        return cloudwatch.describe_alarm_history(**asked)["AlarmHistoryItems"]

    assert until(acted)[0]["HistorySummary"].startswith(f"Failed to execute action {TOPIC}")
    asked = {key: METRIC[key] for key in ("Namespace", "MetricName", "Period", "Statistic")}
    assert len(cloudwatch.describe_alarms_for_metric(**asked)["MetricAlarms"]) == 1
    assert not cloudwatch.describe_alarms_for_metric(Namespace="test", MetricName="x")[
        "MetricAlarms"
    ]
    cloudwatch.delete_alarms(AlarmNames=["a"])
    assert names(cloudwatch.describe_alarms()) == []
    items = cloudwatch.describe_alarm_history(AlarmName="a", MaxRecords=1)
    assert items["AlarmHistoryItems"][0]["HistorySummary"] == 'Alarm "a" deleted'
    more = cloudwatch.describe_alarm_history(AlarmName="a", NextToken=items["NextToken"])
    assert {each["HistoryItemType"] for each in more["AlarmHistoryItems"]} == {
        "ConfigurationUpdate", "StateUpdate", "Action",
    }  # fmt: skip


def test_filters_and_pages(cloudwatch: Any) -> None:
    for i in range(5):
        cloudwatch.put_metric_alarm(AlarmName=f"p-{i}", OKActions=[TOPIC][: i % 2], **METRIC)
    cloudwatch.put_metric_alarm(AlarmName="q", **MATHS)
    cloudwatch.put_composite_alarm(AlarmName="z", AlarmRule='ALARM("p-0") OR OK(q)')
    cloudwatch.put_composite_alarm(AlarmName="zz", AlarmRule=f"NOT ALARM({ARN}z)")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], PaginationConfig={"PageSize": 2}
    )
    found = [names(page) for page in pages]
    assert [len(page) for page in found] == [2, 2, 2, 2]
    assert [name for page in found for name in page] == [
        "p-0",
        "p-1",
        "p-2",
        "p-3",
        "p-4",
        "q",
        "z",
        "zz",
    ]
    ask = cloudwatch.describe_alarms
    assert names(ask()) == ["p-0", "p-1", "p-2", "p-3", "p-4", "q"]
    assert names(ask(AlarmNamePrefix="p-")) == ["p-0", "p-1", "p-2", "p-3", "p-4"]
    assert names(ask(AlarmTypes=["CompositeAlarm"])) == ["z", "zz"]
    assert names(ask(AlarmNames=["q", "p-3", "none"])) == ["p-3", "q"]
    assert names(ask(ActionPrefix=TOPIC[:20])) == ["p-1", "p-3"]
    assert names(ask(StateValue="ALARM", AlarmNamePrefix="q")) == []
    children = ask(ChildrenOfAlarmName="z")
    assert names(children) == ["p-0", "q"]
    assert set(children["MetricAlarms"][0]) == {
        "AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp",
    }  # fmt: skip
    parents = ask(ParentsOfAlarmName="z")["CompositeAlarms"]
    assert parents == [{"AlarmName": "zz", "AlarmArn": f"{ARN}zz"}]
    for wrong, code in (
        ({"AlarmNames": ["q"], "AlarmNamePrefix": "q"}, "InvalidParameterCombination"),
        ({"ChildrenOfAlarmName": "z", "StateValue": "OK"}, "ValidationError"),
        ({"NextToken": "!"}, "InvalidNextToken"),
    ):
        with pytest.raises(ClientError) as error:
            ask(**wrong)
        assert error.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match=r"as there are composite alarm\(s\) depending on it"):
        cloudwatch.delete_alarms(AlarmNames=["z"])
    with pytest.raises(ClientError, match="Only one composite alarm"):
        cloudwatch.delete_alarms(AlarmNames=["z", "zz"])
    with pytest.raises(ClientError) as error:
        cloudwatch.delete_alarms(AlarmNames=["p-4", "none"])
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"
    assert names(ask(AlarmNamePrefix="p-")) == ["p-0", "p-1", "p-2", "p-3"]


def test_tags(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(AlarmName="t", Tags=[{"Key": "a", "Value": "1"}], **METRIC)
    cloudwatch.tag_resource(ResourceARN=f"{ARN}t", Tags=[{"Key": "b", "Value": "2"}])
    cloudwatch.untag_resource(ResourceARN=f"{ARN}t", TagKeys=["a"])
    found = cloudwatch.list_tags_for_resource(ResourceARN=f"{ARN}t")["Tags"]
    assert found == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError) as error:
        cloudwatch.list_tags_for_resource(ResourceARN=f"{ARN}none")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError, match="must not begin with aws:"):
        cloudwatch.tag_resource(ResourceARN=f"{ARN}t", Tags=[{"Key": "aws:x", "Value": "2"}])


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (without("MetricName"), "MissingParameter", "MetricName is required"),
        (without("Namespace"), "MissingParameter", "Namespace is required"),
        (without("Period"), "MissingParameter", "Period is required"),
        (without("Statistic"), "MissingParameter", "Statistic is required"),
        (without("Threshold"), "MissingParameter", "Threshold is required"),
        (without(ExtendedStatistic="p90"), "InvalidParameterCombination", "Statistic and Extended"),
        (without("Statistic", ExtendedStatistic="p101"), "InvalidParameterValue", "not supported"),
        (without(Period=15), "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        (without(Period=90), "ValidationError", "Period must be 10, 20, 30 or a multiple of 60"),
        (without(EvaluationPeriods=1441), "ValidationError", "must be <= 86400"),
        (without(Period=86400, EvaluationPeriods=8), "ValidationError", "must be <= 604800"),
        (without(DatapointsToAlarm=2), "ValidationError", "less than or equal to"),
        (without(TreatMissingData="never"), "InvalidParameterValue", "TreatMissingData"),
        (without(EvaluateLowSampleCountPercentile="x"), "ValidationError", "one of evaluate and"),
        (without(AlarmActions=["topic"]), "ValidationError", "Invalid arn syntax: topic"),
        (
            without(AlarmActions=[TOPIC.replace("us-east-1", "eu-west-1")]),
            "ValidationError",
            "Invalid region eu-west-1 specified. Only us-east-1 is supported.",
        ),
        (without(ThresholdMetricId="e"), "ValidationError", "anomaly detection"),
        (
            without(ComparisonOperator="GreaterThanUpperThreshold"),
            "ValidationError",
            "anomaly detection",
        ),
        (without(Metrics=MATHS["Metrics"]), "InvalidParameterCombination", "MetricName"),
        ({**MATHS, "Metrics": []}, "ValidationError", "must not be empty"),
        ({**MATHS, "Metrics": [query("a"), query("b")]}, "ValidationError", "Exactly one element"),
        (
            {**MATHS, "Metrics": [{"Id": "e", "Expression": "SEARCH('{n} m', 'Sum')"}, {**query("a"), "ReturnData": False}]},
            "ValidationError",
            "SEARCH is not supported on Metric Alarms",
        ),
        ({**MATHS, "Metrics": [{"Id": "e", "Expression": "TIME_SERIES(1)"}]}, "ValidationError", "at least one metric"),
        (
            {**MATHS, "Metrics": [{"Id": "e", "Expression": "a +"}, {**query("a"), "ReturnData": False}]},
            "ValidationError",
            "Error in expression 'e': unexpected end",
        ),
        (
            {**MATHS, "Metrics": [{"Id": "e", "Expression": "[a]"}, {**query("a"), "ReturnData": False}]},
            "ValidationError",
            "single time series",
        ),
        (
            {**MATHS, "Metrics": [{"Id": "e", "Expression": "a + b"}, {**query("a"), "ReturnData": False}, {**query("b", Period=300), "ReturnData": False}]},
            "ValidationError",
            "the same Period",
        ),
        *(
            (METRIC | {"Threshold": each}, "InvalidParameterValue", "for parameter Threshold is invalid")
            for each in (float("nan"), float("inf"), -float("inf"))
        ),
    ],
)  # fmt: skip
def test_requests_that_make_no_alarm(
    cloudwatch: Any, request_: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError) as error:
        cloudwatch.put_metric_alarm(AlarmName="bad", **request_)
    told = error.value.response["Error"]
    assert told["Code"] == code
    assert words in told["Message"]
    assert names(cloudwatch.describe_alarms(AlarmNames=["bad"])) == []


@pytest.mark.parametrize(
    ("rule", "more", "words"),
    [
        ("ALARM(nobody)", {}, r"as alarms \[nobody\] in the alarm rule do not exist"),
        ("ALARM(", {}, "Error in AlarmRule"),
        (
            "TRUE",
            {"AlarmActions": ["arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:x"]},
            "cannot perform Auto Scaling",
        ),
        ("TRUE", {"ActionsSuppressor": "nobody"}, "ActionsSuppressorWaitPeriod is required"),
        ("TRUE", {"ActionsSuppressorWaitPeriod": 5}, "only with ActionsSuppressor"),
        (
            "TRUE",
            {
                "ActionsSuppressor": "nobody",
                "ActionsSuppressorWaitPeriod": 5,
                "ActionsSuppressorExtensionPeriod": 5,
            },
            "nobody does not exist",
        ),
    ],
)
def test_requests_that_make_no_composite_alarm(
    cloudwatch: Any, rule: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        cloudwatch.put_composite_alarm(AlarmName="bad", AlarmRule=rule, **more)


def test_a_name_is_of_one_type(cloudwatch: Any) -> None:
    cloudwatch.put_composite_alarm(AlarmName="x", AlarmRule="TRUE")
    with pytest.raises(ClientError, match="is a CompositeAlarm"):
        cloudwatch.put_metric_alarm(AlarmName="x", **METRIC)


def test_a_state_of_an_alarm_that_is_not_there(cloudwatch: Any) -> None:
    with pytest.raises(ClientError) as error:
        cloudwatch.set_alarm_state(AlarmName="none", StateValue="OK", StateReason="r")
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_caller_that_may_not(server: Server) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="reader")
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudwatch:DescribeAlarms",'
        f'"Resource":"{ARN}mine"}}]}}'
    )
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = server.client(
        "cloudwatch",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    assert reader.describe_alarms(AlarmNames=["mine"])["MetricAlarms"] == []
    for refused in (
        lambda: reader.describe_alarms(),
        lambda: reader.describe_alarms(AlarmNames=["yours"]),
        lambda: reader.put_metric_alarm(AlarmName="mine", **METRIC),
    ):
        with pytest.raises(ClientError) as error:
            refused()
        assert error.value.response["Error"]["Code"] == "AccessDenied"
