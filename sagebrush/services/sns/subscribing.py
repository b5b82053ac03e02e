"""Subscribe, Unsubscribe, and subscriptions' lists and attributes. Source: Amazon SNS API Reference."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sns import delivery, filter_policies, ordering, subscriptions, topics
from sagebrush.services.sns.topics import invalid
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 100
PROTOCOLS = (
    "http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose",
)  # fmt: skip
ENDPOINTS = {"sqs": "SQS endpoint ARN", "lambda": "Lambda endpoint ARN"}
"""Protocols that are delivered by -> what AWS calls an endpoint that is none."""
UNSUPPORTED = {
    "DeliveryPolicy": "delivery policies (DeliveryPolicy)",
    "SubscriptionRoleArn": "Firehose (SubscriptionRoleArn)",
    "ReplayPolicy": "replays (ReplayPolicy)",
}


def subscribe(ctx: Ctx, request: Doc) -> Doc:
    """The queue or function gets what is published to the topic. Raises InvalidParameter, NotFound
    (404)."""
    row = topics.find_topic(ctx, request["TopicArn"])
    topic = topics.arn_of(row)
    if row.account != ctx.account:
        words = (
            "Sagebrush does not deliver to other accounts yet: a topic's own account subscribes."
        )
        raise invalid("TopicArn", words)
    protocol, endpoint = request["Protocol"], request.get("Endpoint", "")
    if protocol not in PROTOCOLS:
        raise invalid("Amazon SNS does not support this protocol string: " + protocol)
    _check_endpoint(ctx, protocol, endpoint, ordering.is_fifo(row))
    asked = request.get("Attributes") or {}
    scope = asked.get("FilterPolicyScope", filter_policies.SCOPE)
    given = {k: _checked(ctx, k, v, scope) for k, v in asked.items()}
    _check_raw(protocol, given.get("RawMessageDelivery"))
    for row in subscriptions.of_topic(ctx, topic):
        if row.doc["Endpoint"] == endpoint:
            if any(row.doc.get(key) != value for key, value in given.items()):
                words = "Subscription already exists with different attributes"
                raise invalid("Attributes", words)
            return {"SubscriptionArn": subscriptions.arn_of(row)}
    kept = {k: v for k, v in given.items() if k != "RedrivePolicy" or v not in ("", "{}")}
    doc: Doc = {"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint, **kept}
    name = str(uuid.uuid4())
    row = Row(ctx.account, ctx.region, subscriptions.KIND, name, "Confirmed", doc)
    return {"SubscriptionArn": subscriptions.arn_of(ctx.world.rows.insert(row))}


def _check_endpoint(ctx: Ctx, protocol: str, endpoint: str, fifo: bool) -> None:
    """Raises InvalidParameter for what Sagebrush does not deliver to."""
    if protocol not in ENDPOINTS:
        words = f"Sagebrush does not deliver by {protocol} yet; use sqs or lambda."
        raise invalid("Protocol", words)
    arn = Arn.parse(endpoint)
    if arn is None or arn.service != protocol or not arn.resource:
        raise invalid(ENDPOINTS[protocol])
    if protocol == delivery.LAMBDA and not arn.resource.startswith("function:"):
        raise invalid(ENDPOINTS[protocol])
    if fifo and protocol != "sqs":
        words = "Endpoint Reason: Please use SQS queue"
        raise invalid(f"Invalid parameter: {words}")
    if protocol == "sqs" and arn.resource.endswith(".fifo") and not fifo:
        words = "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        raise invalid(f"Invalid parameter: {words}")
    if (arn.account, arn.region) != (ctx.account, ctx.region):
        raise invalid(
            "Endpoint",
            "Sagebrush does not deliver to other accounts and regions yet.",
        )


def _check_raw(protocol: str, raw: str | None) -> None:
    if raw == "true" and protocol != "sqs":
        words = f"Delivery protocol [{protocol}] does not support raw message delivery."
        raise invalid("Attributes", words)


def unsubscribe(ctx: Ctx, request: Doc) -> None:
    """The subscription is gone; nothing is wrong where there is none."""
    row = _row(ctx, request["SubscriptionArn"])
    if row is not None:
        ctx.world.rows.delete(row.id)


def list_subscriptions(ctx: Ctx, request: Doc) -> Doc:
    """A page of the account's subscriptions."""
    return _page(subscriptions.of_account(ctx), request)


def list_subscriptions_by_topic(ctx: Ctx, request: Doc) -> Doc:
    """A page of the topic's subscriptions."""
    row = topics.find_topic(ctx, request["TopicArn"])
    return _page(subscriptions.of_topic(topics.home(ctx, row), topics.arn_of(row)), request)


