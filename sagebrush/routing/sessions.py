"""Stateful sessions: which replica has the state of which session, in memory.

The model makes a session's id and says how long it lasts; the state is in its container's memory,
so a session ends with its replica ("Stateful sessions with Amazon SageMaker AI models").
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sagebrush.routing.endpoints import Endpoint, Name, Route, Variant

MOST = 100_000
"""Sessions that are remembered; the oldest are forgotten first."""


@dataclass(frozen=True)
class Session:
    """Where a session's requests go, until when (seconds since the epoch; None: no end is known)."""

    variant: str
    key: str
    until: float | None


class Sessions:
    """The sessions known to this process. Used in the event loop's thread alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[tuple[Name, str], Session] = {}

    def begin(self, name: Name, given: str, variant: str, key: str) -> None:
        """The session that a container `given`s (`ID; Expires=2024-12-31T00:00:00Z`) leads to its
        replica from now on. One without an id is none."""
        identity, _, rest = given.partition(";")
        if not identity.strip():
            return
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[name, identity.strip()] = Session(variant, key, _expiry(rest))

    def end(self, name: Name, given: str) -> None:
        """The session is forgotten."""
        self._sessions.pop((name, given.partition(";")[0].strip()), None)

    def find(self, endpoint: Endpoint, identity: str) -> tuple[Variant, Route] | None:
        """The replica of the session; None once it has expired, was closed, or its replica is gone."""
        known = self._sessions.get((endpoint.name, identity))
        if known is None:
            return None
        if known.until is None or self._clock() < known.until:
            variant = endpoint.variant(known.variant)
            for route in variant.routes if variant else ():
                if variant is not None and route.key == known.key:
                    return variant, route
        del self._sessions[endpoint.name, identity]
        return None


def _expiry(text: str) -> float | None:
    """Seconds since the epoch of `Expires=…`; None where there is none."""
    label, _, value = text.strip().partition("=")
    if label.strip().lower() != "expires":
        return None
    try:
        at = dt.datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp()
