"""Executions of workflows: a row each, an append-only history, a small position, timers, pages, work.

A step of an execution (`asl.steps.Step`) is one small transaction, which the database's writer
commits together with those of other executions. What a step ordered (`work`) stays until it is known
how it ended, so that a server that starts again asks for it again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any

from sagebrush.asl.steps import (
    CancelTimer,
    Happened,
    MapRunEnded,
    SetTimer,
    StartMapRun,
    StartTask,
    Step,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc

RUNNING = "RUNNING"
OWN = "#own:"
"""After an execution's ARN, the beginning of the parent of rows that go with the execution."""
NOTE = "UPDATE work SET note=? WHERE execution=? AND key=?"
Order = StartTask | StartMapRun
_COLUMNS = (
    "id, kind, arn, owner, name, status, definition, started, stopped, events, input, output, error,"
    " cause, plan"
)
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True)
class New:
    """An execution to be started. `definition`: the text of what runs; `owner`: the ARN under which it
    is listed (a state machine's, a map run's)."""

    kind: str
    arn: str
    owner: str
    name: str
    definition: str
    input: str
    plan: Doc = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """An execution as it is stored. Times in seconds since 1970; `plan` is its service's own."""

    id: int
    kind: str
    arn: str
    owner: str
    name: str
    status: str
    definition: int
    started: float
    stopped: float | None
    events: int
    input: str
    output: str | None
    error: str | None
    cause: str | None
    plan: Doc

    @property
    def region(self) -> str:
        return self.arn.split(":", 5)[3]

    @property
    def account(self) -> str:
        return self.arn.split(":", 5)[4]


@dataclass(frozen=True)
class Work:
    """What a step ordered and whose end is not known yet. `note` is what its doer keeps with it."""

    execution: int
    key: str
    order: Order
    note: Doc
    started: bool
    stopping: bool


@dataclass(frozen=True)
class Change:
    """A step as it is stored; `of` makes it outside of the transaction."""

    execution: int
    position: str | None
    """None once it has ended and cannot be redriven."""
    more: bool
    history: tuple[int, int, str] | None
    timers: tuple[tuple[str, float], ...]
    cancelled: tuple[str, ...]
    orders: tuple[tuple[str, str | None, str], ...]  # key, token, command
    stops: tuple[str, ...]
    done: str | None
    """The key of work of which the end is known by what happened."""
    started: str | None
    noted: tuple[str, int, str] | None
    dropped: tuple[str, ...]
    pages: tuple[tuple[str, str], ...]
    end: tuple[Any, ...] | None
    """Status, time, last event, output, error, cause."""


def change_of(run: Run, happened: Happened, step: Step, recorded: bool) -> Change:
    """What a step changes. `recorded`: whether the history is kept."""
    timers: dict[str, float] = {}
    cancelled = [happened.key] if isinstance(happened, TimerFired) else []
    orders: dict[str, tuple[str, str | None, str]] = {}
    stops = []
    for command in step.commands:
        if isinstance(command, SetTimer):
            timers[command.key] = command.at
        elif isinstance(command, CancelTimer):
            timers.pop(command.key, None)
            cancelled.append(command.key)
        elif isinstance(command, StartTask | StartMapRun):
            token = command.token if isinstance(command, StartTask) else None
            orders[command.key] = (command.key, token, _command(command))
        elif orders.pop(command.key, None) is None:  # else ordered and stopped in one step
            stops.append(command.key)
    events, end = step.events, step.end
    ended = isinstance(happened, TaskSucceeded | TaskFailed | MapRunEnded)
    return Change(
        run.id,
        None if end and "failed" not in step.position else _encode(step.position),
        step.more,
        (events[0]["id"], events[-1]["id"], _encode(events)) if events and recorded else None,
        tuple(timers.items()),
        tuple(cancelled),
        tuple(orders.values()),
        tuple(stops),
        happened.key if ended else None,
        happened.key if isinstance(happened, TaskStarted) else None,
        (_encode(happened.note), run.id, happened.key) if isinstance(happened, TaskSubmitted) else None,
        tuple(step.dropped),
        tuple((key, _encode(value)) for key, value in step.pages.items()),
        end
        and (
            end.status, events[-1]["timestamp"], step.position["events"], storable(end.output), storable(end.error),
            storable(end.cause),
        ),
    )  # fmt: skip


