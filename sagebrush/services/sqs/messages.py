"""SQS messages: send, receive, delete, change their visibility; one by one and in batches.

Source: Amazon SQS API Reference. A receipt handle names the message and how often it was received:
the one of the last time alone deletes it.
"""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, digests, queues
from sagebrush.store.messages import Message, Send
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

MOST = 10
"""Entries of a batch, and messages of one answer."""
BATCH_BYTES = 1048576
LONGEST_HIDDEN = 43200
"""Seconds that a message may be invisible."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_HANDLE = re.compile(r"(\d{1,18})/(\d{1,18})/(\d{1,18})/[0-9a-f]{8}")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE = re.compile(r"(?!(?i:aws|amazon)\.)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_FIFO = ("MessageGroupId", "MessageDeduplicationId")


def _invalid(why: str) -> AwsError:
    return AwsError("InvalidParameterValue", why)


# -- sending


def send_message(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The message is in the queue. Raises InvalidMessageContents, InvalidParameterValue."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    send = _checked(ctx, queue, request)
    return _then(ctx.world.messages.put(queue.id, [send]), lambda stored: _sent(send, stored))


def send_message_batch(ctx: Ctx, request: Doc) -> Future[Doc]:
    """Every message that is valid is in the queue, all at once; the others are among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    entries = _entries(request, "SendMessageBatchRequestEntry")
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
            failed.append(_failure(entry, error))

    def told(stored: int) -> Doc:
        done = [{"Id": each, **_sent(send, stored)} for each, send in sends.items()]
        return _outcome(done, failed)

    return _then(ctx.world.messages.put(queue.id, list(sends.values())), told)


def _checked(ctx: Ctx, queue: Row, entry: Doc) -> Send:
    """The message of a request or of a batch's entry."""
    if any(entry.get(member) for member in _FIFO):
        raise _invalid("Sagebrush does not support FIFO queues and message groups yet.")
    body, given = entry["MessageBody"], entry.get("MessageAttributes") or {}
    if not body:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    _check_characters(body, "body")
    for name, value in given.items():
        _check_attribute(name, value)
    if len(given) > MOST:
        raise _invalid(
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum [10]."
        )
    system = entry.get("MessageSystemAttributes") or {}
    most = int(queue.doc["MaximumMessageSize"])
    if _size(entry) > most:
        raise _invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than"
            f" {most} bytes."
        )
    delay = entry.get("DelaySeconds", int(queue.doc["DelaySeconds"]))
    if not 0 <= delay <= 900:
        raise _invalid(
            f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >="
            " 0 and <= 900."
        )
    more: Doc = {"sender": _sender(ctx)}
    if given:
        more["attributes"] = given
    if system:
        more["system"] = system
    keep = float(queue.doc["MessageRetentionPeriod"])
    return Send(str(uuid.uuid4()), body, more, float(delay), keep)


def _sender(ctx: Ctx) -> str:
    return ctx.caller.user_id


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
        raise _invalid(f"The message attribute name '{name}' is invalid.")
    kind = value["DataType"].partition(".")[0]
    member = "BinaryValue" if kind == "Binary" else "StringValue"
    if kind not in ("String", "Number", "Binary"):
        raise _invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String."
        )
    if not value.get(member):
        raise _invalid(
            f"The message attribute '{name}' must contain a non-empty value of type {kind}."
        )
    if kind != "Binary":
        _check_characters(value[member], "attribute value")


def _sent(send: Send, stored: int) -> Doc:
    if not stored:  # the queue was deleted meanwhile
        raise queues.missing()
    found: Doc = {"MessageId": send.uid, "MD5OfMessageBody": digests.of_body(send.body)}
    if "attributes" in send.more:
        found["MD5OfMessageAttributes"] = digests.of_attributes(send.more["attributes"])
    if "system" in send.more:
        found["MD5OfMessageSystemAttributes"] = digests.of_attributes(send.more["system"])
    return found


# -- receiving


