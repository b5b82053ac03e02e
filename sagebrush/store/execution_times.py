"""When executions were last seen to move on, by the clock as it was then."""

from __future__ import annotations

from sagebrush.store.db import Db

_LATEST = """
SELECT max(json_extract(events, '$[#-1].timestamp')) FROM history JOIN (
    SELECT execution, max(first) AS first FROM history
    WHERE execution IN (SELECT execution FROM timer) GROUP BY execution
) USING (execution, first)
"""


def latest(db: Db) -> float | None:
    """The time of the last event of those executions that wait for a timer, in seconds since 1970; None
    where none does. By a clock that was set back while no server ran it is of the future."""
    return db.read(_LATEST)[0][0]
