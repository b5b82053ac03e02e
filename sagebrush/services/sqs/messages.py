"""SQS messages: received, deleted, made visible again; one by one and in batches.

Source: Amazon SQS API Reference. A receipt handle names the message and how often it was received:
the one of the last time alone deletes it. From a FIFO queue it does so while it is in flight.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import uuid
from collections.abc import Sequence
from concurrent.futures import Future

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, batches, digests, ordering, queues
from sagebrush.services.sqs.ordering import invalid
from sagebrush.store.messages import Message
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

LONGEST_HIDDEN = 43200
"""Seconds that a message may be invisible."""
_HANDLE = re.compile(r"(\d{1,18})/(\d{1,18})/(\d{1,18})/[0-9a-f]{8}")


async def receive_message(ctx: Ctx, request: Doc) -> Doc:
    """Up to ten messages; waits for the first one as long as the request or the queue says.

    Raises InvalidParameterValue and QueueDoesNotExist, the latter also for one deleted meanwhile.
    """
    loop = asyncio.get_running_loop()
    queue = queues.queue_of(ctx, request["QueueUrl"])
    most = _within(request, "MaxNumberOfMessages", 1, 1, batches.MOST)
    hidden = _within(
        request, "VisibilityTimeout", int(queue.doc["VisibilityTimeout"]), 0, LONGEST_HIDDEN
    )
    patience = _within(
        request, "WaitTimeSeconds", int(queue.doc["ReceiveMessageWaitTimeSeconds"]), 0, 20
    )
    attempt = ordering.attempt(queue, request)
    until, woken, messages = loop.time() + patience, asyncio.Event(), ctx.world.messages
    with messages.listening(queue.id, lambda _: loop.call_soon_threadsafe(woken.set)):
        while True:
            woken.clear()
            if attempt or messages.any_visible(queue.id):
                redrive = attributes.redrive(ctx, queue)
                if ordering.is_fifo(queue):
                    coming = messages.receive_in_order(
                        queue.id, most, float(hidden), redrive, attempt
                    )
                else:
                    coming = messages.receive(queue.id, most, float(hidden), redrive)
                if found := await asyncio.wrap_future(coming):
                    return {"Messages": [_shown(message, request) for message in found]}
            left = until - loop.time()
            if left <= 0 or messages.closed:
                return {}
            back = messages.next_visible(queue.id)
            if back is not None:
                left = min(left, max(0.001, back - ctx.world.clock()))
            try:
                await asyncio.wait_for(woken.wait(), left)
            except TimeoutError:
                continue
            queue = queues.queue_of(ctx, request["QueueUrl"])


def _within(request: Doc, member: str, default: int, low: int, high: int) -> int:
    value = request.get(member, default)
    if not low <= value <= high:
        raise invalid(
            f"Value {value} for parameter {member} is invalid. Reason: Must be >= {low} and <="
            f" {high}, if provided."
        )
    return value


def _shown(message: Message, request: Doc) -> Doc:
    attempt = request.get("ReceiveRequestAttemptId")  # repeated, it answers the same handles
    last = hashlib.sha256(attempt.encode()).hexdigest() if attempt else uuid.uuid4().hex
    held = f"{message.queue}/{message.id}/{message.received}/{last[:8]}"
    found: Doc = {
        "MessageId": message.uid,
        "ReceiptHandle": base64.b64encode(held.encode()).decode(),
        "Body": message.body,
        "MD5OfBody": digests.of_body(message.body),
    }
    asked = {
        *(request.get("AttributeNames") or ()),
        *(request.get("MessageSystemAttributeNames") or ()),
    }
    if system := {k: v for k, v in _system(message).items() if k in asked or "All" in asked}:
        found["Attributes"] = system
    wanted = request.get("MessageAttributeNames") or ()
    given = message.more.get("attributes", {})
    if chosen := {name: given[name] for name in given if _asked(name, wanted)}:
        found["MessageAttributes"] = chosen
        found["MD5OfMessageAttributes"] = digests.of_attributes(chosen)
    return found


def _system(message: Message) -> Doc:
    found: Doc = {
        "SenderId": message.more.get("sender", ""),
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.received),
        "ApproximateFirstReceiveTimestamp": str(int((message.first or 0) * 1000)),
    }
    if "DeadLetterQueueSourceArn" in message.more:
        found["DeadLetterQueueSourceArn"] = message.more["DeadLetterQueueSourceArn"]
    if message.group is not None:
        found["MessageGroupId"] = message.group
        found["MessageDeduplicationId"] = message.more["token"]
        found["SequenceNumber"] = ordering.sequence_number(message.id)
    elif "group" in message.more:
        found["MessageGroupId"] = message.more["group"]
    if "trace" in message.more:  # of the request that sent it
        found["AWSTraceHeader"] = message.more["trace"]
    for name, value in message.more.get("system", {}).items():
        found[name] = value.get("StringValue", "")
    return found


def _asked(name: str, wanted: Sequence[str]) -> bool:
    """Whether the attribute is one of those asked for: by name, `All`, `.*`, or `prefix.*`."""
    return any(
        each in ("All", ".*", name) or (each.endswith(".*") and name.startswith(each[:-1]))
        for each in wanted
    )


# -- what was received


def delete_message(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The message is gone. Raises ReceiptHandleIsInvalid."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    handle = request["ReceiptHandle"]
    held = _held(queue, handle)
    if not ordering.is_fifo(queue):
        return batches.after(ctx.world.messages.delete(queue.id, [held]), lambda _: {})

    def told(mine: list[bool]) -> Doc:
        if not mine[0]:
            raise _expired(handle)
        return {}

    return batches.after(ctx.world.messages.delete_in_order(queue.id, [held]), told)


def delete_message_batch(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The messages whose handles are valid are gone, all at once; the others are among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    held, good, failed = list[tuple[int, int]](), list[Doc](), list[Doc]()
    for entry in batches.entries(request, "DeleteMessageBatchRequestEntry"):
        try:
            held.append(_held(queue, entry["ReceiptHandle"]))
            good.append(entry)
        except AwsError as error:
            failed.append(batches.failure(entry, error))

    def told(mine: list[bool]) -> Doc:
        late = [e for e, still in zip(good, mine, strict=True) if not still]
        done = [{"Id": e["Id"]} for e, still in zip(good, mine, strict=True) if still]
        lost = [batches.failure(entry, _expired(entry["ReceiptHandle"])) for entry in late]
        return batches.outcome(done, [*failed, *lost])

    messages = ctx.world.messages
    if ordering.is_fifo(queue):
        return batches.after(messages.delete_in_order(queue.id, held), told)
    return batches.after(messages.delete(queue.id, held), lambda _: told([True] * len(held)))


def _expired(handle: str) -> AwsError:
    return invalid(
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has"
        " expired."
    )


def change_message_visibility(ctx: Ctx, request: Doc) -> None:
    """The message comes back after VisibilityTimeout from now. Raises MessageNotInflight."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    _hide(ctx, queue, request)


