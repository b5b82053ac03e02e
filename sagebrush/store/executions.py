"""Executions of workflows: a row each, an append-only history, a small position, timers, pages, work.

A step of an execution (`asl.steps.Step`) is one small transaction (`store.execution_changes`), which
the database's writer commits together with those of other executions. What a step ordered (`work`)
stays until it is known how it ended, so that a server that starts again asks for it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc
from sagebrush.store.execution_changes import NOTE
from sagebrush.store.execution_values import (
    COLUMNS,
    OWN,
    RUNNING,
    New,
    Run,
    Work,
    read_run,
    read_work,
)


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
            f" VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(arn) DO NOTHING RETURNING {COLUMNS}",
            (
                new.kind, new.arn, new.owner, new.name, RUNNING, found["id"], self._clock(), new.input,
                json.dumps(new.plan),
            ),
        )  # fmt: skip
        if row is not None:
            return read_run(row), True
        row = tx.one(f"SELECT {COLUMNS} FROM execution WHERE arn=?", (new.arn,))
        assert row is not None
        return read_run(row), False

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
            f" (SELECT 1 FROM position WHERE execution=id) RETURNING {COLUMNS}",
            (RUNNING, json.dumps(plan), execution, RUNNING),
        )
        if row is not None:
            tx.run("UPDATE position SET more=1 WHERE execution=?", (execution,))
        return read_run(row) if row is not None else None

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

    # ---- reading

    def find(self, arn: str) -> Run | None:
        row = self._db.read_one(f"SELECT {COLUMNS} FROM execution WHERE arn=?", (arn,))
        return read_run(row) if row else None

    def arn(self, execution: int) -> str | None:
        """The ARN of the execution."""
        row = self._db.read_one("SELECT arn FROM execution WHERE id=?", (execution,))
        return row["arn"] if row else None

    def run(self, execution: int) -> Run | None:
        """The execution."""
        row = self._db.read_one(f"SELECT {COLUMNS} FROM execution WHERE id=?", (execution,))
        return read_run(row) if row else None

    def get(self, execution: int) -> tuple[Run, Doc | None] | None:
        """The execution and its position (None before it began and once it has ended)."""
        columns = ", ".join(f"execution.{name.strip()}" for name in COLUMNS.split(","))
        row = self._db.read_one(
            f"SELECT {columns}, body FROM execution LEFT JOIN position ON execution=id WHERE id=?",
            (execution,),
        )
        return (read_run(row), json.loads(row["body"]) if row["body"] else None) if row else None

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
        return [read_work(row) for row in self._db.read(sql, (*after, most))]

    def work(self, execution: int, key: str) -> Work | None:
        sql = "SELECT * FROM work WHERE execution=? AND key=?"
        row = self._db.read_one(sql, (execution, key))
        return read_work(row) if row else None

    def of_token(self, token: str) -> Work | None:
        """The work that awaits who knows the token."""
        row = self._db.read_one("SELECT * FROM work WHERE token=?", (token,))
        return read_work(row) if row else None

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
        sql = f"SELECT {COLUMNS} FROM execution WHERE owner=? AND id>? ORDER BY id LIMIT ?"
        return [read_run(row) for row in self._db.read(sql, (owner, after, most))]

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
        columns = COLUMNS.replace("input, output,", "'' AS input, NULL AS output,")
        sql = (
            f"SELECT {columns} FROM execution WHERE {' AND '.join(conditions)}"
            " ORDER BY started DESC, id DESC LIMIT ?"
        )
        return [read_run(row) for row in self._db.read(sql, (*given, most))]
