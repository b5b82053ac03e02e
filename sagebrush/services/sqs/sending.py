"""Messages are sent: one by one and in batches.

Source: Amazon SQS API Reference, SendMessage and SendMessageBatch.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import batches, digests, ordering, queues
from sagebrush.services.sqs.ordering import invalid
from sagebrush.store.fifo import Stored
from sagebrush.store.messages import Send
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

BATCH_BYTES = 1048576
MOST_ATTRIBUTES = 10
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE = re.compile(r"(?!(?i:aws|amazon)\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def send_message(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The message is in the queue. Raises InvalidMessageContents, InvalidParameterValue."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    send = _checked(ctx, queue, request)
    return _stored(ctx, queue, [send], lambda stored: _sent(send, stored[0]))


def send_message_batch(ctx: Ctx, request: Doc) -> Future[Doc]:
    """Every message that is valid is in the queue, all at once; the others are among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    entries = batches.entries(request, "SendMessageBatchRequestEntry")
    size = sum(_size(entry) for entry in entries)
    if size > BATCH_BYTES:
        raise AwsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {BATCH_BYTES} bytes. You have sent {size} bytes.",
        )
    sends, failed = dict[str, Send](), list[Doc]()
    for entry in entries:
        try:
            sends[entry["Id"]] = _checked(ctx, queue, entry)
        except AwsError as error:
            failed.append(batches.failure(entry, error))

    def told(stored: Sequence[Stored]) -> Doc:
        done = [
            {"Id": each, **_sent(send, where)}
            for (each, send), where in zip(sends.items(), stored, strict=True)
        ]
        return batches.outcome(done, failed)

    return _stored(ctx, queue, list(sends.values()), told)


def _stored(
    ctx: Ctx, queue: Row, sends: list[Send], told: Callable[[Sequence[Stored]], Doc]
) -> Future[Doc]:
    """What is `told` of the messages once they are in the queue. Raises QueueDoesNotExist where it
    was deleted meanwhile."""
    messages = ctx.world.messages

    def checked(stored: Sequence[Stored]) -> Doc:
        if len(stored) < len(sends):
            raise queues.missing()
        return told(stored)

    if ordering.is_fifo(queue):
        return batches.after(messages.put_in_order(queue.id, sends), checked)
    return batches.after(
        messages.put(queue.id, sends),
        lambda count: checked([Stored(send.uid, 0) for send in sends[:count]]),
    )


def _checked(ctx: Ctx, queue: Row, entry: Doc) -> Send:
    """The message of a request or of a batch's entry."""
    body, given = entry["MessageBody"], entry.get("MessageAttributes") or {}
    if not body:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    _check_characters(body, "body")
    for name, value in given.items():
        _check_attribute(name, value)
    if len(given) > MOST_ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum [10]."
        )
    system = entry.get("MessageSystemAttributes") or {}
    most = int(queue.doc["MaximumMessageSize"])
    if _size(entry) > most:
        raise invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than"
            f" {most} bytes."
        )
    delay = entry.get("DelaySeconds", int(queue.doc["DelaySeconds"]))
    if not 0 <= delay <= 900:
        raise invalid(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >="
            " 0 and <= 900."
        )
    more: Doc = {"sender": ctx.caller.user_id}
    if given:
        more["attributes"] = given
    if system:
        more["system"] = system
    if ctx.trace:
        more["trace"] = ctx.trace
    place = ordering.place(queue, entry)
    if place is not None:
        more["token"], delay = place.token, int(queue.doc["DelaySeconds"])
    elif entry.get("MessageGroupId"):
        more["group"] = entry["MessageGroupId"]
    keep = float(queue.doc["MessageRetentionPeriod"])
    return Send(str(uuid.uuid4()), body, more, float(delay), keep, place=place)


def _size(entry: Doc) -> int:
    attributes = entry.get("MessageAttributes") or {}
    total = len(entry["MessageBody"].encode())
    for name, value in attributes.items():
        data = value.get("BinaryValue") or value.get("StringValue", "").encode()
        total += len(name.encode()) + len(value["DataType"].encode()) + len(data)
    return total


def _check_characters(text: str, what: str) -> None:
    found = _FORBIDDEN.search(text)
    if found:
        raise AwsError(
            "InvalidMessageContents",
            f"Invalid binary character '#x{ord(found[0]):X}' was found in the message {what}, the"
            " set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD |"
            " #x10000 to #x10FFFF",
        )


def _check_attribute(name: str, value: Doc) -> None:
    if not _ATTRIBUTE.fullmatch(name) or len(name) > 256:
        raise invalid(f"The message attribute name '{name}' is invalid.")
    kind = value["DataType"].partition(".")[0]
    member = "BinaryValue" if kind == "Binary" else "StringValue"
    if kind not in ("String", "Number", "Binary"):
        raise invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String."
        )
    if not value.get(member):
        raise invalid(
            f"The message attribute '{name}' must contain a non-empty value of type {kind}."
        )
    if kind != "Binary":
        _check_characters(value[member], "attribute value")


def _sent(send: Send, stored: Stored) -> Doc:
    found: Doc = {"MessageId": stored.uid, "MD5OfMessageBody": digests.of_body(send.body)}
    if "attributes" in send.more:
        found["MD5OfMessageAttributes"] = digests.of_attributes(send.more["attributes"])
    if "system" in send.more:
        found["MD5OfMessageSystemAttributes"] = digests.of_attributes(send.more["system"])
    if send.place is not None:
        found["SequenceNumber"] = ordering.sequence_number(stored.id)
    return found
