"""Messages of FIFO queues within a transaction: sent once, received in the order of their group.

Source: Amazon SQS Developer Guide, "FIFO queue delivery logic" (a group's messages come in order, and
none while another of the group is in flight), "Exactly-once processing in Amazon SQS" (five minutes
of deduplication, also for a message that was received and deleted), "Using the receive request attempt
ID with Amazon SQS".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.store.db import Tx

INTERVAL = 300.0
"""Seconds for which deduplication ids and receive request attempt ids are remembered."""


@dataclass(frozen=True)
class Place:
    """Where a message stands in a FIFO queue."""

    group: str
    token: str
    """The deduplication id."""
    scope: str = ""
    """Within what the deduplication id says that it is the same message: a group, or "" for the queue."""


@dataclass(frozen=True)
class Stored:
    """A message that was sent: itself, or the earlier one that it repeats."""

    uid: str
    id: int
    """In the order in which messages were sent."""
    repeated: bool = False


def repeated(tx: Tx, queue: int, place: Place, now: float) -> Stored | None:
    """The message that was sent to the queue under the same deduplication id in the last five
    minutes."""
    row = tx.one(
        "SELECT uid, message FROM deduplication WHERE queue=? AND scope=? AND token=? AND sent>?",
        (queue, place.scope, place.token, now - INTERVAL),
    )
    return Stored(row["uid"], row["message"], True) if row else None


def remember(tx: Tx, queue: int, place: Place, stored: Stored, now: float) -> None:
    """The message is the one of its deduplication id for five minutes."""
    tx.run(
        "INSERT OR REPLACE INTO deduplication(queue, scope, token, uid, message, sent)"
        " VALUES(?,?,?,?,?,?)",
        (queue, place.scope, place.token, stored.uid, stored.id, now),
    )


def claim(tx: Tx, queue: int, most: int, now: float, until: float) -> list[sqlite3.Row]:
    """Up to `most` messages, hidden until `until`: in order, of groups of which none is in flight, and
    none that was sent before it is delayed."""
    return tx.all(
        "UPDATE message SET visible=:until, received=received+1, first=coalesce(first, :now),"
        " attempt=NULL, attempted=NULL WHERE id IN ("
        " SELECT m.id FROM message m INDEXED BY message_order"
        " WHERE m.queue=:queue AND m.grp IS NOT NULL AND m.visible<=:now AND m.expires>:now"
        " AND m.grp NOT IN (SELECT grp FROM message INDEXED BY message_hidden"
        "  WHERE queue=:queue AND grp IS NOT NULL AND visible>:now AND expires>:now AND received>0)"
        " AND NOT EXISTS (SELECT 1 FROM message o INDEXED BY message_group"
        "  WHERE o.queue=m.queue AND o.grp IS NOT NULL AND o.grp=m.grp AND o.visible>:now"
        "  AND o.expires>:now AND o.id<m.id)"
        " ORDER BY m.id LIMIT :most) RETURNING *",
        {"until": until, "now": now, "queue": queue, "most": most},
    )


def attempted(tx: Tx, queue: int, ids: Sequence[int], attempt: str, now: float) -> None:
    """The messages were received by the attempt of that id."""
    for each in ids:
        tx.run(
            "UPDATE message SET attempt=?, attempted=? WHERE id=? AND queue=?",
            (attempt, now, each, queue),
        )


def again(tx: Tx, queue: int, attempt: str, now: float, until: float) -> list[sqlite3.Row]:
    """The messages that the attempt of that id received in the last five minutes, hidden until
    `until`, in order; none where they are not in flight any more or were changed (`forget`)."""
    return tx.all(
        "UPDATE message SET visible=? WHERE queue=? AND attempt=?"
        " AND attempted>? AND visible>? AND expires>? RETURNING *",
        (until, queue, attempt, now - INTERVAL, now, now),
    )


def forget(tx: Tx, queue: int, message: int) -> None:
    """The attempt that received the message cannot be repeated: one of its messages was deleted, or
    its visibility changed."""
    tx.run(
        "UPDATE message SET attempt=NULL, attempted=NULL WHERE queue=:queue"
        " AND attempt=(SELECT attempt FROM message WHERE id=:id AND queue=:queue)",
        {"queue": queue, "id": message},
    )


def expire(tx: Tx, now: float) -> int:
    """Deduplication ids past their time take no more room; how many."""
    return tx.run("DELETE FROM deduplication WHERE sent<=?", (now - INTERVAL,))


def set_back(tx: Tx, now: float, seconds: float) -> None:
    """The clock was set back by so many seconds: nothing is remembered for longer by that."""
    tx.run("UPDATE deduplication SET sent=sent-? WHERE sent>?", (seconds, now))
    tx.run("UPDATE message SET attempted=attempted-? WHERE attempted>?", (seconds, now))
