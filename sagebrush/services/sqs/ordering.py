"""What FIFO queues ask of messages: groups, deduplication ids, sequence numbers.

Source: Amazon SQS API Reference, SendMessage; Amazon SQS Developer Guide, "Amazon SQS FIFO queues"
and "Amazon SQS fair queues" (standard queues, which take a MessageGroupId too and keep no order).
"""

from __future__ import annotations

import hashlib
import re

from sagebrush.errors import AwsError, Doc
from sagebrush.store.fifo import Place
from sagebrush.store.rows import Row

SUFFIX = ".fifo"
_TEXT = re.compile(r"[!-~]{1,128}")
_FIRST = 18_849_496_460_467_696_128
"""Sequence numbers have twenty digits, as AWS's have."""
_STEP = 256


def is_fifo(queue: Row) -> bool:
    """Whether the queue is a FIFO queue."""
    return queue.doc.get("FifoQueue") == "true"


def invalid(why: str) -> AwsError:
    """The error for a parameter that is not as it must be."""
    return AwsError("InvalidParameterValue", why)


def not_of_this_type(value: object, parameter: str) -> AwsError:
    """The error for a parameter that queues of the other type have."""
    return invalid(
        f"Value {value} for parameter {parameter} is invalid. Reason: The request include parameter"
        " that is not valid for this queue type"
    )


def place(queue: Row, entry: Doc) -> Place | None:
    """Where the message of a request or of a batch's entry stands; None in a standard queue.

    Raises InvalidParameterValue, and MissingParameter without a group in a FIFO queue.
    """
    group, token = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
    _check_id("MessageGroupId", group)
    _check_id("MessageDeduplicationId", token)
    if not is_fifo(queue):
        if token:
            raise not_of_this_type(token, "MessageDeduplicationId")
        return None
    if entry.get("DelaySeconds"):
        raise not_of_this_type(entry["DelaySeconds"], "DelaySeconds")
    if not group:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if not token and queue.doc.get("ContentBasedDeduplication") == "true":
        token = hashlib.sha256(entry["MessageBody"].encode()).hexdigest()
    if not token:
        raise invalid(
            "The queue should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )
    scope = group if queue.doc.get("DeduplicationScope") == "messageGroup" else ""
    return Place(group, token, scope)


def _check_id(parameter: str, value: str | None) -> None:
    if value is not None and not _TEXT.fullmatch(value):
        raise invalid(
            f"Value {value} for parameter {parameter} is invalid. Reason: {parameter} can only"
            " include alphanumeric and punctuation characters. 1 to 128 in length."
        )


def sequence_number(message: int) -> str:
    """The sequence number of the message with that id: larger for later ones."""
    return str(_FIRST + message * _STEP)


def attempt(queue: Row, request: Doc) -> str:
    """The id of the attempt to receive from a FIFO queue; "" without one. Raises
    InvalidParameterValue."""
    given = request.get("ReceiveRequestAttemptId")
    if given is None:
        return ""
    _check_id("ReceiveRequestAttemptId", given)
    if not is_fifo(queue):
        raise not_of_this_type(given, "ReceiveRequestAttemptId")
    return given
