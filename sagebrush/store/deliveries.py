"""Messages on their way to one target each: stored until they are delivered or given up.

A delivery's lane is its target; in a FIFO queue or topic each message group is a lane of its own, and
keeps its order. The outbox (`engine.outbox`) sends them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace

from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc, dump, parse

GROUP = "MessageGroupId"
"""The option that orders the messages of a FIFO target."""
UNIVERSAL = "aws-sdk:"
"""What targets begin with that are any operation: `aws-sdk:service:operation`."""
_BETWEEN = "\n"
"""Between a target and a message group in the name of a lane; no ARN has one."""


@dataclass(frozen=True)
class Delivery:
    """One message to one target: at least once, over restarts of the server."""

    account: str
    region: str
    """Where it comes from; the target's are in its ARN."""
    target: str
    """An ARN (of a function, queue, topic, state machine, log group, …), or
    `aws-sdk:service:operation`."""
    payload: str
    """What the function, queue, … gets."""
    principal: str
    """Who sends where no role is given: `events.amazonaws.com`."""
    source_arn: str = ""
    """The resource on whose behalf it is sent: `aws:SourceArn` of the call."""
    role: str = ""
    """The ARN of the role that sends; "" where the principal itself does."""
    options: Doc = field(default_factory=dict)
    """Further members of the call's request, by their own names (MessageGroupId, MessageAttributes,
    Subject, name): what this target needs besides."""
    retries: int = 185
    max_age: float = 86400.0
    """Seconds after which it is not tried again."""
    dead_letter: str = ""
    """The ARN of the queue that gets the payload when it is given up; "": nobody does."""
    dead_attributes: Doc = field(default_factory=dict)
    """Further message attributes in the dead-letter queue: name -> text, or as SQS has them."""
    trace: str = ""
    """The trace header of the request that it comes from, which functions get."""
    letter: bool = False
    """Whether it is itself one that was given up, on its way to a dead-letter queue."""

    @property
    def lane(self) -> str:
        """What it is in order with, where that is ordered, and shares its target with. Operations that
        schedules call have no target in common: each schedule has a lane of its own."""
        if self.target.startswith(UNIVERSAL):
            by = self.dead_attributes.get("SCHEDULE_ARN") or self.source_arn
            return f"{self.target} {self.account} {by}"
        group = self.options.get(GROUP)
        fifo = self.target.endswith(".fifo")
        return f"{self.target}{_BETWEEN}{group}" if fifo and group else self.target


@dataclass(frozen=True)
class Waiting:
    """A delivery that waits; times in seconds since the epoch."""

    id: int
    delivery: Delivery
    made: float
    due: float
    attempts: int
    """How often it was tried."""


def ordered(lane: str) -> bool:
    """Whether the deliveries of the lane are sent one after another, in order."""
    return _BETWEEN in lane


def target_of(lane: str) -> str:
    """The target of the lane's deliveries."""
    return lane.partition(_BETWEEN)[0]


def long_of(lane: str) -> str:
    """The account on whose behalf the lane's deliveries call operations that may take minutes (a
    function's whole run); "" for those that only hand over."""
    return lane.split(" ")[1] if lane.startswith(UNIVERSAL) else ""


Also = Callable[[Tx], object]
"""What is done in the transaction in which a delivery ends."""


def _nothing(tx: Tx) -> None:
    """Nothing is done."""


class Deliveries:
    """The deliveries of all accounts. Thread-safe."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self.stored: Callable[[Sequence[str]], object] = lambda lanes: None
        """Told of the lanes of what is on disk, in the thread of the only writer; set by the outbox."""

    def put_in(self, tx: Tx, deliveries: Sequence[Delivery]) -> None:
        """The deliveries will be made, once the transaction, which the caller holds, is on disk."""
        now = self._clock()
        for each in deliveries:
            terms = asdict(replace(each, payload=""))
            tx.run(
                "INSERT INTO delivery(lane, payload, terms, made, due) VALUES(?,?,?,?,?)",
                (each.lane, each.payload, dump(terms), now, now),
            )
        if deliveries:
            lanes = list(dict.fromkeys(each.lane for each in deliveries))
            tx.after(lambda: self.stored(lanes))

    def put(self, deliveries: Sequence[Delivery]) -> Future[None]:
        """As `put_in`, in a transaction of their own."""
        return self._db.submit(lambda tx: self.put_in(tx, deliveries))

    # ---- the outbox

    def lanes(self) -> list[str]:
        """All lanes with deliveries that wait."""
        return [row["lane"] for row in self._db.read("SELECT DISTINCT lane FROM delivery")]

    def due(self, lane: str, most: int) -> list[Waiting]:
        """Up to `most` of the lane's deliveries that may be sent now: those that are due first, first;
        in an ordered lane the oldest, none where that one has to wait."""
        now = self._clock()
        if ordered(lane):
            sql = "SELECT * FROM delivery WHERE lane=? ORDER BY id LIMIT ?"
            found = [_waiting(row) for row in self._db.read(sql, (lane, most))]
            return found if found and found[0].due <= now else []
        sql = "SELECT * FROM delivery WHERE lane=? AND due<=? ORDER BY due, id LIMIT ?"
        return [_waiting(row) for row in self._db.read(sql, (lane, now, most))]

    def next_due(self, lane: str) -> float | None:
        """When the next of the lane's deliveries may be sent; None where there is none."""
        which = "ORDER BY id" if ordered(lane) else "ORDER BY due"
        row = self._db.read_one(f"SELECT due FROM delivery WHERE lane=? {which} LIMIT 1", (lane,))
        return row["due"] if row else None

    def done(self, number: int, also: Also = _nothing) -> None:
        """The delivery was made; `also` is done with it."""

        def work(tx: Tx) -> None:
            if tx.run("DELETE FROM delivery WHERE id=?", (number,)):
                also(tx)

        self._db.write(work, urgent=True)

    def retry(self, number: int, due: float) -> None:
        """The delivery failed and is tried again at `due`."""
        sql = "UPDATE delivery SET due=?, attempts=attempts+1 WHERE id=?"
        self._db.write(lambda tx: tx.run(sql, (due, number)), urgent=True)

    def give_up(self, number: int, instead: Sequence[Delivery], also: Also = _nothing) -> bool:
        """The delivery is given up, and `instead` (to a dead-letter queue) are made in its place; `also`
        is done with it. False where it was no more."""

        def work(tx: Tx) -> bool:
            if not tx.run("DELETE FROM delivery WHERE id=?", (number,)):
                return False
            self.put_in(tx, instead)
            also(tx)
            return True

        return self._db.write(work, urgent=True)

    def count(self) -> int:
        """How many deliveries wait."""
        row = self._db.read_one("SELECT count(*) AS count FROM delivery")
        return row["count"] if row else 0

    def set_back(self, seconds: float) -> None:
        """The clock was set back by so many seconds: nothing waits longer, or lives longer, by that."""
        now = self._clock()
        sql = (
            "UPDATE delivery SET due=min(due, :now), made=CASE WHEN made>:now THEN made-:back"
            " ELSE made END WHERE due>:now OR made>:now"
        )
        self._db.write(lambda tx: tx.run(sql, {"now": now, "back": seconds}))
        self.stored(self.lanes())


def _waiting(row: sqlite3.Row) -> Waiting:
    delivery = Delivery(**{**parse(row["terms"]), "payload": row["payload"]})
    return Waiting(row["id"], delivery, row["made"], row["due"], row["attempts"])
