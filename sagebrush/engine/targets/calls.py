"""The calls that a delivery stands for. Pure.

EventBridge user guide, "Event bus targets in Amazon EventBridge"; EventBridge Scheduler user guide,
"Using templated targets" and "Using universal targets"; the members of the requests are those of each
service's API reference. What a table entry names may not be there yet: the delivery then fails for
good, and says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from botocore import xform_name

from sagebrush.aws import models
from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.engine.targets import parameters
from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import UNIVERSAL, Delivery, Waiting

SDK_NAMES = {
    "applicationautoscaling": "application-autoscaling",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sagemakermetrics": "sagemaker-metrics",
    "sagemakerruntime": "sagemaker-runtime",
    "sfn": "stepfunctions",
}
"""Services as AWS's SDK for Java names them -> botocore's names, where these differ."""
_OLDER = {"states": "stepfunctions"}
"""Further names that schedules may have."""


@dataclass(frozen=True)
class Call:
    """An operation to be called, and the target as policies see it."""

    service: str
    """botocore's name of it."""
    operation: str
    params: Doc
    target: Arn
    """Its account and region are those in which the operation runs."""
    action: str
    """The IAM action that the target's own policy must allow where no role sends."""
    done: frozenset[str] = frozenset()
    """Codes of errors that say: an earlier try of the same delivery has done it."""
    refusal: Callable[[Doc], AwsError | None] = lambda _: None
    """What an answer without an error refuses nevertheless."""


def calls_of(waiting: Waiting) -> Sequence[Call]:
    """The calls, in order; `options` go over the last one's own members. The same whenever the delivery
    is tried again. Raises AwsError for a target that Sagebrush sends nothing to, and for a payload that
    is not what it takes."""
    delivery = waiting.delivery
    if delivery.target.startswith(UNIVERSAL):
        return [_universal(delivery)]
    arn = Arn.parse(delivery.target)
    if arn is None:
        raise AwsError("ValidationException", f"{delivery.target} is not the ARN of a target.")
    make = TARGETS.get(arn.service)
    if make is None:
        raise lacking(delivery.target)
    return make(arn, waiting)


def lacking(target: str) -> AwsError:
    """The error for a target that is not there yet."""
    return AwsError("NotImplemented", f"Sagebrush sends nothing to targets like {target} yet.")


def key_of(waiting: Waiting) -> str:
    """A UUID that this delivery alone has, at each of its tries."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{waiting.made!r}/{waiting.id}"))


def _queue(arn: Arn, waiting: Waiting) -> list[Call]:
    url = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
    params = {"QueueUrl": url, "MessageBody": waiting.delivery.payload}
    params |= waiting.delivery.options
    return [Call("sqs", "SendMessage", params, arn, "sqs:SendMessage")]


def _topic(arn: Arn, waiting: Waiting) -> list[Call]:
    params = {"TopicArn": str(arn), "Message": waiting.delivery.payload}
    return [Call("sns", "Publish", params | waiting.delivery.options, arn, "sns:Publish")]


def _function(arn: Arn, waiting: Waiting) -> list[Call]:
    params: Doc = {"FunctionName": str(arn), "InvocationType": "Event"}
    params |= {"Payload": waiting.delivery.payload.encode(), **waiting.delivery.options}
    return [Call("lambda", "Invoke", params, arn, "lambda:InvokeFunction")]


def _state_machine(arn: Arn, waiting: Waiting) -> list[Call]:
    """An execution of a name that is the same at each try, so that it starts once."""
    params: Doc = {"stateMachineArn": str(arn), "input": waiting.delivery.payload}
    params |= {"name": key_of(waiting), **waiting.delivery.options}
    done = frozenset({"ExecutionAlreadyExists"})
    return [Call("stepfunctions", "StartExecution", params, arn, "states:StartExecution", done)]


def _log_group(arn: Arn, waiting: Waiting) -> list[Call]:
    """One event in a stream of its own in the group, as EventBridge's have."""
    if not arn.resource.startswith("log-group:"):
        raise lacking(str(arn))
    group = arn.resource.removeprefix("log-group:").removesuffix(":*")
    names = {"logGroupName": group, "logStreamName": key_of(waiting)}
    at = waiting.delivery.options.get("timestamp", round(waiting.made * 1000))
    events = [{"timestamp": at, "message": waiting.delivery.payload}]
    done = frozenset({"ResourceAlreadyExistsException"})
    return [
        Call("logs", "CreateLogStream", names, arn, "logs:CreateLogStream", done),
        Call(
            "logs", "PutLogEvents", {**names, "logEvents": events}, arn, "logs:PutLogEvents",
            refusal=_rejected,
        ),
    ]  # fmt: skip


