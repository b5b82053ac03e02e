"""The outbox: what is put arrives once it is committed, or is tried again, or goes to the dead letters."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from sagebrush.engine.outbox import AHEAD, EACH, GIVE_UP, LONG, LONG_EACH
from sagebrush.engine.targets import sending
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.store.deliveries import UNIVERSAL, Delivery, Waiting
from sagebrush.store.events import Event
from sagebrush.world import Ctx, World
from tests.conftest import Clock
from tests.engine.outboxworld import EVENTS, OutboxWorld, event, policy, said
from tests.waiting import until


@pytest.fixture
def things(settings: Settings, clock: Clock) -> Iterator[OutboxWorld]:
    made = OutboxWorld(settings, clock)
    yield made
    made.outbox.stop()
    made.app.stop()


# Sending ------------------------------------------------------------------------------------------


def test_an_event_becomes_its_deliveries_once(things: OutboxWorld) -> None:
    first, second = things.queue("a", EVENTS), things.queue("b", EVENTS)

    def consume(world: World, event: Event) -> list[Delivery]:
        return [things.delivery(each, json.dumps(event.detail)) for each in (first, second)]

    things.consumers = [consume, lambda world, event: []]
    things.world.events.put([event(1), event(2)]).result()
    assert things.outbox.run_once() == 4
    assert things.outbox.run_once() == 0
    assert things.bodies("a") == things.bodies("b") == ['{"number": 1}', '{"number": 2}']
    assert things.world.events.next_due() is None


def test_a_topic_passes_it_on(things: OutboxWorld) -> None:
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


# Failures -----------------------------------------------------------------------------------------


def test_what_throttles_is_tried_again_until_it_does_not(things: OutboxWorld) -> None:
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
    things: OutboxWorld, terms: Doc, condition: str, retried: str
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


def test_a_target_that_is_gone_and_a_dead_letter_queue_that_is(things: OutboxWorld) -> None:
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


def test_a_consumer_that_raises_is_asked_again(things: OutboxWorld) -> None:
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


def test_a_slow_target_holds_up_no_other(things: OutboxWorld) -> None:
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
    assert len(things.outbox._lanes[slow].ready) <= AHEAD, "what waits is read a few at a time"
    go.set()
    until(things.outbox.idle, "all is sent")
    assert sorted(map(int, things.bodies("slow"))) == list(range(100))
    assert things.world.deliveries.count() == 0


def test_message_groups_keep_their_order(things: OutboxWorld) -> None:
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
    things = OutboxWorld(settings, clock)
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target))
    things.world.events.put([event()]).result()
    things.app.stop()
    things = OutboxWorld(settings, clock)
    things.consumers = [lambda world, event: [things.delivery(target, "event")]]
    things.outbox.start()
    until(lambda: len(things.bodies("q")) == 2, "it arrives")
    assert sorted(things.bodies("q")) == ["event", "text"]
    things.outbox.stop()
    things.app.stop()


def test_operations_that_take_long_leave_threads_to_others(things: OutboxWorld) -> None:
    go, guard, now = threading.Event(), threading.Lock(), Counter[str]()

    def wait(waiting: Waiting) -> None:
        with guard:
            now[waiting.delivery.account] += 1
        assert go.wait(20)

    def send(world: World, waiting: Waiting) -> None:
        if waiting.delivery.target.startswith(UNIVERSAL):
            wait(waiting)

    one = things.delivery("aws-sdk:lambda:Invoke", "{}")
    slow = [
        replace(one, account=account, dead_attributes={"SCHEDULE_ARN": f"{account}/{n}"})
        for account in ("1", "2", "3")
        for n in range(20)
    ]
    with patch.object(sending, "send", send):
        things.put(*slow)
        things.outbox.start()
        until(lambda: now.total() == LONG, "as many as may wait")
        assert set(now.values()) == {LONG_EACH}
        things.put(*(things.delivery(things.queue(f"q{n}", EVENTS)) for n in range(50)))
        until(lambda: things.world.deliveries.count() == len(slow), "the others arrive")
        assert now.total() == LONG
        go.set()
        until(things.outbox.idle, "all is sent")
    assert now == {"1": 20, "2": 20, "3": 20}
    assert things.world.deliveries.count() == 0
