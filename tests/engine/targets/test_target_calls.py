"""The call that a delivery stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagebrush.engine.targets.calls import call_of
from sagebrush.errors import AwsError
from sagebrush.store.deliveries import Delivery

ONE = Delivery("1", "r", "arn:aws:sqs:eu-west-1:2:q", "text", "events.amazonaws.com")


def test_queues_and_topics() -> None:
    call = call_of(replace(ONE, options={"MessageGroupId": "g"}))
    assert (call.service, call.operation, call.action) == ("sqs", "SendMessage", "sqs:SendMessage")
    assert call.params == {
        "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/2/q",
        "MessageBody": "text",
        "MessageGroupId": "g",
    }
    assert (call.target.account, call.target.region) == ("2", "eu-west-1")
    topic = "arn:aws:sns:r:1:t"
    call = call_of(replace(ONE, target=topic, options={"Subject": "s"}))
    assert (call.service, call.operation) == ("sns", "Publish")
    assert call.params == {"TopicArn": topic, "Message": "text", "Subject": "s"}


@pytest.mark.parametrize("target", ["nothing", "arn:aws:kinesis:r:1:stream/x"])
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(AwsError, match=target):
        call_of(replace(ONE, target=target))
