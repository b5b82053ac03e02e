"""AWS's cron: six fields, the wall-clock minutes they name, and the instants those are in a zone.

Source: EventBridge user guide, "Cron expressions reference", and EventBridge Scheduler user guide,
"Schedule types" (daylight saving). AWS's cron is Quartz's without seconds, so what the guides leave
open follows Quartz: ranges that wrap around (the guide's own `20-2`), names in any case, `LW`,
`L-3`. Two accounts of the service itself decide further cases: a trailing comma is accepted
(aws/aws-sdk#161), and so are `0-15/1` and `8-8` (localstack/localstack#13572).
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

FAR = 10_000
"""More than any field's value."""
MINUTE = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Field:
    """The values of one field."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    """Names of the values, from `low` on."""
    wraps: bool = True
    """Whether `a-b` with a > b goes over the end of the field, as 22-2 does for hours."""

    def values(self, text: str) -> tuple[int, ...]:
        """The values that a list of `*`, `a`, `a-b`, each with `/step` or without, names, sorted.

        `a/step` goes on to the end of the field; a step larger than the field leaves only the first
        value. Raises ValueError for anything else.
        """
        return tuple(sorted({value for item in text.split(",") for value in self._item(item)}))

    def number(self, text: str) -> int:
        """The value that a number or a name stands for; raises ValueError outside the field."""
        value = self.words.index(text) + self.low if text in self.words else int(text)
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name}: {text} is not in {self.low}-{self.high}")
        return value

    def _item(self, text: str) -> Iterator[int]:
        found = _ITEM.fullmatch(text)
        if not found:
            raise ValueError(f"{self.name}: {text} is no value, range or step")
        star, start, stop, every = found.groups()
        first = self.low if star else self.number(start)
        last = self.number(stop) if stop else self.high if star or every else first
        step = int(every or 1)
        if step < 1:
            raise ValueError(f"{self.name}: the step in {text} is less than 1")
        span = self.high - self.low + 1
        if last < first:
            if not self.wraps:
                raise ValueError(f"{self.name}: {text} ends before it begins")
            last += span
        return (self.low + (v - self.low) % span for v in range(first, last + 1, step))


_ITEM = re.compile(r"(?:(\*)|([0-9]{1,4}|[A-Z]{3})(?:-([0-9]{1,4}|[A-Z]{3}))?)(?:/([0-9]{1,4}))?")
_MONTH_DAY = re.compile(r"L(?:-([0-9]{1,2}))?(W?)|([0-9]{1,2})W")
_WEEK_DAY = re.compile(r"([1-7]|[A-Z]{3})(?:(L)|#([1-5]))")

MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
MONTH_DAYS = Field("day-of-month", 1, 31)
MONTHS = Field(
    "month", 1, 12,
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)  # fmt: skip
WEEK_DAYS = Field("day-of-week", 1, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
YEARS = Field("year", 1970, 2199, wraps=False)
"""As documented; EventBridge itself has been seen to take 2500, which would never fire here."""


@dataclass(frozen=True)
class Days:
    """Which days of a month a schedule means: those of `numbers` and `nearest`, or of `weekdays`."""

    numbers: tuple[int, ...] = ()
    """1 to 31; 0 and less from the month's end: 0 is its last day, -3 the third before it."""
    nearest: tuple[int, ...] = ()
    """The same, for the nearest weekday (Monday to Friday) to each."""
    weekdays: tuple[int, ...] = ()
    """As AWS counts: 1 is Sunday."""
    nth: int = 0
    """Which of the month's weekdays: 0 all, 1 to 5 the first to fifth, -1 the last."""

    def of(self, year: int, month: int) -> tuple[int, ...]:
        """Those days, in order; a day that the month lacks is left out."""
        first, last = calendar.monthrange(year, month)
        return _days(self, (first + 1) % 7 + 1, last)  # Python's Monday is 0


