"""When a schedule invokes its target: its expression, zone, bounds and flexible window. Pure.

Source: EventBridge Scheduler user guide, "Schedule types" (time zones, daylight saving) and "Configuring
flexible time windows": "EventBridge Scheduler invokes your target within the time window".
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from sagebrush.engine.schedules.expressions import SCHEDULER, parse
from sagebrush.engine.schedules.firing import DAY, Timetable
from sagebrush.errors import Doc
from sagebrush.services.scheduler.plan import plan_of
from sagebrush.store.rows import Row

Chance = Callable[[float], float]
"""Time of a fire -> a number from 0 to 1: where in its window the target is invoked."""


@dataclass(frozen=True)
class Calendar:
    """The times of a schedule, in seconds since the epoch. A fire is the time that was scheduled, its
    moment is when the target is invoked for it: later within the window, before the next fire."""

    timetable: Timetable
    window: float
    """Seconds; 0 for no flexible window."""
    chance: Chance

    def moment(self, fire: float) -> float:
        """When the target is invoked for that fire."""
        if not self.window:
            return fire
        following = self.timetable.after(fire)
        width = self.window if following is None else min(self.window, following - fire - 1)
        return fire + math.floor(max(0.0, width) * self.chance(fire))

    def due(self, since: float, now: float) -> float | None:
        """The fire for which the target is to be invoked now: the last one whose moment has come, where
        all up to `since` are done."""
        fire = self.timetable.latest(now)
        while fire is not None and fire > _believed(since, now):
            if self.moment(fire) <= now:
                return fire
            fire = self.timetable.latest(fire - 1)
        return None

    def next(self, since: float, now: float) -> float | None:
        """When the schedule is to be looked at next, None where nothing will ever be invoked again."""
        fire = self.timetable.latest(now)
        if fire is not None and fire > _believed(since, now):
            return max(now, self.moment(fire))
        after = self.timetable.after(max(now, _believed(since, now)))
        return None if after is None else self.moment(after)

    def over(self, fire: float) -> bool:
        """Whether no fire follows that one."""
        return self.timetable.after(fire) is None


def _believed(since: float, now: float) -> float:
    """As `engine.schedules.firing`: a clock that was set back by less than a day fires nothing twice."""
    return since if since <= now + DAY else now


def calendar(row: Row) -> Calendar:
    """When the schedule in that row invokes its target."""
    doc = row.doc
    start, end = doc.get("StartDate"), doc.get("EndDate")
    timetable = Timetable(
        parse(doc["ScheduleExpression"], SCHEDULER),
        plan_of(row).get("made", row.created),
        doc.get("ScheduleExpressionTimezone", "UTC"),
        start.timestamp() if start is not None else None,
        end.timestamp() if end is not None else None,
    )
    return Calendar(timetable, window_of(doc), lambda fire: _chance(row, fire))


def window_of(doc: Doc) -> float:
    """The seconds of the flexible window."""
    given = doc["FlexibleTimeWindow"]
    minutes = given.get("MaximumWindowInMinutes", 0) if given["Mode"] == "FLEXIBLE" else 0
    return 60.0 * minutes


def _chance(row: Row, fire: float) -> float:
    """The same for one fire of one schedule whenever asked, so that a restart moves nothing."""
    digest = hashlib.sha256(f"{row.id}/{row.created!r}/{fire!r}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
