"""Resources and parameters of Task states as calls: the integrations that there are, what they take,
add and refuse."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.asl.failures import StateError
from sagebrush.asl.resources import read_resource
from sagebrush.services.states.tasks import names
from sagebrush.services.states.tasks.calls import By, call_of, prepared, refusal
from sagebrush.services.states.tasks.values import Unfit

EXECUTION = "arn:aws:states:eu-west-1:111122223333:execution:machine:run"
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:machine"
BY = By(EXECUTION, MACHINE, "#3")
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:clean"


def integration(action: str) -> Any:
    return read_resource(f"arn:aws:states:::{action}")


def test_a_bare_function_gets_all_parameters_as_its_payload() -> None:
    call = call_of(read_resource(FUNCTION), {"a": [1, "ü"]}, BY)
    assert (call.service, call.operation, call.until) == ("lambda", "Invoke", "answered")
    assert call.parameters == {"FunctionName": FUNCTION, "Payload": '{"a":[1,"ü"]}'.encode()}


@pytest.mark.parametrize(
    ("action", "given", "service", "operation", "request_"),
    [
        (
            "lambda:invoke",
            {"FunctionName": "f", "Payload": {"a": 1}},
            "lambda",
            "Invoke",
            {"FunctionName": "f", "Payload": b'{"a":1}'},
        ),
        (
            "lambda:invoke",
            {"FunctionName": "f", "Payload": "text", "ClientContext": {"custom": {}}},
            "lambda",
            "Invoke",
            {"FunctionName": "f", "Payload": b'"text"', "ClientContext": "eyJjdXN0b20iOnt9fQ=="},
        ),
        (
            "sqs:sendMessage",
            {"QueueUrl": "u", "MessageBody": {"k": "v"}, "DelaySeconds": 2.0},
            "sqs",
            "SendMessage",
            {"QueueUrl": "u", "MessageBody": '{"k":"v"}', "DelaySeconds": 2},
        ),
        ("sqs:sendMessage", {"QueueUrl": "u", "MessageBody": None}, "sqs", "SendMessage", {"QueueUrl": "u"}),
        (
            "sns:publish",
            {"TopicArn": "t", "Message": {"Message": "x"}},
            "sns",
            "Publish",
            {"TopicArn": "t", "Message": '{"Message":"x"}'},
        ),
        (
            "states:startExecution",
            {"StateMachineArn": MACHINE, "Input": {"k": 1}, "Name": "n"},
            "stepfunctions",
            "StartExecution",
            {"stateMachineArn": MACHINE, "input": '{"k":1}', "name": "n"},
        ),
        (
            "sagemaker:createModel",
            {"ModelName": "m", "PrimaryContainer": {"Image": "i"}},
            "sagemaker",
            "CreateModel",
            {"ModelName": "m", "PrimaryContainer": {"Image": "i"}},
        ),
        (
            "aws-sdk:s3:putObject",
            {"Bucket": "b", "Key": "k", "Body": "text data"},
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "k", "Body": b'"text data"'},
        ),
        (
            "aws-sdk:s3:copyObject",
            {"Bucket": "b", "SseCustomerKeyMD5": "x", "Acl": "private", "CopySourceIfModifiedSince": "2024-05-23T19:11:30Z"},
            "s3",
            "CopyObject",
            {
                "Bucket": "b",
                "SSECustomerKeyMD5": "x",
                "ACL": "private",
                "CopySourceIfModifiedSince": dt.datetime(2024, 5, 23, 19, 11, 30, tzinfo=dt.UTC),
            },
        ),
        (
            "aws-sdk:sfn:sendTaskSuccess",
            {"TaskToken": "t", "Output": {"ok": True}},
            "stepfunctions",
            "SendTaskSuccess",
            {"taskToken": "t", "output": '{"ok":true}'},
        ),
        (
            "aws-sdk:cloudwatchlogs:putRetentionPolicy",
            {"LogGroupName": "g", "RetentionInDays": 3},
            "logs",
            "PutRetentionPolicy",
            {"logGroupName": "g", "retentionInDays": 3},
        ),
    ],
)  # fmt: skip
def test_parameters_become_the_request(
    action: str, given: Any, service: str, operation: str, request_: Any
) -> None:
    call = call_of(integration(action), given, BY)
    assert (call.service, call.operation) == (service, operation)
    assert call.parameters == request_
    assert call.until == "answered"


def test_a_job_that_is_waited_for_is_tagged_and_named() -> None:
    given = {"TrainingJobName": "job", "Tags": [{"Key": "team", "Value": "nlp"}]}
    call = call_of(integration("sagemaker:createTrainingJob.sync"), given, BY)
    assert call.until == "ended"
    assert call.child is not None
    assert (call.child.kind, call.child.member) == ("training-job", "TrainingJobName")
    assert call.parameters["Tags"] == [
        {"Key": "team", "Value": "nlp"},
        {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": EXECUTION},
        {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"},
    ]
    alone = call_of(integration("sagemaker:createTrainingJob"), given, BY)
    assert (alone.until, alone.child) == ("answered", None)
    assert alone.parameters["Tags"] == given["Tags"]


def test_an_execution_that_is_waited_for_has_the_same_name_whenever_it_is_asked_for() -> None:
    resource = integration("states:startExecution.sync:2")
    first = call_of(resource, {"StateMachineArn": MACHINE}, BY)
    again = call_of(resource, {"StateMachineArn": MACHINE}, BY)
    other = call_of(resource, {"StateMachineArn": MACHINE}, By(EXECUTION, MACHINE, "#9"))
    assert first.parameters["name"] == again.parameters["name"] != other.parameters["name"]


def test_events_name_the_machine_and_the_execution() -> None:
    given = {"Entries": [{"Detail": {"m": 1}, "Source": "s", "Resources": ["r"]}, {"Source": "t"}]}
    call = call_of(integration("events:putEvents"), given, BY)
    assert call.parameters["Entries"] == [
        {"Detail": '{"m":1}', "Source": "s", "Resources": ["r", MACHINE, EXECUTION]},
        {"Source": "t", "Resources": [MACHINE, EXECUTION]},
    ]


def test_what_an_integration_does_not_take_is_not_scheduled() -> None:
    given = {"FunctionName": "f", "Payload": None, "LogType": "Tail", "Nothing": 1}
    shown = prepared(integration("lambda:invoke"), given)
    assert shown == {"FunctionName": "f", "Payload": None, "LogType": "Tail"}


@pytest.mark.parametrize(
    ("action", "given", "said"),
    [
        ("sagemaker:createModel", {"Modelname": "m"}, "The field 'Modelname' is not supported by Step Functions"),
        ("sqs:sendMessage", {"QueueUrl": "u", "DelaySeconds": "2"}, "The value of the field 'DelaySeconds' has an invalid format"),
        ("sqs:sendMessage", {"QueueUrl": "u", "MessageAttributes": []}, "The value of the field 'MessageAttributes' has an invalid format"),
        ("aws-sdk:s3:headObject", {"bucket": "b"}, "The field 'bucket' is not supported by Step Functions"),
        ("aws-sdk:s3:listBuckets", "b", "Parameters must be a JSON object"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_used_fail_the_state(action: str, given: Any, said: str) -> None:
    with pytest.raises(StateError) as found:
        prepared(integration(action), given)
    assert found.value.name == "States.Runtime"
    assert found.value.own
    assert str(found.value.cause).endswith(f"could not be used to start the Task: [{said}]")
    with pytest.raises(Unfit):
        call_of(integration(action), given, BY)


KNOWN = dict.fromkeys(
    [("lambda", "Invoke"), ("s3", "GetObject"), ("sagemaker", "CreateTrainingJob")], True
)


@pytest.mark.parametrize(
    ("arn", "said"),
    [
        (FUNCTION, None),
        ("arn:aws:states:eu-west-1:111122223333:activity:a", None),
        ("arn:aws:states:::lambda:invoke.waitForTaskToken", None),
        ("arn:aws:states:::sagemaker:createTrainingJob.sync", None),
        ("arn:aws:states:::aws-sdk:s3:getObject", None),
        ("arn:aws:states:::lambda:invoke.sync", "is not recognized"),
        ("arn:aws:states:::lambda:Invoke", "is not recognized"),
        ("arn:aws:states:::nothing:here", "is not recognized"),
        ("arn:aws:states:::aws-sdk:s3:getObject.sync", "is not recognized"),
        ("arn:aws:states:::aws-sdk:s3:GetObject", "is not recognized"),
        ("arn:aws:states:::sagemaker:createModel.sync", "is not recognized"),
        (
            "arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpointWithResponseStream",
            "is not recognized",
        ),
        ("arn:aws:states:::dynamodb:getItem", "it has no dynamodb getItem"),
        ("arn:aws:states:::http:invoke", "it has no HTTP requests to third parties"),
        ("arn:aws:states:::sagemaker:createLabelingJob.sync", "no sagemaker createLabelingJob"),
        ("arn:aws:states:::aws-sdk:dynamodb:putItem", "it has no service dynamodb"),
        (
            "arn:aws:states:::aws-sdk:sagemaker:createDomain",
            "no operation CreateDomain of sagemaker",
        ),
    ],
)
def test_what_there_is_not_is_refused_by_name(arn: str, said: str | None) -> None:
    problem = refusal(arn, KNOWN)
    assert (problem is None) == (said is None)
    if problem is not None:
        assert problem.code == "SCHEMA_VALIDATION_FAILED"
        assert arn in problem.message
        assert str(said) in problem.message


@pytest.mark.parametrize(
    ("spoken", "code", "name"),
    [
        (names.SDK["s3"], "NoSuchBucket", "S3.NoSuchBucketException"),
        (names.SDK["sagemaker"], "ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        (names.SDK["sagemaker"], "ValidationException", "SageMaker.SageMakerException"),
        (names.SDK["sfn"], "InvalidToken", "Sfn.InvalidTokenException"),
        (names.SDK["sqs"], "AWS.SimpleQueueService.NonExistentQueue", "Sqs.QueueDoesNotExistException"),
        (names.SDK["lambda"], "KMSDisabledException", "Lambda.KmsDisabledException"),
        (names.OPTIMISED["sagemaker"], "ResourceLimitExceeded", "SageMaker.ResourceLimitExceededException"),
        (names.OPTIMISED["sagemaker"], "ValidationException", "SageMaker.AmazonSageMakerException"),
        (names.OPTIMISED["sqs"], "MissingParameter", "SQS.AmazonSQSException"),
        (names.OPTIMISED["lambda"], "TooManyRequestsException", "Lambda.TooManyRequestsException"),
        (names.OPTIMISED["lambda"], "ServiceException", "Lambda.ServiceException"),
        (names.OPTIMISED["lambda"], "AccessDeniedException", "Lambda.AWSLambdaException"),
        (names.OPTIMISED["states"], "StateMachineDoesNotExist", "StepFunctions.StateMachineDoesNotExistException"),
    ],
)  # fmt: skip
def test_errors_are_named_as_the_sdk_for_java_names_them(spoken: Any, code: str, name: str) -> None:
    assert names.error_name(spoken, code) == name


@pytest.mark.parametrize(
    "action",
    [
        "states:startExecution",
        "states:startExecution.sync:2",
        "states:startExecution.waitForTaskToken",
        "aws-sdk:sfn:startExecution",
    ],
)
def test_an_execution_without_a_name_has_one_that_a_second_call_gives_too(action: str) -> None:
    given = {"StateMachineArn": MACHINE}
    first, again = (call_of(integration(action), given, BY).parameters["name"] for _ in range(2))
    other = call_of(integration(action), given, By(EXECUTION, MACHINE, "#9")).parameters["name"]
    named = call_of(integration(action), {**given, "Name": "mine"}, BY).parameters["name"]
    assert first == again != other
    assert named == "mine"
