"""When scheduled actions fire: their expressions, zones, starts and ends. Pure.

Source: API reference, PutScheduledAction; User Guide, "How scheduled scaling for Application Auto
Scaling works".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from sagebrush.engine.schedules.expressions import (
    SCALING,
    At,
    Rate,
    Schedule,
    ScheduleError,
    check_zone,
    parse,
)
from sagebrush.engine.schedules.firing import Timetable
from sagebrush.errors import Doc
from sagebrush.services.autoscaling.resources import invalid


@dataclass(frozen=True)
class Begun:
    """A recurring schedule that fires at its start too: "performs the action at that time, and then
    performs the action based on the specified recurrence"."""

    schedule: Schedule
    start: float

    def after(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The first fire later than `now`."""
        if now < self.start:
            return self.start
        return self.schedule.after(now, zone, anchor)

    def latest(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The last fire not later than `now`, None before the start."""
        if now < self.start:
            return None
        found = self.schedule.latest(now, zone, anchor)
        return self.start if found is None or found < self.start else found


def check(doc: Doc, now: float) -> None:
    """Raises ValidationException for a schedule that AWS refuses, or that could never fire."""
    try:
        schedule = parse(doc["Schedule"], SCALING)
        if "Timezone" in doc:
            check_zone(doc["Timezone"])
    except ScheduleError as error:
        raise invalid(str(error)) from error
    start, end = doc.get("StartTime"), doc.get("EndTime")
    if start is not None and end is not None and start >= end:
        raise invalid("The scheduled action's StartTime must be before its EndTime.")
    if end is not None and end.timestamp() <= now:
        raise invalid("The scheduled action's EndTime must be in the future.")
    if isinstance(schedule, At) and schedule.after(now, doc.get("Timezone", "UTC")) is None:
        raise invalid("The scheduled action's time must be in the future.")


def timetable(doc: Doc) -> Timetable:
    """When the scheduled action with this document fires."""
    schedule = parse(doc["Schedule"], SCALING)
    start, end = doc.get("StartTime"), doc.get("EndTime")
    begin = start.timestamp() if start is not None else None
    if begin is not None and not isinstance(schedule, At | Rate):
        schedule = cast(Schedule, Begun(schedule, float(int(begin))))
    return Timetable(
        schedule,
        doc["CreationTime"].timestamp(),
        doc.get("Timezone", "UTC"),
        begin,
        end.timestamp() if end is not None else None,
    )


def bounds(action: Doc, least: int, most: int) -> tuple[int, int]:
    """The bounds after a ScalableTargetAction: what it gives holds, and moves the other bound where
    that would be passed."""
    least = action.get("MinCapacity", min(least, action.get("MaxCapacity", least)))
    return least, action.get("MaxCapacity", max(most, least))
