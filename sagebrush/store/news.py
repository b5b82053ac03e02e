"""Who waits for a row that is no row itself: told when what it started has changed.

`engine.children` makes a parent due that is a row. Executions are none: they listen to what a task of
theirs started, by the parent that its row has. Nothing is lost with the memory: whoever listens looks
at the row after it began to, and again when a server starts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sagebrush.store.db import Tx
from sagebrush.store.rows import Row

Told = Callable[[], object]


class News:
    """Listeners to changes of rows, by the parent of the row. Thread-safe."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Told, bool]] = {}
        self._guard = threading.Lock()

    def listen(self, parent: str, told: Told, every: bool = False) -> None:
        """`told` is called after each change of the status of a row with that parent, with `every`
        after each change, in the thread of the database's writer: it must return at once."""
        with self._guard:
            self._told[parent] = told, every

    def forget(self, parent: str) -> None:
        """Nobody listens any more."""
        with self._guard:
            self._told.pop(parent, None)

    def changed(self, tx: Tx, old: Row | None, new: Row | None) -> None:
        """A row changes in the transaction (`Rows.changed`)."""
        row = new or old
        if row is None or not row.parent:
            return
        told, every = self._told.get(row.parent, (None, False))
        if told is None:
            return
        if every or old is None or new is None or old.status != new.status:
            tx.after(told)
