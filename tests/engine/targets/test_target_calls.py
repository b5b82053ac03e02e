"""The call that a delivery stands for."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from sagebrush.engine.targets.calls import call_of
from sagebrush.errors import AwsError
from sagebrush.store.deliveries import Delivery

ONE = Delivery("1", "r", "arn:aws:sqs:eu-west-1:2:q", "text", "events.amazonaws.com")


def test_queues_and_topics() -> None:
    call = call_of(replace(ONE, options={"MessageGroupId": "g"}))
    assert (call.service, call.operation, call.action) == ("sqs", "SendMessage", "sqs:SendMessage")
    assert call.params == {
        "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/2/q",
        "MessageBody": "text",
        "MessageGroupId": "g",
    }
    assert (call.target.account, call.target.region) == ("2", "eu-west-1")
    topic = "arn:aws:sns:r:1:t"
    call = call_of(replace(ONE, target=topic, options={"Subject": "s"}))
    assert (call.service, call.operation) == ("sns", "Publish")
    assert call.params == {"TopicArn": topic, "Message": "text", "Subject": "s"}


def test_machines_log_groups_and_buses() -> None:
    machine = "arn:aws:states:r:1:stateMachine:m"
    call = call_of(replace(ONE, target=machine, payload="{}", options={"name": "n"}))
    assert (call.service, call.operation) == ("stepfunctions", "StartExecution")
    assert call.params == {"stateMachineArn": machine, "input": "{}", "name": "n"}
    group = "arn:aws:logs:r:1:log-group:/aws/events/g:*"
    call = call_of(replace(ONE, target=group, options={"timestamp": 5}))
    ((before, stream),) = call.before
    assert (before, stream["logGroupName"]) == ("CreateLogStream", "/aws/events/g")
    assert call.params == {**stream, "logEvents": [{"timestamp": 5, "message": "text"}]}
    bus = "arn:aws:events:r:1:event-bus/b"
    call = call_of(replace(ONE, target=bus, options={"Source": "s", "DetailType": "d"}))
    entry = {"EventBusName": bus, "Source": "s", "DetailType": "d", "Detail": "text"}
    assert call.params == {"Entries": [entry]}


def test_any_operation_with_its_members_in_pascal_case() -> None:
    payload = """{"LogGroupName": "g", "LogStreamName": "s",
                  "LogEvents": [{"Timestamp": 5, "message": "m"}], "Odd": 1}"""
    call = call_of(replace(ONE, target="aws-sdk:logs:PutLogEvents", payload=payload))
    assert (call.service, call.operation, call.target.account) == ("logs", "PutLogEvents", "1")
    assert call.params == {
        "logGroupName": "g",
        "logStreamName": "s",
        "logEvents": [{"timestamp": 5, "message": "m"}],
        "Odd": 1,
    }
    body = '{"FunctionName": "f", "Payload": "{}"}'
    call = call_of(replace(ONE, target="aws-sdk:lambda:Invoke", payload=body))
    assert call.params == {"FunctionName": "f", "Payload": b"{}"}
    when = '{"Namespace": "n", "MetricData": [{"MetricName": "m", "Timestamp": "2026-01-01T00:00:00"}]}'
    call = call_of(replace(ONE, target="aws-sdk:cloudwatch:PutMetricData", payload=when))
    assert call.params["MetricData"][0]["Timestamp"] == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for target, text in (
        ("aws-sdk:logs:Fly", "{}"),
        ("aws-sdk:no:X", "{}"),
        ("aws-sdk:logs:PutLogEvents", "[]"),
    ):
        with pytest.raises(AwsError):
            call_of(replace(ONE, target=target, payload=text))


@pytest.mark.parametrize("target", ["nothing", "arn:aws:kinesis:r:1:stream/x"])
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(AwsError, match=target):
        call_of(replace(ONE, target=target))
