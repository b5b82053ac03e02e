"""The tables `peak` and `runtime`: what past jobs of an image used and took on an instance type."""

from __future__ import annotations

from sagebrush.store.db import Db


def peak(db: Db, image: str, instance: str) -> int | None:
    """The most bytes of memory that one of them used; None where none is known."""
    found = db.read_one("SELECT bytes FROM peak WHERE image=? AND instance=?", (image, instance))
    return found["bytes"] if found else None


def note_peak(db: Db, image: str, instance: str, used: int) -> None:
    """One used `used` bytes at most; the largest is kept."""
    sql = (
        "INSERT INTO peak VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET"
        " bytes=max(bytes, excluded.bytes)"
    )
    db.write(lambda tx: tx.run(sql, (image, instance, used)), urgent=True)


def seconds(db: Db, image: str, instance: str) -> float | None:
    """How long one of them probably runs; None where none has yet."""
    found = db.read_one(
        "SELECT seconds FROM runtime WHERE image=? AND instance=?", (image, instance)
    )
    return found["seconds"] if found else None


def note_seconds(db: Db, image: str, instance: str, ran: float) -> None:
    """One ran for `ran` seconds. Longer ones count at once, shorter ones by three tenths."""
    sql = (
        "INSERT INTO runtime VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET"
        " seconds=max(excluded.seconds, 0.7 * seconds + 0.3 * excluded.seconds)"
    )
    db.write(lambda tx: tx.run(sql, (image, instance, ran)), urgent=True)
