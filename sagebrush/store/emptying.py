"""Deletes all that accounts hold: rows, objects, logs, metrics and reservations, of every region."""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.store.db import Db, Tx

KEPT = (
    "kind='account' OR (kind='access-key' AND coalesce(json_extract(plan, '$.administrator'), 0))"
)
"""Rows that stay: accounts, and their own keys, as the owner's is: neither is what they hold."""
TABLES = (
    "part", "upload", "object", "piece", "segment", "content", "bucket", "point", "metric",
    "log_event", "log_stream", "log_group", "reservation", "peak", "runtime",
)  # fmt: skip
"""Tables that are emptied, what refers to others before them."""


@dataclass(frozen=True)
class Emptied:
    """What was deleted."""

    rows: int
    objects: int
    blobs: tuple[str, ...]
    """Those that no row names any more; the caller discards them."""
    last: int
    """The highest id that a row had; the ids of later ones are higher."""


def empty(db: Db) -> Emptied:
    """All is deleted in one transaction; what began before it writes nothing after it
    (`generations`). Urgent: it succeeds on a full disk, as far as the reserve lasts."""

    def work(tx: Tx) -> Emptied:
        tx.outdates = True
        last = tx.one("SELECT coalesce(max(id), 0) AS last FROM resource")
        count = tx.one("SELECT count(*) AS count FROM object")
        blobs = tx.all("SELECT DISTINCT blob FROM segment WHERE blob IS NOT NULL")
        for table in TABLES:
            tx.run(f"DELETE FROM {table}")
        rows = tx.run(f"DELETE FROM resource WHERE NOT ({KEPT})")
        assert last is not None
        assert count is not None
        db.generations.next()
        return Emptied(rows, count["count"], tuple(row["blob"] for row in blobs), last["last"])

    return db.write(work, urgent=True)


def seal(db: Db) -> None:
    """What began before this writes nothing more, though all is there still."""
    db.write(lambda tx: db.generations.next(), urgent=True)
