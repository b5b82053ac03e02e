"""Counts that are kept in memory until they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from sagebrush.routing.pending import FLUSH, Pending
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Series


class OfNoGeneration:
    """Where nothing is emptied."""

    def begun(self, write: Callable[..., None]) -> Callable[..., None]:
        """The same."""
        return write


def pending(store: Callable[[list[int]], None], now: float = 0.0) -> Pending[list[int]]:
    return Pending(cast(Series, OfNoGeneration()), lambda: now, list, store)


def test_counts_are_stored_once_at_the_next_multiple() -> None:
    stored: list[list[int]] = []

    async def count() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def store(counts: list[int]) -> None:
            stored.append(counts)
            loop.call_soon_threadsafe(done.set)

        kept = pending(store, 5 * FLUSH - 1e-3)
        for value in (1, 2):
            kept.counts.append(value)
            kept.flush_later()
        await done.wait()
        assert kept.counts == []

    asyncio.run(asyncio.wait_for(count(), 20))
    assert stored == [[1, 2]]


@pytest.mark.parametrize(("error", "logged"), [(Outdated(), False), (OSError("full"), True)])
def test_counts_that_cannot_be_stored_end_nothing(
    error: Exception, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def store(_counts: list[int]) -> None:
        raise error

    kept = pending(store)
    kept.counts.append(1)
    kept.flush()
    assert kept.counts == []
    assert ("counts are lost" in caplog.text) is logged


def test_counts_are_dropped_with_what_they_are_of() -> None:
    stored: list[Any] = []
    kept = pending(stored.append)
    kept.counts.append(1)
    kept.flush_later()  # without an event loop nothing is begun
    kept.drop()
    kept.flush()
    assert stored == [[]]
