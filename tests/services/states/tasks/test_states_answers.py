"""Outputs and errors of Tasks, beside recorded histories."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from sagebrush.asl.resources import read_resource
from sagebrush.asl.values import write
from sagebrush.errors import AwsError
from sagebrush.services.states.tasks import answers
from sagebrush.services.states.tasks.answers import CallFailed
from sagebrush.store.objects import Blob

FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:clean"
ID = "0d9e9e3c-0000-4000-8000-000000000000"
AT = dt.datetime(2024, 5, 23, 19, 11, 30, 250_000, tzinfo=dt.UTC)


def output(arn: str, answer: Any) -> Any:
    return answers.output_of(read_resource(arn), answer, ID, 1_700_000_000.0)


def test_a_function_by_its_arn_answers_its_payload_alone() -> None:
    assert output(FUNCTION, {"StatusCode": 200, "Payload": b'{"n": 1}'}) == {"n": 1}
    assert output(FUNCTION, {"StatusCode": 200, "Payload": b"null"}) is None


def test_an_invoked_function_answers_with_what_the_sdk_tells() -> None:
    """Recorded: localstack test_lambda_task_service, `test_invoke`."""
    answer = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b"{}"}
    found = output("arn:aws:states:::lambda:invoke", answer)
    assert list(found) == [
        "ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode",
    ]  # fmt: skip
    assert found["Payload"] == {}
    http = found["SdkHttpMetadata"]
    assert list(http) == ["AllHttpHeaders", "HttpHeaders", "HttpStatusCode"]
    assert http["AllHttpHeaders"]["X-Amz-Executed-Version"] == ["$LATEST"]
    assert http["HttpHeaders"]["Content-Length"] == "2"
    assert found["SdkResponseMetadata"] == {"RequestId": ID}


def test_a_functions_log_and_trace_are_told() -> None:
    """Recorded in November 2025: localstack test_lambda_task_service, `test_invoke_unsupported_param`."""
    answer = {
        "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b"{}", "LogResult": "bG9n",
        "TraceId": "Root=1-5f84c7a5-0123456789abcdef01234567;Sampled=0",
    }  # fmt: skip
    found = output("arn:aws:states:::lambda:invoke", answer)
    assert found["LogResult"] == "bG9n"
    assert "TraceId" not in found
    http = found["SdkHttpMetadata"]
    assert list(http["AllHttpHeaders"]) == [
        "X-Amz-Log-Result", "X-Amz-Executed-Version", "x-amzn-Remapped-Content-Length", "Connection",
        "x-amzn-RequestId", "Content-Length", "Date", "X-Amzn-Trace-Id", "Content-Type",
    ]  # fmt: skip
    assert list(http["HttpHeaders"]) == [
        "Connection", "Content-Length", "Content-Type", "Date", "X-Amz-Executed-Version",
        "X-Amz-Log-Result", "x-amzn-Remapped-Content-Length", "x-amzn-RequestId", "X-Amzn-Trace-Id",
    ]  # fmt: skip
    assert http["HttpHeaders"]["X-Amzn-Trace-Id"] == answer["TraceId"]
    assert output(FUNCTION, answer) == {}


def test_a_queue_by_a_bare_name_is_a_host_that_nobody_knows() -> None:
    """Recorded: localstack test_task_service_sqs, `test_send_message_no_such_queue`."""
    with pytest.raises(CallFailed) as found:
        answers.check_address("sqs", {"QueueUrl": "nowhere"})
    assert found.value.error == "SQS.SdkClientException"
    assert found.value.cause == "Unable to execute HTTP request: nowhere: Name or service not known"
    answers.check_address("sqs", {"QueueUrl": "http://localhost/123456789012/q"})


@pytest.mark.parametrize(
    ("arn", "payload", "error", "cause"),
    [
        (FUNCTION, '{"errorMessage": "m", "errorType": "E"}', "E", '{"errorMessage": "m", "errorType": "E"}'),
        ("arn:aws:states:::lambda:invoke", '{"errorMessage": "m", "errorType": "E"}', "E", '{"errorMessage":"m","errorType":"E"}'),
        (
            "arn:aws:states:::lambda:invoke", '{"errorMessage":"Task timed out"}', "Lambda.Unknown",
            "The cause could not be determined because Lambda did not return an error type. Returned"
            ' payload: {"errorMessage":"Task timed out"}',
        ),
    ],
)  # fmt: skip
def test_a_functions_error_fails_the_task(arn: str, payload: str, error: str, cause: str) -> None:
    with pytest.raises(CallFailed) as found:
        output(arn, {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload.encode()})
    assert (found.value.error, found.value.cause) == (error, cause)


def test_optimised_answers_are_in_alphabetical_order_with_times_in_milliseconds() -> None:
    """Recorded: localstack test_sfn_task_service; floci's measurement of StartDate."""
    answer = {"executionArn": "arn", "startDate": AT}
    found = output("arn:aws:states:::states:startExecution", answer)
    assert list(found) == ["ExecutionArn", "SdkHttpMetadata", "SdkResponseMetadata", "StartDate"]
    assert found["StartDate"] == 1_716_491_490_250
    sent = output("arn:aws:states:::sqs:sendMessage", {"MessageId": "i", "MD5OfMessageBody": "m"})
    assert list(sent)[:2] == ["MD5OfMessageBody", "MessageId"]


