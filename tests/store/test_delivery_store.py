"""Deliveries: lanes, order within a message group, tries, and what takes their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.store.db import Db
from sagebrush.store.deliveries import Deliveries, Delivery, ordered, target_of

QUEUE = "arn:aws:sqs:r:1:q"
ONE = Delivery("1", "r", QUEUE, "text", "events.amazonaws.com")


class Fixture:
    """Deliveries, and the lanes that were told of."""

    def __init__(self, home: Path) -> None:
        self.now = 1000.0
        self.db = Db(home / "db")
        self.deliveries = Deliveries(self.db, lambda: self.now)
        self.told: list[str] = []
        self.deliveries.stored = self.told.extend


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.db.close()


def test_a_delivery_is_read_as_it_was_put(things: Fixture) -> None:
    whole = replace(
        ONE, source_arn="s", role="role", options={"Subject": "x"}, retries=3, max_age=60.0,
        dead_letter="d", dead_attributes={"a": "b"}, payload='{"é": 1}',
    )  # fmt: skip
    things.deliveries.put([whole, ONE]).result()
    assert things.told == [QUEUE]
    found = things.deliveries.due(QUEUE, 9)
    assert [each.delivery for each in found] == [whole, ONE]
    assert [(each.made, each.attempts) for each in found] == [(1000.0, 0)] * 2


def test_retried_ones_come_after_and_hold_up_nobody(things: Fixture) -> None:
    things.deliveries.put([replace(ONE, payload=text) for text in "ab"]).result()
    first = things.deliveries.due(QUEUE, 1)[0]
    things.deliveries.retry(first.id, 1005.0)
    assert [each.delivery.payload for each in things.deliveries.due(QUEUE, 9)] == ["b"]
    things.deliveries.done(things.deliveries.due(QUEUE, 9)[0].id)
    assert things.deliveries.next_due(QUEUE) == 1005.0
    things.now = 1005.0
    assert [each.attempts for each in things.deliveries.due(QUEUE, 9)] == [1]


def test_a_message_group_waits_for_its_first(things: Fixture) -> None:
    group = replace(ONE, target=f"{QUEUE}.fifo", options={"MessageGroupId": "g"})
    things.deliveries.put([replace(group, payload=text) for text in "ab"]).result()
    (lane,) = things.deliveries.lanes()
    assert (ordered(lane), target_of(lane)) == (True, f"{QUEUE}.fifo")
    assert not ordered(replace(group, target=QUEUE).lane), "fair queues have groups without order"
    first = things.deliveries.due(lane, 9)[0]
    things.deliveries.retry(first.id, 1005.0)
    assert (things.deliveries.due(lane, 9), things.deliveries.next_due(lane)) == ([], 1005.0)
    things.now = 1005.0
    assert [each.delivery.payload for each in things.deliveries.due(lane, 9)] == ["a", "b"]


def test_a_dead_letter_takes_its_place_once(things: Fixture) -> None:
    things.deliveries.put([ONE]).result()
    (found,) = things.deliveries.due(QUEUE, 9)
    other = replace(ONE, target="arn:aws:sqs:r:1:dead")
    assert things.deliveries.give_up(found.id, [other])
    assert not things.deliveries.give_up(found.id, [other])
    assert things.deliveries.lanes() == [other.target]
    assert things.deliveries.count() == 1


def test_a_clock_that_was_set_back(things: Fixture) -> None:
    things.deliveries.put([ONE]).result()
    things.deliveries.retry(things.deliveries.due(QUEUE, 1)[0].id, 1500.0)
    things.now = 100.0
    things.deliveries.set_back(900.0)
    assert things.told[-1] == QUEUE
    assert [(each.made, each.due) for each in things.deliveries.due(QUEUE, 1)] == [(100.0, 100.0)]