def change_message_visibility_batch(ctx: Ctx, request: Doc) -> Doc:
    """As `change_message_visibility`, for each entry; what fails is among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    done, failed = list[Doc](), list[Doc]()
    for entry in batches.entries(request, "ChangeMessageVisibilityBatchRequestEntry"):
        try:
            _hide(ctx, queue, entry)
            done.append({"Id": entry["Id"]})
        except AwsError as error:
            failed.append(batches.failure(entry, error))
    return batches.outcome(done, failed)


def _hide(ctx: Ctx, queue: Row, entry: Doc) -> None:
    seconds = _within(entry, "VisibilityTimeout", 0, 0, LONGEST_HIDDEN)
    held = _held(queue, entry["ReceiptHandle"])
    if not ctx.world.messages.hide(queue.id, held, float(seconds)).result():
        raise AwsError(
            "MessageNotInflight",
            f"Value {entry['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: Message"
            " does not exist or is not available for visibility timeout change.",
        )


def _held(queue: Row, handle: str) -> tuple[int, int]:
    """The id of the message and how often it had been received when the handle was given."""
    try:
        found = _HANDLE.fullmatch(base64.b64decode(handle, validate=True).decode())
    except ValueError:
        found = None
    if found is None:
        raise AwsError(
            "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not valid.'
        )
    if int(found[1]) != queue.id:
        # of another queue, or of one that a message has left for its dead-letter queue
        return (0, 0)
    return int(found[2]), int(found[3])
