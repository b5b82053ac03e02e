"""The outbox: what is put arrives once it is committed, as who sends may, or goes to the dead letters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sagebrush.app import App, build
from sagebrush.engine.outbox import EACH, GIVE_UP, Outbox
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import Delivery
from sagebrush.store.events import Event, Events, Interest
from sagebrush.world import Ctx, World
from tests.conftest import Clock
from tests.waiting import until

RULE = "arn:aws:events:us-east-1:000000000000:rule/x"
EVENTS = "events.amazonaws.com"


class Fixture:
    """A world whose outbox runs when told, with queues by their names."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.app: App = build(settings, clock)
        self.world: World = self.app.world
        self.consumers: list[Callable[[World, Event], Sequence[Delivery]]] = []
        self.world.events = Events(self.world.db, clock, {}, Interest(always=True))
        self.outbox = Outbox(self.world, [self._consume], lambda: 1.0)
        self.ctx: Ctx = self.world.service_ctx()

    def _consume(self, world: World, event: Event) -> list[Delivery]:
        return [each for consumer in self.consumers for each in consumer(world, event)]

    def queue(self, name: str, *services: str) -> str:
        """The ARN of a new queue to which the services may send for RULE."""
        arn = f"arn:aws:sqs:{self.ctx.region}:{self.ctx.account}:{name}"
        given: Doc = {"QueueName": name}
        if services:
            given["Attributes"] = {"Policy": policy(arn, "sqs:SendMessage", *services)}
        self.ctx.call("sqs", "CreateQueue", given)
        return arn

    def delivery(self, target: str, payload: str = "text", **given: Any) -> Delivery:
        whole = {"source_arn": RULE, **given}
        return Delivery(self.ctx.account, self.ctx.region, target, payload, EVENTS, **whole)

    def put(self, *deliveries: Delivery) -> None:
        self.world.deliveries.put(deliveries).result()

    def bodies(self, name: str) -> list[str]:
        """The messages of the queue, in the order in which they were sent; they stay."""
        return [each.body for each in self.messages(name)]

    def messages(self, name: str) -> list[Any]:
        row = self.world.rows.get(self.ctx.account, self.ctx.region, "queue", name)
        assert row is not None
        return self.world.messages.peek(row.id, 0, 1000)

    def answers(self, service: str, name: str, with_: Callable[[Ctx, Doc], Doc]) -> None:
        """The operation is another."""
        self.world.operations[service, name] = with_


