"""Schedule expressions: `cron(...)`, `rate(...)` and `at(...)`, as each service of AWS's reads them.

Sources: EventBridge user guide, "Cron expressions reference" and "Rate expressions reference";
EventBridge Scheduler user guide, "Schedule types"; the API references of CreateSchedule and of
Application Auto Scaling's PutScheduledAction. SageMaker's monitoring is in `monitoring`.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass

from sagebrush.engine.schedules import cron
from sagebrush.engine.schedules.cron import Cron


class ScheduleError(ValueError):
    """An expression, a time zone or a window that AWS refuses: the text is its service's message.

    Services turn it into their AwsError (ValidationException).
    """


@dataclass(frozen=True)
class Rate:
    """Every `seconds` from an anchor on: the schedule's creation or start."""

    seconds: int

    def after(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The first fire later than `now`: the anchor, or whole periods after it.

        A day is 24 hours, also across daylight saving changes (EventBridge Scheduler guide). None
        after the year 9999.
        """
        first = math.floor(anchor)
        periods = max(0, (math.floor(now) - first) // self.seconds + 1)
        fire = first + periods * self.seconds
        return float(fire) if fire <= LAST else None

    def latest(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The last fire not later than `now`, None before the anchor."""
        first = math.floor(anchor)
        periods = (math.floor(now) - first) // self.seconds
        return float(first + periods * self.seconds) if periods >= 0 else None


@dataclass(frozen=True)
class At:
    """Once, when the zone's clocks show `wall`.

    Where they show it twice it is the first time. Where daylight saving skips it, it is as much
    later as is skipped: AWS's guide leaves that open, and who names one time wants one fire.
    """

    wall: dt.datetime

    def after(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The fire, when it is later than `now`."""
        fire = self._fire(zone)
        return fire if fire > now else None

    def latest(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The fire, when it is not later than `now`."""
        fire = self._fire(zone)
        return fire if fire <= now else None

    def _fire(self, zone: str) -> float:
        return self.wall.replace(tzinfo=cron.zone_of(zone)).timestamp()


@dataclass(frozen=True)
class Now:
    """Once, at the anchor."""

    def after(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The anchor, when it is later than `now`."""
        return float(math.floor(anchor)) if math.floor(anchor) > now else None

    def latest(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The anchor, when it is not later than `now`."""
        return float(math.floor(anchor)) if math.floor(anchor) <= now else None


Schedule = Cron | Rate | At | Now
"""Each has `after` and `latest` (now, zone, anchor): fires in seconds since the epoch."""

LAST = 253_402_300_799
"""The end of the year 9999, the last that AWS's times can express."""


@dataclass(frozen=True)
class Dialect:
    """What one service accepts."""

    kinds: tuple[str, ...]
    message: str
    """What it says of any other; `{0}` is the expression."""
    agrees: bool = False
    """Whether a rate's unit must be singular for 1 and plural for more."""
    year: bool = True
    """Whether a cron expression must have its sixth field."""
    loose: bool = False
    """Whether `CRON(` is `cron(`, and `at` does without seconds."""


RULES = Dialect(("cron", "rate"), "Parameter ScheduleExpression is not valid.", agrees=True)
"""EventBridge's PutRule."""
SCHEDULER = Dialect(
    ("cron", "rate", "at"), "Invalid Schedule Expression {0}.", year=False, loose=True
)
"""EventBridge Scheduler. Its guide writes `rate(1 days)` and calls the year optional; `AT(…)` and times
without seconds were seen to be taken (badmintoncryer/cdk-preflight, 2026)."""
SCALING = Dialect(("cron", "rate", "at"), "Invalid schedule expression {0}.")
"""Application Auto Scaling's scheduled actions. Its own words for a bad one are not documented."""


def parse(expression: str, dialect: Dialect = SCHEDULER) -> Schedule:
    """What `expression` means; raises ScheduleError for what the service refuses."""
    try:
        return _parse(expression, dialect)
    except ValueError as error:
        raise ScheduleError(dialect.message.format(expression)) from error


def check_zone(name: str) -> str:
    """`name`, when it is a zone of the IANA database; raises ScheduleError when it is not."""
    try:
        cron.zone_of(name)
    except ValueError as error:  # AWS's own words are not documented
        raise ScheduleError(f"Invalid time zone {name}.") from error
    return name


_CALL = re.compile(r"(cron|rate|at)\((.*)\)", re.ASCII | re.IGNORECASE)
_RATE = re.compile(r"([1-9][0-9]{0,9})[ \t]+(minute|hour|day)(s?)")
_AT = re.compile(r"[0-9]{4}(?:-[0-9]{2}){2}T[0-9]{2}(?::[0-9]{2}){2}")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


def _parse(expression: str, dialect: Dialect) -> Schedule:
    call = _CALL.fullmatch(expression) if expression.isascii() else None
    kind = call[1].lower() if call and dialect.loose else call[1] if call else ""
    if not call or kind not in dialect.kinds:
        raise ValueError(f"not one of {', '.join(dialect.kinds)}")
    if kind == "cron":
        fields = re.split(r"[ \t]+", call[2])
        return cron.parse([*fields, "*"] if len(fields) == 5 and not dialect.year else fields)
    if kind == "rate":
        rate = _RATE.fullmatch(call[2])
        if not rate or (dialect.agrees and (rate[1] == "1") == bool(rate[3])):
            raise ValueError("not a value and its unit")
        return Rate(int(rate[1]) * _SECONDS[rate[2]])
    time = f"{call[2]}:00" if dialect.loose and len(call[2]) == 16 else call[2]
    if not _AT.fullmatch(time):
        raise ValueError("not yyyy-mm-ddThh:mm:ss")
    return At(dt.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S"))
