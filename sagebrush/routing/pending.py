"""What was counted and is not stored yet: kept in memory, stored as metrics every FLUSH seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar

from sagebrush.store.generations import Outdated
from sagebrush.store.series import Series

log = logging.getLogger(__name__)

FLUSH = 10.0
"""Seconds between two writes, at whole multiples of it: the resolution of the counts."""
Counts = TypeVar("Counts")


class Pending(Generic[Counts]):
    """The counts of this process; a crash loses those since the last flush."""

    def __init__(
        self,
        series: Series,
        clock: Callable[[], float],
        empty: Callable[[], Counts],
        store: Callable[[Counts], None],
    ) -> None:
        """`empty` makes counts of nothing; `store` writes some to the series, in any thread."""
        self._series = series
        self._clock = clock
        self._empty = empty
        self._write = store
        self._due = False
        self.counts = empty()
        """Added to in the event loop's thread alone; ask for `flush_later` then."""

    def flush_later(self) -> None:
        """The counts are stored at the next multiple of FLUSH seconds."""
        if self._due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # in tests without one; whoever flushes has them
        self._due = True
        loop.call_later(FLUSH - self._clock() % FLUSH, self._flush_soon, loop)

    def drop(self) -> None:
        """The counts are forgotten: what they are of was deleted."""
        self._taken()

    def flush(self) -> None:
        """The counts are stored."""
        self._store(self._taken())

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # Taken here, where they are counted: none is added to what another thread stores.
        self._due = False
        loop.run_in_executor(None, self._series.begun(self._store), self._taken())

    def _taken(self) -> Counts:
        taken, self.counts = self.counts, self._empty()
        return taken

    def _store(self, counts: Counts) -> None:
        try:
            self._write(counts)
        except Outdated:
            pass  # of what was deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts are lost: %s", self._write)
