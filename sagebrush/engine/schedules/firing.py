"""A row that fires by a schedule: when next, what was missed, and each fire started exactly once.

The row's `due_at` is the timer, so nothing but the database knows what is to come. Sagebrush may
have been off when a schedule fired, which AWS never is: of all fires missed, the last one starts,
once, and gets the time at which it should have started.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from sagebrush.engine.schedules.expressions import At, Schedule
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

SINCE = "since"
"""Member of a row's plan, seconds since the epoch: fires up to then have started or do not count.

Absent: the first fire may be the very start. Set it to the creation time for what fires only a
period after it was made (a rate of EventBridge's PutRule), and to the time at which a schedule is
enabled again or given another expression, so that what it missed meanwhile stays missed.
"""
DAY = 86400.0


@dataclass(frozen=True)
class Timetable:
    """When a resource fires. Times are seconds since the epoch; fires are whole seconds."""

    schedule: Schedule
    created: float
    """When it was made, or its schedule was last changed: nothing fires before."""
    zone: str = "UTC"
    start: float | None = None
    """Where given: the first instant at which it may fire, and what rates count from."""
    end: float | None = None
    """The last instant at which it may fire. One-time schedules ignore start and end, as AWS's."""

    @property
    def anchor(self) -> int:
        """What rates count from; nothing fires before."""
        if self.start is None or isinstance(self.schedule, At):
            return math.floor(self.created)
        return math.ceil(self.start)

    def after(self, now: float) -> float | None:
        """The first fire later than `now`, None when there is none."""
        fire = self.schedule.after(max(now, self.anchor - 0.5), self.zone, self.anchor)
        return fire if fire is not None and fire <= self._last else None

    def latest(self, now: float) -> float | None:
        """The last fire not later than `now`, None when there was none."""
        fire = self.schedule.latest(min(now, self._last), self.zone, self.anchor)
        return fire if fire is not None and fire >= self.anchor else None

    def due(self, since: float | None, now: float) -> float | None:
        """The fire to start now, where all up to `since` are done: the last one missed, or None.

        A clock that was set back by less than a day makes nothing fire twice: its schedule waits
        for it. One set back further was wrong before: the schedule starts over.
        """
        fire, since = self.latest(now), _believed(since, now)
        return fire if fire is not None and (since is None or fire > since) else None

    def next(self, since: float | None, now: float) -> float | None:
        """The first fire later than `now` that is not done."""
        return self.after(max(now, _believed(since, now) or now))

    @property
    def _last(self) -> float:
        return math.inf if self.end is None or isinstance(self.schedule, At) else self.end


def _believed(since: float | None, now: float) -> float | None:
    return since if since is None or since <= now + DAY else now


def fire(world: World, row: Row, timetable: Timetable, start: Callable[[float], object]) -> Next:
    """What the reconciler of a scheduled row returns: `start(fire)` was called if one was due.

    `start` gets the time that was scheduled, and starts the work under a name that only the fire
    decides (`child_name`), taking one of that name for its own: when the server is killed before
    the step is stored, `start` is called again with the same fire, or that fire was started and
    only later ones are looked at. What `start` raises leaves the fire due; the loop tries again.
    The step has no status; due is None when nothing will ever fire again.
    """
    now = world.clock()
    since = row.plan.get(SINCE)
    time = timetable.due(since, now)
    if time is not None:
        start(time)
        since = time
    since = _believed(since, now)
    following = timetable.next(since, now)
    # The clock is read again: a slow start must not make the next fire late.
    due = None if following is None else max(0.0, following - world.clock())
    return Next(plan={} if since == row.plan.get(SINCE) else {SINCE: since}, due=due)


def child_name(row: Row, fire: float, stem: str = "", limit: int = 63) -> str:
    """The name of what `row` starts at `fire`: the same whenever asked, no other fire's nor row's.

    `stem` (the row's name unless given, cut so that the whole is at most `limit` characters), the
    UTC time and a hash: a schedule deleted and created again under the same name is another row.
    """
    time = dt.datetime.fromtimestamp(fire, dt.UTC).strftime("%Y%m%d%H%M%S")
    key = f"{row.id}/{row.created!r}/{fire!r}"
    tail = f"-{time}-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
    return (stem or row.name)[: limit - len(tail)].rstrip("-") + tail
