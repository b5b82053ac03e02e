"""Dead-letter queues whose messages move back, and permissions by labels: with a world whose loop a test
turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.engine.loop import Loop
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, ordering
from sagebrush.services.sqs.moves import KIND
from sagebrush.settings import Settings
from tests.conftest import Clock

ACCOUNT, REGION = "123456789012", "us-east-1"


class Queues:
    """Queues of a world, by name."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock, self.app = clock, build(settings, clock)
        self.world = self.app.world
        self.ctx = self.world.service_ctx(region=REGION, account=ACCOUNT)
        self.loop = Loop(self.world, {KIND.name: KIND}, threads=1)

    def call(self, operation: str, **params: Any) -> Doc:
        return self.ctx.call("sqs", operation, params)

    def create(self, name: str, dead: str = "", **attributes: str) -> str:
        """A queue's URL; what is received from it once goes to `dead` after that."""
        if dead:
            policy = {"deadLetterTargetArn": arn(dead), "maxReceiveCount": 1}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return self.call("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]

    def bodies(self, name: str) -> list[str]:
        row = self.world.rows.get(ACCOUNT, REGION, "queue", name)
        assert row is not None
        return [each.body for each in self.world.messages.peek(row.id, 0, 1000)]

    def die(self, name: str, *bodies: str, **more: str) -> None:
        """The messages are sent to the queue and end among its dead letters."""
        url = self.call("GetQueueUrl", QueueName=name)["QueueUrl"]
        row = self.world.rows.get(ACCOUNT, REGION, "queue", name)
        assert row is not None
        for body in bodies:
            self.call("SendMessage", QueueUrl=url, MessageBody=body, **more)
        while self.bodies(name):
            self.receive(name)
            self.clock.forward(60)

    def receive(self, name: str) -> None:
        row = self.world.rows.get(ACCOUNT, REGION, "queue", name)
        assert row is not None
        redrive = attributes.redrive(self.ctx, row)
        messages = self.world.messages
        work = messages.receive_in_order if ordering.is_fifo(row) else messages.receive
        work(row.id, 10, 30.0, redrive).result()

    def turn(self) -> None:
        while self.loop.run_once():
            pass

    def task(self, dead: str) -> Doc:
        (found,) = self.call("ListMessageMoveTasks", SourceArn=arn(dead))["Results"]
        return found


def arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


@pytest.fixture
def queues(settings: Settings, clock: Clock) -> Iterator[Queues]:
    made = Queues(settings, clock)
    yield made
    made.app.stop()


def test_messages_go_back_to_where_they_came_from(queues: Queues) -> None:
    queues.create("dead")
    for name in ("one", "two"):
        queues.create(name, "dead")
        queues.die(name, f"{name}-a", f"{name}-b")
    assert len(queues.bodies("dead")) == 4
    handle = queues.call("StartMessageMoveTask", SourceArn=arn("dead"))["TaskHandle"]
    running = queues.task("dead")
    assert (running["Status"], running["TaskHandle"]) == ("RUNNING", handle)
    assert running["ApproximateNumberOfMessagesToMove"] == 4
    queues.turn()
    done = queues.task("dead")
    assert (done["Status"], done["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 4)
    assert "TaskHandle" not in done
    assert "DestinationArn" not in done
    assert queues.bodies("one") == ["one-a", "one-b"]
    assert queues.bodies("two") == ["two-a", "two-b"]
    (first, _) = queues.world.messages.peek(_id(queues, "one"), 0, 10)
    assert (first.received, first.first, first.sent) == (0, None, queues.clock())
    assert "DeadLetterQueueSourceArn" not in first.more


def _id(queues: Queues, name: str) -> int:
    row = queues.world.rows.get(ACCOUNT, REGION, "queue", name)
    assert row is not None
    return row.id


def test_a_rate_and_a_cancellation(queues: Queues) -> None:
    queues.create("dead")
    queues.create("source", "dead")
    queues.create("other")
    queues.die("source", *"abcde")
    given = {"SourceArn": arn("dead"), "DestinationArn": arn("other")}
    handle = queues.call("StartMessageMoveTask", **given, MaxNumberOfMessagesPerSecond=2)
    queues.turn()
    assert queues.bodies("other") == ["a", "b"]
    with pytest.raises(AwsError, match="already a task running"):
        queues.call("StartMessageMoveTask", **given)
    queues.clock.forward(1)
    queues.turn()
    assert queues.bodies("other") == ["a", "b", "c", "d"]
    assert queues.call("CancelMessageMoveTask", **handle)["ApproximateNumberOfMessagesMoved"] == 4
    queues.clock.forward(1)
    queues.turn()
    assert queues.task("dead")["Status"] == "CANCELLED"
    assert queues.bodies("dead") == ["e"]
    with pytest.raises(AwsError, match="Only active tasks"):
        queues.call("CancelMessageMoveTask", **handle)


def test_a_destination_that_goes_away(queues: Queues) -> None:
    queues.create("dead")
    queues.create("source", "dead")
    queues.die("source", "a")
    url = queues.call("GetQueueUrl", QueueName="source")["QueueUrl"]
    queues.call("StartMessageMoveTask", SourceArn=arn("dead"))
    queues.call("DeleteQueue", QueueUrl=url)
    queues.turn()
    failed = queues.task("dead")
    assert failed["Status"] == "FAILED"
    assert failed["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert queues.bodies("dead") == ["a"]


def test_a_message_that_was_sent_to_the_dead_letters_has_no_way_back(queues: Queues) -> None:
    url = queues.create("dead")
    queues.create("source", "dead")
    queues.call("SendMessage", QueueUrl=url, MessageBody="x")
    queues.call("StartMessageMoveTask", SourceArn=arn("dead"))
    queues.turn()
    assert queues.task("dead")["FailureReason"] == "CouldNotDetermineMessageSource"


def test_fifo_queues_keep_their_groups_and_order(queues: Queues) -> None:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    queues.create("dead.fifo", **fifo)
    queues.create("source.fifo", "dead.fifo", **fifo)
    queues.die("source.fifo", "a", "b", MessageGroupId="g")
    assert queues.bodies("dead.fifo") == ["a", "b"]
    queues.call("StartMessageMoveTask", SourceArn=arn("dead.fifo"))
    queues.turn()
    found = queues.world.messages.peek(_id(queues, "source.fifo"), 0, 10)
    assert [(each.body, each.group) for each in found] == [("a", "g"), ("b", "g")]


@pytest.mark.parametrize(
    ("operation", "given", "status", "says"),
    [
        ("StartMessageMoveTask", {"SourceArn": arn("none")}, 404, "for the SourceArn parameter"),
        ("StartMessageMoveTask", {"SourceArn": arn("plain")}, 400, "configured as a Dead Letter"),
        (
            "StartMessageMoveTask", {"SourceArn": arn("dead"), "DestinationArn": arn("none")}, 404,
            "for the DestinationArn parameter",
        ),
        (
            "StartMessageMoveTask", {"SourceArn": arn("dead"), "MaxNumberOfMessagesPerSecond": 501},
            400, "between 1 and 500",
        ),
        ("ListMessageMoveTasks", {"SourceArn": arn("none")}, 404, "for the SourceArn parameter"),
        ("ListMessageMoveTasks", {"SourceArn": arn("dead"), "MaxResults": 11}, 400, "1 and 10"),
        ("CancelMessageMoveTask", {"TaskHandle": "x"}, 400, "TaskHandle is invalid"),
        (
            "CancelMessageMoveTask",
            {"TaskHandle": base64.b64encode(
                json.dumps({"taskId": "t", "sourceArn": arn("dead")}).encode()
            ).decode()},
            404, "Task does not exist",
        ),
    ],
)  # fmt: skip
def test_tasks_that_are_refused(
    queues: Queues, operation: str, given: Doc, status: int, says: str
) -> None:
    queues.create("plain")
    queues.create("dead")
    queues.create("source", "dead")
    with pytest.raises(AwsError, match=says) as caught:
        queues.call(operation, **given)
    assert caught.value.status == status


def test_permissions_by_labels(queues: Queues) -> None:
    url = queues.create("shared")
    given = {"QueueUrl": url, "Label": "friend", "AWSAccountIds": ["210987654321"]}
    queues.call("AddPermission", **given, Actions=["SendMessage", "ReceiveMessage"])
    row = queues.world.rows.get(ACCOUNT, REGION, "queue", "shared")
    assert row is not None
    assert json.loads(row.doc["Policy"]) == {
        "Version": "2008-10-17",
        "Id": f"{arn('shared')}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "friend",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                "Action": ["SQS:SendMessage", "SQS:ReceiveMessage"],
                "Resource": arn("shared"),
            }
        ],
    }
    for more, says in (
        ({"Actions": ["SendMessage"]}, "Already exists"),
        ({"Actions": ["DeleteQueue"], "Label": "x"}, "Only the queue owner"),
        ({"Actions": ["Nonsense"], "Label": "x"}, "Only the queue owner"),
        ({"Actions": ["SendMessage"], "Label": "a b"}, "alphanumeric"),
        ({"Actions": ["*"], "Label": "x", "AWSAccountIds": ["me"]}, "Unable to verify"),
    ):
        with pytest.raises(AwsError, match=says):
            queues.call("AddPermission", **{**given, **more})
    queues.call("RemovePermission", QueueUrl=url, Label="friend")
    shown = queues.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"])
    assert shown == {}
    with pytest.raises(AwsError, match="can't find label"):
        queues.call("RemovePermission", QueueUrl=url, Label="friend")
