"""Durable messages of queues: sent, received with a visibility time-out, deleted, awaited by events.

A queue is a row of `resource` (an SQS queue, an endpoint with a backlog): its messages go with it.
Nothing is polled: who waits is told of what was committed (`Messages.listen`), and asks when the
next hidden message comes back (`next_visible`).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sagebrush.store import fifo
from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc, dump, parse
from sagebrush.store.fifo import Place, Stored

T = TypeVar("T")
Told = Callable[[int], object]
"""Called with a queue once messages may have come to it, in the thread of the database's only writer:
it must return at once and raise nothing."""
FOREVER = 1e11
"""Seconds; of messages that only their owner removes."""


@dataclass(frozen=True)
class Send:
    """A message to be stored; times in seconds from now."""

    uid: str
    body: str
    more: Doc = field(default_factory=dict)
    delay: float = 0.0
    """Until it can be received."""
    keep: float = 345600.0
    """Until it is gone."""
    deadline: float | None = None
    """Until its queue's owner is to end its waiting (`overdue`)."""
    place: Place | None = None
    """Of a message to a FIFO queue."""


@dataclass(frozen=True)
class Message:
    """A message as it was read; times in seconds since the epoch."""

    id: int
    queue: int
    """The id of the queue's row."""
    uid: str
    body: str
    more: Doc
    sent: float
    deadline: float | None
    received: int
    """How often it was received, this time included."""
    first: float | None
    """When it was received first."""
    group: str | None = None
    """Its message group, in a FIFO queue."""


@dataclass(frozen=True)
class Redrive:
    """Where messages go that were received `most` times: to the queue of the row `target`."""

    target: int
    most: int
    note: Doc = field(default_factory=dict)
    """What is added to their `more`."""
    anew: float | None = None
    """Seconds that they are kept there, as if they were sent now; None where their age goes on."""


@dataclass(frozen=True)
class Counts:
    """The messages of a queue: those that can be received, that are delayed, that are in flight."""

    waiting: int
    delayed: int
    in_flight: int


