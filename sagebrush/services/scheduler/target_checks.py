"""What a schedule's target may be, and the call that it stands for. Pure.

Source: EventBridge Scheduler user guide, "Using templated targets" and "Using universal targets"; messages
as badmintoncryer/cdk-preflight measured them (2026).
"""

from __future__ import annotations

import json
import re
from typing import Any

from sagebrush.aws.names import Arn
from sagebrush.engine.targets import calls
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
TEMPLATED = frozenset(
    {
        "codebuild", "codepipeline", "ecs", "events", "firehose", "inspector", "kinesis", "lambda",
        "sagemaker", "sns", "sqs", "states",
    }
)  # fmt: skip
"""Services that AWS has templated targets of."""
PARAMETERS = {
    "EcsParameters": "ecs",
    "EventBridgeParameters": "events",
    "KinesisParameters": "kinesis",
    "SageMakerPipelineParameters": "sagemaker",
    "SqsParameters": "sqs",
}
"""Members of a target -> the service whose targets have them."""


def check(target: Doc, region: str) -> None:
    """Raises ValidationException for a target that AWS refuses, or that Sagebrush sends nothing to; the
    schedule is in that region."""
    arn = target["Arn"]
    if arn.startswith("arn:aws:scheduler:::"):
        _check_universal(target)
    else:
        _check_templated(target, region)
    queue = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue is not None and (":sqs:" not in queue or queue.endswith(".fifo")):
        raise invalid(f"Provided Arn {queue} is not a standard Amazon SQS queue.")


def _check_templated(target: Doc, region: str) -> None:
    text = target["Arn"]
    arn = Arn.parse(text)
    if arn is None:
        raise invalid(f"Provided Arn is not in correct format. {text}")
    if arn.service not in TEMPLATED:
        raise invalid(f"{arn.service} is not a supported service for a target.")
    if arn.service == "sagemaker":
        raise lacking(f"SageMaker pipelines as targets ({text})")
    start = _SENT.get(arn.service)
    if start is None or not arn.resource.startswith(start):
        raise lacking(f"targets like {text}")
    if arn.region != region:
        raise invalid(f"The target ARN provided does not match the current region {region}.")
    for member, service in PARAMETERS.items():
        if target.get(member) and service != arn.service:
            raise invalid(f"Parameters {member} not supported for the target.")
    _check_group(target, arn)
    if arn.service == "events" and not target.get("EventBridgeParameters"):
        raise invalid("Parameters EventBridgeParameters must be specified.")
    if arn.service not in ("sqs", "sns") and target.get("Input"):
        read(target["Input"])


def _check_group(target: Doc, arn: Arn) -> None:
    parameters = target.get("SqsParameters")
    fifo = arn.service == "sqs" and arn.resource.endswith(".fifo")
    if fifo and not parameters:
        raise invalid("Parameters SqsParameters must be specified.")
    if parameters and parameters.get("MessageGroupId") and not fifo:
        raise invalid("Parameters MessageGroupId not valid for the target.")


def call_of(arn: str) -> tuple[str, str] | None:
    """botocore's name of the service and of the operation that a universal target's ARN names; None for
    those that Sagebrush does not know."""
    return calls.operation_of(arn.removeprefix(UNIVERSAL))


def _check_universal(target: Doc) -> None:
    arn = target["Arn"]
    if not re.fullmatch(re.escape(UNIVERSAL) + r"[a-z0-9]+:[a-z][A-Za-z0-9]*", arn):
        raise invalid(f"Provided Arn is not in correct format. {arn}")
    action = arn.rpartition(":")[2]
    if any(re.match(rf"{start}(?![a-z])", action) for start in _READS):
        raise invalid(f"{action} API is not supported.")
    if not target.get("Input"):
        raise invalid("You must provide an input to set this target for your schedule.")
    if call_of(arn) is None:
        raise lacking(f"universal targets like {arn}")
    if not isinstance(read(target["Input"]), dict):
        raise invalid(BAD_INPUT)


BAD_INPUT = "JSON syntax error in input for the target."


def read(text: str) -> Any:
    """The JSON in a target's Input. Raises ValidationException."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(BAD_INPUT) from None


def lacking(what: str) -> AwsError:
    """The error for what AWS has and Sagebrush lacks."""
    return invalid(f"Sagebrush does not support {what} yet.")
