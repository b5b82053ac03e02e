"""Rows of the `resource` table as they are read: a resource is a value."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sagebrush.store.db import Params
from sagebrush.store.documents import Doc, parse


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


class Reader:
    """Reads resources by `read`: by `Db.read` as of now, by `Tx.all` as a transaction sees them, in
    which no other write can change them before it ends."""

    def __init__(self, read: Callable[[str, Params], list[sqlite3.Row]]) -> None:
        self._read = read

    def get(self, account: str, region: str, kind: str, name: str) -> Row | None:
        """The row of that name, or None."""
        sql = "SELECT * FROM resource WHERE account=? AND region=? AND kind=? AND name=?"
        found = self._first(sql, (account, region, kind, name))
        return row_of(found) if found else None

    def get_lower(self, account: str, region: str, kind: str, name: str) -> Row | None:
        """The row whose name is `name` but for upper and lower case, or None."""
        exact = self.get(account, region, kind, name)
        if exact is not None:
            return exact
        sql = "SELECT * FROM resource WHERE account=? AND region=? AND kind=? AND lower(name)=?"
        found = self._first(sql, (account, region, kind, name.lower()))
        return row_of(found) if found else None

    def by_id(self, row_id: int) -> Row | None:
        """The row with that id, or None."""
        found = self._first("SELECT * FROM resource WHERE id=?", (row_id,))
        return row_of(found) if found else None

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
        return [row_of(r) for r in self._read(sql + " ORDER BY created, id", params)]

    def holding(self) -> list[Row]:
        """All rows that hold a reservation, oldest first: ten thousand that wait cost nothing here."""
        sql = (
            "SELECT * FROM resource WHERE id IN (SELECT row_id FROM reservation WHERE held=1)"
            " ORDER BY created, id"
        )
        return [row_of(r) for r in self._read(sql, ())]

    def plans(self, kinds: Collection[str]) -> Iterator[tuple[str, str, Doc]]:
        """(kind, name, plan) of every row of these kinds; documents are not read."""
        marks = ",".join("?" * len(kinds))
        sql = f"SELECT kind, name, plan FROM resource WHERE kind IN ({marks})"
        for row in self._read(sql, tuple(kinds)):
            yield row["kind"], row["name"], parse(row["plan"])

    def _first(self, sql: str, params: Params) -> sqlite3.Row | None:
        found = self._read(sql, params)
        return found[0] if found else None


def row_of(found: sqlite3.Row) -> Row:
    """The row as SQL answered it."""
    return Row(
        account=found["account"], region=found["region"], kind=found["kind"], name=found["name"],
        status=found["status"], doc=parse(found["doc"]), plan=parse(found["plan"]),
        parent=found["parent"], created=found["created"], updated=found["updated"],
        due_at=found["due_at"], id=found["id"], lease_token=found["lease_token"],
        version=found["version"],
    )  # fmt: skip
