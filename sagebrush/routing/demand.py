"""Who wants an answer of an endpoint that may have no process, and how much it was used of late.

In memory: `Forward.send` notes every request, the endpoint's reconciler reads it (`seen`) and says
when what it started did not come up (`failed`). A restart of the server forgets it; then a process
that runs is taken for one that was used when the server began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sagebrush.routing.endpoints import Name

Key = tuple[Name, str]
"""An endpoint, and what of it: "" for all of it."""
SPAN = 10.0
"""Seconds of which one peak is kept."""
KEPT = 3600.0
"""Seconds for which peaks are kept."""
LONGEST = 60.0
"""Seconds at most that nothing is started after a failure; doubled from one with each."""


class Full(Exception):
    """As many requests are inside as may be."""


@dataclass(eq=False)
class Asking:
    """One request; `why` is set when what it waits for did not come up."""

    waiting: bool = True
    """Whether no process has it yet."""
    why: str = ""
    more: bool = False
    """Whether more requests are inside than there were of late."""


@dataclass(frozen=True)
class Seen:
    """The use of something until now. Times in seconds since the epoch."""

    inside: int
    """Requests that are answered now, or wait for it."""
    last: float
    """When the last one came or was answered."""
    peaks: tuple[tuple[float, int], ...] = ()
    """(time, the most requests that were inside at once in the SPAN that began then)."""
    failed: str = ""
    """Why it did not come up when it was last wanted."""
    held_until: float = 0.0
    """Until when it is not tried again."""


@dataclass
class _Use:
    last: float
    inside: set[Asking] = field(default_factory=set)
    peaks: dict[float, int] = field(default_factory=dict)
    failed: str = ""
    failures: int = 0
    held_until: float = 0.0
    spilled: int = 0
    begun: int = 0


class Demand:
    """The use of all endpoints that may sleep (`Forward.demand`). Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began = clock()
        """What was used before is not known."""
        self._guard = threading.Lock()
        self._uses: dict[Key, _Use] = {}

    @contextmanager
    def entered(self, key: Key, most: int | None, provisioned: int = 0) -> Iterator[Asking]:
        """The request is inside meanwhile. Raises Full where `most` are; `provisioned`: how many have
        a process that is kept for them."""
        asking = self.enter(key, most, provisioned)
        try:
            yield asking
        finally:
            self.leave(key, asking)

    def enter(self, key: Key, most: int | None, provisioned: int = 0) -> Asking:
        """The request is inside until `leave`. Raises Full."""
        now = self._clock()
        with self._guard:
            use = self._uses.get(key)
            if use is None:
                use = self._uses[key] = _Use(now)
            if most is not None and len(use.inside) >= most:
                raise Full
            use.begun += 1
            use.spilled += len(use.inside) >= provisioned
            asking = Asking()
            use.inside.add(asking)
            use.last = now
            asking.more = self._peak(use, now)
        return asking

    def leave(self, key: Key, asking: Asking) -> None:
        """The request is answered, or given up. Repeatable."""
        with self._guard:
            use = self._uses.get(key)
            if use is not None and asking in use.inside:
                use.inside.discard(asking)
                if not asking.why:
                    use.last = self._clock()

    def _peak(self, use: _Use, now: float) -> bool:
        span = now // SPAN * SPAN
        count = len(use.inside)
        if count <= use.peaks.get(span, 0):
            return False
        if span not in use.peaks:
            for old in [at for at in use.peaks if at < now - KEPT]:
                del use.peaks[old]
        use.peaks[span] = count
        return True

    def _set_back(self, use: _Use) -> None:
        """No time of the use is of the future, as after a clock that was set back: what was used then
        was used now."""
        now = self._clock()
        self.began, use.last = min(self.began, now), min(use.last, now)
        use.held_until = min(use.held_until, now + LONGEST)
        if ahead := [at for at in use.peaks if at > now]:
            span = now // SPAN * SPAN
            most = max(use.peaks.pop(at) for at in ahead)
            use.peaks[span] = max(most, use.peaks.get(span, 0))

    def seen(self, key: Key) -> Seen:
        """The use since this process began."""
        with self._guard:
            use = self._uses.get(key)
            if use is None:
                self.began = min(self.began, self._clock())
                return Seen(0, 0.0)
            self._set_back(use)
            wanted = sum(not asking.why for asking in use.inside)
            peaks = tuple(use.peaks.items())
            return Seen(wanted, use.last, peaks, use.failed, use.held_until)

    def counted(self, key: Key) -> tuple[int, int, int]:
        """Requests inside now; since the last call, how many came, and how many of those found no
        provisioned process free."""
        with self._guard:
            use = self._uses.get(key)
            if use is None:
                return 0, 0, 0
            found = len(use.inside), use.begun, use.spilled
            use.begun = use.spilled = 0
            return found

    def failed(self, key: Key, why: str, serves: bool = False) -> None:
        """What was wanted did not come up: those who wait are told, and for a while nothing is tried
        again. `serves`: others answer, so what is known of their use is as it was."""
        now = self._clock()
        with self._guard:
            use = self._uses.setdefault(key, _Use(0.0))
            use.failures += 1
            use.failed = why
            use.held_until = now + min(LONGEST, 2.0 ** (use.failures - 1))
            use.peaks.clear()
            if not serves:
                use.last = 0.0
            for asking in use.inside:
                if asking.waiting:
                    asking.why = why

    def up(self, key: Key) -> None:
        """What was wanted has come up."""
        with self._guard:
            if (use := self._uses.get(key)) is not None:
                use.failed, use.failures, use.held_until = "", 0, 0.0

    def held(self, key: Key) -> str:
        """Why nothing is started now for those who ask; "" where it is."""
        with self._guard:
            use = self._uses.get(key)
            if use is None:
                return ""
            self._set_back(use)
            return use.failed if self._clock() < use.held_until else ""

    def empty(self) -> None:
        """All endpoints are gone."""
        with self._guard:
            self._uses.clear()

    def forget(self, name: Name) -> None:
        """The endpoint is gone; another one of its name has nothing of it."""
        with self._guard:
            for key in [k for k in self._uses if k[0] == name]:
                del self._uses[key]
