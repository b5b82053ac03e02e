"""The optimised integrations: which actions there are, with which patterns, and what they take.

Sources: Step Functions developer guide, "Integrating services with Step Functions" (patterns) and the
page of each service (supported parameters; what is not among them does not reach the service). Lambda's
`LogType` was not taken in 2023 and is in 2025 (recorded: localstack test_lambda_task_service
`test_invoke_unsupported_param`).
"""

from __future__ import annotations

from dataclasses import dataclass

SYNC = ("", "sync")
CALLBACK = ("", "waitForTaskToken")


@dataclass(frozen=True)
class Child:
    """What `.sync` waits for: the kind of the row, and the member that names it."""

    kind: str
    noun: str
    member: str


@dataclass(frozen=True)
class Action:
    """`takes`: the parameters that reach the service; () for all that the operation has."""

    operation: str
    patterns: tuple[str, ...] = ("",)
    takes: tuple[str, ...] = ()
    child: Child | None = None


def _job(noun: str, kind: str) -> Action:
    return Action(f"Create{noun}", SYNC, child=Child(kind, noun, f"{noun}Name"))


ACTIONS = {
    ("events", "putEvents"): Action("PutEvents", CALLBACK, ("Entries",)),
    ("lambda", "invoke"): Action(
        "Invoke",
        CALLBACK,
        ("ClientContext", "FunctionName", "InvocationType", "LogType", "Payload", "Qualifier"),
    ),
    ("sagemaker", "createEndpoint"): Action("CreateEndpoint"),
    ("sagemaker", "createEndpointConfig"): Action("CreateEndpointConfig"),
    ("sagemaker", "createHyperParameterTuningJob"): _job(
        "HyperParameterTuningJob", "hyper-parameter-tuning-job"
    ),
    ("sagemaker", "createModel"): Action("CreateModel"),
    ("sagemaker", "createProcessingJob"): _job("ProcessingJob", "processing-job"),
    ("sagemaker", "createTrainingJob"): _job("TrainingJob", "training-job"),
    ("sagemaker", "createTransformJob"): _job("TransformJob", "transform-job"),
    ("sagemaker", "updateEndpoint"): Action("UpdateEndpoint"),
    ("sns", "publish"): Action(
        "Publish",
        CALLBACK,
        (
            "Message", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId",
            "MessageStructure", "PhoneNumber", "Subject", "TargetArn", "TopicArn",
        ),
    ),
    ("sqs", "sendMessage"): Action(
        "SendMessage",
        CALLBACK,
        (
            "DelaySeconds", "MessageAttributes", "MessageBody", "MessageDeduplicationId",
            "MessageGroupId", "QueueUrl",
        ),
    ),
    ("states", "startExecution"): Action(
        "StartExecution",
        ("", "sync", "sync:2", "waitForTaskToken"),
        ("Input", "Name", "StateMachineArn"),
    ),
}  # fmt: skip
"""(service, action) of what this server runs."""
LACKING = frozenset(
    {
        "apigateway", "athena", "batch", "bedrock", "codebuild", "databrew", "dynamodb", "ecs", "eks",
        "elasticmapreduce", "emr-containers", "emr-serverless", "glue", "http", "mediaconvert",
    }
)  # fmt: skip
"""Services that AWS has an optimised integration of and this server has not."""
LACKING_ACTIONS = frozenset({("sagemaker", "createLabelingJob")})
"""Actions of the services above that AWS has and this server has not."""
