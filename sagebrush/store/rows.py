"""The `resource` table: documents, their status, and the lease that makes it a job queue."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc, dump, parse
from sagebrush.store.reader import Reader, Row, row_of


@dataclass(frozen=True)
class Next:
    """What a step of a reconciler changes: the row's status, members of its documents, its next
    time.

    `doc` and `plan` are merged over the row's own, member by member at the top level; a member set
    to None is removed. `due` is seconds from now, or None: not again until an operation makes it
    due. `Rows.apply` stores it only while the lease holds and the row is unchanged since it was
    claimed; otherwise all of it is dropped and the step runs again.
    """

    status: str | None = None
    doc: Doc = field(default_factory=dict)
    plan: Doc = field(default_factory=dict)
    due: float | None = None
    news: bool = False
    """Whether the row's parent is due even where the status is the same (a job's new metric
    value)."""


@dataclass(frozen=True)
class Wanted:
    """Which rows a list asks for; times in seconds since the epoch, compared in milliseconds."""

    contains: str = ""
    status: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    updated_after: float | None = None
    updated_before: float | None = None


SORTS = {
    "Name": "lower(name)",
    "Status": "status",
    "CreationTime": "created",
    "LastModifiedTime": "updated",
}
"""Orders of a list -> the column."""


class Exists(Exception):
    """A row of that kind and name exists already."""


Check = Callable[[Reader], object]
"""Raises what forbids a change; runs in the transaction of the change, so that of two that exclude
each other one is refused. Must not wait for anything."""
Change = Callable[[Tx, Row | None, Row | None], object]
"""Told in the transaction of each change: the row as it was, None for a new one, and as it is, None
for one that was deleted. Must not wait for anything, and what it raises undoes the change."""


class Rows(Reader):
    """Reads and guarded changes of resources. Every change is on disk when the method returns."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        super().__init__(db.read)
        self._db = db
        self._clock = clock
        self.changed: Change = lambda tx, old, new: None
        """Set once, when the server is built (`store.events`); not told of a last use of a key."""

    def insert(self, row: Row, check: Check | None = None) -> Row:
        """The row as stored, with id and times. Raises Exists when the name is taken, and what
        `check` raises."""

        def work(tx: Tx) -> Row:
            if check is not None:
                check(Reader(tx.all))
            return self.insert_in(tx, row)

        return self._db.write(work)

    def insert_in(self, tx: Tx, row: Row) -> Row:
        """`insert` inside a transaction that the caller holds."""
        now = self._clock()
        row = replace(row, created=row.created or now, updated=_modified(row, now))
        sql = (
            "INSERT INTO resource(account, region, kind, name, status, doc, plan, parent,"
            " created, updated, due_at) VALUES(?,?,?,?,?,?,?,?,?,?,?) RETURNING id"
        )
        values = (
            row.account, row.region, row.kind, row.name, row.status, dump(row.doc),
            dump(row.plan), row.parent, row.created, row.updated, row.due_at,
        )  # fmt: skip
        try:
            found = tx.one(sql, values)
        except sqlite3.IntegrityError as error:
            raise Exists(f"{row.kind} {row.name}") from error
        assert found is not None
        row = replace(row, id=found["id"])
        self.changed(tx, None, row)
        return row

    def page(
        self,
        place: tuple[str, str, str],
        wanted: Wanted,
        order: tuple[str, bool],
        after: Sequence[Any] | None,
        limit: int,
    ) -> tuple[list[Row], list[Any] | None]:
        """Up to `limit` rows of (account, region, kind) and where the next page begins, None at
        the end.

        `order` is one of SORTS and whether it descends. `after` is the second value of the last
        page; rows that come or go between pages neither repeat nor hide others.
        """
        column, down = SORTS[order[0]], order[1]
        tests = [
            ("instr(lower(name), ?)", wanted.contains.lower() or None),
            ("status=?", wanted.status),
            ("round(created, 3)>?", wanted.created_after),
            ("round(created, 3)<?", wanted.created_before),
            ("round(updated, 3)>?", wanted.updated_after),
            ("round(updated, 3)<?", wanted.updated_before),
        ]
        used = [(sql, value) for sql, value in tests if value is not None]
        where = ["account=? AND region=? AND kind=?", *(sql for sql, _ in used)]
        params: list[Any] = [*place, *(value for _, value in used)]
        if after is not None:
            where.append(f"({column}, id) {'<' if down else '>'} (?, ?)")
            params += after
        way = "DESC" if down else "ASC"
        sql = (
            f"SELECT *, {column} AS sort FROM resource WHERE {' AND '.join(where)}"
            f" ORDER BY {column} {way}, id {way} LIMIT ?"
        )
        found = self._db.read(sql, [*params, limit + 1])
        rows = [row_of(each) for each in found[:limit]]
        more = [found[limit - 1]["sort"], found[limit - 1]["id"]] if len(found) > limit else None
        return rows, more

    def update(
        self, row_id: int, change: Callable[[Row], Row | None], check: Check | None = None
    ) -> Row | None:
        """The row after `change`, read and written in one transaction; None when it is gone.

        `change`, or `check` after it, may raise to leave the row as it is; `change` may return None to
        do so silently. The lease is not touched: a reconciler that holds one loses its own result
        (version check in `apply`). A new status makes the row's parent due, unless that is never
        due. Raises what `change`, `check` and `Db.write` raise.
        """

        def work(tx: Tx) -> Row | None:
            found = tx.one("SELECT * FROM resource WHERE id=?", (row_id,))
            if found is None:
                return None
            old = row_of(found)
            new = change(old)
            if check is not None:
                check(Reader(tx.all))
            return old if new is None else self.store_in(tx, new, new.status != old.status, old)

        return self._db.write(work)

    def delete(
        self, row_id: int, check: Callable[[Row, Reader], object] | None = None
    ) -> Row | None:
        """Deletes the row; returns it as it was, or None when it did not exist. `check` sees it in
        the same transaction, and may raise to keep it."""

        def work(tx: Tx) -> Row | None:
            found = Reader(tx.all).by_id(row_id)
            if found is not None:
                if check is not None:
                    check(found, Reader(tx.all))
                self.delete_in(tx, found)
            return found

        return self._db.write(work)

    def delete_in(self, tx: Tx, row: Row) -> None:
        """There is no such row, in a transaction that the caller holds."""
        tx.run("DELETE FROM resource WHERE id=?", (row.id,))
        self.changed(tx, row, None)

    def store_in(self, tx: Tx, row: Row, news: bool, old: Row | None = None) -> Row:
        """The row as stored; with `news` its parent is due in the same transaction. `old` is the row
        as it was, where the change is one that events tell of."""
        row = replace(row, updated=_modified(row, self._clock()), version=row.version + 1)
        tx.run(
            "UPDATE resource SET status=?, doc=?, plan=?, parent=?, due_at=?, updated=?, version=?"
            " WHERE id=?",
            (
                row.status, dump(row.doc), dump(row.plan), row.parent, row.due_at, row.updated,
                row.version, row.id,
            ),
        )  # fmt: skip
        if old is not None:
            self.changed(tx, old, row)
        if news and row.parent:
            tx.run(
                "UPDATE resource SET due_at=? WHERE account=? AND region=? AND kind=?"
                " AND lower(name)=? AND due_at IS NOT NULL",
                (self._clock(), *_named(row)),
            )
        return row

    def parent_of(self, row: Row) -> Row | None:
        """The resource that started this one; None where none did, or it is gone."""
        return self.get_lower(*_named(row)) if row.parent else None

    def claim(self, lease: float, limit: int) -> list[Row]:
        """Up to `limit` due rows, each leased for `lease` seconds to the token it now carries.

        Only the holder of the token can store a step (`apply`). While leased a row is due when its
        lease ends, so that a dead holder's row is claimed again; another `due_at` means that the row
        was touched meanwhile.
        """
        now, token = self._clock(), uuid.uuid4().hex
        sql = (
            "UPDATE resource SET lease_token=:token, lease_until=:until, due_at=:until WHERE id IN ("
            " SELECT id FROM resource WHERE due_at<=:now AND (lease_until IS NULL OR lease_until<:now)"
            " ORDER BY due_at LIMIT :limit) AND due_at<=:now"
            " AND (lease_until IS NULL OR lease_until<:now) RETURNING *"
        )
        params = {"token": token, "until": now + lease, "now": now, "limit": limit}
        if self._db.read_one(
            "SELECT 1 FROM resource WHERE due_at<=:now"
            " AND (lease_until IS NULL OR lease_until<:now) LIMIT 1", params
        ) is None:  # fmt: skip
            return []
        return [row_of(r) for r in self._db.write(lambda tx: tx.all(sql, params), urgent=True)]

    def renew(self, row: Row, lease: float) -> bool:
        """Extends the lease of `row` to `lease` seconds from now; False when another holds it."""
        sql = (
            "UPDATE resource SET due_at=CASE WHEN due_at=lease_until THEN :until ELSE due_at END,"
            " lease_until=:until WHERE id=:id AND lease_token=:token"
        )
        params = {"until": self._clock() + lease, "id": row.id, "token": row.lease_token}
        return self._db.write(lambda tx: tx.run(sql, params), urgent=True) == 1

    def apply(self, row: Row, step: Next) -> bool:
        """Stores the step of the leased `row` and gives its lease back; False if it was dropped.

        It is dropped when another holds the lease, or the row is deleted: then nothing changes. It
        is dropped too when the row changed since it was claimed (a Stop, an Update), and the row is
        due at once. A row that was only touched keeps the step and is due at once. With a new
        status, or news, the row's parent is due in the same transaction, unless it is never due.
        """

        def work(tx: Tx) -> bool:
            found = tx.one(
                "SELECT * FROM resource WHERE id=? AND lease_token=?", (row.id, row.lease_token)
            )
            if found is None:
                return False
            release = "UPDATE resource SET lease_token=NULL, lease_until=NULL"
            if found["version"] != row.version:
                tx.run(f"{release}, due_at=? WHERE id=?", (self._clock(), row.id))
                return False
            due = None if step.due is None else self._clock() + step.due
            if found["due_at"] != found["lease_until"]:
                due = self._clock()
            self.store_in(
                tx,
                replace(
                    row,
                    status=step.status or row.status,
                    doc=merge(row.doc, step.doc),
                    plan=merge(row.plan, step.plan),
                    due_at=due,
                ),
                step.news or (step.status or row.status) != row.status,
                row,
            )
            tx.run(f"{release} WHERE id=?", (row.id,))
            return True

        return self._db.write(work, urgent=True)

    def mark(self, row: Row, plan: Doc) -> bool:
        """The leased row's plan has these members, though its step is not at its end; False where
        another holds the lease.

        For what a step has done and must not do again where it is dropped (`apply`). A step that is
        stored does not know of them: its plan is that of the row as it was claimed.
        """

        def work(tx: Tx) -> bool:
            found = tx.one(
                "SELECT plan FROM resource WHERE id=? AND lease_token=?", (row.id, row.lease_token)
            )
            if found is None:
                return False
            whole = dump(merge(parse(found["plan"]), plan))
            tx.run("UPDATE resource SET plan=? WHERE id=?", (whole, row.id))
            return True

        return self._db.write(work, urgent=True)

    def take_over(self, kinds: Mapping[str, Sequence[str]]) -> None:
        """Voids the leases of a process that is gone, and makes their rows due; so are the rows of
        `kinds` that have a due time, but for those in the statuses that `kinds` maps them to. For a
        process that has the database to itself."""
        now = self._clock()

        def work(tx: Tx) -> None:
            tx.run(
                "UPDATE resource SET lease_token=NULL, lease_until=NULL, due_at=?"
                " WHERE lease_token IS NOT NULL",
                (now,),
            )
            for kind, ended in kinds.items():
                marks = ",".join("?" * len(ended))
                tx.run(
                    "UPDATE resource SET due_at=? WHERE kind=? AND due_at IS NOT NULL"
                    f" AND status NOT IN ({marks})",
                    (now, kind, *ended),
                )

        self._db.write(work)

    def touch(self, row_id: int) -> None:
        """Makes the row due now, leased or not; a lease stays valid."""
        now = self._clock()
        self._db.write(lambda tx: tx.run("UPDATE resource SET due_at=? WHERE id=?", (now, row_id)))

    def touch_named(self, kind: str, place: tuple[str, str], member: str, text: str) -> int:
        """Makes due now, leased or not, the rows of `kind` in (account, region) whose `doc` has
        `text` at that member; how many. One that was never due is due too: it waits to be told."""
        sql = (
            "UPDATE resource SET due_at=? WHERE kind=? AND account=? AND region=?"
            " AND json_extract(doc, ?)=?"
        )
        params = (self._clock(), kind, *place, f"$.{member}", text)
        return self._db.write(lambda tx: tx.run(sql, params))

    def touch_owner(self, key: str) -> None:
        """Makes the row that reserved capacity under `key` due now, if there is one."""
        sql = "UPDATE resource SET due_at=? WHERE id=(SELECT row_id FROM reservation WHERE key=?)"
        now = self._clock()
        self._db.write(lambda tx: tx.run(sql, (now, key)), urgent=True)

    def latest(self) -> float:
        """When a row last changed; 0 where there is none."""
        return self._db.read("SELECT max(updated) FROM resource")[0][0] or 0.0

    def rush(self) -> int:
        """Makes every row that waits for a time, or is leased, due now and unleased; how many.

        For a clock that was set back: their times are of the clock as it was.
        """
        sql = (
            "UPDATE resource SET due_at=:now, lease_token=NULL, lease_until=NULL WHERE due_at>:now"
        )
        return self._db.write(lambda tx: tx.run(sql, {"now": self._clock()}), urgent=True)

    def next_due(self) -> float | None:
        """When the earliest row may next be claimed, or None."""
        found = self._db.read(
            "SELECT due_at, coalesce(lease_until, 0) AS until FROM resource"
            " WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 100"
        )
        return min((max(row["due_at"], row["until"]) for row in found), default=None)


def _named(child: Row) -> tuple[str, str, str, str]:
    """The account, the region, the kind and the name, in lower case, of the resource whose ARN is the
    child's `parent`: that may be another account's."""
    *_, region, account, resource = child.parent.split(":", 5)
    kind, _, name = resource.partition("/")
    return account, region, kind, name.lower()


def _modified(row: Row, now: float) -> float:
    """The time that lists filter and sort by: the row's LastModifiedTime, else `now`."""
    told = row.doc.get("LastModifiedTime")
    return told.timestamp() if isinstance(told, dt.datetime) else now


def merge(old: Doc, changes: Doc) -> Doc:
    """`old` with `changes` over it at the top level; members set to None are removed."""
    return {k: v for k, v in {**old, **changes}.items() if v is not None}
