"""Messages of FIFO queues, by a clock that the test passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.store.db import Db
from sagebrush.store.fifo import Place
from sagebrush.store.messages import Message, Messages, Redrive, Send
from sagebrush.store.rows import Row, Rows
from tests.conftest import Clock


class Fifo:
    """The FIFO queue `a` and its dead-letter queue `b`."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.clock, self.db = clock, Db(home / "db")
        self.rows, self.messages = Rows(self.db, clock), Messages(self.db, clock)
        self.a, self.b = (
            self.rows.insert(Row("1", "r", "queue", name, "Active", {})).id for name in "ab"
        )

    def send(self, text: str, token: str = "", scope: str = "", delay: float = 0.0) -> str:
        """Sends `group+body`; the uid that is answered."""
        group = text[0]
        place = Place(group, token or text, scope)
        send = Send(f"u-{text}-{self.clock()}", text, {"token": place.token}, delay, place=place)
        (stored,) = self.messages.put_in_order(self.a, [send]).result()
        assert stored.repeated == (stored.uid != send.uid)
        return stored.uid

    def held(
        self, most: int = 10, attempt: str = "", redrive: Redrive | None = None, queue: int = 0
    ) -> list[Message]:
        work = self.messages.receive_in_order(queue or self.a, most, 30.0, redrive, attempt)
        return work.result()

    def receive(self, *given: object, **more: object) -> list[str]:
        return [message.body for message in self.held(*given, **more)]  # type: ignore[arg-type]

    def delete(self, *held: Message) -> list[bool]:
        done = self.messages.delete_in_order(self.a, [(m.id, m.received) for m in held])
        return done.result()


@pytest.fixture
def fifo(tmp_path: Path, clock: Clock) -> Iterator[Fifo]:
    made = Fifo(tmp_path, clock)
    yield made
    made.db.close()


def test_a_group_waits_for_its_message_in_flight(fifo: Fifo) -> None:
    for text in ("x1", "x2", "y1", "x3", "y2"):
        fifo.send(text)
    (x1,) = fifo.held(1)
    assert fifo.receive(1) == ["y1"]
    assert fifo.receive() == []
    assert fifo.delete(x1) == [True]
    assert fifo.receive() == ["x2", "x3"]
    fifo.clock.forward(31)
    assert fifo.receive() == ["x2", "y1", "x3", "y2"]


def test_one_answer_has_a_groups_messages_in_order_and_the_rest_wait(fifo: Fifo) -> None:
    for text in ("x1", "x2", "x3"):
        fifo.send(text)
    x1, x2 = fifo.held(2)
    assert (x1.body, x2.body) == ("x1", "x2")
    assert fifo.delete(x1) == [True]
    assert fifo.receive() == []  # x2 is in flight still
    assert fifo.delete(x2) == [True]
    assert fifo.receive() == ["x3"]


def test_a_message_whose_time_is_up_is_not_deleted_by_its_late_receiver(fifo: Fifo) -> None:
    fifo.send("x1")
    (late,) = fifo.held()
    fifo.clock.forward(31)
    assert fifo.delete(late) == [False]
    (again,) = fifo.held()
    assert fifo.delete(late) == [False]
    assert fifo.delete(again) == [True]
    assert fifo.delete(again) == [True]  # what is gone is gone


def test_five_minutes_of_deduplication(fifo: Fifo) -> None:
    first = fifo.send("x1", "t")
    (held,) = fifo.held()
    assert fifo.delete(held) == [True]
    fifo.clock.forward(299)
    assert fifo.send("y1", "t") == first  # of another group, and the first one was received
    assert fifo.receive() == []
    fifo.clock.forward(2)
    assert fifo.send("y1", "t") != first
    assert fifo.receive() == ["y1"]


def test_deduplication_within_a_group(fifo: Fifo) -> None:
    first = fifo.send("x1", "t", scope="x")
    assert fifo.send("y1", "t", scope="y") != first
    assert fifo.send("x2", "t", scope="x") == first
    assert fifo.receive() == ["x1", "y1"]


def test_one_transaction_sends_a_repeated_message_once(fifo: Fifo) -> None:
    place = Place("x", "t")
    sends = [Send(uid, uid, {}, place=place) for uid in ("a", "b")]
    a, b = fifo.messages.put_in_order(fifo.a, sends).result()
    assert (a.uid, a.repeated, b.uid, b.repeated, a.id) == ("a", False, "a", True, b.id)
    gone = fifo.messages.put_in_order(fifo.b + 1, sends).result()
    assert gone == []


def test_what_is_expired_is_remembered_no_longer(fifo: Fifo) -> None:
    fifo.send("x1")
    fifo.clock.forward(301)
    fifo.messages.expire()
    assert fifo.db.read("SELECT count(*) AS n FROM deduplication")[0]["n"] == 0


def test_a_delayed_message_is_not_overtaken(fifo: Fifo) -> None:
    fifo.send("x1", delay=10.0)
    fifo.send("x2")
    fifo.send("y1")
    assert fifo.receive() == ["y1"]
    fifo.clock.forward(10)
    assert fifo.receive() == ["x1", "x2"]


def test_an_attempt_that_is_repeated(fifo: Fifo) -> None:
    for text in ("x1", "x2", "y1"):
        fifo.send(text)
    first = fifo.held(2, attempt="a")
    fifo.clock.forward(20)
    assert fifo.held(2, attempt="a") == first
    fifo.clock.forward(20)  # its visibility time-out began again
    assert fifo.held(2, attempt="a") == first
    assert fifo.receive(2, attempt="b") == ["y1"]
    assert fifo.delete(first[0]) == [True]
    assert fifo.receive(2, attempt="a") == []  # it was changed meanwhile
    fifo.clock.forward(31)
    assert fifo.receive(2, attempt="a") == ["x2", "y1"]


def test_the_next_comes_once_a_poisonous_message_has_moved(fifo: Fifo) -> None:
    redrive = Redrive(fifo.b, 1, {"from": "a"}, anew=1000.0)
    fifo.send("x1")
    fifo.send("x2")
    assert fifo.receive(1, redrive=redrive) == ["x1"]
    fifo.clock.forward(31)
    told: list[int] = []
    with fifo.messages.listening(None, told.append):
        assert fifo.receive(1, redrive=redrive) == ["x2"]
        fifo.db.write(lambda tx: None)  # whoever listens is told after the answer
    assert told == [fifo.b, fifo.a]
    (moved,) = fifo.held(queue=fifo.b)
    assert (moved.body, moved.group, moved.more["from"]) == ("x1", "x", "a")
    assert moved.sent == fifo.clock()


def test_a_clock_that_is_set_back_keeps_nothing_for_longer(fifo: Fifo) -> None:
    first = fifo.send("x1", "t")
    fifo.clock.forward(-3600)
    fifo.messages.set_back(3600.0)
    assert fifo.send("x1", "t") == first
    fifo.clock.forward(301)
    assert fifo.send("x1", "t") != first
