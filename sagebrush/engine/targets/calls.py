"""The call that a delivery stands for. Pure.

EventBridge user guide, "Event bus targets in Amazon EventBridge"; the members of the requests are those
of each service's API reference.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagebrush.aws.names import Arn
from sagebrush.engine.targets import universal
from sagebrush.errors import AwsError, Doc
from sagebrush.store.deliveries import Delivery


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
    before: tuple[tuple[str, Doc], ...] = ()
    """Operations of the service, with their requests, that are called first: what they make may be
    there."""


def call_of(delivery: Delivery) -> Call:
    """The call; `options` go over the request's own members. Raises AwsError for a target that
    Sagebrush sends nothing to."""
    if delivery.target.startswith(universal.START):
        service, operation, params = universal.call(delivery.target, delivery.payload)
        where = Arn(service, delivery.region, delivery.account, "*")
        return Call(service, operation, params, where, "")
    arn = Arn.parse(delivery.target)
    if arn is None:
        raise AwsError("ValidationException", f"{delivery.target} is not the ARN of a target.")
    make = TARGETS.get(arn.service)
    if make is None:
        raise lacking(delivery.target)
    return make(arn, delivery)


def lacking(target: str) -> AwsError:
    """The error for a target that is not there yet."""
    return AwsError("NotImplemented", f"Sagebrush sends nothing to targets like {target} yet.")


def _machine(arn: Arn, delivery: Delivery) -> Call:
    params = {"stateMachineArn": str(arn), "input": delivery.payload, **delivery.options}
    return Call("stepfunctions", "StartExecution", params, arn, "states:StartExecution")


def _log_group(arn: Arn, delivery: Delivery) -> Call:
    group = arn.resource.removeprefix("log-group:").removesuffix(":*")
    # the same for one message whenever it is sent; each gets a stream of its own, as EventBridge's do
    stream = {"logGroupName": group, "logStreamName": str(uuid.uuid5(_STREAMS, delivery.payload))}
    event = {"timestamp": delivery.options.get("timestamp", 0), "message": delivery.payload}
    params = {**stream, "logEvents": [event]}
    before = (("CreateLogStream", stream),)
    return Call("logs", "PutLogEvents", params, arn, "logs:PutLogEvents", before)


_STREAMS = uuid.UUID("6f1bd1a4-7a0e-4b59-9a55-6b4f4f2f7f3e")


def _bus(arn: Arn, delivery: Delivery) -> Call:
    options = delivery.options
    if (
        "Source" not in options
    ):  # of a rule: its bus sends where it may, and nothing is left to do here
        words = f"The event bus {arn} does not exist, or its policy does not let the sender in."
        raise AwsError("AccessDeniedException", words, 403)
    entry = {"EventBusName": str(arn), "Detail": delivery.payload, **options}
    return Call("events", "PutEvents", {"Entries": [entry]}, arn, "events:PutEvents")


def _queue(arn: Arn, delivery: Delivery) -> Call:
    url = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
    params = {"QueueUrl": url, "MessageBody": delivery.payload, **delivery.options}
    return Call("sqs", "SendMessage", params, arn, "sqs:SendMessage")


def _topic(arn: Arn, delivery: Delivery) -> Call:
    params = {"TopicArn": str(arn), "Message": delivery.payload, **delivery.options}
    return Call("sns", "Publish", params, arn, "sns:Publish")


def _function(arn: Arn, delivery: Delivery) -> Call:
    params = {
        "FunctionName": str(arn), "InvocationType": "Event", "Payload": delivery.payload.encode(),
        **delivery.options,
    }  # fmt: skip
    return Call("lambda", "Invoke", params, arn, "lambda:InvokeFunction")


TARGETS: Mapping[str, Callable[[Arn, Delivery], Call]] = {
    "states": _machine,
    "logs": _log_group,
    "events": _bus,
    "sqs": _queue,
    "sns": _topic,
    "lambda": _function,
}
"""Service of a target's ARN -> how it is called."""