@lru_cache(maxsize=1024)
def _days(days: Days, first: int, last: int) -> tuple[int, ...]:
    """The days that `days` means in a month of `last` days which begins on weekday `first`."""
    if days.weekdays:
        found = [d for d in range(1, last + 1) if (first + d - 2) % 7 + 1 in days.weekdays]
        if days.nth > 0:
            found = [d for d in found if (d - 1) // 7 + 1 == days.nth]
        return tuple(d for d in found if d > last - 7) if days.nth < 0 else tuple(found)
    exact = {n if n > 0 else last + n for n in days.numbers}
    near = {n if n > 0 else last + n for n in days.nearest}
    moved = {_nearest(day, first, last) for day in near if 1 <= day <= last}
    return tuple(sorted(moved | {day for day in exact if 1 <= day <= last}))


def _nearest(day: int, first: int, last: int) -> int:
    """The weekday nearest to `day`: of a Saturday the Friday before, of a Sunday the Monday after,
    but never in another month."""
    weekday = (first + day - 2) % 7 + 1
    if weekday == 7:
        return day - 1 if day > 1 else day + 2
    if weekday == 1:
        return day + 1 if day < last else day - 2
    return day


@dataclass(frozen=True)
class Cron:
    """A schedule by the calendar: the wall-clock minutes that all fields name."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def after(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The first fire later than `now`, None when there is none; all in seconds since the epoch.

        As EventBridge Scheduler documents it, a wall time that daylight saving skips does not
        fire, and one that it repeats fires the first time only. `anchor` means nothing here.
        """
        local = dt.datetime.fromtimestamp(math.floor(now), zone_of(zone))
        for wall in self._walls(local + MINUTE, back=False):
            fire = _instant(wall)
            if fire is not None and fire > now:
                return fire
        return None

    def latest(self, now: float, zone: str = "UTC", anchor: float = 0.0) -> float | None:
        """The last fire not later than `now`, None when there is none."""
        local = dt.datetime.fromtimestamp(math.floor(now), zone_of(zone))
        if local.fold:  # all of the repeated hour has been there once
            local += dt.timedelta(seconds=local.timestamp() - local.replace(fold=0).timestamp())
        for wall in self._walls(local, back=True):
            fire = _instant(wall)
            if fire is not None and fire <= now:
                return fire
        return None

    def _walls(self, start: dt.datetime, back: bool) -> Iterator[dt.datetime]:
        """The wall-clock minutes from that of `start` on, forwards or `back`."""
        edge, today = FAR if back else 0, (start.year, start.month, start.day)
        for date in self._dates(today, back):
            same = date == today
            for hour in _onward(self.hours, start.hour if same else edge, back):
                at = start.minute if same and hour == start.hour else edge
                for minute in _onward(self.minutes, at, back):
                    yield dt.datetime(*date, hour, minute, tzinfo=start.tzinfo)

    def _dates(self, start: tuple[int, int, int], back: bool) -> Iterator[tuple[int, int, int]]:
        edge = FAR if back else 0
        for year in _onward(self.years, start[0], back):
            at = start[1] if year == start[0] else edge
            for month in _onward(self.months, at, back):
                at = start[2] if (year, month) == start[:2] else edge
                for day in _onward(self.days.of(year, month), at, back):
                    yield year, month, day


def parse(fields: Sequence[str]) -> Cron:
    """What the six fields mean; raises ValueError, which names the field, for what AWS refuses."""
    if len(fields) != 6:
        raise ValueError(f"a cron expression has 6 fields, not {len(fields)}")
    fields = [",".join(filter(None, field.upper().split(","))) for field in fields]
    minutes, hours, month_days, months, week_days, years = fields
    if (month_days == "?") == (week_days == "?"):
        raise ValueError("one of day-of-month and day-of-week must be ?")
    return Cron(
        MINUTES.values(minutes),
        HOURS.values(hours),
        _month_days(month_days) if week_days == "?" else _week_days(week_days),
        MONTHS.values(months),
        YEARS.values(years),
    )


def _month_days(text: str) -> Days:
    numbers, nearest = set[int](), set[int]()
    items = text.split(",")
    for item in items:
        special = _MONTH_DAY.fullmatch(item)
        if not special:
            numbers.update(MONTH_DAYS.values(item))
            continue
        offset, last_near, day = special.groups()
        if day:
            nearest.add(MONTH_DAYS.number(day))
        elif len(items) > 1:  # as Quartz, which AWS follows
            raise ValueError("day-of-month: L cannot be one of a list")
        elif int(offset or 0) > 30:
            raise ValueError(f"day-of-month: {item} is before every month")
        else:
            (nearest if last_near else numbers).add(-int(offset or 0))
    return Days(tuple(sorted(numbers)), tuple(sorted(nearest)))


def _week_days(text: str) -> Days:
    if text == "L":  # the week's last day, says the guide
        return Days(weekdays=(7,))
    special = _WEEK_DAY.fullmatch(text)  # "you can define only one expression" with # (and L)
    if special:
        day, last, nth = special.groups()
        return Days(weekdays=(WEEK_DAYS.number(day),), nth=-1 if last else int(nth))
    return Days(weekdays=WEEK_DAYS.values(text))


def _onward(values: Sequence[int], bound: int, back: bool) -> Sequence[int]:
    """The sorted `values` not before `bound`, ascending; or not after it, descending."""
    if back:
        return values[: bisect_right(values, bound)][::-1]
    return values[bisect_left(values, bound) :]


def _instant(wall: dt.datetime) -> float | None:
    """When the clocks of its zone first show `wall`, None when they never do."""
    found = wall.timestamp()
    if wall.tzinfo is dt.UTC or dt.datetime.fromtimestamp(found, wall.tzinfo) == wall:
        return found
    return None


def zone_of(name: str) -> dt.tzinfo:
    """The time zone of that IANA name; raises ValueError when the database has none."""
    if name == "UTC":
        return dt.UTC
    # Files in the zones' directory: the host's own zone, and clocks that count leap seconds.
    if not _ZONE.fullmatch(name) or name in ("localtime", "posixrules", "Factory"):
        raise ValueError(f"{name} is not a time zone")
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError(f"{name} is not a time zone") from error


_ZONE = re.compile(r"(?!posix/|right/)[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*")
