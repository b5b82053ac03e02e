"""The `resource` table: documents, their status, and the lease that makes it a job queue."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from sagebrush.store.db import Db, Params, Tx
from sagebrush.store.documents import Doc, dump, parse


@dataclass(frozen=True)
class Row:
    """One resource as it was read: `doc` is the AWS document, `plan` the private state of its kind.

    A row is a value: no holder may change it, nor its `doc` and `plan`. Only the stored row changes,
    by `Rows.update` (operations) or by the `Next` of the reconciler that holds its lease. `status`
    is AWS's word; which statuses are final is a fact of the kind. `parent` is
    the ARN, ending in `<kind>/<name in lower case>`, of the resource that started this one, or
    "": that resource is due when this row's status changes. Times are in epoch seconds.
    """

    account: str
    region: str
    kind: str
    name: str
    status: str
    doc: Doc
    plan: Doc = field(default_factory=dict)
    parent: str = ""
    created: float = 0.0
    updated: float = 0.0
    due_at: float | None = None
    id: int = 0
    lease_token: str | None = None
    version: int = 1


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


class Reader:
    """Reads resources by `read`: by `Db.read` as of now, by `Tx.all` as a transaction sees them, in
    which no other write can change them before it ends."""

    def __init__(self, read: Callable[[str, Params], list[sqlite3.Row]]) -> None:
        self._read = read

    def get(self, account: str, region: str, kind: str, name: str) -> Row | None:
        """The row of that name, or None."""
        sql = "SELECT * FROM resource WHERE account=? AND region=? AND kind=? AND name=?"
        found = self._first(sql, (account, region, kind, name))
        return _row(found) if found else None

    def get_lower(self, account: str, region: str, kind: str, name: str) -> Row | None:
        """The row whose name is `name` but for upper and lower case, or None."""
        exact = self.get(account, region, kind, name)
        if exact is not None:
            return exact
        sql = "SELECT * FROM resource WHERE account=? AND region=? AND kind=? AND lower(name)=?"
        found = self._first(sql, (account, region, kind, name.lower()))
        return _row(found) if found else None

    def by_id(self, row_id: int) -> Row | None:
        """The row with that id, or None."""
        found = self._first("SELECT * FROM resource WHERE id=?", (row_id,))
        return _row(found) if found else None

    def select(
        self,
        kind: str,
        statuses: Sequence[str] = (),
        parent: str | None = None,
        account: str | None = None,
        texts: Mapping[str, str] = MappingProxyType({}),
        holding: str = "",
    ) -> list[Row]:
        """All rows of `kind` (in one of `statuses`, under `parent`, of `account` where given),
        oldest first; `texts`: those alone in which `doc.X` or `plan.X` is that text, which costs a
        twentieth of reading every row; `holding`: those alone whose `doc` has it within some text."""
        sql, params = "SELECT * FROM resource WHERE kind=?", [kind]
        if account is not None:
            sql += " AND account=?"
            params.append(account)
        for place, text in texts.items():
            column, _, member = place.partition(".")
            assert column in ("doc", "plan")
            sql += f" AND json_extract({column}, ?)=?"
            params += [f"$.{member}", text]
        if holding:
            sql += " AND instr(doc, ?)"
            params.append(json.dumps(holding)[1:-1])
        if statuses:
            sql += f" AND status IN ({','.join('?' * len(statuses))})"
            params += statuses
        if parent is not None:
            sql += " AND parent=?"
            params.append(parent)
        return [_row(r) for r in self._read(sql + " ORDER BY created, id", params)]

    def holding(self) -> list[Row]:
        """All rows that hold a reservation, oldest first: ten thousand that wait cost nothing here."""
        sql = (
            "SELECT * FROM resource WHERE id IN (SELECT row_id FROM reservation WHERE held=1)"
            " ORDER BY created, id"
        )
        return [_row(r) for r in self._read(sql, ())]

    def plans(self, kinds: Collection[str]) -> Iterator[tuple[str, str, Doc]]:
        """(kind, name, plan) of every row of these kinds; documents are not read."""
        marks = ",".join("?" * len(kinds))
        sql = f"SELECT kind, name, plan FROM resource WHERE kind IN ({marks})"
        for row in self._read(sql, tuple(kinds)):
            yield row["kind"], row["name"], parse(row["plan"])

    def _first(self, sql: str, params: Params) -> sqlite3.Row | None:
        found = self._read(sql, params)
        return found[0] if found else None


Check = Callable[[Reader], object]
"""Raises what forbids a change; runs in the transaction of the change, so that of two that exclude
each other one is refused. Must not wait for anything."""


class Rows(Reader):
    """Reads and guarded changes of resources. Every change is on disk when the method returns."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        super().__init__(db.read)
        self._db = db
        self._clock = clock

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
        return replace(row, id=found["id"])

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
        rows = [_row(each) for each in found[:limit]]
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
            old = _row(found)
            new = change(old)
            if check is not None:
                check(Reader(tx.all))
            return old if new is None else self.store_in(tx, new, new.status != old.status)

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
                tx.run("DELETE FROM resource WHERE id=?", (row_id,))
            return found

        return self._db.write(work)

    def store_in(self, tx: Tx, row: Row, news: bool) -> Row:
        """The row as stored; with `news` its parent is due in the same transaction."""
        row = replace(row, updated=_modified(row, self._clock()), version=row.version + 1)
        tx.run(
            "UPDATE resource SET status=?, doc=?, plan=?, parent=?, due_at=?, updated=?, version=?"
            " WHERE id=?",
            (
                row.status, dump(row.doc), dump(row.plan), row.parent, row.due_at, row.updated,
                row.version, row.id,
            ),
        )  # fmt: skip
        if news and row.parent:
            tx.run(
                "UPDATE resource SET due_at=? WHERE account=? AND region=? AND kind=?"
                " AND lower(name)=? AND due_at IS NOT NULL",
                (self._clock(), row.account, row.region, *_named(row.parent)),
            )
        return row

    def parent_of(self, row: Row) -> Row | None:
        """The resource that started this one; None where none did, or it is gone."""
        return self.get_lower(row.account, row.region, *_named(row.parent)) if row.parent else None

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
        return [_row(r) for r in self._db.write(lambda tx: tx.all(sql, params), urgent=True)]

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


def _named(parent: str) -> tuple[str, str]:
    """The kind and the name, in lower case, of the resource whose ARN `parent` is."""
    kind, _, name = parent.split(":", 5)[-1].partition("/")
    return kind, name.lower()


def _modified(row: Row, now: float) -> float:
    """The time that lists filter and sort by: the row's LastModifiedTime, else `now`."""
    told = row.doc.get("LastModifiedTime")
    return told.timestamp() if isinstance(told, dt.datetime) else now


def merge(old: Doc, changes: Doc) -> Doc:
    """`old` with `changes` over it at the top level; members set to None are removed."""
    return {k: v for k, v in {**old, **changes}.items() if v is not None}


def _row(found: sqlite3.Row) -> Row:
    return Row(
        account=found["account"], region=found["region"], kind=found["kind"], name=found["name"],
        status=found["status"], doc=parse(found["doc"]), plan=parse(found["plan"]),
        parent=found["parent"], created=found["created"], updated=found["updated"],
        due_at=found["due_at"], id=found["id"], lease_token=found["lease_token"],
        version=found["version"],
    )  # fmt: skip