def _rejected(answer: Doc) -> AwsError | None:
    if "rejectedLogEventsInfo" not in answer:
        return None
    return AwsError("InvalidParameterException", "The log group rejected the event: it is too old.")


def _bus(arn: Arn, waiting: Waiting) -> list[Call]:
    """The payload as the detail of an event of the Source and DetailType in the options. Without those
    it is of a rule, whose bus gives events to other buses by itself, where they let it."""
    options = waiting.delivery.options
    if "Source" not in options:
        words = f"The event bus {arn} does not exist, or its policy does not let the sender in."
        raise AwsError("AccessDeniedException", words, 403)
    entry = {"EventBusName": str(arn), "Detail": waiting.delivery.payload, **options}
    params = {"Entries": [entry]}
    return [Call("events", "PutEvents", params, arn, "events:PutEvents", refusal=_failed)]


def _failed(answer: Doc) -> AwsError | None:
    failed = [each for each in answer.get("Entries", ()) if each.get("ErrorCode")]
    if not failed:
        return None
    status = 500 if failed[0]["ErrorCode"] == "InternalFailure" else 400
    return AwsError(failed[0]["ErrorCode"], failed[0].get("ErrorMessage", ""), status)


def _pipeline(arn: Arn, waiting: Waiting) -> list[Call]:
    """An execution of a SageMaker pipeline, which starts once for each token."""
    if not arn.resource.startswith("pipeline/"):
        raise lacking(str(arn))
    params: Doc = {"PipelineName": str(arn), "ClientRequestToken": key_of(waiting)}
    params |= waiting.delivery.options
    action = "sagemaker:StartPipelineExecution"
    return [Call("sagemaker", "StartPipelineExecution", params, arn, action)]


def operation_of(text: str) -> tuple[str, str] | None:
    """botocore's names of the service and the operation that `service:operation` names, by their names
    in AWS's SDK for Java or by botocore's; None for those that Sagebrush does not know."""
    service, _, name = text.partition(":")
    service = {**SDK_NAMES, **_OLDER}.get(service, service)
    known = models.known(service) if service in models.SERVICES else {}
    found = known.get(xform_name(name[:1].upper() + name[1:]))
    return (service, found) if found else None


def _universal(delivery: Delivery) -> Call:
    """The operation that the target names, with the payload, a JSON object, as its request."""
    named = operation_of(delivery.target.removeprefix(UNIVERSAL))
    model = models.operation(*named) if named else None
    if named is None or model is None:
        raise lacking(delivery.target)
    service, operation = named
    given = _document(delivery.payload, "the input of an operation")
    params = parameters.read(model.input_shape, given) | delivery.options
    # no policy lets anybody: by roles
    place = Arn("aws-sdk", delivery.region, delivery.account, service)
    return Call(service, operation, params, place, f"{service}:{operation}")


def _document(text: str, what: str) -> Doc:
    try:
        found = json_of(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise AwsError("ValidationException", f"The payload is not {what}: it is no JSON object.")
    return found


TARGETS: Mapping[str, Callable[[Arn, Waiting], Sequence[Call]]] = {
    "sqs": _queue,
    "sns": _topic,
    "lambda": _function,
    "states": _state_machine,
    "logs": _log_group,
    "events": _bus,
    "sagemaker": _pipeline,
}
"""Service of a target's ARN -> how it is called."""
