"""Batches of SQS messages: the event that a function gets, and which messages it has done. Pure.

Source: Lambda developer guide, "Using Lambda with Amazon SQS" (example standard and FIFO queue message events)
and "Handling errors for an SQS event source in Lambda" (partial batch responses).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from sagebrush.aws.names import Arn
from sagebrush.errors import Doc

LARGEST = 6 * 1024 * 1024
"""Bytes of an event: a batch ends before it has more."""
_SHOWN = (
    "ApproximateReceiveCount", "AWSTraceHeader", "SentTimestamp", "SequenceNumber", "MessageGroupId",
    "SenderId", "MessageDeduplicationId", "ApproximateFirstReceiveTimestamp",
    "DeadLetterQueueSourceArn",
)  # fmt: skip


def record(message: Doc, queue: Arn) -> Doc:
    """The message as the function gets it; `message` is ReceiveMessage's."""
    attributes: Doc = message.get("Attributes") or {}
    found: Doc = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: attributes[name] for name in _SHOWN if name in attributes},
        "messageAttributes": {
            name: _attribute(value)
            for name, value in (message.get("MessageAttributes") or {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": str(queue),
        "awsRegion": queue.region,
    }
    if digest := message.get("MD5OfMessageAttributes"):
        found["md5OfMessageAttributes"] = digest
    return found


def _attribute(value: Doc) -> Doc:
    found: Doc = {}
    if (text := value.get("StringValue")) is not None:
        found["stringValue"] = text
    if (data := value.get("BinaryValue")) is not None:
        found["binaryValue"] = base64.b64encode(data).decode()
    return {
        **found, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"],
    }  # fmt: skip


def event(found: Sequence[Doc]) -> bytes:
    """The event of these records."""
    return json.dumps({"Records": list(found)}, separators=(",", ":"), ensure_ascii=False).encode()


def size(found: Doc) -> int:
    """Bytes of the record in an event, about."""
    return len(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()) + 1


def done(found: Sequence[Doc], answer: bytes, reports: bool) -> list[Doc]:
    """The records that the function has done, by what it answered; with `reports` it says which it has
    not, and a report that cannot be understood is that of none done."""
    if not reports:
        return list(found)
    try:
        said: Any = json.loads(answer or b"null")
    except ValueError:
        return []
    if said is None or said == {} or not isinstance(said, dict):
        return list(found) if said in (None, {}, "", []) else []
    failures = said.get("batchItemFailures")
    if failures is None or failures == []:
        return list(found)
    if not isinstance(failures, list):
        return []
    ids = [each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures]
    known = {each["messageId"] for each in found}
    if any(not isinstance(each, str) or each not in known for each in ids):
        return []
    return [each for each in found if each["messageId"] not in ids]
