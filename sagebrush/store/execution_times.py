"""When executions were last seen to move on, by the clock as it was then."""

from __future__ import annotations

from sagebrush.store.db import Db, Tx

_LATEST = """
SELECT max(json_extract(events, '$[#-1].timestamp')) FROM history JOIN (
    SELECT execution, max(first) AS first FROM history
    WHERE execution IN (SELECT execution FROM timer) GROUP BY execution
) USING (execution, first)
"""
_SET_BACK = """
INSERT INTO clock(id, beyond, at) VALUES(1, ?, ?)
ON CONFLICT(id) DO UPDATE SET beyond=max(beyond, excluded.beyond), at=excluded.at
"""


def latest(db: Db) -> float | None:
    """The time of the last event of those executions that wait for a timer, in seconds since 1970; None
    where none does. By a clock that was set back while no server ran it is of the future. Where their
    timers were moved with the clock already, the time to which it was set back."""
    found = db.read(_LATEST)[0][0]
    known = db.read_one("SELECT beyond, at FROM clock")
    if found is None or known is None or found > known["beyond"]:
        return found
    return known["at"]


def set_back(db: Db, latest: float, now: float) -> None:
    """The clock was set back from `latest` to `now`: timers fire when they would have, also where a
    server starts that sees events of the clock as it was."""

    def work(tx: Tx) -> None:
        tx.run("UPDATE timer SET due=due-?", (latest - now,))
        tx.run(_SET_BACK, (latest, now))

    db.write(work)