def _page(rows: list[Row], request: Doc) -> Doc:
    page, token = paginate(rows, request.get("NextToken"), PAGE)
    found = [
        {
            "SubscriptionArn": subscriptions.arn_of(row),
            "Owner": row.account,
            "Protocol": row.doc["Protocol"],
            "Endpoint": row.doc["Endpoint"],
            "TopicArn": row.doc["TopicArn"],
        }
        for row in page
    ]
    return {"Subscriptions": found, **({"NextToken": token} if token else {})}


def get_subscription_attributes(ctx: Ctx, request: Doc) -> Doc:
    """The subscription's attributes, all of them texts. Raises NotFound (404)."""
    row = _found(ctx, request["SubscriptionArn"])
    found: Doc = {
        "SubscriptionArn": subscriptions.arn_of(row),
        "Owner": row.account,
        "ConfirmationWasAuthenticated": "true",
        "PendingConfirmation": "false",
        "RawMessageDelivery": "false",
        **row.doc,
    }
    if "FilterPolicy" in row.doc:
        found.setdefault("FilterPolicyScope", filter_policies.SCOPE)
    return {"Attributes": found}


def set_subscription_attributes(ctx: Ctx, request: Doc) -> None:
    """The attribute is set; a FilterPolicy or RedrivePolicy of "" or "{}" is removed."""
    name, value = request["AttributeName"], request.get("AttributeValue", "")
    found = _found(ctx, request["SubscriptionArn"])
    value = _checked(ctx, name, value, found.doc.get("FilterPolicyScope", filter_policies.SCOPE))
    _check_raw(found.doc["Protocol"], value if name == "RawMessageDelivery" else None)
    if name == "FilterPolicyScope" and found.doc.get("FilterPolicy"):
        _check_filter(found.doc["FilterPolicy"], value)

    def change(row: Row) -> Row:
        doc = {**row.doc, name: value}
        if name in ("FilterPolicy", "RedrivePolicy") and value in ("", "{}"):
            del doc[name]
        return replace(row, doc=doc)

    if ctx.world.rows.update(found.id, change) is None:
        raise _missing()


def _checked(ctx: Ctx, name: str, value: str, scope: str) -> str:
    if name in UNSUPPORTED:
        raise invalid("Attributes", f"Sagebrush does not support {UNSUPPORTED[name]} yet.")
    if name == "RawMessageDelivery":
        if value.lower() not in ("true", "false"):
            raise invalid("Attributes", f"RawMessageDelivery: Invalid value [{value}].")
        return value.lower()
    if name == "FilterPolicyScope":
        if value not in (filter_policies.SCOPE, filter_policies.BODY):
            words = f"FilterPolicyScope: Invalid value [{value}]."
            raise invalid(
                "Attributes", f"{words} Please use either MessageBody or MessageAttributes"
            )
        return value
    if name == "RedrivePolicy":
        _check_redrive(ctx, value)
        return value
    if name != "FilterPolicy":
        raise invalid("AttributeName")
    if value:
        _check_filter(value, scope)
    return value


def _check_filter(text: str, scope: str) -> None:
    try:
        filter_policies.parse(text, scope)
    except filter_policies.Unusable as error:
        raise invalid(str(error)) from error


def _check_redrive(ctx: Ctx, value: str) -> None:
    """Raises InvalidParameter for what names no queue of the account and region."""
    if value in ("", "{}"):
        return
    try:
        found: Any = json_of(value)
    except ValueError:
        raise invalid("RedrivePolicy: failed to parse JSON.") from None
    target = found.get("deadLetterTargetArn") if isinstance(found, dict) else None
    arn = Arn.parse(target) if isinstance(target, str) else None
    if arn is None or arn.service != "sqs" or not arn.resource:
        raise invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if (arn.account, arn.region) != (ctx.account, ctx.region):
        words = "The subscription and its dead-letter queue must be of one account and region."
        raise invalid("RedrivePolicy", words)


def _row(ctx: Ctx, arn: str) -> Row | None:
    topic, _, name = arn.rpartition(":")
    if not topic.startswith("arn:aws:sns:"):
        raise invalid("SubscriptionArn", "An ARN must have at least 6 elements")
    row = ctx.world.rows.get(ctx.account, ctx.region, subscriptions.KIND, name)
    return row if row is not None and row.doc["TopicArn"] == topic else None


def _found(ctx: Ctx, arn: str) -> Row:
    row = _row(ctx, arn)
    if row is None:
        raise _missing()
    return row


def _missing() -> AwsError:
    return AwsError("NotFoundException", "Subscription does not exist", 404)
