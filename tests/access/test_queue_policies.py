"""Whether a queue's policy lets a topic send to it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.access.queue_policies import lets_send
from sagebrush.world import Ctx
from tests.services.sns import policies

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
OTHER = "arn:aws:sns:us-east-1:123456789012:other"
SERVICE = {"Service": "sns.amazonaws.com"}
LIKE = {"ArnLike": {"aws:SourceArn": [TOPIC]}}
OF_ACCOUNT = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def allowed(text: str | None) -> bool:
    world = SimpleNamespace(clock=lambda: 1.0)
    ctx = SimpleNamespace(world=world, account="123456789012", region="us-east-1")
    return lets_send(cast(Ctx, ctx), text, QUEUE, "sns.amazonaws.com", TOPIC)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"Principal": "*", "Condition": LIKE},
        {"Principal": {"AWS": "*"}, "Condition": LIKE, "Action": ["SQS:SendMessage"]},
        {"Sid": "topic-subscription-" + TOPIC},
        {"Condition": {}},
        {"Condition": OF_ACCOUNT, "Action": "sqs:*", "Resource": "*"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ],
)
def test_what_lets_the_topic_send(more: dict[str, Any]) -> None:
    assert allowed(policies.lets_send(QUEUE, TOPIC, **more))


@pytest.mark.parametrize(
    "more",
    [
        {"Condition": {"ArnEquals": {"aws:SourceArn": OTHER}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}},
        {"Principal": {"Service": "events.amazonaws.com"}},
        {"Principal": {"AWS": "123456789012"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Action": "sqs:ReceiveMessage"},
        {"Resource": QUEUE + "2"},
        {"Effect": "Deny"},
    ],
)
def test_what_does_not(more: dict[str, Any]) -> None:
    assert not allowed(policies.lets_send(QUEUE, TOPIC, **more))


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"Statement": [{"Effect": "Allow", "Action": 5}]}']
)
def test_what_is_no_policy_allows_nothing(text: str | None) -> None:
    assert not allowed(text)


def test_a_deny_wins() -> None:
    document = json.loads(policies.lets_send(QUEUE, TOPIC))
    document["Statement"] *= 2
    document["Statement"][1] = {**document["Statement"][0], "Effect": "Deny"}
    assert not allowed(json.dumps(document))
