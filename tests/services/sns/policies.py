"""The policy that users of AWS give a queue which subscribes to a topic."""

from __future__ import annotations

import json
from typing import Any


def lets_send(queue: str, topic: str, **more: Any) -> str:
    """A policy by which SNS may send to the queue of that ARN on behalf of the topic of that ARN
    (Amazon SNS developer guide, "Subscribing an Amazon SQS queue to an Amazon SNS topic"); `more` are
    other elements of its statement."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