def storable(text: str | None) -> str | None:
    """The text; half a pair of surrogates, which no UTF-8 has, is a `?`, as Java writes it."""
    if text is None or text.isascii():
        return text
    return text.encode(errors="replace").decode()


def _command(order: Order) -> str:
    return _encode({"name": type(order).__name__, **asdict(order)})


def _order(text: str) -> Order:
    doc = json.loads(text)
    if doc.pop("name") == "StartTask":
        return StartTask(**doc)
    return StartMapRun(doc["key"], tuple(doc["path"]), doc["spec"])


class Executions:
    """Executions of all services. Thread-safe; the changes of one execution come from one thread at a
    time (`engine.executions`)."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    # ---- changes

    def put_in(self, tx: Tx, new: New) -> tuple[Run, bool]:
        """The execution is there and has not begun, in a transaction that the caller holds; False
        where one of its ARN was there before, which is answered."""
        digest = hashlib.sha256(new.definition.encode()).digest()
        sql = "INSERT INTO definition(digest, body) VALUES(?, ?) RETURNING id"
        found = tx.one("SELECT id FROM definition WHERE digest=?", (digest,))
        found = found or tx.one(sql, (digest, new.definition))
        assert found is not None
        row = tx.one(
            "INSERT INTO execution(kind, arn, owner, name, status, definition, started, input, plan)"
            f" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(arn) DO NOTHING RETURNING {_COLUMNS}",
            (
                new.kind, new.arn, new.owner, new.name, RUNNING, found["id"], self._clock(), new.input,
                json.dumps(new.plan),
            ),
        )  # fmt: skip
        if row is not None:
            return _run(row), True
        row = tx.one(f"SELECT {_COLUMNS} FROM execution WHERE arn=?", (new.arn,))
        assert row is not None
        return _run(row), False

    @staticmethod
    def apply(tx: Tx, change: Change) -> None:
        """The step is stored. Raises sqlite3.IntegrityError where the execution is gone."""
        at = change.execution
        if change.history:
            first, last, events = change.history
            tx.run("INSERT INTO history VALUES(?, ?, ?, ?)", (at, first, last, events))
        for key in change.cancelled:
            tx.run("DELETE FROM timer WHERE execution=? AND key=?", (at, key))
        if change.done is not None:
            tx.run("DELETE FROM work WHERE execution=? AND key=?", (at, change.done))
        if change.started is not None:
            tx.run("UPDATE work SET started=1 WHERE execution=? AND key=?", (at, change.started))
        if change.noted is not None:
            tx.run(NOTE, change.noted)
        for key in change.stops:
            tx.run("UPDATE work SET stopping=1, token=NULL WHERE execution=? AND key=?", (at, key))
        if change.end is not None:
            _end(tx, at, change.end)
        if change.position is None:
            tx.run("DELETE FROM position WHERE execution=?", (at,))
            tx.run("DELETE FROM page WHERE execution=?", (at,))
            return
        for prefix in change.dropped:
            sql = "DELETE FROM page WHERE execution=? AND key>=? AND key<?"
            tx.run(sql, (at, prefix, prefix + "\U0010ffff"))
        for key, body in change.pages:
            tx.run("INSERT OR REPLACE INTO page VALUES(?, ?, ?)", (at, key, body))
        sql = "INSERT OR REPLACE INTO position VALUES(?, ?, ?)"
        tx.run(sql, (at, change.more, change.position))
        for key, due in change.timers:
            tx.run("INSERT OR REPLACE INTO timer VALUES(?, ?, ?)", (at, key, due))
        for key, token, command in change.orders:
            sql = "INSERT INTO work(execution, key, token, command) VALUES(?, ?, ?, ?)"
            tx.run(sql, (at, key, token, command))

    def note(self, execution: int, key: str, note: Doc) -> Future[bool]:
        """The doer of the work finds the note with it again (`Work.note`)."""
        return self._db.submit(lambda tx: tx.run(NOTE, (json.dumps(note), execution, key)) == 1)

    def stopped(self, execution: int, key: str) -> Future[bool]:
        """The work that was to be stopped is stopped, and nobody asks for it again."""
        sql = "DELETE FROM work WHERE execution=? AND key=? AND stopping"
        return self._db.submit(lambda tx: tx.run(sql, (execution, key)) == 1)

    def redrive_in(self, tx: Tx, execution: int, plan: Doc) -> Run | None:
        """The execution, which has ended without success, is to run again, with these members of its
        plan, in a transaction that the caller holds; None where that is not possible."""
        row = tx.one(
            "UPDATE execution SET status=?, stopped=NULL, output=NULL, error=NULL, cause=NULL,"
            " plan=json_patch(plan, ?) WHERE id=? AND status<>? AND EXISTS"
            f" (SELECT 1 FROM position WHERE execution=id) RETURNING {_COLUMNS}",
            (RUNNING, json.dumps(plan), execution, RUNNING),
        )
        if row is not None:
            tx.run("UPDATE position SET more=1 WHERE execution=?", (execution,))
        return _run(row) if row is not None else None

    def begin_again(self, execution: int, plan: Doc) -> Future[int]:
        """The execution, which has ended without success, is as it was before it began, but for these
        members of its plan; 0 where it is gone."""

        def work(tx: Tx) -> int:
            for table in ("position", "history"):
                tx.run(f"DELETE FROM {table} WHERE execution=?", (execution,))
            return tx.run(
                "UPDATE execution SET status=?, stopped=NULL, output=NULL, error=NULL, cause=NULL,"
                " events=0, plan=json_patch(plan, ?) WHERE id=? AND status<>?",
                (RUNNING, json.dumps(plan), execution, RUNNING),
            )

        return self._db.submit(work)

    def delete_in(self, tx: Tx, execution: int) -> None:
        """Nothing is left of the execution, in a transaction that the caller holds."""
        tx.run("DELETE FROM execution WHERE id=?", (execution,))

    def drop(self, kind: str, member: str) -> int:
        """Running executions of the kind whose plan has the member are gone; how many."""
        sql = (
            "DELETE FROM execution WHERE status=? AND kind=? AND json_extract(plan, ?) IS NOT NULL"
        )
        return self._db.write(lambda tx: tx.run(sql, (RUNNING, kind, f"$.{member}")))

    def expire(self, before: float, most: int = 200) -> int:
        """Up to `most` executions that ended before that time are gone, with the rows that are theirs
        alone (`OWN`); how many."""

        def work(tx: Tx) -> int:
            found = tx.all(
                "SELECT id, arn FROM execution WHERE stopped<? AND status<>? ORDER BY stopped LIMIT ?",
                (before, RUNNING, most),
            )
            for row in found:
                self.delete_in(tx, row["id"])
                own = row["arn"] + OWN
                sql = "DELETE FROM resource WHERE parent>=? AND parent<? AND parent<>''"
                tx.run(sql, (own, own + "\U0010ffff"))
            if found:
                tx.run("DELETE FROM definition WHERE id NOT IN (SELECT definition FROM execution)")
            return len(found)

        return self._db.write(work)

    def forget_redrives(self, before: float) -> int:
        """Executions that ended before that time can be redriven no more; how many could."""
        kept = "SELECT id FROM execution WHERE stopped<?"

        def work(tx: Tx) -> int:
            tx.run(f"DELETE FROM page WHERE execution IN ({kept})", (before,))
            return tx.run(f"DELETE FROM position WHERE execution IN ({kept})", (before,))

        return self._db.write(work)

    def set_back(self, seconds: float) -> None:
        """The clock was set back by so many seconds: timers fire when they would have."""
        self._db.write(lambda tx: tx.run("UPDATE timer SET due=due-?", (seconds,)))

    # ---- reading

    def find(self, arn: str) -> Run | None:
        row = self._db.read_one(f"SELECT {_COLUMNS} FROM execution WHERE arn=?", (arn,))
        return _run(row) if row else None

    def arn(self, execution: int) -> str | None:
        """The ARN of the execution."""
        row = self._db.read_one("SELECT arn FROM execution WHERE id=?", (execution,))
        return row["arn"] if row else None

    def run(self, execution: int) -> Run | None:
        """The execution."""
        row = self._db.read_one(f"SELECT {_COLUMNS} FROM execution WHERE id=?", (execution,))
        return _run(row) if row else None

    def get(self, execution: int) -> tuple[Run, Doc | None] | None:
        """The execution and its position (None before it began and once it has ended)."""
        columns = ", ".join(f"execution.{name.strip()}" for name in _COLUMNS.split(","))
        row = self._db.read_one(
            f"SELECT {columns}, body FROM execution LEFT JOIN position ON execution=id WHERE id=?",
            (execution,),
        )
        return (_run(row), json.loads(row["body"]) if row["body"] else None) if row else None

    def definition(self, number: int) -> str:
        """The text of a definition. Raises KeyError."""
        row = self._db.read_one("SELECT body FROM definition WHERE id=?", (number,))
        if row is None:
            raise KeyError(number)
        return row["body"]

    def page(self, execution: int, key: str) -> Any:
        """The value that a step gave to keep. Raises KeyError."""
        sql = "SELECT body FROM page WHERE execution=? AND key=?"
        row = self._db.read_one(sql, (execution, key))
        if row is None:
            raise KeyError(key)
        return json.loads(row["body"])

    def history(self, execution: int, first: int, last: int, backwards: bool) -> Iterator[Doc]:
        """The events with ids from `first` to `last`, read step by step."""
        order, at = ("DESC", last + 1) if backwards else ("ASC", first - 1)
        beyond = "first<?" if backwards else "last>?"
        sql = (
            f"SELECT first, last, events FROM history WHERE execution=? AND {beyond}"
            f" AND last>=? AND first<=? ORDER BY first {order} LIMIT 1"
        )
        while row := self._db.read_one(sql, (execution, at, first, last)):
            events = json.loads(row["events"])
            yield from (
                event
                for event in (reversed(events) if backwards else events)
                if first <= event["id"] <= last
            )
            at = row["first"] if backwards else row["last"]

    def unfinished(self) -> list[tuple[int, bool]]:
        """Running executions that wait for nothing: (id, whether it has begun)."""
        sql = (
            "SELECT id, more FROM execution LEFT JOIN position ON execution=id"
            " WHERE status=? AND coalesce(more, 1) ORDER BY id"
        )
        rows = self._db.read(sql, (RUNNING,))
        return [(row["id"], row["more"] is not None) for row in rows]

    def works(self, after: tuple[int, str] = (0, ""), most: int = 500) -> list[Work]:
        """Work whose end is not known, in the order of executions, after that of (execution, key)."""
        sql = "SELECT * FROM work WHERE (execution, key)>(?, ?) ORDER BY execution, key LIMIT ?"
        return [_work(row) for row in self._db.read(sql, (*after, most))]

    def work(self, execution: int, key: str) -> Work | None:
        sql = "SELECT * FROM work WHERE execution=? AND key=?"
        row = self._db.read_one(sql, (execution, key))
        return _work(row) if row else None

    def of_token(self, token: str) -> Work | None:
        """The work that awaits who knows the token."""
        row = self._db.read_one("SELECT * FROM work WHERE token=?", (token,))
        return _work(row) if row else None

    def due(self, now: float, most: int) -> list[tuple[int, str]]:
        """Timers that are due: (execution, key)."""
        sql = "SELECT execution, key FROM timer WHERE due<=? ORDER BY due LIMIT ?"
        return [(row["execution"], row["key"]) for row in self._db.read(sql, (now, most))]

    def is_due(self, execution: int, key: str, now: float) -> bool:
        """Whether the timer is there and due."""
        sql = "SELECT 1 FROM timer WHERE execution=? AND key=? AND due<=?"
        return self._db.read_one(sql, (execution, key, now)) is not None

    def next_due(self, now: float) -> float | None:
        """When the next timer fires that is not due yet."""
        row = self._db.read_one("SELECT min(due) AS at FROM timer WHERE due>?", (now,))
        return row["at"] if row else None

    def counts(self, owner: str) -> dict[str, int]:
        """How many executions the owner has, by status."""
        sql = "SELECT status, count(*) AS count FROM execution WHERE owner=? GROUP BY status"
        return {row["status"]: row["count"] for row in self._db.read(sql, (owner,))}

    def tally(self, owner: str) -> dict[str, tuple[int, int]]:
        """Status -> how many executions the owner has, and how many items they are for."""
        sql = (
            "SELECT status, count(*) AS count, sum(coalesce(json_extract(plan, '$.items'), 1)) AS items"
            " FROM execution WHERE owner=? GROUP BY status"
        )
        return {row["status"]: (row["count"], row["items"]) for row in self._db.read(sql, (owner,))}

    def begun(self, owner: str, after: int = 0, most: int = 200) -> list[Run]:
        """Up to `most` executions of the owner whole, in the order in which they began, after an id."""
        sql = f"SELECT {_COLUMNS} FROM execution WHERE owner=? AND id>? ORDER BY id LIMIT ?"
        return [_run(row) for row in self._db.read(sql, (owner, after, most))]

    def listed(
        self,
        owner: str,
        status: str | None,
        before: tuple[float, int] | None,
        most: int,
        plan: Mapping[str, str | bool],
    ) -> list[Run]:
        """Up to `most` executions of the owner, the latest first, before (started, id); their inputs
        and outputs are left out. `plan`: members that their plans have; True and False: whether they
        have it at all."""
        conditions, given = ["owner=?"], list[Any]([owner])
        if status is not None:
            conditions.append("status=?")
            given.append(status)
        if before is not None:
            conditions.append("(started, id)<(?, ?)")
            given.extend(before)
        for name, value in plan.items():
            if isinstance(value, bool):
                conditions.append(f"json_extract(plan, ?) IS {'NOT ' if value else ''}NULL")
                given.append(f"$.{name}")
            else:
                conditions.append("json_extract(plan, ?)=?")
                given.extend((f"$.{name}", value))
        columns = _COLUMNS.replace("input, output,", "'' AS input, NULL AS output,")
        sql = (
            f"SELECT {columns} FROM execution WHERE {' AND '.join(conditions)}"
            " ORDER BY started DESC, id DESC LIMIT ?"
        )
        return [_run(row) for row in self._db.read(sql, (*given, most))]


def _end(tx: Tx, execution: int, end: tuple[Any, ...]) -> None:
    """The execution has ended: no timer is left of it, and of work only what is to be stopped."""
    status, now, events, output, error, cause = end
    tx.run(
        "UPDATE execution SET status=?, stopped=?, events=?, output=?, error=?, cause=? WHERE id=?",
        (status, now, events, output, error, cause, execution),
    )
    tx.run("DELETE FROM timer WHERE execution=?", (execution,))
    tx.run("DELETE FROM work WHERE execution=? AND NOT stopping", (execution,))


def _run(row: sqlite3.Row) -> Run:
    given: Any = (*tuple(row)[:14], json.loads(row["plan"]))
    return Run(*given)


def _work(row: sqlite3.Row) -> Work:
    order, note = _order(row["command"]), json.loads(row["note"])
    started, stopping = bool(row["started"]), bool(row["stopping"])
    return Work(row["execution"], row["key"], order, note, started, stopping)
