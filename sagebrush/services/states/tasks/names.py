"""What Step Functions calls services, operations, members and errors.

`aws-sdk:` resources speak as the AWS SDK for Java 2 does, optimised ones as version 1 (recorded
histories: `MD5OfMessageBody`, `SQS.AmazonSQSException`, `Service: AWSLambda; Status Code: 404`; against
`Sfn.InvalidTokenException`, `Service: S3, Status Code: 404`). Source for the words of version 2: its
code generator's naming strategy; developer guide, "Learning to use AWS service SDK integrations".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from sagebrush.asl.resources import Resource
from sagebrush.aws import models


@dataclass(frozen=True)
class Spoken:
    """A service: botocore's name of it, the prefix of its errors, the name that causes give it, and
    the error of what its model does not name."""

    service: str
    prefix: str
    told: str
    other: str


def _sdk(service: str, prefix: str) -> Spoken:
    return Spoken(service, prefix, prefix, f"{prefix}Exception")


SDK = {
    "applicationautoscaling": _sdk("application-autoscaling", "ApplicationAutoScaling"),
    "cloudwatch": _sdk("cloudwatch", "CloudWatch"),
    "cloudwatchlogs": _sdk("logs", "CloudWatchLogs"),
    "comprehend": _sdk("comprehend", "Comprehend"),
    "eventbridge": _sdk("events", "EventBridge"),
    "iam": _sdk("iam", "Iam"),
    "lambda": _sdk("lambda", "Lambda"),
    "s3": _sdk("s3", "S3"),
    "sagemaker": _sdk("sagemaker", "SageMaker"),
    "sagemakerruntime": _sdk("sagemaker-runtime", "SageMakerRuntime"),
    "scheduler": _sdk("scheduler", "Scheduler"),
    "sfn": _sdk("stepfunctions", "Sfn"),
    "sns": _sdk("sns", "Sns"),
    "sqs": _sdk("sqs", "Sqs"),
    "sts": _sdk("sts", "Sts"),
}
"""The service names of `aws-sdk:` resources, as far as this server has the service."""
OPTIMISED = {
    "events": Spoken("events", "EventBridge", "AmazonEventBridge", "AmazonEventBridgeException"),
    "lambda": Spoken("lambda", "Lambda", "AWSLambda", "AWSLambdaException"),
    "sagemaker": Spoken("sagemaker", "SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
    "sns": Spoken("sns", "SNS", "AmazonSNS", "AmazonSNSException"),
    "sqs": Spoken("sqs", "SQS", "AmazonSQS", "AmazonSQSException"),
    "states": Spoken(
        "stepfunctions", "StepFunctions", "AWSStepFunctions", "AWSStepFunctionsException"
    ),
}
"""The service names of optimised integrations that this server has."""
NOT_YET = {("s3", "AccessDenied")}
"""Errors that models have named only lately: executions know them by the service's common one."""


def _words(name: str) -> list[str]:
    """The words of a name, as version 2 splits it (`SSECustomerKeyMD5` -> SSE, Customer, Key, MD5)."""
    text = re.sub(r"[^A-Za-z0-9]+", " ", name)
    text = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", text)
    text = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-zA-Z0-9])", " ", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", text)
    text = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", text)
    return text.split()


def _uncapitalised(name: str) -> str:
    """The name with its first word in lower case, as version 2 names methods (`SSEKMSKeyId` ->
    ssekmsKeyId, `MD5OfMessageBody` -> md5OfMessageBody)."""
    at = 1
    while at < len(name) and name[at].isupper() and not name[at + 1 : at + 2].islower():
        at += 1
    return name[:at].lower() + name[at:]


@cache
def sdk_member(name: str) -> str:
    """A member of a model as `aws-sdk:` resources write it: `stateMachineArn` is StateMachineArn,
    `ACL` is Acl."""
    made = optimised_member(_uncapitalised(name))
    return "EqualsValue" if made == "Equals" else made


@cache
def optimised_member(name: str) -> str:
    """A member of a model as optimised integrations write it."""
    return name[:1].upper() + name[1:]


@cache
def operation_of(service: str, action: str) -> str | None:
    """The operation that an action in camel case names (`listObjectsV2`); None where there is none."""
    if service not in models.SERVICES:
        return None
    return {_uncapitalised(name): name for name in models.names(service)}.get(action)


def error_name(spoken: Spoken, code: str) -> str:
    """The name of an error with AWS's code: that of the SDK's class, after the service's prefix.

    `NoSuchBucket` is S3.NoSuchBucketException; a code that the model does not name is the service's
    common exception.
    """
    shapes = models.error_shapes(spoken.service)
    if code not in shapes or (spoken.service, code) in NOT_YET:
        return f"{spoken.prefix}.{spoken.other}"
    name = shapes[code].name
    if spoken.other == f"{spoken.prefix}Exception":
        name = "".join(word[:1].upper() + word[1:].lower() for word in _words(name))
    if name.endswith("Fault"):
        name = name.removesuffix("Fault")
    return f"{spoken.prefix}.{name.removesuffix('Exception')}Exception"


def s3_resource(arn: str) -> Resource:
    """S3 as readers and writers of Map states call it: its errors read as those of `aws-sdk:s3`."""
    action = arn.rpartition(":")[2]
    return Resource(arn, "Task", "aws-sdk:s3", action)
