"""What FIFO topics ask of messages, and in which form they come to queues.

Source: Amazon SNS developer guide, "Message ordering and deduplication (FIFO topics)": a topic remembers
deduplication ids for five minutes, for itself or for each group (FifoThroughputScope); queues get the
group and the deduplication id. Amazon SNS API Reference, Publish.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from sagebrush.errors import Doc
from sagebrush.services.sns.topics import invalid
from sagebrush.store.fifo import Place
from sagebrush.store.messages import Send
from sagebrush.store.rows import Row

_TEXT = re.compile(r"[!-~]{1,128}")
_FIRST = 10**19
"""Sequence numbers have twenty digits, as AWS's have."""


def is_fifo(topic: Row) -> bool:
    """Whether the topic is a FIFO topic."""
    return topic.doc.get("FifoTopic") == "true"


def place(topic: Row, message: Doc) -> Place | None:
    """The group of the message, and what it must not repeat; None in a standard topic. Raises
    InvalidParameter."""
    group, token = message.get("MessageGroupId"), message.get("MessageDeduplicationId")
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", token)):
        if value is not None and not _TEXT.fullmatch(value):
            words = "can only include alphanumeric and punctuation characters. 1 to 128 in length"
            raise invalid(name, f"{name} {words}")
    if not is_fifo(topic):
        if token:
            raise invalid(
                "MessageDeduplicationId",
                "The request includes MessageDeduplicationId parameter that is not valid for this"
                " topic type",
            )
        return None
    if not group:
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if not token and topic.doc.get("ContentBasedDeduplication") == "true":
        token = hashlib.sha256(message["Message"].encode()).hexdigest()
    if not token:
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly"
        )
    scope = group if topic.doc.get("FifoThroughputScope") == "MessageGroup" else ""
    return Place(group, token, scope)


def sequence_number(number: int) -> str:
    """The sequence number of a message: larger for later ones."""
    return str(_FIRST + number)


def fits(send: Send, queue: Row) -> bool:
    """Whether the queue takes the message: a FIFO queue those of FIFO topics alone."""
    return send.place is not None or queue.doc.get("FifoQueue") != "true"


def placed(send: Send, queue: Row) -> Send:
    """The message as that queue orders it, or as one of its group in a standard queue."""
    if send.place is None:
        return send
    group, token = send.place.group, send.place.token
    if queue.doc.get("FifoQueue") != "true":
        return replace(send, place=None, more={**send.more, "group": group})
    scope = group if queue.doc.get("DeduplicationScope") == "messageGroup" else ""
    return replace(send, place=Place(group, token, scope), more={**send.more, "token": token})
