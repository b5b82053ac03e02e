"""Several rows and edges changed in one transaction: all of them, or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from sagebrush.store import edges
from sagebrush.store.db import Db, Tx
from sagebrush.store.edges import Edge, EdgeReader
from sagebrush.store.rows import Exists, Reader, Row, Rows

T = TypeVar("T")


class Changes(Reader):
    """Reads and changes within one transaction; what it has changed it reads as changed."""

    def __init__(self, rows: Rows, tx: Tx) -> None:
        super().__init__(tx.all)
        self._rows = rows
        self._tx = tx
        self.edges = EdgeReader(tx.all)

    def insert(self, row: Row) -> Row:
        """The row as stored, with its id and times; raises Exists when the name is taken."""
        return self._rows.insert_in(self._tx, row)

    def store(self, row: Row) -> Row:
        """The row as stored in place of the one with its id; a new status is news to its parent."""
        old = self.by_id(row.id)
        return self._rows.store_in(self._tx, row, old is not None and old.status != row.status, old)

    def rename(self, row: Row, name: str) -> None:
        """The row has another name; raises Exists when that is taken."""
        try:
            self._tx.run("UPDATE resource SET name=? WHERE id=?", (name, row.id))
        except sqlite3.IntegrityError as error:
            raise Exists(f"{row.kind} {name}") from error

    def delete(self, row: Row) -> None:
        """There is no such row."""
        self._rows.delete_in(self._tx, row)

    def link(self, edge: Edge) -> bool:
        """The edge is stored; False, and nothing changed, where one of its kind is between the two."""
        return edges.put_in(self._tx, edge)

    def unlink(self, place: tuple[str, str, str], source: str, destination: str) -> bool:
        """There is no edge of (account, region, kind) between the two; whether there was."""
        return edges.delete_in(self._tx, place, source, destination)


def together(db: Db, rows: Rows, work: Callable[[Changes], T]) -> T:
    """What `work` answers, whose changes are on disk when this returns.

    Raises what `work` and `Db.write` raise; nothing has changed then. `work` must not wait for
    anything else.
    """
    return db.write(lambda tx: work(Changes(rows, tx)))
