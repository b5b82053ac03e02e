"""Messages that the server itself works on: taken by nobody else while it lives, free again when it starts.

They are of the table of `store.messages`; there is no visibility time-out, so that work of any length is
done once, and what was in flight when a server died is done again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from sagebrush.store.db import Db, Tx
from sagebrush.store.documents import Doc, dump
from sagebrush.store.messages import Message, Messages

HELD = 1e10
"""Seconds for which a held message is hidden; what is hidden for longer than half of it is held."""


class HeldMessages:
    """Holds messages of queues, of whichever rows they are. Thread-safe."""

    def __init__(self, db: Db, messages: Messages) -> None:
        self._db = db
        self._messages = messages

    def take(self, queue: int, most: int) -> Future[list[Message]]:
        """Up to `most` messages, oldest first, which are held from now on."""
        return self._messages.receive(queue, most, HELD)

    def again(self, message: Message, more: Doc, now: float, seconds: float) -> Future[bool]:
        """The message, with other `more`, can be taken again after so many seconds; False where it is
        gone."""
        sql = "UPDATE message SET visible=?, more=? WHERE id=? AND queue=?"
        params = (now + seconds, dump(more), message.id, message.queue)
        return self._messages.told(
            [message.queue], self._db.submit(lambda tx: tx.run(sql, params) == 1)
        )

    def done_in(self, tx: Tx, message: Message) -> bool:
        """The message is gone, in a transaction that the caller holds; False where it was before."""
        sql = "DELETE FROM message WHERE id=? AND queue=?"
        return tx.run(sql, (message.id, message.queue)) == 1

    def release(self, kinds: Sequence[str], now: float) -> list[int]:
        """No message of queues of these kinds of rows is held: the server that held them is gone. Which
        queues have messages."""
        marks = ",".join("?" * len(kinds))
        of = f"SELECT id FROM resource WHERE kind IN ({marks})"

        def work(tx: Tx) -> list[int]:
            tx.run(
                f"UPDATE message SET visible=? WHERE visible>? AND queue IN ({of})",
                (now, now + HELD / 2, *kinds),
            )
            rows = tx.all(f"SELECT DISTINCT queue FROM message WHERE queue IN ({of})", tuple(kinds))
            return [row["queue"] for row in rows]

        return self._db.write(work)
