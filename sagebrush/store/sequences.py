"""Numbers that grow whatever the clock does: of what buckets notify of, of what FIFO topics publish."""

from __future__ import annotations

from sagebrush.store.db import Tx


def following(tx: Tx, now: float) -> int:
    """A number that is larger than the one before; about the microseconds of the clock."""
    row = tx.one(
        "INSERT INTO sequence(id, number) VALUES(1, :now) ON CONFLICT(id)"
        " DO UPDATE SET number=max(number+1, :now) RETURNING number",
        {"now": int(now * 1e6)},
    )
    assert row is not None
    return row["number"]
