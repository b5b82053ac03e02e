"""Publish and PublishBatch: messages are in every subscribed queue that lets the topic send, and on
their way to functions, in one transaction.

Source: Amazon SNS API Reference, and its developer guide, "Amazon SNS message and JSON formats". The
notification has no Signature: nothing here holds AWS's key, and who gets it reads its own queue.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from sagebrush.aws.scalars import json_of, time_text
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sns import delivery, filter_policies, ordering, subscriptions, topics
from sagebrush.services.sns.topics import invalid
from sagebrush.store import fifo, sequences
from sagebrush.store.db import Tx
from sagebrush.store.fifo import Place, Stored
from sagebrush.store.messages import Send
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

MOST = 10
_SENDER = "AIDAIT2UOQQY3AUEKVGXU"
"""Who sends on behalf of SNS: the id that AWS's own service has in SenderId."""
_TOLD = ("Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp")
"""What functions are told besides attributes, null where there is none."""


@dataclass(frozen=True)
class Published:
    """A message that is valid."""

    uid: str
    given: Doc
    """The request or the batch's entry."""
    place: Place | None
    """Of a message to a FIFO topic."""
    mark: str
    """Stands in notifications for its sequence number, which is known once it is stored."""


def publish(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The message is in all queues that subscribe to the topic. Raises InvalidParameter, NotFound."""
    if request.get("PhoneNumber"):
        raise invalid("PhoneNumber", "Sagebrush does not send SMS.")
    arn = request.get("TopicArn") or request.get("TargetArn")
    if not arn:
        raise invalid("TopicArn or TargetArn", "no value for required parameter")
    topic = topics.find_topic(ctx, arn)
    message = _checked(topic, request)
    return _delivered(topics.home(ctx, topic), topic, [message], lambda stored: stored[0])


def publish_batch(ctx: Ctx, request: Doc) -> Future[Doc]:
    """Every message that is valid is in all queues that subscribe; the others are among Failed."""
    topic = topics.find_topic(ctx, request["TopicArn"])
    entries = request["PublishBatchRequestEntries"]
    _check_batch(entries, topics.largest(topic))
    good, failed = list[Published](), list[Doc]()
    for entry in entries:
        try:
            good.append(_checked(topic, entry))
        except AwsError as error:
            failed.append(
                {"Id": entry["Id"], "Code": "InvalidParameter", "Message": error.message,
                 "SenderFault": True}
            )  # fmt: skip

    def told(stored: list[Doc]) -> Doc:
        done = [{"Id": m.given["Id"], **each} for m, each in zip(good, stored, strict=True)]
        return {"Successful": done, "Failed": failed}

    return _delivered(topics.home(ctx, topic), topic, good, told)


def _check_batch(entries: list[Doc], largest: int) -> None:
    if not entries:
        raise AwsError(
            "EmptyBatchRequestException", "The batch request doesn't contain any entries."
        )
    if len(entries) > MOST:
        raise AwsError(
            "TooManyEntriesInBatchRequestException",
            f"The batch request contains more entries than permissible: {MOST}.",
        )
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) < len(ids):
        raise AwsError(
            "BatchEntryIdsNotDistinctException",
            "Two or more batch entries in the request have the same Id.",
        )
    if sum(map(_size, entries)) > largest:
        raise AwsError(
            "BatchRequestTooLongException",
            "The length of all the batch messages put together is more than the limit.",
        )


def _size(message: Doc) -> int:
    """The bytes that a message counts for: its body and its attributes."""
    found = len(message["Message"].encode())
    for name, value in (message.get("MessageAttributes") or {}).items():
        found += len(name.encode()) + len(value["DataType"])
        found += len(value.get("StringValue", "").encode()) + len(value.get("BinaryValue", b""))
    return found


def _checked(topic: Row, message: Doc) -> Published:
    """The message of a request or of a batch's entry; raises InvalidParameter."""
    if not message["Message"]:
        raise invalid("Empty message")
    if _size(message) > topics.largest(topic):
        raise invalid("Message too long")
    subject = message.get("Subject")
    if subject is not None and (not subject or len(subject) > 100 or "\n" in subject):
        raise invalid("Subject")
    if message.get("MessageStructure") == "json":
        _structured(message["Message"])
    elif message.get("MessageStructure"):
        raise invalid("MessageStructure")
    for name, value in (message.get("MessageAttributes") or {}).items():
        kind = value["DataType"].partition(".")[0]
        if kind not in ("String", "Number", "Binary"):
            raise invalid(f"Message attribute '{name}' has an invalid type: {value['DataType']}")
        if not value.get("BinaryValue" if kind == "Binary" else "StringValue"):
            raise invalid(f"Message attribute '{name}' must contain a non-empty value")
    return Published(str(uuid.uuid4()), message, ordering.place(topic, message), str(uuid.uuid4()))


def _structured(text: str, protocol: str = "sqs") -> str:
    """What of a message by protocols is for that one."""
    try:
        found = json_of(text)
    except ValueError:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(found, dict) or not isinstance(found.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")
    chosen = found.get(protocol, found["default"])
    chosen = chosen if isinstance(chosen, str) else found["default"]
    return chosen.encode("utf-8", "replace").decode()  # halves of surrogate pairs are in no UTF-8


def _delivered(
    ctx: Ctx, topic: Row, messages: list[Published], result: Callable[[list[Doc]], Doc]
) -> Future[Doc]:
    """What `result` makes of the messages' ids, once they are in the queues of all subscriptions that
    want them (`delivery`). What repeats a message of a FIFO topic is answered as that one."""
    world, arn = ctx.world, topics.arn_of(topic)

    def planned(of: list[Published]) -> delivery.Sent:
        def made(subscription: Row) -> list[Send]:
            wanted = [message for message in of if _wants(subscription, message.given)]
            return [_send(ctx, subscription, arn, message) for message in wanted]

        return delivery.planned(ctx, arn, made)

    if not ordering.is_fifo(topic):
        plans = [planned(messages)]
    else:
        plans = [planned([message]) for message in messages]

    def work(tx: Tx) -> Doc:
        if not ordering.is_fifo(topic):
            plans[0].store(ctx, tx, topic.name)
            return result([{"MessageId": message.uid} for message in messages])
        pairs = zip(messages, plans, strict=True)
        return result([_in_order(ctx, tx, topic, message, plan) for message, plan in pairs])

    queues = [queue for plan in plans for queue, _ in plan.sends]
    return world.messages.told(queues, world.db.submit(work))


def _in_order(ctx: Ctx, tx: Tx, topic: Row, message: Published, plan: delivery.Sent) -> Doc:
    """The ids of the message of a FIFO topic, which is in its queues unless it was sent before."""
    now, place = ctx.world.clock(), message.place
    assert place is not None
    stored = fifo.repeated(tx, topic.id, place, now)
    if stored is None:
        stored = Stored(message.uid, sequences.following(tx, now))
        fifo.remember(tx, topic.id, place, stored, now)
        number = ordering.sequence_number(stored.id)
        plan.numbered(message.mark, number).store(ctx, tx, topic.name)
    return {"MessageId": stored.uid, "SequenceNumber": ordering.sequence_number(stored.id)}


def _wants(subscription: Row, message: Doc) -> bool:
    text = subscription.doc.get("FilterPolicy")
    if not text:
        return True
    scope = subscription.doc.get("FilterPolicyScope", filter_policies.SCOPE)
    policy = filter_policies.parse(text, scope)
    if scope == filter_policies.BODY:
        return filter_policies.accepts_body(policy, _text_for(subscription, message))
    return filter_policies.accepts(policy, message.get("MessageAttributes") or {})


def _text_for(subscription: Row, message: Doc) -> str:
    """The message's text, as the subscription's protocol gets it."""
    if message.get("MessageStructure") == "json":
        return _structured(message["Message"], subscription.doc["Protocol"])
    return message["Message"]


def _send(ctx: Ctx, subscription: Row, topic: str, message: Published) -> Send:
    """The message as a queue gets it; to a function, its body is the event."""
    uid, given = message.uid, message.given
    text = _text_for(subscription, given)
    if subscription.doc["Protocol"] == delivery.LAMBDA:
        event = _event(subscription, _notification(ctx, topic, uid, given, text))
        return Send(uid, json.dumps(event))
    attributes = given.get("MessageAttributes") or {}
    more: Doc = {"sender": _SENDER, **({"trace": ctx.trace} if ctx.trace else {})}
    if given.get("MessageGroupId"):  # of a fair queue (API Reference, Publish)
        more["group"] = given["MessageGroupId"]
    if subscription.doc.get("RawMessageDelivery") == "true":
        if attributes:
            more["attributes"] = attributes
    else:
        notification = _notification(ctx, topic, uid, given, text)
        if message.place is not None:
            number = {"Type": "Notification", "MessageId": uid, "SequenceNumber": message.mark}
            notification = {**number, **notification}
        text = json.dumps(notification, indent=2)
    return Send(str(uuid.uuid4()), text, more, place=message.place)


def _event(subscription: Row, notification: Doc) -> Doc:
    """What a function gets (AWS Lambda developer guide, "Invoking Lambda functions with Amazon SNS
    notifications"), without a signature, as queues do."""
    told = {name: notification.get(name) for name in _TOLD}
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscriptions.arn_of(subscription),
        "Sns": {**told, "MessageAttributes": notification.get("MessageAttributes", {})},
    }
    return {"Records": [record]}


def _notification(ctx: Ctx, topic: str, uid: str, given: Doc, text: str) -> Doc:
    at = time_text(moment(ctx.world.clock()), "iso8601")
    found: Doc = {"Type": "Notification", "MessageId": uid, "TopicArn": topic}
    if given.get("Subject"):
        found["Subject"] = given["Subject"]
    found |= {"Message": text, "Timestamp": at}
    if attributes := given.get("MessageAttributes"):
        found["MessageAttributes"] = {
            name: {"Type": value["DataType"], "Value": _text(value)}
            for name, value in attributes.items()
        }
    return found


def _text(value: Doc) -> str:
    data = value.get("BinaryValue")
    return value["StringValue"] if data is None else base64.b64encode(data).decode()
