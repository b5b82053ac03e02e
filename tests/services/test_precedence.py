"""Requests that are wrong in two ways, of all services but S3: what is wrong with the request itself is
told before what it names and is not there, and that before the state of what is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.world import Ctx
from tests.protocol import wire

ROLE = "arn:aws:iam::123456789012:role/Job"
BAD_ROLE = "arn:aws:iam::999999999999:role/Job"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.5-cpu-py311"
TRAINING: dict[str, Any] = {
    "TrainingJobName": "t", "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://nowhere/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}  # fmt: skip
SPOT = {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}}
TAGS = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "p", "RoleArn": BAD_ROLE,
    "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
    "ProcessingResources": {
        "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    },
    "ProcessingInputs": [{"InputName": "i", "S3Input": {"S3Uri": "s3://nowhere/in",
                          "S3DataType": "S3Prefix", "LocalPath": "/etc"}}],
}  # fmt: skip
VARIANT = {
    "VariantName": "v",
    "ModelName": "none",
    "InstanceType": "ml.m5.large",
    "InitialInstanceCount": 1,
}
DATA = {"S3DataSource": {"S3Uri": "s3://n/k", "S3DataType": "S3Object", "CompressionType": "Gzip"}}
MODEL: dict[str, Any] = {
    "ModelName": "m", "ExecutionRoleArn": BAD_ROLE,
    "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://nowhere/m.tar.gz", "ModelDataSource": DATA},
}  # fmt: skip
EVENTS = [{"timestamp": 2, "message": "b"}, {"timestamp": 1, "message": "a"}]
STREAM = {"logGroupName": "none", "logStreamName": "none"}
WEIGHTS = [{"VariantName": "v", "DesiredInstanceCount": 0}]
RETAIN = [{"VariantPropertyType": "DesiredWeight"}]
PAIRS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "no!"}, "ValidationException", "1 validation error"),
    ("sagemaker", "CreateTrainingJob", {**TRAINING, "TrainingJobName": "no!", "RoleArn": "x"},
     "ValidationException", "3 validation errors detected: "),
    ("sagemaker", "CreateTrainingJob", {**TRAINING, **SPOT}, "ValidationException", "MaxWaitTimeInSeconds above 0"),
    ("sagemaker", "CreateTrainingJob", {**TRAINING, **SPOT, "RoleArn": BAD_ROLE}, "ValidationException", "MaxWait"),
    ("sagemaker", "CreateTrainingJob", {**TRAINING, **TAGS, "RoleArn": BAD_ROLE}, "ValidationException", "Tag keys"),
    ("sagemaker", "CreateTrainingJob", {**TRAINING, "RoleArn": BAD_ROLE}, "ValidationException", "RoleArn: Cross"),
    ("sagemaker", "CreateTrainingJob", TRAINING, "ValidationException", "s3://nowhere/out"),
    ("sagemaker", "CreateProcessingJob", PROCESSING, "ValidationException", "LocalPath /etc"),
    ("sagemaker", "CreateProcessingJob", {**PROCESSING, "ProcessingInputs": []}, "ValidationException", "RoleArn"),
    ("sagemaker", "CreateModel", MODEL, "ValidationException", "ModelDataUrl and ModelDataSource"),
    ("sagemaker", "CreateEndpointConfig",
     {"EndpointConfigName": "c", "ProductionVariants": [VARIANT, VARIANT]}, "ValidationException", "must be unique"),
    ("sagemaker", "CreateEndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [VARIANT], **TAGS},
     "ValidationException", "Tag keys"),
    ("sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c",
     "ExcludeRetainedVariantProperties": RETAIN}, "ValidationException", "needs RetainAll"),
    ("sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"},
     "ValidationException", "Could not find endpoint \""),
    ("sagemaker", "UpdateEndpointWeightsAndCapacities",
     {"EndpointName": "e", "DesiredWeightsAndCapacities": WEIGHTS}, "ValidationException",
     "Could not find endpoint \""),
    ("sagemaker", "CreateNotebookInstance", {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium",
     "RoleArn": BAD_ROLE, "DirectInternetAccess": "Disabled"}, "ValidationException", "DirectInternetAccess"),
    ("sagemaker", "UpdateNotebookInstance", {"NotebookInstanceName": "none", "LifecycleConfigName": "none"},
     "ValidationException", "RecordNotFound"),
    ("sagemaker", "AddTags", {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/none", **TAGS},
     "ValidationException", "Tag keys"),
    ("logs", "PutLogEvents", {**STREAM, "logEvents": EVENTS}, "InvalidParameterException", "chronological"),
    ("logs", "GetLogEvents", {**STREAM, "nextToken": "x"}, "InvalidParameterException", "nextToken"),
    ("logs", "GetLogEvents", {**STREAM, "logGroupName": "!"}, "InvalidParameterException", "1 validation error"),
    ("logs", "FilterLogEvents", {"logGroupName": "none", "logStreamNames": ["a"], "logStreamNamePrefix": "b"},
     "InvalidParameterException", "mutually exclusive"),
    ("logs", "FilterLogEvents", {"logGroupName": "none", "nextToken": "x"}, "InvalidParameterException", "nextToken"),
    ("logs", "FilterLogEvents", {"logGroupName": "none", "filterPattern": "{ $.a = "},
     "InvalidParameterException", ""),
    ("logs", "DescribeLogStreams", {"logGroupName": "none", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"},
     "InvalidParameterException", "LastEventTime"),
    ("logs", "DescribeLogStreams", {"logGroupName": "none", "nextToken": "x"}, "InvalidParameterException", ""),
    ("logs", "PutRetentionPolicy", {"logGroupName": "none", "retentionInDays": 2}, "InvalidParameterException", ""),
    ("iam", "PutRolePolicy", {"RoleName": "none", "PolicyName": "p", "PolicyDocument": "{"},
     "MalformedPolicyDocument", ""),
    ("iam", "UpdateAssumeRolePolicy", {"RoleName": "none", "PolicyDocument": "{"}, "MalformedPolicyDocument", ""),
    ("iam", "GetRole", {"RoleName": "!"}, "ValidationError", "1 validation error"),
    ("cloudwatch", "PutMetricData", {"Namespace": "", "MetricData": [{"MetricName": ""}]},
     "ValidationError", "3 validation errors detected: "),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "request_", "code", "words"), PAIRS)
def test_which_of_two_errors_is_told(
    server: Any, service: str, operation: str, request_: dict[str, Any], code: str, words: str
) -> None:
    ctx = server.world.ctx(server.world.credentials.user_caller)
    with pytest.raises(AwsError) as info:
        ctx.call(service, operation, request_)
    assert info.value.code == code
    assert words in info.value.message


def test_a_name_that_is_taken(ctx: Ctx) -> None:
    """It is told after what is wrong with the request, and before what the request names."""
    ctx.call("s3", "CreateBucket", {"Bucket": "taken"})
    ctx.call(
        "sagemaker",
        "CreateTrainingJob",
        {**TRAINING, "OutputDataConfig": {"S3OutputPath": "s3://taken/"}},
    )
    for request, code in (
        ({**TRAINING, **SPOT}, "ValidationException"),
        (TRAINING, "ResourceInUse"),
    ):
        with pytest.raises(AwsError) as info:
            ctx.call("sagemaker", "CreateTrainingJob", request)
        assert info.value.code == code


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", "SerializationException"), (b'{"TrainingJobName": 1}', "SerializationException"),
     (b'{"TrainingJobName": "no!"}', "ValidationException")],
)  # fmt: skip
def test_the_signature_comes_first(server: Any, body: bytes, code: str) -> None:
    given = {
        "X-Amz-Target": "SageMaker.DescribeTrainingJob",
        "Content-Type": "application/x-amz-json-1.1",
    }
    found = wire.headers(server, "POST", "/", given, "sagemaker", body)
    answer = wire.send(server, "POST", "/", found, body)
    assert json.loads(answer.body)["__type"] == code
    answer = wire.send(
        server, "POST", "/", {**found, "Authorization": found["Authorization"] + "0"}, body
    )
    assert json.loads(answer.body)["__type"] == "InvalidSignatureException"