def test_sdk_answers_have_iso_times_and_no_metadata_and_a_body_last() -> None:
    """Recorded: localstack test_aws_sdk_task_service, `test_s3_get_object`."""
    answer = {
        "Body": b"text data", "LastModified": AT, "ContentLength": 9, "ETag": '"e"',
        "Metadata": {}, "AcceptRanges": "bytes", "unknown": 1,
    }  # fmt: skip
    found = output("arn:aws:states:::aws-sdk:s3:getObject", answer)
    assert write(found) == write(
        {
            "AcceptRanges": "bytes", "ContentLength": 9, "ETag": '"e"',
            "LastModified": "2024-05-23T19:11:30.250Z", "Metadata": {}, "Body": "text data",
        }
    )  # fmt: skip
    started = output(
        "arn:aws:states:::aws-sdk:sfn:startExecution",
        {"executionArn": "a", "startDate": AT.replace(microsecond=0)},
    )
    assert started == {"ExecutionArn": "a", "StartDate": "2024-05-23T19:11:30Z"}


def test_events_that_were_not_taken_fail_the_task() -> None:
    """Recorded: localstack test_events_task_service, `test_put_events_malformed_detail`."""
    told = {"Entries": [{"EventId": "1"}], "FailedEntryCount": 0}
    assert output("arn:aws:states:::events:putEvents", told) == told
    entry = {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    with pytest.raises(CallFailed) as found:
        output("arn:aws:states:::events:putEvents", {"Entries": [entry], "FailedEntryCount": 1})
    assert found.value.error == "EventBridge.FailedEntry"
    assert json.loads(found.value.cause) == {"Entries": [entry], "FailedEntryCount": 1}


@pytest.mark.parametrize(
    ("arn", "error", "name", "cause"),
    [
        (
            "arn:aws:states:::lambda:invoke",
            AwsError("ResourceNotFoundException", "Function not found: f", 404),
            "Lambda.ResourceNotFoundException",
            "Function not found: f (Service: AWSLambda; Status Code: 404; Error Code: "
            f"ResourceNotFoundException; Request ID: {ID}; Proxy: null)",
        ),
        (
            "arn:aws:states:::aws-sdk:s3:listObjects",
            AwsError("NoSuchBucket", "The specified bucket does not exist", 404),
            "S3.NoSuchBucketException",
            "The specified bucket does not exist (Service: S3, Status Code: 404, Request ID: "
            f"{ID}, Extended Request ID: {ID})",
        ),
        (
            "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess",
            AwsError("InvalidToken", "Invalid Token: 'Invalid token'"),
            "Sfn.InvalidTokenException",
            f"Invalid Token: 'Invalid token' (Service: Sfn, Status Code: 400, Request ID: {ID})",
        ),
        (
            "arn:aws:states:::sagemaker:createTrainingJob.sync",
            AwsError("ValidationException", "no"),
            "SageMaker.AmazonSageMakerException",
            "no (Service: AmazonSageMaker; Status Code: 400; Error Code: ValidationException; "
            f"Request ID: {ID}; Proxy: null)",
        ),
    ],
)
def test_refused_calls_are_told_in_the_sdks_words(
    arn: str, error: AwsError, name: str, cause: str
) -> None:
    assert answers.error_of(read_resource(arn), error, ID) == (name, cause)


def test_a_job_that_ended_is_described_with_its_tags() -> None:
    described = {
        "TrainingJobStatus": "Completed", "TrainingJobName": "j", "CreationTime": AT,
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m"},
    }  # fmt: skip
    found = answers.job_ended("TrainingJob", described, {"b": "2", "a": "1"})
    assert list(found) == [
        "TrainingJobName", "ModelArtifacts", "TrainingJobStatus", "CreationTime", "Tags",
    ]  # fmt: skip
    assert found["CreationTime"] == 1_716_491_490_250
    assert list(found["Tags"]) == ["a", "b"]
    with pytest.raises(CallFailed) as failed:
        answers.job_ended("TrainingJob", {**described, "TrainingJobStatus": "Failed"}, {})
    assert failed.value.error == "States.TaskFailed"
    assert json.loads(failed.value.cause)["TrainingJobStatus"] == "Failed"


def test_an_execution_that_ended_is_described() -> None:
    described = {
        "status": "SUCCEEDED", "executionArn": "e", "input": '{"k":1}', "output": '{"ok":true}',
        "startDate": AT, "name": "n",
    }  # fmt: skip
    sync = read_resource("arn:aws:states:::states:startExecution.sync")
    sync2 = read_resource("arn:aws:states:::states:startExecution.sync:2")
    assert write(answers.execution_ended(sync, described)) == (
        '{"ExecutionArn":"e","Input":"{\\"k\\":1}","Name":"n","Output":"{\\"ok\\":true}",'
        '"StartDate":1716491490250,"Status":"SUCCEEDED"}'
    )
    found = answers.execution_ended(sync2, described)
    assert (found["Input"], found["Output"]) == ({"k": 1}, {"ok": True})
    with pytest.raises(CallFailed) as failed:
        answers.execution_ended(sync2, {**described, "status": "ABORTED"})
    assert failed.value.error == "States.TaskFailed"


def test_a_body_that_no_state_can_have_is_not_read(tmp_path: Path) -> None:
    body = Blob(1 << 40, tmp_path / "not there")
    with pytest.raises(CallFailed) as found:
        output("arn:aws:states:::aws-sdk:s3:getObject", {"Body": body, "ContentLength": 1 << 40})
    assert found.value.error == "States.DataLimitExceeded"
    assert found.value.cause.startswith("The state/task 'aws-sdk:s3' returned a result with a size")
