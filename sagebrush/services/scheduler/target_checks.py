"""What a schedule's target may be, and the call that it stands for. Pure.

Source: EventBridge Scheduler user guide, "Using templated targets" and "Using universal targets".
"""

from __future__ import annotations

import json
import re

from botocore import xform_name

from sagebrush.aws import models
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.scheduler.rows import invalid

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"
_READS = (
    "get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read",
    "lookup", "discover", "validate", "batchGet", "batchDescribe", "batchRead", "transactGet",
    "adminGet", "adminList", "testMigration", "retrieve", "testConnection", "translateDocument",
    "isAuthorized", "invokeModel",
)  # fmt: skip
"""Beginnings of the operations that universal targets cannot have ("Unsupported service API
operations")."""
_SENT = {
    "lambda": "function:",
    "sqs": "",
    "sns": "",
    "states": "stateMachine:",
    "events": "event-bus/",
}
PARAMETERS = {
    "EcsParameters": "Amazon ECS tasks",
    "KinesisParameters": "Kinesis streams",
    "SageMakerPipelineParameters": "SageMaker pipelines",
}
_NAMES = {
    "sfn": "stepfunctions",
    "states": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "sagemakerruntime": "sagemaker-runtime",
    "sagemakermetrics": "sagemaker-metrics",
    "applicationautoscaling": "application-autoscaling",
}
"""Names of services in ARNs of universal targets (the SDK for Java's) -> botocore's, where they
differ."""


def check(target: Doc) -> None:
    """Raises ValidationException for a target that AWS refuses, or that Sagebrush sends nothing to."""
    for member, words in PARAMETERS.items():
        if target.get(member):
            raise lacking(f"targets for {words} ({member})")
    arn = target["Arn"]
    if arn.startswith("arn:aws:scheduler:::"):
        _check_universal(target)
    else:
        _check_templated(target)
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue is not None and (":sqs:" not in queue or queue.endswith(".fifo")):
        raise invalid(f"Provided Arn {queue} is not a standard Amazon SQS queue.")


def _check_templated(target: Doc) -> None:
    text = target["Arn"]
    arn = Arn.parse(text)
    if arn is None or not arn.resource:
        raise invalid(f"Provided Arn is not in correct format. {text}")
    if arn.service == "sagemaker":
        raise lacking(f"SageMaker pipelines as targets ({text})")
    start = _SENT.get(arn.service)
    if start is None or not arn.resource.startswith(start):
        raise lacking(f"targets like {text}")
    if target.get("SqsParameters") and arn.service != "sqs":
        raise invalid("SqsParameters can only be specified for Amazon SQS targets.")
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    if arn.service == "sqs" and text.endswith(".fifo") and not group:
        raise invalid("SqsParameters with a MessageGroupId must be specified for a FIFO queue.")
    if arn.service == "events":
        parameters = target.get("EventBridgeParameters")
        if not parameters:
            raise invalid("EventBridgeParameters must be specified for an event bus target.")
        if parameters["Source"].startswith("aws."):
            raise invalid(f"Source {parameters['Source']} must not begin with aws.")
    elif target.get("EventBridgeParameters"):
        raise invalid("EventBridgeParameters can only be specified for event bus targets.")
    if arn.service in ("states", "events") and target.get("Input"):
        input_of(target)


def call_of(arn: str) -> tuple[str, str] | None:
    """botocore's name of the service and of the operation that a universal target's ARN names; None for
    those that Sagebrush does not know."""
    service, _, action = arn.removeprefix(UNIVERSAL).partition(":")
    service = _NAMES.get(service, service)
    try:
        known = models.known(service)
    except KeyError:
        return None
    found = known.get(xform_name(action[:1].upper() + action[1:]))
    return (service, found) if found else None


def _check_universal(target: Doc) -> None:
    arn = target["Arn"]
    if not re.fullmatch(re.escape(UNIVERSAL) + r"[a-z0-9]+:[a-z][A-Za-z0-9]*", arn):
        raise invalid(f"Provided Arn is not in correct format. {arn}")
    action = arn.rpartition(":")[2]
    if any(re.match(rf"{start}(?![a-z])", action) for start in _READS):
        raise invalid(f"{action} is not a supported api action.")
    if call_of(arn) is None:
        raise lacking(f"universal targets like {arn}")
    input_of(target)


def input_of(target: Doc) -> Doc:
    """The target's Input, a JSON object; empty where there is none. Raises ValidationException."""
    try:
        found = json.loads(target.get("Input") or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise invalid("Invalid RequestJson provided. Reason: Input is not a valid JSON object.")
    return found


def lacking(what: str) -> AwsError:
    """The error for what AWS has and Sagebrush lacks."""
    return invalid(f"Sagebrush does not support {what} yet.")
