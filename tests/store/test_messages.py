"""Durable messages, by a clock that the test passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.store.db import Db
from sagebrush.store.messages import Counts, Messages, Redrive, Send
from sagebrush.store.rows import Row, Rows
from tests.conftest import Clock


class Queues:
    """The queues `a` and `b`, and what they are asked."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home, self.clock = home, clock
        self.db = Db(home / "db")
        self.rows = Rows(self.db, clock)
        self.messages = Messages(self.db, clock)
        self.a, self.b = (
            self.rows.insert(Row("1", "r", "queue", name, "Active", {})).id for name in "ab"
        )

    def send(self, *bodies: str, delay: float = 0.0, keep: float = 1000.0) -> None:
        self.messages.put(self.a, [Send(f"u-{b}", b, {}, delay, keep) for b in bodies]).result()

    def receive(
        self, most: int = 10, hidden: float = 30.0, redrive: Redrive | None = None, queue: int = 0
    ) -> list[str]:
        found = self.messages.receive(queue or self.a, most, hidden, redrive).result()
        return [f"{m.body}{m.received}" for m in found]


@pytest.fixture
def queues(tmp_path: Path, clock: Clock) -> Iterator[Queues]:
    made = Queues(tmp_path, clock)
    yield made
    made.db.close()


def test_messages_come_in_order_and_are_hidden_meanwhile(queues: Queues) -> None:
    queues.send("x", "y", "z")
    assert queues.receive(2) == ["x1", "y1"]
    assert queues.receive() == ["z1"]
    assert queues.receive() == []
    queues.clock.forward(29.9)
    assert queues.receive() == []
    queues.clock.forward(0.2)
    assert queues.receive() == ["x2", "y2", "z2"]


def test_only_the_last_receiver_deletes(queues: Queues) -> None:
    queues.send("x")
    (first,) = queues.messages.receive(queues.a, 1, 5.0).result()
    queues.clock.forward(6)
    (second,) = queues.messages.receive(queues.a, 1, 5.0).result()
    assert queues.messages.delete(queues.a, [(first.id, first.received)]).result() == 0
    assert queues.messages.delete(queues.b, [(second.id, second.received)]).result() == 0
    assert queues.messages.delete(queues.a, [(second.id, second.received)]).result() == 1
    assert second.first == first.first == first.sent


def test_a_message_that_is_hidden_for_no_time_is_received_once_at_a_time(queues: Queues) -> None:
    queues.send("x")
    assert queues.receive(10, hidden=0.0) == ["x1"]
    queues.clock.forward(0.001)
    assert queues.receive(10, hidden=0.0) == ["x2"]


def test_visibility_is_changed_while_in_flight_only(queues: Queues) -> None:
    queues.send("x")
    (held,) = queues.messages.receive(queues.a, 1, 5.0).result()
    assert queues.messages.hide(queues.a, (held.id, 1), 60.0).result()
    queues.clock.forward(59)
    assert queues.receive() == []
    queues.clock.forward(2)
    assert not queues.messages.hide(queues.a, (held.id, 1), 60.0).result()
    assert queues.receive() == ["x2"]


def test_delays_retention_and_counts(queues: Queues) -> None:
    queues.send("late", delay=10.0)
    queues.send("short", keep=5.0)
    queues.send("x")
    assert queues.receive(1) == ["short1"]
    assert queues.messages.counts(queues.a) == Counts(1, 1, 1)
    queues.clock.forward(40)
    assert queues.receive() == ["late1", "x1"]  # in the order in which they were sent
    assert queues.messages.expire() == 1
    queues.messages.retain(queues.a, 30.0)
    assert queues.messages.expire() == 2


def test_too_many_receives_move_a_message(queues: Queues) -> None:
    queues.send("x", "y")
    redrive = Redrive(queues.b, 2, {"from": "a"})
    for number in (1, 2):
        assert queues.receive(redrive=redrive) == [f"x{number}", f"y{number}"]
        queues.clock.forward(31)
    queues.send("z")
    assert queues.receive(1, redrive=redrive) == ["z1"]  # the two have made room for it
    (x, y) = queues.messages.receive(queues.b, 10, 1.0).result()
    assert (x.body, x.more, x.uid, y.body) == ("x", {"from": "a"}, "u-x", "y")
    queues.rows.delete(queues.b)
    queues.clock.forward(31)
    assert queues.receive(redrive=Redrive(queues.b, 0)) == ["z2"]  # there is nowhere to go


