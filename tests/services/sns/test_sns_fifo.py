"""FIFO topics: what they ask, what they do not send again, and how it comes to queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.messages import Message
from sagebrush.world import World
from tests.conftest import Clock
from tests.services.sns.policies import lets_send

ACCOUNT, REGION = "123456789012", "us-east-1"
FIFO = {"FifoTopic": "true"}


class Topics:
    """Topics and queues of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ctx = world.service_ctx(region=REGION, account=ACCOUNT)

    def call(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("sns", operation, params)

    def topic(self, name: str = "t.fifo", **attributes: str) -> str:
        return self.call("CreateTopic", Name=name, Attributes={**FIFO, **attributes})["TopicArn"]

    def queue(self, name: str, topic: str, **attributes: str) -> str:
        """The ARN of a queue to which the topic may send."""
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        given = {"Policy": lets_send(arn, topic), **attributes}
        if name.endswith(".fifo"):
            given["FifoQueue"] = "true"
        self.ctx.call("sqs", "CreateQueue", {"QueueName": name, "Attributes": given})
        return arn

    def subscribe(self, topic: str, queue: str, **attributes: str) -> None:
        given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue}
        self.call("Subscribe", **given, Attributes=attributes)

    def publish(self, topic: str, text: str, **more: str) -> Doc:
        return self.call("Publish", TopicArn=topic, Message=text, **more)

    def messages(self, name: str) -> list[Message]:
        row = self.world.rows.get(ACCOUNT, REGION, "queue", name)
        assert row is not None
        return self.world.messages.peek(row.id, 0, 100)


@pytest.fixture
def topics(settings: Settings, clock: Clock) -> Iterator[Topics]:
    app = build(settings, clock)
    yield Topics(app.world)
    app.stop()


def test_messages_come_in_their_groups_once(topics: Topics, clock: Clock) -> None:
    topic = topics.topic(ContentBasedDeduplication="true")
    topics.subscribe(topic, topics.queue("q.fifo", topic))
    topics.subscribe(topic, topics.queue("plain", topic), RawMessageDelivery="true")
    first = topics.publish(topic, "one", MessageGroupId="g")
    again = topics.publish(topic, "one", MessageGroupId="h")
    second = topics.publish(topic, "two", MessageGroupId="g", MessageDeduplicationId="d")
    assert first == again
    assert len(first["SequenceNumber"]) == len(second["SequenceNumber"]) == 20
    assert first["SequenceNumber"] < second["SequenceNumber"]
    found = topics.messages("q.fifo")
    bodies = [json.loads(each.body) for each in found]
    assert [(each["Message"], each["SequenceNumber"]) for each in bodies] == [
        ("one", first["SequenceNumber"]),
        ("two", second["SequenceNumber"]),
    ]
    assert [each.group for each in found] == ["g", "g"]
    assert found[1].more["token"] == "d"
    plain = topics.messages("plain")
    assert [(each.body, each.group, each.more["group"]) for each in plain] == [
        ("one", None, "g"),
        ("two", None, "g"),
    ]
    clock.forward(301)
    assert topics.publish(topic, "one", MessageGroupId="g") != first
    assert len(topics.messages("q.fifo")) == 3


def test_a_batch_and_a_scope_of_groups(topics: Topics) -> None:
    topic = topics.topic(FifoThroughputScope="MessageGroup")
    queue = topics.queue("q.fifo", topic, DeduplicationScope="messageGroup")
    topics.subscribe(topic, queue)
    entries = [
        {"Id": str(n), "Message": text, "MessageGroupId": group, "MessageDeduplicationId": "d"}
        for n, (text, group) in enumerate((("a", "x"), ("b", "y"), ("c", "x")))
    ]
    entries.append({"Id": "bad", "Message": "d", "MessageGroupId": "x"})
    done = topics.call("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    a, b, c = done["Successful"]
    assert (a["MessageId"], a["SequenceNumber"]) == (c["MessageId"], c["SequenceNumber"])
    assert a["MessageId"] != b["MessageId"]
    assert [each["Id"] for each in done["Failed"]] == ["bad"]
    assert [each.group for each in topics.messages("q.fifo")] == ["x", "y"]


def test_attributes(topics: Topics) -> None:
    topic = topics.topic()
    assert topics.topic() == topic
    shown = topics.call("GetTopicAttributes", TopicArn=topic)["Attributes"]
    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", "false")
    given = {"TopicArn": topic, "AttributeName": "ContentBasedDeduplication"}
    topics.call("SetTopicAttributes", **given, AttributeValue="true")
    topics.publish(topic, "x", MessageGroupId="g")
    plain = topics.call("CreateTopic", Name="t", Attributes={"FifoTopic": "false"})["TopicArn"]
    assert "FifoTopic" not in topics.call("GetTopicAttributes", TopicArn=plain)["Attributes"]


def test_a_message_that_its_queue_refuses_goes_to_dead_letters_of_its_kind(topics: Topics) -> None:
    topic = topics.topic(ContentBasedDeduplication="true")
    dead = topics.queue("dead.fifo", topic)
    gone = f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone.fifo"
    policy = json.dumps({"deadLetterTargetArn": dead})
    topics.subscribe(topic, gone, RedrivePolicy=policy)
    topics.publish(topic, "x", MessageGroupId="g")
    (message,) = topics.messages("dead.fifo")
    assert message.group == "g"
    assert "ErrorCode" in message.more["attributes"]
    plain = topics.call("CreateTopic", Name="plain")["TopicArn"]
    topics.queue("dead2.fifo", plain)
    policy = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead2.fifo"})
    topics.subscribe(plain, gone.removesuffix(".fifo"), RedrivePolicy=policy)
    topics.publish(plain, "x")
    assert topics.messages("dead2.fifo") == []  # nobody could receive it there


@pytest.mark.parametrize(
    ("operation", "params", "says"),
    [
        ("CreateTopic", {"Name": "x.fifo"}, "Topic Name"),
        ("CreateTopic", {"Name": "x", "Attributes": FIFO}, "must end with .fifo"),
        (
            "CreateTopic",
            {"Name": "x", "Attributes": {"ContentBasedDeduplication": "true"}},
            "can only be set for FIFO topics",
        ),
        ("Publish", {"Message": "x"}, "MessageGroupId parameter is required"),
        ("Publish", {"Message": "x", "MessageGroupId": "g"}, "ContentBasedDeduplication enabled"),
        ("Publish", {"Message": "x", "MessageGroupId": "g h"}, "1 to 128"),
        (
            "Subscribe",
            {"Protocol": "lambda", "Endpoint": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"},
            "Please use SQS queue",
        ),
        (
            "SetTopicAttributes",
            {"AttributeName": "FifoTopic", "AttributeValue": "true"},
            "AttributeName",
        ),
    ],
)
def test_what_is_refused(topics: Topics, operation: str, params: Doc, says: str) -> None:
    topic = topics.topic()
    given = params if operation == "CreateTopic" else {"TopicArn": topic, **params}
    with pytest.raises(AwsError, match=says):
        topics.call(operation, **given)


def test_a_fifo_queue_does_not_subscribe_to_a_standard_topic(topics: Topics) -> None:
    plain = topics.call("CreateTopic", Name="plain")["TopicArn"]
    with pytest.raises(AwsError, match="can not be subscribed to standard SNS topics"):
        topics.subscribe(plain, topics.queue("q.fifo", plain))
