"""Timers of executions, which are rows: each fires once it is due, whatever the clock does."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from sagebrush.asl.steps import SetTimer, Step, TimerFired
from sagebrush.store import execution_times
from sagebrush.store.db import Db
from sagebrush.store.executions import Executions

log = logging.getLogger(__name__)

SLOWEST = 60.0
"""Seconds between two looks at most."""
SET_BACK = 5.0
"""Seconds by which a clock goes back that was set; less is a correction."""
DUE = 500
"""Timers that are looked for at a time."""


class Timers:
    """A thread that reports timers which are due. A timer's row goes with the step that it fires, so
    that it fires once, also where the server is killed meanwhile."""

    def __init__(
        self,
        db: Db,
        executions: Executions,
        clock: Callable[[], float],
        fired: Callable[[int, TimerFired], object],
    ) -> None:
        """`fired` is told the execution and its timer, and says by `settled` when that is stored."""
        self._db = db
        self._executions = executions
        self._clock = clock
        self._fired = fired
        self._firing: set[tuple[int, str]] = set()
        self._look = threading.Event()
        self._next: float | None = None
        """When the thread looks again; None while it looks."""
        self._latest: float | None = None
        """The latest time that was seen."""
        self._rests = False
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="executions-timer", daemon=True)

    def start(self) -> None:
        """Timers fire; a clock that was set back since the last server saw it delays none."""
        self._latest = execution_times.latest(self._db)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """No timer fires any more."""
        self._stop = True
        self._look.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def rests(self) -> bool:
        """Whether all that is due has been reported."""
        return self._rests and not self._look.is_set()

    def wake(self) -> None:
        """Timers are looked at now."""
        self._look.set()

    def settled(self, execution: int, key: str) -> None:
        """What was fired is stored, or nobody awaits it."""
        self._firing.discard((execution, key))

    def committed(self, step: Step) -> None:
        """The step's timers are stored."""
        times = [command.at for command in step.commands if isinstance(command, SetTimer)]
        if times and (self._next is None or min(times) < self._next):
            self._look.set()

    def _run(self) -> None:
        while not self._stop:
            self._rests = False
            self._look.clear()
            try:
                pause = self._fire()
            except Exception:
                log.exception("timers could not be read; trying again")
                pause = 5.0
            self._rests = True
            self._look.wait(pause)

    def _fire(self) -> float:
        """Timers that are due fire; seconds until the next."""
        now = self._clock()
        if self._latest is not None and now < self._latest - SET_BACK:
            log.warning("the clock was set back by %.0f s: timers with it", self._latest - now)
            execution_times.set_back(self._db, self._latest, now)
            self._latest = now
        self._latest = max(self._latest or now, now)
        most = DUE + len(self._firing)
        found = self._executions.due(now, most)
        for one in found:
            if one not in self._firing:
                self._firing.add(one)
                self._fired(one[0], TimerFired(one[1]))
        if len(found) == most:
            return 0.01
        self._next = None
        due = self._executions.next_due(now)
        self._next = math.inf if due is None else due
        return min(SLOWEST, max(0.0, self._next - self._clock()))
