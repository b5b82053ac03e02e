"""The call that a delivery stands for. Pure.

EventBridge user guide, "Event bus targets in Amazon EventBridge"; the members of the requests are those
of each service's API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sagebrush.aws.names import Arn
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


def call_of(delivery: Delivery) -> Call:
    """The call; `options` go over the request's own members. Raises AwsError for a target that
    Sagebrush sends nothing to."""
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


def _queue(arn: Arn, delivery: Delivery) -> Call:
    url = f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"
    params = {"QueueUrl": url, "MessageBody": delivery.payload, **delivery.options}
    return Call("sqs", "SendMessage", params, arn, "sqs:SendMessage")


def _topic(arn: Arn, delivery: Delivery) -> Call:
    params = {"TopicArn": str(arn), "Message": delivery.payload, **delivery.options}
    return Call("sns", "Publish", params, arn, "sns:Publish")


TARGETS: Mapping[str, Callable[[Arn, Delivery], Call]] = {
    "sqs": _queue,
    "sns": _topic,
}
"""Service of a target's ARN -> how it is called."""