class Messages:
    """The messages of all queues. Thread-safe."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._listeners: dict[int | None, list[Told]] = {}
        self._guard = threading.Lock()
        self.closed = False
        """Whether the server stops: nobody waits any longer."""

    # ---- changes

    def put_in(self, tx: Tx, queue: int, sends: Sequence[Send]) -> int:
        """The messages are in the queue, in a transaction that the caller holds; how many: none where
        the queue is gone. The caller calls `tell` once it is committed."""
        now = self._clock()
        sql = (
            "INSERT INTO message(queue, uid, body, more, sent, visible, expires, deadline)"
            " SELECT id, ?, ?, ?, ?, ?, ?, ? FROM resource WHERE id=?"
        )
        times = [
            (now, now + s.delay, now + s.keep, None if s.deadline is None else now + s.deadline)
            for s in sends
        ]
        return sum(
            tx.run(sql, (s.uid, s.body, dump(s.more), *at, queue))
            for s, at in zip(sends, times, strict=True)
        )

    def put(self, queue: int, sends: Sequence[Send]) -> Future[int]:
        """The messages are in the queue, all or none; how many."""
        return self.told([queue], self._db.submit(lambda tx: self.put_in(tx, queue, sends)))

    def put_in_order_in(
        self, tx: Tx, queue: int, sends: Sequence[Send], anew: bool = False
    ) -> list[Stored]:
        """The messages, which have places, are in the FIFO queue, in a transaction that the caller
        holds; those of a deduplication id that was used before are not sent again, unless `anew`. None
        where the queue is gone. The caller calls `tell` once it is committed."""
        now, found = self._clock(), list[Stored]()
        for send in sends:
            assert send.place is not None
            stored = None if anew else fifo.repeated(tx, queue, send.place, now)
            if stored is None:
                row = tx.one(
                    "INSERT INTO message(queue, uid, body, more, sent, visible, expires, grp)"
                    " SELECT id, ?, ?, ?, ?, ?, ?, ? FROM resource WHERE id=? RETURNING id",
                    (
                        send.uid, send.body, dump(send.more), now, now + send.delay,
                        now + send.keep, send.place.group, queue,
                    ),
                )  # fmt: skip
                if row is None:
                    return []
                stored = Stored(send.uid, row["id"])
                fifo.remember(tx, queue, send.place, stored, now)
            found.append(stored)
        return found

    def put_in_order(self, queue: int, sends: Sequence[Send]) -> Future[list[Stored]]:
        """As `put_in_order_in`, all or none."""
        work = self._db.submit(lambda tx: self.put_in_order_in(tx, queue, sends))
        return self.told([queue], work)

    def receive(
        self, queue: int, most: int, hidden: float, redrive: Redrive | None = None
    ) -> Future[list[Message]]:
        """Up to `most` messages, oldest first, which nobody else receives for `hidden` seconds.

        With `redrive`, those that have been received as often as it says move to its target instead,
        if that is there.
        """
        moved: list[int] = []

        def work(tx: Tx) -> list[Message]:
            now = self._clock()
            until = _until(now, hidden)
            claim = partial(self._claim, tx, queue, now, until)
            return self._received(tx, most, claim, redrive, moved)

        return self.told(moved, self._db.submit(work))

    def receive_in_order(
        self,
        queue: int,
        most: int,
        hidden: float,
        redrive: Redrive | None = None,
        attempt: str = "",
    ) -> Future[list[Message]]:
        """As `receive`, from a FIFO queue (`fifo.claim`). An `attempt` of an id that was made in the
        last five minutes receives what it received then, while that is in flight and unchanged."""
        moved: list[int] = []

        def work(tx: Tx) -> list[Message]:
            now = self._clock()
            until = _until(now, hidden)
            if attempt and (rows := fifo.again(tx, queue, attempt, now, until)):
                return sorted(map(_message, rows), key=lambda message: message.id)
            found = self._received(
                tx, most, lambda left: fifo.claim(tx, queue, left, now, until), redrive, moved
            )
            if attempt:
                fifo.attempted(tx, queue, [message.id for message in found], attempt, now)
            if moved:  # the next of their groups may come
                moved.append(queue)
            return found

        return self.told(moved, self._db.submit(work))

    def _received(
        self,
        tx: Tx,
        most: int,
        claim: Callable[[int], list[sqlite3.Row]],
        redrive: Redrive | None,
        moved: list[int],
    ) -> list[Message]:
        """Up to `most` of what `claim` gives; what was received too often has moved, to `moved`."""
        now, found = self._clock(), list[Message]()
        while len(found) < most:
            rows = claim(most - len(found))
            if not rows:
                break
            for row in rows:
                message = _message(row)
                if redrive is None or message.received <= redrive.most:
                    found.append(message)
                elif self._move(tx, message, redrive, now):
                    moved.append(redrive.target)
                else:
                    found.append(message)
        return sorted(found, key=lambda message: message.id)

    @staticmethod
    def _claim(tx: Tx, queue: int, now: float, until: float, most: int) -> list[sqlite3.Row]:
        return tx.all(
            "UPDATE message SET visible=?, received=received+1, first=coalesce(first, ?)"
            " WHERE id IN (SELECT id FROM message WHERE queue=? AND visible<=? AND expires>?"
            " ORDER BY visible, id LIMIT ?) RETURNING *",
            (until, now, queue, now, now, most),
        )

    @staticmethod
    def _move(tx: Tx, message: Message, redrive: Redrive, now: float) -> bool:
        """The message is in the target; False where that is gone. It was not received after all."""
        sql = (
            "UPDATE message SET queue=:target, visible=:now, received=received-1, more=:more,"
            " sent=CASE WHEN :keep IS NULL THEN sent ELSE :now END,"
            " expires=CASE WHEN :keep IS NULL THEN expires ELSE :now+:keep END"
            " WHERE id=:id AND EXISTS (SELECT 1 FROM resource WHERE id=:target)"
        )
        params = {
            "target": redrive.target, "now": now, "more": dump({**message.more, **redrive.note}),
            "keep": redrive.anew, "id": message.id,
        }  # fmt: skip
        return bool(tx.run(sql, params))

    def delete(self, queue: int, held: Sequence[tuple[int, int]]) -> Future[int]:
        """The messages (id, `received`) are gone, but for those that others have received since; how
        many went."""
        sql = "DELETE FROM message WHERE id=? AND queue=? AND received=?"
        return self._db.submit(
            lambda tx: sum(tx.run(sql, (each, queue, received)) for each, received in held)
        )

    def delete_in_order(self, queue: int, held: Sequence[tuple[int, int]]) -> Future[list[bool]]:
        """The messages (id, `received`) of a FIFO queue are gone; of each, whether its receiver had
        it still: False where its visibility time-out has passed and it stays."""

        def work(tx: Tx) -> list[bool]:
            now, found = self._clock(), list[bool]()
            for each, received in held:
                fifo.forget(tx, queue, each)
                sql = "SELECT received, visible FROM message WHERE id=? AND queue=?"
                row = tx.one(sql, (each, queue))
                mine = row is None or (row["received"] == received and row["visible"] > now)
                if mine:
                    tx.run("DELETE FROM message WHERE id=? AND queue=?", (each, queue))
                found.append(mine)
            return found

        return self.told([queue], self._db.submit(work))  # the next of their groups may come

    def hide(self, queue: int, held: tuple[int, int], seconds: float) -> Future[bool]:
        """The message (id, `received`) comes back after `seconds` from now; False where it is not in
        flight any more."""
        now = self._clock()
        sql = "UPDATE message SET visible=? WHERE id=? AND queue=? AND received=? AND visible>?"
        params = (now + seconds, held[0], queue, held[1], now)

        def work(tx: Tx) -> bool:
            fifo.forget(tx, queue, held[0])
            return tx.run(sql, params) == 1

        return self.told([queue], self._db.submit(work))

    def move(self, moves: Sequence[tuple[Message, int, Send]]) -> Future[int]:
        """Each message is gone and another is in that queue in its place, but for those that somebody
        has received or deleted meanwhile; how many. All stay where one of the queues is gone, and
        LookupError is raised."""

        def work(tx: Tx) -> int:
            now, count = self._clock(), 0
            for message, queue, send in moves:
                sql = "DELETE FROM message WHERE id=? AND queue=? AND visible<=?"
                if not tx.run(sql, (message.id, message.queue, now)):
                    continue
                if send.place is None:
                    there = self.put_in(tx, queue, [send])
                else:
                    there = len(self.put_in_order_in(tx, queue, [send], anew=True))
                if not there:
                    raise LookupError(queue)
                count += 1
            return count

        return self.told([queue for _, queue, _ in moves], self._db.submit(work))

    def purge(self, queue: int) -> int:
        """The queue is empty; how many messages it had."""
        return self._db.write(lambda tx: tx.run("DELETE FROM message WHERE queue=?", (queue,)))

    def retain(self, queue: int, seconds: float) -> None:
        """The messages of the queue are gone `seconds` after they were sent."""
        sql = "UPDATE message SET expires=sent+? WHERE queue=?"
        self._db.write(lambda tx: tx.run(sql, (seconds, queue)))

    def expire(self) -> int:
        """Messages past their time take no more room; how many. Nobody receives them before, either."""
        sql = "DELETE FROM message WHERE expires<=?"

        def work(tx: Tx) -> int:
            now = self._clock()
            fifo.expire(tx, now)
            return tx.run(sql, (now,))

        return self._db.write(work)

    def set_back(self, seconds: float) -> int:
        """The clock was set back by so many seconds: what waits is not hidden, delayed or kept for
        longer by that; how many messages were changed. Who waits is told.

        Those up to the last one that was sent in what is now the future have times of the clock as it
        was. A message that was received since it was set back may come again at once.
        """
        now = self._clock()
        told: list[int] = []

        def work(tx: Tx) -> int:
            fifo.set_back(tx, now, seconds)
            found = tx.one("SELECT max(id) AS id FROM message WHERE sent>?", (now,))
            old = (found["id"] if found else None) or 0
            params = {"now": now, "back": seconds, "old": old}
            where = "id<=:old OR (visible>:now AND received>0)"
            rows = tx.all(f"SELECT DISTINCT queue FROM message WHERE {where}", params)
            told.extend(row["queue"] for row in rows)
            return tx.run(
                "UPDATE message SET visible=CASE WHEN visible<=:now THEN visible"
                " WHEN received=0 AND visible<=sent THEN :now ELSE visible-:back END,"
                " sent=CASE WHEN id<=:old THEN sent-:back ELSE sent END,"
                " expires=CASE WHEN id<=:old THEN expires-:back ELSE expires END,"
                " deadline=CASE WHEN id<=:old THEN deadline-:back ELSE deadline END,"
                " first=CASE WHEN id<=:old THEN first-:back ELSE first END"
                f" WHERE {where}",
                params,
            )

        count = self._db.write(work)
        for queue in told:
            self.tell(queue)
        return count

    # ---- reading

    def peek(self, queue: int, after: int, most: int) -> list[Message]:
        """Up to `most` messages that were sent after the one with the id `after`, oldest first,
        whether hidden or not; they are not received by this."""
        sql = "SELECT * FROM message WHERE queue=? AND id>? ORDER BY id LIMIT ?"
        return [_message(row) for row in self._db.read(sql, (queue, after, most))]

    def waiting(self, queue: int, most: int) -> list[Message]:
        """Up to `most` messages that could be received now, oldest first; they are not received by
        this."""
        now = self._clock()
        sql = "SELECT * FROM message WHERE queue=? AND visible<=? AND expires>? ORDER BY id LIMIT ?"
        return [_message(row) for row in self._db.read(sql, (queue, now, now, most))]

    def queues(self) -> list[int]:
        """The ids of the rows of all queues that have messages."""
        return [row["queue"] for row in self._db.read("SELECT DISTINCT queue FROM message")]

    def any_visible(self, queue: int) -> bool:
        """Whether a message can be received now."""
        now = self._clock()
        sql = "SELECT 1 FROM message WHERE queue=? AND visible<=? AND expires>? LIMIT 1"
        return self._db.read_one(sql, (queue, now, now)) is not None

    def next_visible(self, queue: int) -> float | None:
        """When the next message that is hidden now can be received; None where there is none."""
        sql = "SELECT min(visible) AS at FROM message WHERE queue=? AND visible>?"
        row = self._db.read_one(sql, (queue, self._clock()))
        return row["at"] if row else None

    def counts(self, queue: int) -> Counts:
        """How many messages the queue has."""
        now = self._clock()
        sql = (
            "SELECT coalesce(sum(visible<=:now), 0) AS waiting,"
            " coalesce(sum(visible>:now AND received=0), 0) AS delayed,"
            " coalesce(sum(visible>:now AND received>0), 0) AS in_flight"
            " FROM message WHERE queue=:queue AND expires>:now"
        )
        row = self._db.read(sql, {"now": now, "queue": queue})[0]
        return Counts(row["waiting"], row["delayed"], row["in_flight"])

    def overdue(self, queue: int, most: int) -> list[Message]:
        """Up to `most` messages whose deadline has passed, oldest first."""
        sql = "SELECT * FROM message WHERE queue=? AND deadline<=? ORDER BY deadline LIMIT ?"
        rows = self._db.read(sql, (queue, self._clock(), most))
        return [_message(row) for row in rows]

    def next_deadline(self, queue: int) -> float | None:
        """The first deadline of the queue's messages that has not passed; None where there is none."""
        sql = "SELECT min(deadline) AS at FROM message WHERE queue=? AND deadline>?"
        row = self._db.read_one(sql, (queue, self._clock()))
        return row["at"] if row else None

    def size(self, queue: int) -> tuple[int, float | None]:
        """How many messages the queue has, of whatever state, and when the oldest was sent."""
        sql = "SELECT count(*) AS count, min(sent) AS oldest FROM message WHERE queue=?"
        row = self._db.read(sql, (queue,))[0]
        return row["count"], row["oldest"]

    # ---- who waits

    @contextmanager
    def listening(self, queue: int | None, told: Told) -> Iterator[None]:
        """`told` is called once messages have come to the queue (None: to any), until the end."""
        with self._guard:
            self._listeners.setdefault(queue, []).append(told)
        try:
            yield
        finally:
            with self._guard:
                left = [each for each in self._listeners[queue] if each is not told]
                if left:
                    self._listeners[queue] = left
                else:
                    del self._listeners[queue]

    def tell(self, queue: int) -> None:
        """Who listens to the queue is told."""
        for told in (*self._listeners.get(queue, ()), *self._listeners.get(None, ())):
            told(queue)

    def told(self, queues: Sequence[int], written: Future[T]) -> Future[T]:
        """`written`, after whose success who listens to the queues is told."""

        def done(future: Future[T]) -> None:
            if not future.cancelled() and future.exception() is None:
                for queue in dict.fromkeys(queues):
                    self.tell(queue)

        written.add_done_callback(done)
        return written

    def close(self) -> None:
        """Everybody who waits is told, and need not wait any longer."""
        self.closed = True
        with self._guard:
            found = [told for each in self._listeners.values() for told in each]
        for told in found:
            told(0)


def _until(now: float, hidden: float) -> float:
    """When what is received now comes back: never at once, or one transaction would receive it
    twice."""
    return max(now + hidden, now + 1e-6)


def _message(row: sqlite3.Row) -> Message:
    return Message(
        row["id"], row["queue"], row["uid"], row["body"], parse(row["more"]), row["sent"],
        row["deadline"], row["received"], row["first"], row["grp"],
    )  # fmt: skip
