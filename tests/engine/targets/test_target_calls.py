"""The calls that a delivery stands for."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.engine.targets import parameters
from sagebrush.engine.targets.calls import Call, calls_of, key_of
from sagebrush.errors import AwsError
from sagebrush.store.deliveries import Delivery, Waiting

ONE = Delivery("1", "r", "arn:aws:sqs:eu-west-1:2:q", "text", "events.amazonaws.com", "rule")


def waiting(target: str, payload: str = "text", number: int = 7, **options: Any) -> Waiting:
    delivery = replace(ONE, target=target, payload=payload, options=options)
    return Waiting(number, delivery, 1000.5, 1000.5, 0)


def only(*given: Any, **options: Any) -> Call:
    (call,) = calls_of(waiting(*given, **options))
    return call


def test_queues_and_topics() -> None:
    call = only(ONE.target, MessageGroupId="g")
    assert (call.service, call.operation, call.action) == ("sqs", "SendMessage", "sqs:SendMessage")
    assert call.params == {
        "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/2/q",
        "MessageBody": "text",
        "MessageGroupId": "g",
    }
    assert (call.target.account, call.target.region) == ("2", "eu-west-1")
    topic = "arn:aws:sns:r:1:t"
    call = only(topic, Subject="s")
    assert (call.service, call.operation) == ("sns", "Publish")
    assert call.params == {"TopicArn": topic, "Message": "text", "Subject": "s"}


def test_functions_get_events() -> None:
    function = "arn:aws:lambda:r:1:function:f:live"
    call = only(function, '{"é": 1}')
    assert (call.service, call.operation) == ("lambda", "Invoke")
    assert call.params == {
        "FunctionName": function,
        "InvocationType": "Event",
        "Payload": '{"é": 1}'.encode(),
    }


def test_an_execution_has_the_same_name_at_each_try() -> None:
    machine = "arn:aws:states:r:1:stateMachine:m"
    first, again, other = (only(machine, "{}", n) for n in (7, 7, 8))
    assert first.params == again.params == {
        "stateMachineArn": machine, "input": "{}", "name": key_of(waiting(machine)),
    }  # fmt: skip
    assert other.params["name"] != first.params["name"]
    assert "ExecutionAlreadyExists" in first.done
    assert only(machine, "{}", name="mine").params["name"] == "mine"


def test_log_groups_get_a_stream_for_each_message() -> None:
    group = "arn:aws:logs:r:1:log-group:/aws/events/x:*"
    made, put = calls_of(waiting(group))
    assert (made.operation, put.operation) == ("CreateLogStream", "PutLogEvents")
    assert "ResourceAlreadyExistsException" in made.done
    stream = key_of(waiting(group))
    assert put.params == {
        "logGroupName": "/aws/events/x",
        "logStreamName": stream,
        "logEvents": [{"timestamp": 1000500, "message": "text"}],
    }
    assert calls_of(waiting(group, number=9))[0].params["logStreamName"] != stream
    told = calls_of(waiting(group, timestamp=5))[1].params["logEvents"]
    assert told == [{"timestamp": 5, "message": "text"}]
    assert put.refusal({}) is None
    assert put.refusal({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}) is not None


def test_buses_get_details() -> None:
    bus = "arn:aws:events:r:1:event-bus/b"
    call = only(bus, '{"b": 2}', Source="mine", DetailType="Made")
    assert call.params["Entries"] == [
        {"EventBusName": bus, "Source": "mine", "DetailType": "Made", "Detail": '{"b": 2}'}
    ]
    assert call.refusal({"FailedEntryCount": 0, "Entries": [{"EventId": "x"}]}) is None
    failed = [{"ErrorCode": "InternalFailure", "ErrorMessage": "x"}]
    found = call.refusal({"FailedEntryCount": 1, "Entries": failed})
    assert found is not None
    assert (found.code, found.status) == ("InternalFailure", 500)
    with pytest.raises(AwsError, match="does not exist, or its policy"):
        only(bus, "an event of a rule")


def test_pipelines_start_once() -> None:
    pipeline = "arn:aws:sagemaker:r:1:pipeline/p"
    call = only(pipeline)
    assert (call.service, call.operation) == ("sagemaker", "StartPipelineExecution")
    assert call.params["ClientRequestToken"] == key_of(waiting(pipeline))


@pytest.mark.parametrize(
    ("target", "service", "operation"),
    [
        ("aws-sdk:sqs:sendMessage", "sqs", "SendMessage"),
        ("aws-sdk:sfn:startExecution", "stepfunctions", "StartExecution"),
        ("aws-sdk:stepfunctions:StartExecution", "stepfunctions", "StartExecution"),
        ("aws-sdk:cloudwatchlogs:createLogGroup", "logs", "CreateLogGroup"),
        ("aws-sdk:sagemaker:stopTrainingJob", "sagemaker", "StopTrainingJob"),
    ],
)
def test_universal_targets_name_operations(target: str, service: str, operation: str) -> None:
    call = only(target, "{}")
    assert (call.service, call.operation) == (service, operation)
    assert (call.target.account, call.target.region) == ("1", "r")


def test_the_input_of_a_universal_target_is_the_request() -> None:
    given = {"StateMachineArn": "a", "Input": {"x": 1}}
    assert only("aws-sdk:sfn:startExecution", json.dumps(given)).params == {
        "stateMachineArn": "a",
        "input": '{"x":1}',
    }
    given = {"FunctionName": "f", "Payload": {"x": 1}, "Strange": 1}
    assert only("aws-sdk:lambda:invoke", json.dumps(given)).params == {
        "FunctionName": "f", "Payload": b'{"x":1}', "Strange": 1,
    }  # fmt: skip
    given = {"LogGroupName": "g", "LogEvents": [{"Timestamp": 5, "message": "m"}]}
    assert only("aws-sdk:logs:PutLogEvents", json.dumps(given)).params == {
        "logGroupName": "g",
        "logEvents": [{"timestamp": 5, "message": "m"}],
    }
    given = {"MetricData": [{"MetricName": "m", "Timestamp": "2026-01-01T00:00:00Z"}]}
    (point,) = only("aws-sdk:cloudwatch:putMetricData", json.dumps(given)).params["MetricData"]
    assert point["Timestamp"] == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(AwsError, match="is not a time"):
        only("aws-sdk:cloudwatch:putMetricData", '{"MetricData": [{"Timestamp": "soon"}]}')
    with pytest.raises(AwsError, match="no JSON object"):
        only("aws-sdk:sqs:sendMessage", "[]")
    assert parameters.read(None, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    "target",
    [
        "nothing",
        "arn:aws:kinesis:r:1:stream/x",
        "arn:aws:logs:r:1:destination:x",
        "arn:aws:sagemaker:r:1:model/x",
        "aws-sdk:ec2:stopInstances",
        "aws-sdk:sqs:fly",
        "aws-sdk:",
    ],
)
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(AwsError, match=target):
        calls_of(waiting(target, "{}"))