async def receive_message(ctx: Ctx, request: Doc) -> Doc:
    """Up to ten messages; waits for the first one as long as the request or the queue says.

    Raises InvalidParameterValue and QueueDoesNotExist, the latter also for one deleted meanwhile.
    """
    loop = asyncio.get_running_loop()
    queue = queues.queue_of(ctx, request["QueueUrl"])
    most = _within(request, "MaxNumberOfMessages", 1, 1, MOST)
    hidden = _within(
        request, "VisibilityTimeout", int(queue.doc["VisibilityTimeout"]), 0, LONGEST_HIDDEN
    )
    patience = _within(
        request, "WaitTimeSeconds", int(queue.doc["ReceiveMessageWaitTimeSeconds"]), 0, 20
    )
    until, woken, messages = loop.time() + patience, asyncio.Event(), ctx.world.messages
    with messages.listening(queue.id, lambda _: loop.call_soon_threadsafe(woken.set)):
        while True:
            woken.clear()
            if messages.any_visible(queue.id):
                redrive = attributes.redrive(ctx, queue)
                found = await asyncio.wrap_future(
                    messages.receive(queue.id, most, float(hidden), redrive)
                )
                if found:
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
        raise _invalid(
            f"Value {value} for parameter {member} is invalid. Reason: Must be >= {low} and <="
            f" {high}, if provided."
        )
    return value


def _shown(message: Message, request: Doc) -> Doc:
    held = f"{message.queue}/{message.id}/{message.received}/{uuid.uuid4().hex[:8]}"
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
    held = _held(queue, request["ReceiptHandle"])
    return _then(ctx.world.messages.delete(queue.id, [held]), lambda _: {})


def delete_message_batch(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The messages whose handles are valid are gone, all at once; the others are among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    held, done, failed = list[tuple[int, int]](), list[Doc](), list[Doc]()
    for entry in _entries(request, "DeleteMessageBatchRequestEntry"):
        try:
            held.append(_held(queue, entry["ReceiptHandle"]))
            done.append({"Id": entry["Id"]})
        except AwsError as error:
            failed.append(_failure(entry, error))
    return _then(ctx.world.messages.delete(queue.id, held), lambda _: _outcome(done, failed))


def change_message_visibility(ctx: Ctx, request: Doc) -> None:
    """The message comes back after VisibilityTimeout from now. Raises MessageNotInflight."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    _hide(ctx, queue, request)


def change_message_visibility_batch(ctx: Ctx, request: Doc) -> Doc:
    """As `change_message_visibility`, for each entry; what fails is among Failed."""
    queue = queues.queue_of(ctx, request["QueueUrl"])
    done, failed = list[Doc](), list[Doc]()
    for entry in _entries(request, "ChangeMessageVisibilityBatchRequestEntry"):
        try:
            _hide(ctx, queue, entry)
            done.append({"Id": entry["Id"]})
        except AwsError as error:
            failed.append(_failure(entry, error))
    return _outcome(done, failed)


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


# -- batches


def _entries(request: Doc, shape: str) -> list[Doc]:
    entries = request.get("Entries") or []
    if not entries:
        raise AwsError("EmptyBatchRequest", f"There should be at least one {shape} in the request.")
    if len(entries) > MOST:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST}. You have sent {len(entries)}.",
        )
    ids = [entry["Id"] for entry in entries]
    if any(not _ID.fullmatch(each) for each in ids):
        raise AwsError(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It"
            " can be at most 80 letters long.",
        )
    if twice := [each for each in ids if ids.count(each) > 1]:
        raise AwsError("BatchEntryIdsNotDistinct", f"Id {twice[0]} repeated.")
    return entries


def _failure(entry: Doc, error: AwsError) -> Doc:
    return {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}


def _outcome(done: list[Doc], failed: list[Doc]) -> Doc:
    """A batch's answer: of the two lists those that hold anything, as AWS answers."""
    found: Doc = {"Successful": done, "Failed": failed}
    return {name: entries for name, entries in found.items() if entries}


def _then(written: Future[Any], result: Callable[[Any], Doc]) -> Future[Doc]:
    """The future of `result` of what `written` answers."""
    answer = Future[Doc]()
    answer.set_running_or_notify_cancel()  # a client that leaves does not undo what was started

    def done(future: Future[Any]) -> None:
        try:
            answer.set_result(result(future.result()))
        except Exception as error:
            answer.set_exception(error)

    written.add_done_callback(done)
    return answer
