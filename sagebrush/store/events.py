"""What happened, as events: stored in the transaction of what they tell of, until they are consumed.

An event that nobody could consume is not stored. The outbox (`engine.outbox`) makes deliveries of the
others and removes them in one transaction.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc, dump, parse
from sagebrush.store.reader import Row

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something that happened, in EventBridge's terms (its user guide, "AWS service event metadata")."""

    account: str
    region: str
    source: str
    """`aws.sagemaker`."""
    detail_type: str
    detail: Doc
    """As JSON has it, but that times may be moments."""
    resources: tuple[str, ...] = ()
    """ARNs."""
    at: float = 0.0
    """Seconds since the epoch; 0: when it is stored."""
    id: str = ""
    """A UUID, made when it is stored where it has none."""


@dataclass(frozen=True)
class Stored:
    """An event that waits to be consumed."""

    number: int
    event: Event
    failures: int
    """How often its deliveries could not be made."""


Source = Callable[[Row | None, Row | None], Sequence[Event]]
"""The events of a change of a row: as it was (None: it is new) and as it is (None: it was deleted).
Pure; called in the transaction of the change."""


@dataclass(frozen=True)
class Interest:
    """Who consumes events: somebody `always`, or only where an account has, in the event's region, a
    row of one of `kinds`."""

    always: bool = False
    kinds: tuple[str, ...] = ()


class Events:
    """The events of all accounts. Thread-safe."""

    def __init__(
        self,
        db: Db,
        clock: Callable[[], float],
        sources: Mapping[str, Source],
        interest: Interest,
    ) -> None:
        """`sources`: `Row.kind` -> the events of its changes."""
        self._db = db
        self._clock = clock
        self._sources = sources
        self._interest = interest
        marks = ",".join("?" * len(interest.kinds))
        self._sql = (
            f"SELECT 1 FROM resource WHERE account=? AND region=? AND kind IN ({marks}) LIMIT 1"
        )
        self.stored: Callable[[], object] = lambda: None
        """Told once events are on disk, in the thread of the only writer; set by the outbox."""

    def wanted_in(self, tx: Tx, account: str, region: str) -> bool:
        """Whether an event of that account and region could be consumed."""
        if self._interest.always or not self._interest.kinds:
            return self._interest.always
        return tx.one(self._sql, (account, region, *self._interest.kinds)) is not None

    def changed(self, tx: Tx, old: Row | None, new: Row | None) -> None:
        """The events of the change of a row are stored with it (`Rows.changed`)."""
        row = new or old
        source = self._sources.get(row.kind) if row is not None else None
        if row is None or source is None:
            return
        if not self.wanted_in(tx, row.account, row.region):
            return
        try:
            found = [(event, dump(event.detail)) for event in source(old, new)]
        except Exception:  # no event is worth the change that it tells of
            log.exception("the events of a change of the %s %s are lost", row.kind, row.name)
            return
        self._insert(tx, found)

    def put_in(self, tx: Tx, events: Sequence[Event]) -> None:
        """The events that somebody could consume are stored, in a transaction that the caller holds;
        the outbox hears of them once it is on disk."""
        places = dict.fromkeys((event.account, event.region) for event in events)
        wanted = {place for place in places if self.wanted_in(tx, *place)}
        self._insert(tx, [(e, dump(e.detail)) for e in events if (e.account, e.region) in wanted])

    def put(self, events: Sequence[Event]) -> Future[None]:
        """As `put_in`, in a transaction of their own."""
        return self._db.submit(lambda tx: self.put_in(tx, events))

    def _insert(self, tx: Tx, events: Sequence[tuple[Event, str]]) -> None:
        """Stores each event with its detail as JSON."""
        now = self._clock()
        for event, detail in events:
            tx.run(
                "INSERT INTO event(uid, account, region, source, detail_type, detail, resources, at)"
                " VALUES(?,?,?,?,?,?,?,?)",
                (
                    event.id or str(uuid.uuid4()), event.account, event.region, event.source,
                    event.detail_type, detail, json.dumps(event.resources),
                    event.at or now,
                ),
            )  # fmt: skip
        if events:
            tx.after(self.stored)

    # ---- the outbox

    def due(self, most: int) -> list[Stored]:
        """Up to `most` events whose deliveries may be made now, in the order in which they were
        stored."""
        sql = "SELECT * FROM event WHERE due<=? ORDER BY id LIMIT ?"
        return [_stored(row) for row in self._db.read(sql, (self._clock(), most))]

    def next_due(self) -> float | None:
        """When the next event may be consumed; None where there is none."""
        row = self._db.read_one("SELECT min(due) AS at FROM event")
        return row["at"] if row else None

    @staticmethod
    def take_in(tx: Tx, number: int) -> bool:
        """The event is consumed; False where it was before, or all was deleted."""
        return bool(tx.run("DELETE FROM event WHERE id=?", (number,)))

    def postpone(self, number: int, due: float) -> None:
        """Its deliveries could not be made; they may be tried again at `due`."""
        sql = "UPDATE event SET due=?, failures=failures+1 WHERE id=?"
        self._db.write(lambda tx: tx.run(sql, (due, number)))

    def drop(self, number: int) -> None:
        """The event is given up."""
        self._db.write(lambda tx: self.take_in(tx, number))

    def set_back(self) -> None:
        """The clock was set back: nothing waits for a time of the clock as it was."""
        now = self._clock()
        self._db.write(lambda tx: tx.run("UPDATE event SET due=0 WHERE due>?", (now,)))


def _stored(row: sqlite3.Row) -> Stored:
    event = Event(
        row["account"], row["region"], row["source"], row["detail_type"], parse(row["detail"]),
        tuple(json.loads(row["resources"])), row["at"], row["uid"],
    )  # fmt: skip
    return Stored(row["id"], event, row["failures"])