def test_a_queue_takes_its_messages_along(queues: Queues) -> None:
    queues.send("x")
    queues.rows.delete(queues.a)
    assert queues.messages.put(queues.a, [Send("u", "b")]).result() == 0
    assert queues.messages.queues() == []


def test_what_was_acknowledged_is_there_after_a_restart(queues: Queues) -> None:
    queues.send("x", "y")
    queues.receive(1)
    again = Db(queues.home / "db")
    found = Messages(again, queues.clock)
    assert found.size(queues.a) == (2, queues.clock())
    assert [m.body for m in found.peek(queues.a, 0, 10)] == ["x", "y"]
    assert found.peek(queues.a, found.peek(queues.a, 0, 1)[0].id, 10)[0].body == "y"
    again.close()


def test_deadlines(queues: Queues) -> None:
    sends = [Send(f"u{n}", str(n), deadline=d) for n, d in enumerate([50.0, 10.0, None, 20.0])]
    queues.messages.put(queues.a, sends).result()
    assert queues.messages.next_deadline(queues.a) == queues.clock() + 10
    queues.clock.forward(20)
    assert [m.body for m in queues.messages.overdue(queues.a, 10)] == ["1", "3"]
    assert queues.messages.next_deadline(queues.a) == queues.clock() + 30
    assert queues.messages.next_deadline(queues.b) is None


def test_who_waits_is_told_after_the_commit(queues: Queues) -> None:
    told: list[tuple[str, int]] = []
    messages = queues.messages
    with messages.listening(queues.a, lambda q: told.append(("a", messages.size(q)[0]))):
        with messages.listening(None, lambda q: told.append(("all", messages.size(q)[0]))):
            queues.send("x", "y")
            queues.db.write(lambda _: None)  # the writer tells before it goes on
            assert sorted(told) == [("a", 2), ("all", 2)]
            messages.put(queues.b, [Send("u", "b")]).result()
            queues.db.write(lambda _: None)
        assert told[2:] == [("all", 1)]
        queues.db.write(lambda tx: messages.put_in(tx, queues.a, [Send("u", "z")]))
        assert len(told) == 3  # its caller tells
        queues.messages.close()
        assert queues.messages.closed
        assert len(told) == 4
    queues.send("w")
    queues.db.write(lambda _: None)
    assert len(told) == 4


def test_the_time_when_a_hidden_message_comes_back(queues: Queues) -> None:
    queues.send("x", "y")
    assert queues.messages.next_visible(queues.a) is None
    assert queues.messages.any_visible(queues.a)
    queues.receive(1, hidden=7.0)
    queues.receive(1, hidden=3.0)
    assert queues.messages.next_visible(queues.a) == queues.clock() + 3
    assert not queues.messages.any_visible(queues.a)


def test_a_clock_that_is_set_back_leaves_messages_as_they_were(queues: Queues) -> None:
    queues.send("taken", keep=4000.0)
    queues.clock.forward(3590)
    assert queues.receive(hidden=30.0) == ["taken1"]
    queues.send("late", delay=20.0)
    queues.send("new", keep=100.0)
    queues.messages.put(queues.a, [Send("u", "timed", deadline=50.0)]).result()
    told: list[int] = []
    with queues.messages.listening(queues.a, told.append):
        queues.clock.now -= 3600
        assert queues.receive(hidden=5.0) == []
        assert queues.messages.set_back(3600.0) == 4
    assert told == [queues.a]
    assert queues.receive(hidden=5.0) == ["new1", "timed1"]
    assert queues.messages.next_deadline(queues.a) == queues.clock() + 50
    queues.clock.forward(21)
    assert queues.receive(hidden=500.0) == ["late1", "new2", "timed2"]
    queues.clock.forward(10)
    assert queues.receive(hidden=500.0) == ["taken2"]
    queues.clock.forward(80)
    assert queues.messages.expire() == 1  # the one that is kept for 100 seconds
    assert queues.messages.set_back(3600.0) == 3, "those in flight come again, at the worst"


def test_what_was_sent_after_a_clock_was_set_back_is_left_alone(queues: Queues) -> None:
    queues.send("before")
    queues.clock.now -= 3600
    queues.messages.put(queues.a, [Send("u", "after", {}, 20.0, 60.0, 50.0)]).result()
    queues.messages.set_back(3600.0)
    assert queues.receive(hidden=500.0) == ["before1"]
    assert queues.messages.next_deadline(queues.a) == queues.clock() + 50
    queues.clock.forward(21)
    assert queues.receive() == ["after1"]
