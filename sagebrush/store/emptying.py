"""Deletes all that accounts hold: rows, objects, logs, metrics and reservations, of every region.

What is kept of AWS's public sample buckets is no account's, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagebrush.store.db import Db, Tx

KEPT = (
    "kind='account' OR (kind='access-key' AND coalesce(json_extract(plan, '$.administrator'), 0))"
)
"""Rows that stay: accounts, and their own keys, as the owner's is: neither is what they hold."""
TABLES = (
    "work", "page", "timer", "clock", "history", "position", "execution", "definition",
    "message", "deduplication", "sequence", "part", "upload", "object", "piece", "segment",
    "content", "bucket", "point", "metric", "log_event", "log_stream", "log_group", "reservation", "peak",
    "runtime", "alarm_history", "event", "delivery", "edge",
)  # fmt: skip
"""Tables that are emptied, what refers to others before them."""
_HELD = "NOT IN (SELECT content FROM object WHERE content IS NOT NULL)"
_KEPT_WITH_BUCKETS = {
    "object": (" WHERE bucket NOT IN (SELECT id FROM bucket WHERE account=?)", True),
    "piece": (f" WHERE content {_HELD}", False),
    "segment": (f" WHERE content {_HELD}", False),
    "content": (f" WHERE id {_HELD}", False),
    "bucket": (" WHERE account<>?", True),
}
"""What is deleted of a table where an account's buckets stay, and whether the account is asked for."""


@dataclass(frozen=True)
class Emptied:
    """What was deleted."""

    rows: int
    objects: int
    blobs: tuple[str, ...]
    """Those that no row names any more; the caller discards them."""
    last: int
    """The highest id that a row had; the ids of later ones are higher."""


def empty(db: Db, spared: str) -> Emptied:
    """All is deleted in one transaction; what began before it writes nothing after it
    (`generations`). Urgent: it succeeds on a full disk, as far as the reserve lasts.

    `spared` is an account whose buckets stay with their objects (the owner of AWS's public samples).
    """

    def work(tx: Tx) -> Emptied:
        tx.outdates = True
        last = tx.one("SELECT coalesce(max(id), 0) AS last FROM resource")
        stays = tx.one("SELECT 1 AS found FROM bucket WHERE account=?", (spared,))
        before, objects = _blobs(tx), _objects(tx)
        for table in TABLES:
            # without a WHERE, SQLite empties a table at once
            kept, given = _KEPT_WITH_BUCKETS.get(table, ("", False)) if stays else ("", False)
            tx.run(f"DELETE FROM {table}{kept}", (spared,) if given else ())
        rows = tx.run(f"DELETE FROM resource WHERE NOT ({KEPT})")
        assert last is not None
        db.generations.next()
        gone = tuple(before - _blobs(tx))
        return Emptied(rows, objects - _objects(tx), gone, last["last"])

    return db.write(work, urgent=True)


def _blobs(tx: Tx) -> set[str]:
    found = tx.all("SELECT DISTINCT blob FROM segment WHERE blob IS NOT NULL")
    return {row["blob"] for row in found}


def _objects(tx: Tx) -> int:
    found = tx.one("SELECT count(*) AS count FROM object")
    assert found is not None
    return found["count"]


def seal(db: Db) -> None:
    """What began before this writes nothing more, though all is there still."""
    db.write(lambda tx: db.generations.next(), urgent=True)
