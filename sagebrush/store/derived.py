"""Rows and edges that follow from a change of another row, stored in the transaction of that change.

A training job's trial component and its lineage are such: whoever sees the job's new status sees
theirs, also after a kill -9.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from sagebrush.store.changes import Changes
from sagebrush.store.db import Tx
from sagebrush.store.rows import Row, Rows

log = logging.getLogger(__name__)

Derive = Callable[[Changes, Row | None, Row | None], object]
"""(changes, the row as it was, None: it is new; as it is, None: it was deleted). It stores what
follows and must not wait for anything; it may be called again for the same state."""


class Derived:
    """What follows from changes, by the kind of the row that changes."""

    def __init__(self, rows: Rows, by_kind: Mapping[str, Sequence[Derive]]) -> None:
        self._rows = rows
        self._by_kind = by_kind

    def changed(self, tx: Tx, old: Row | None, new: Row | None) -> None:
        """What follows from the change of a row is stored with it (`Rows.changed`). What cannot be
        derived is logged and left out whole: no record is worth the change that it is of."""
        row = new or old
        for derive in self._by_kind.get(row.kind, ()) if row is not None else ():
            tx.run("SAVEPOINT derived")
            try:
                derive(Changes(self._rows, tx), old, new)
            except Exception:
                log.exception("what follows from a change of %s is lost", row and row.name)
                tx.run("ROLLBACK TO derived")
            finally:
                tx.run("RELEASE derived")