def policy(arn: str, action: str, *services: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": action,
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def things(settings: Settings, clock: Clock) -> Iterator[Fixture]:
    made = Fixture(settings, clock)
    yield made
    made.outbox.stop()
    made.app.stop()


def event(number: int = 0) -> Event:
    return Event("000000000000", "us-east-1", "mine", "Made", {"number": number})


def said(message: Any) -> dict[str, str]:
    return {k: v["StringValue"] for k, v in message.more["attributes"].items()}


# Sending ------------------------------------------------------------------------------------------


def test_an_event_becomes_its_deliveries_once(things: Fixture) -> None:
    first, second = things.queue("a", EVENTS), things.queue("b", EVENTS)

    def consume(world: World, event: Event) -> list[Delivery]:
        return [things.delivery(each, json.dumps(event.detail)) for each in (first, second)]

    things.consumers = [consume, lambda world, event: []]
    things.world.events.put([event(1), event(2)]).result()
    assert things.outbox.run_once() == 4
    assert things.outbox.run_once() == 0
    assert things.bodies("a") == things.bodies("b") == ['{"number": 1}', '{"number": 2}']
    assert things.world.events.next_due() is None


def test_a_topic_passes_it_on(things: Fixture) -> None:
    topic = things.ctx.call("sns", "CreateTopic", {"Name": "t"})["TopicArn"]
    things.put(things.delivery(topic, "refused"))
    things.ctx.call(
        "sns",
        "SetTopicAttributes",
        {
            "TopicArn": topic,
            "AttributeName": "Policy",
            "AttributeValue": policy(topic, "sns:Publish", EVENTS),
        },
    )
    queue = things.queue("q")
    statement = json.loads(policy(queue, "sqs:SendMessage", "sns.amazonaws.com"))
    statement["Statement"][0]["Condition"] = {"ArnEquals": {"aws:SourceArn": topic}}
    url = f"https://sqs/{things.ctx.account}/q"
    attributes = {"Policy": json.dumps(statement)}
    things.ctx.call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": attributes})
    things.ctx.call(
        "sns", "Subscribe", {"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue,
                             "Attributes": {"RawMessageDelivery": "true"}}
    )  # fmt: skip
    things.put(things.delivery(topic, "passed", options={"Subject": "s"}))
    things.outbox.run_once()
    assert things.bodies("q") == ["refused", "passed"]


def test_without_a_policy_of_the_target_nothing_arrives(things: Fixture) -> None:
    dead = things.queue("dead", EVENTS)
    for target in (things.queue("q"), things.queue("other", "s3.amazonaws.com")):
        things.put(things.delivery(target, target, dead_letter=dead))
    things.outbox.run_once()
    assert things.bodies("q") == things.bodies("other") == []
    letters = {each.body: said(each) for each in things.messages("dead")}
    assert [each["ERROR_CODE"] for each in letters.values()] == ["NO_PERMISSIONS"] * 2
    assert all(
        each["RULE_ARN"] == RULE and each["TARGET_ARN"] == arn for arn, each in letters.items()
    )
    assert all("EXHAUSTED_RETRY_CONDITION" not in each for each in letters.values())


def test_a_role_sends_what_it_may_where_the_service_may_assume_it(things: Fixture) -> None:
    def role(name: str, service: str, action: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        given = {"RoleName": name, "AssumeRolePolicyDocument": document}
        arn = things.ctx.call("iam", "CreateRole", given)["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": action, "Resource": "*"}
        things.ctx.call(
            "iam", "PutRolePolicy", {"RoleName": name, "PolicyName": "p", "PolicyDocument":
                                     json.dumps({"Version": "2012-10-17", "Statement": [allowed]})}
        )  # fmt: skip
        return arn

    target, dead = things.queue("q"), things.queue("dead", EVENTS)
    roles = [
        role("good", EVENTS, "sqs:SendMessage"),
        role("strange", "s3.amazonaws.com", "sqs:SendMessage"),
        role("poor", EVENTS, "sqs:ReceiveMessage"),
        f"arn:aws:iam::{things.ctx.account}:role/none",
    ]
    things.put(*(things.delivery(target, arn, role=arn, dead_letter=dead) for arn in roles))
    things.outbox.run_once()
    assert things.bodies("q") == roles[:1]
    codes = {each.body: said(each)["ERROR_CODE"] for each in things.messages("dead")}
    assume = "FAILED_TO_ASSUME_ROLE"
    assert codes == dict(zip(roles[1:], (assume, "NO_PERMISSIONS", assume), strict=True))


# Failures -----------------------------------------------------------------------------------------


def test_what_throttles_is_tried_again_until_it_does_not(things: Fixture) -> None:
    target, operation = things.queue("q", EVENTS), things.world.operations["sqs", "SendMessage"]
    left = [AwsError("ThrottlingException", "slow", 400), AwsError("InternalFailure", "x", 500)]

    def send(ctx: Ctx, request: Doc) -> Any:
        if left:
            raise left.pop()
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.put(things.delivery(target))
    assert [things.outbox.run_once() for _ in range(2)] == [1, 0]
    things.clock.forward(1.0)
    assert [things.outbox.run_once() for _ in range(2)] == [1, 0]
    things.clock.forward(1.0)
    assert things.outbox.run_once() == 0, "pauses grow"
    things.clock.forward(1.0)
    assert things.outbox.run_once() == 1
    assert things.bodies("q") == ["text"]
    assert things.world.deliveries.count() == 0


@pytest.mark.parametrize(
    ("terms", "condition", "retried"),
    [
        ({"retries": 2}, "MaximumRetryAttempts", "2"),
        ({"max_age": 60.0}, "MaximumEventAgeInSeconds", "1"),
    ],
)
def test_what_stays_throttled_is_given_up(
    things: Fixture, terms: Doc, condition: str, retried: str
) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:t"

    def publish(ctx: Ctx, request: Doc) -> Doc:
        raise AwsError("ThrottledException", "slow", 429)

    things.answers("sns", "Publish", publish)
    things.put(things.delivery(topic, dead_letter=things.queue("dead", EVENTS), **terms))
    for _ in range(4):
        things.outbox.run_once()
        things.clock.forward(61.0)
    (letter,) = things.messages("dead")
    assert letter.body == "text"
    assert said(letter)["EXHAUSTED_RETRY_CONDITION"] == condition
    assert said(letter)["RETRY_ATTEMPTS"] == retried
    assert said(letter)["ERROR_CODE"] == "THROTTLING"


def test_a_target_that_is_gone_and_a_dead_letter_queue_that_is(things: Fixture) -> None:
    gone = "arn:aws:sqs:us-east-1:000000000000:gone"
    things.put(
        things.delivery(gone, "first", dead_letter=things.queue("dead", EVENTS)),
        things.delivery(gone, "second", dead_letter=gone),
        things.delivery(gone, "third"),
    )
    things.outbox.run_once()
    assert things.world.deliveries.count() == 0
    (letter,) = things.messages("dead")
    assert (letter.body, said(letter)["ERROR_CODE"]) == ("first", "NO_RESOURCE")
    assert "The specified queue does not exist." in said(letter)["ERROR_MESSAGE"]


def test_a_consumer_that_raises_is_asked_again(things: Fixture) -> None:
    target = things.queue("q", EVENTS)
    raised: list[int] = []

    def consume(world: World, event: Event) -> list[Delivery]:
        if event.detail["number"] == 1 or not raised:
            raised.append(event.detail["number"])
            raise ValueError("a bad rule")
        return [things.delivery(target, str(event.detail["number"]))]

    things.consumers = [consume]
    things.world.events.put([event(0), event(1), event(2)]).result()
    assert things.outbox.run_once() == 1, "one bad event holds up no other"
    for _ in range(GIVE_UP):
        things.clock.forward(61.0)
        things.outbox.run_once()
    assert things.bodies("q") == ["2", "0"]
    assert raised == [0] + [1] * GIVE_UP
    assert things.world.events.next_due() is None


# Running ------------------------------------------------------------------------------------------


def test_a_slow_target_holds_up_no_other(things: Fixture) -> None:
    slow, quick = things.queue("slow", EVENTS), things.queue("quick", EVENTS)
    operation, go = things.world.operations["sqs", "SendMessage"], threading.Event()
    most, now, guard = [0], [0], threading.Lock()

    def send(ctx: Ctx, request: Doc) -> Any:
        if request["QueueUrl"].endswith("/slow"):
            with guard:
                now[0] += 1
                most[0] = max(most[0], now[0])
            assert go.wait(20)
            with guard:
                now[0] -= 1
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.put(*(things.delivery(slow, str(n)) for n in range(100)))
    things.outbox.start()
    things.put(*(things.delivery(quick, str(n)) for n in range(50)))
    until(lambda: len(things.bodies("quick")) == 50, "it arrives")
    assert len(things.bodies("quick")) == 50
    assert (things.bodies("slow"), most[0]) == ([], EACH)
    go.set()
    until(things.outbox.idle, "all is sent")
    assert sorted(map(int, things.bodies("slow"))) == list(range(100))
    assert things.world.deliveries.count() == 0


def test_message_groups_keep_their_order(things: Fixture) -> None:
    seen: dict[str, list[int]] = {}
    failed: set[str] = set()
    guard = threading.Lock()

    def send(ctx: Ctx, request: Doc) -> Doc:
        group, number = request["MessageGroupId"], int(request["MessageBody"])
        with guard:
            if number == 3 and group not in failed:
                failed.add(group)
                raise AwsError("ThrottlingException", "slow")
            seen.setdefault(group, []).append(number)
        return {"MessageId": "x", "MD5OfMessageBody": "x"}

    things.answers("sqs", "SendMessage", send)
    fifo = things.delivery("arn:aws:sqs:us-east-1:000000000000:q.fifo")
    fifo = replace(fifo, role="")
    things.put(
        *(
            replace(fifo, payload=str(number), options={"MessageGroupId": f"g{group}"})
            for number in range(6)
            for group in range(20)
        )
    )
    things.outbox.start()
    until(things.outbox.idle, "all is sent")
    assert seen == {f"g{group}": [0, 1, 2] for group in range(20)}
    things.clock.forward(2.0)
    things.put(replace(fifo, payload="0", options={"MessageGroupId": "new"}))
    until(lambda: things.world.deliveries.count() == 0, "it arrives")
    assert seen == {f"g{group}": list(range(6)) for group in range(20)} | {"new": [0]}


def test_what_another_server_left_is_sent(settings: Settings, clock: Clock) -> None:
    things = Fixture(settings, clock)
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target))
    things.world.events.put([event()]).result()
    things.app.stop()
    things = Fixture(settings, clock)
    things.consumers = [lambda world, event: [things.delivery(target, "event")]]
    things.outbox.start()
    until(lambda: len(things.bodies("q")) == 2, "it arrives")
    assert sorted(things.bodies("q")) == ["event", "text"]
    things.outbox.stop()
    things.app.stop()
