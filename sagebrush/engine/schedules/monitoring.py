"""SageMaker's monitoring schedules: the expressions of a ScheduleConfig, and which data one reads.

Source: API reference of ScheduleConfig, and SageMaker's guide, "The cron expression for monitoring
schedule".
"""

from __future__ import annotations

import re

from sagebrush.engine.schedules.cron import HOURS, MONTHS, YEARS, Cron, Days
from sagebrush.engine.schedules.expressions import Now, Schedule, ScheduleError
from sagebrush.world import Doc

NOW = "NOW"
DAILY = "cron(0 0 ? * * *)"
"""Where there is no ScheduleConfig: once a day at a time that SageMaker chooses; midnight, here."""
LONGEST = 24 * 3600.0
"""Seconds from the start of a window to its end, at most."""

_EXPRESSION = re.compile(r"cron\(0 (?:(\*)|([0-9]{1,2})(?:/([0-9]{1,2}))?) \? \* \* \*\)")
_OFFSET = re.compile(
    r"([+-]?)P(?=[0-9T])(?:([0-9]+)D)?(?:T(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?"
)


def parse(expression: str) -> Schedule:
    """What a ScheduleExpression means, in UTC: `NOW`, hourly, daily, or every so many hours.

    `cron(0 17/12 ? * * *)` is "every 12 hours, starting at 5pm" (the guide's words), where other
    services of AWS's read 17/12 as 5pm alone: here the hours wrap around, and start over each day at
    the first ("every day at the specified hour, and then every x hours", says the SDK). Raises
    ScheduleError; SageMaker's own words for a bad expression are not documented.
    """
    if expression == NOW:
        return Now()
    found = _EXPRESSION.fullmatch(expression)
    first, every = (int(found[2] or 0), int(found[3] or 24)) if found else (0, 0)
    if not found or first > HOURS.high or not 1 <= every <= 24:
        raise ScheduleError(
            f"Invalid ScheduleExpression {expression}: it must be NOW, cron(0 * ? * * *),"
            " cron(0 [00-23] ? * * *) or cron(0 [00-23]/[01-24] ? * * *)."
        )
    hours = range(24) if found[1] else sorted({(first + h) % 24 for h in range(0, 24, every)})
    days = Days(weekdays=tuple(range(1, 8)))
    return Cron((0,), tuple(hours), days, MONTHS.values("*"), YEARS.values("*"))


def check(config: Doc) -> Schedule:
    """What a ScheduleConfig means; raises ScheduleError for an expression or a window AWS refuses.

    A `NOW` schedule needs both offsets; a window ends after it starts, at most 24 hours after.
    """
    schedule = parse(config["ScheduleExpression"])
    start, end = config.get("DataAnalysisStartTime"), config.get("DataAnalysisEndTime")
    if isinstance(schedule, Now) and (start is None or end is None):
        raise ScheduleError(
            "DataAnalysisStartTime and DataAnalysisEndTime are required when ScheduleExpression is"
            " NOW."
        )
    fire = schedule.after(LONGEST) or 0.0
    since, until = window(config, schedule, fire)
    if not 0 < until - since <= LONGEST:
        raise ScheduleError(
            "DataAnalysisEndTime must be after DataAnalysisStartTime, by at most 24 hours."
        )
    return schedule


def window(config: Doc, schedule: Schedule, fire: float) -> tuple[float, float]:
    """When the data begins and ends that the execution scheduled for `fire` reads, in seconds.

    The offsets are ISO 8601 durations from `fire` (`-PT5H`: five hours before). Where one is
    absent, the window begins at the fire before and ends at `fire`, so that executions read all
    data once: hourly ones the last hour, daily ones the last day.
    """
    start, end = config.get("DataAnalysisStartTime"), config.get("DataAnalysisEndTime")
    until = fire if end is None else fire + offset(end)
    if start is not None:
        return fire + offset(start), until
    before = schedule.latest(fire - 1) if isinstance(schedule, Cron) else None
    return (fire - LONGEST if before is None else before), until


def offset(text: str) -> float:
    """The seconds of an ISO 8601 duration of days and less, with a sign; raises ScheduleError."""
    found = _OFFSET.fullmatch(text)
    if not found:
        raise ScheduleError(f"{text} is not an ISO 8601 duration such as -PT1H.")
    sign, *parts = found.groups()
    seconds = sum(int(n or 0) * size for n, size in zip(parts, (86400, 3600, 60, 1), strict=True))
    return float(-seconds if sign == "-" else seconds)
