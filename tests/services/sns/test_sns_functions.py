"""Functions that subscribe to topics: what is on its way to them once something is published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import Delivery
from sagebrush.world import World
from tests.conftest import Clock

ACCOUNT, REGION = "123456789012", "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"


class Topic:
    """A topic of a world without an outbox that runs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ctx = world.service_ctx(region=REGION, account=ACCOUNT)
        self.arn = self.call("CreateTopic", Name="t")["TopicArn"]

    def call(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("sns", operation, params)

    def subscribe(self, endpoint: str = FUNCTION, **attributes: str) -> str:
        given = {"TopicArn": self.arn, "Protocol": "lambda", "Endpoint": endpoint}
        return self.call("Subscribe", **given, Attributes=attributes)["SubscriptionArn"]

    def sent(self) -> list[Delivery]:
        """What waits to be sent to the function."""
        return [each.delivery for each in self.world.deliveries.due(FUNCTION, 10)]


@pytest.fixture
def topic(settings: Settings, clock: Clock) -> Iterator[Topic]:
    app = build(settings, clock)
    yield Topic(app.world)
    app.stop()


def test_the_event_of_a_function(topic: Topic) -> None:
    dead = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
    arn = topic.subscribe(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead}))
    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    uid = topic.call(
        "Publish", TopicArn=topic.arn, Message="hé", Subject="s", MessageAttributes=attributes
    )["MessageId"]
    text = json.dumps({"default": "d", "lambda": "mine", "sqs": "theirs"})
    topic.call("Publish", TopicArn=topic.arn, Message=text, MessageStructure="json")
    first, second = topic.sent()
    (record,) = json.loads(first.payload)["Records"]
    assert record["Sns"].pop("Timestamp").endswith("Z")
    assert record == {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": uid,
            "TopicArn": topic.arn,
            "Subject": "s",
            "Message": "hé",
            "MessageAttributes": {"k": {"Type": "String", "Value": "v"}},
        },
    }
    assert (first.principal, first.source_arn) == ("sns.amazonaws.com", topic.arn)
    assert first.dead_letter == dead
    (plain,) = json.loads(second.payload)["Records"]
    assert plain["Sns"]["Message"] == "mine"
    assert (plain["Sns"]["Subject"], plain["Sns"]["MessageAttributes"]) == (None, {})


def test_what_the_filter_lets_pass_is_sent(topic: Topic) -> None:
    policy = json.dumps({"detail": {"status": ["Failed"]}})
    topic.subscribe(FilterPolicyScope="MessageBody", FilterPolicy=policy)
    for message in (
        "text",
        '{"detail": {"status": "Failed"}}',
        '{"detail": {"status": "Completed"}}',
    ):
        topic.call("Publish", TopicArn=topic.arn, Message=message)
    (sent,) = topic.sent()
    assert "Failed" in json.loads(sent.payload)["Records"][0]["Sns"]["Message"]


@pytest.mark.parametrize(
    ("endpoint", "attributes", "says"),
    [
        ("f", {}, "Lambda endpoint ARN"),
        (f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", {}, "Lambda endpoint ARN"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:l", {}, "Lambda endpoint ARN"),
        (f"arn:aws:lambda:{REGION}:210987654321:function:f", {}, "other accounts"),
        (FUNCTION, {"RawMessageDelivery": "true"}, "does not support raw message delivery"),
        (FUNCTION, {"FilterPolicyScope": "Subject"}, "MessageBody or MessageAttributes"),
        (FUNCTION, {"FilterPolicy": '{"a": {"b": ["c"]}}'}, "does not support nested"),
    ],
)
def test_what_is_refused(
    topic: Topic, endpoint: str, attributes: dict[str, str], says: str
) -> None:
    with pytest.raises(AwsError, match=says):
        topic.subscribe(endpoint, **attributes)


def test_a_scope_that_the_policy_does_not_fit_is_refused(topic: Topic) -> None:
    policy = json.dumps({"a": {"b": ["c"]}})
    arn = topic.subscribe(FilterPolicyScope="MessageBody", FilterPolicy=policy)
    given = {"SubscriptionArn": arn, "AttributeName": "FilterPolicyScope"}
    with pytest.raises(AwsError, match="does not support nested"):
        topic.call("SetSubscriptionAttributes", **given, AttributeValue="MessageAttributes")
