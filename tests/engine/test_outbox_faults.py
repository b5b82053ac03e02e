"""The outbox through kills, clocks that were set and emptied accounts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.engine.outbox import Outbox
from sagebrush.errors import AwsError, Doc
from sagebrush.settings import Settings
from sagebrush.world import Ctx
from tests.conftest import Clock
from tests.engine.outboxworld import EVENTS, OutboxWorld
from tests.waiting import until


@pytest.fixture
def things(settings: Settings, clock: Clock) -> Iterator[OutboxWorld]:
    made = OutboxWorld(settings, clock)
    yield made
    made.outbox.stop()
    made.app.stop()


def test_a_server_that_dies_between_the_send_and_its_note_sends_again(things: OutboxWorld) -> None:
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target))
    done = things.world.deliveries.done

    class Killed(BaseException):
        """The end of the process."""

    def die(number: int) -> None:
        raise Killed

    things.world.deliveries.done = die  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(Killed):
        things.outbox.run_once()
    things.world.deliveries.done = done  # pyright: ignore[reportAttributeAccessIssue]
    Outbox(things.world, []).run_once()
    assert things.bodies("q") == ["text", "text"]
    assert things.world.deliveries.count() == 0


def test_a_clock_that_was_set_back_delays_nothing(things: OutboxWorld) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:t"

    def publish(ctx: Ctx, request: Doc) -> Doc:
        if tried.append(1) is None and len(tried) == 1:
            raise AwsError("ThrottledException", "slow", 429)
        return {}

    tried: list[int] = []
    things.answers("sns", "Publish", publish)
    things.queue("q")
    things.app.loop.run_once()
    things.put(things.delivery(topic))
    things.outbox.run_once()
    things.clock.forward(-7200.0)
    assert things.outbox.run_once() == 0
    things.app.loop.run_once()
    assert things.outbox.run_once() == 1
    assert things.world.deliveries.count() == 0


def test_what_no_server_could_send_in_time_is_tried_once(things: OutboxWorld) -> None:
    target = things.queue("q", EVENTS)
    things.put(things.delivery(target, max_age=60.0))
    things.clock.forward(200_000.0)
    things.outbox.run_once()
    assert things.bodies("q") == ["text"]


def test_nothing_of_before_arrives_after_the_accounts_were_emptied(things: OutboxWorld) -> None:
    target, operation = things.queue("q", EVENTS), things.world.operations["sqs", "SendMessage"]
    there, go = threading.Event(), threading.Event()

    def send(ctx: Ctx, request: Doc) -> Any:
        there.set()
        assert go.wait(20)
        return operation(ctx, request)

    things.answers("sqs", "SendMessage", send)
    things.outbox.start()
    things.put(*(things.delivery(target, str(n)) for n in range(50)))
    assert there.wait(10)
    things.world.reset()
    things.queue("q", EVENTS)
    go.set()
    things.put(things.delivery(target, "new"))
    until(lambda: things.bodies("q"), "it arrives")
    until(things.outbox.idle, "all is sent")
    assert things.bodies("q") == ["new"]
    assert things.world.deliveries.count() == 0
