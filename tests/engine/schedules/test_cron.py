"""AWS's cron: the guides' examples, cases that another implementation agrees with, brute force."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.engine.schedules import cron
from sagebrush.engine.schedules.cron import Cron

RECORDED = Path(__file__).parent / "pyawscron.json"
DAY = 86400


def at(text: str, zone: str = "UTC") -> float:
    """Seconds since the epoch of a wall-clock time."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def parse(text: str) -> Cron:
    return cron.parse(text.split())


def fires(text: str, start: str, end: str, zone: str = "UTC") -> list[str]:
    """Fires of the fields `text` from `start` to `end`, both included, as local times."""
    found = list[str]()
    for fire in iterate(parse(text), at(start, zone) - 1, zone):
        if fire > at(end, zone):
            break
        found.append(f"{dt.datetime.fromtimestamp(fire, ZoneInfo(zone)):%m-%d %H:%M}")
    return found


def iterate(schedule: Cron, now: float, zone: str = "UTC") -> Iterator[float]:
    """The fires after `now`."""
    before = schedule.latest(now, zone)
    while (fire := schedule.after(now, zone)) is not None:
        assert schedule.latest(fire, zone) == fire
        assert schedule.latest(fire - 1, zone) == before
        yield fire
        before = now = fire


def every(minutes: int, date: str, start: str, end: str) -> list[str]:
    """`date` with each time from `start` to `end`."""
    first, last = dt.time.fromisoformat(start), dt.time.fromisoformat(end)
    span = range(first.hour * 60 + first.minute, last.hour * 60 + last.minute + 1, minutes)
    return [f"{date} {m // 60:02}:{m % 60:02}" for m in span]


# 2026-06-01 is a Monday.
GUIDE = [
    ("0 10 * * ? *", "06-06", "06-07", ["06-06 10:00", "06-07 10:00"]),
    ("15 12 * * ? *", "06-06", "06-06", ["06-06 12:15"]),
    ("0 18 ? * MON-FRI *", "06-05", "06-08", ["06-05 18:00", "06-08 18:00"]),
    ("0 8 1 * ? *", "06-01", "07-01", ["06-01 08:00", "07-01 08:00"]),
    ("0/15 * * * ? *", "06-06", "06-06", every(15, "06-06", "00:00", "23:59")),
    ("0/10 * ? * MON-FRI *", "06-07", "06-08", every(10, "06-08", "00:00", "23:59")),
    ("0/5 8-17 ? * MON-FRI *", "06-07", "06-08", every(5, "06-08", "08:00", "17:55")),
    (
        "0/30 20-2 ? * MON-FRI *", "06-07", "06-08",
        every(30, "06-08", "00:00", "02:30") + every(30, "06-08", "20:00", "23:30"),
    ),
    ("5,35 14 * * ? *", "06-06", "06-06", ["06-06 14:05", "06-06 14:35"]),
    ("15 10 ? * 6L 2019-2026", "06-01", "07-31", ["06-26 10:15", "07-31 10:15"]),
    ("15 10 ? * 6L 2022-2023", "06-01", "07-31", []),
    ("1/10 0 1 6 ? *", "06-01", "06-30", every(10, "06-01", "00:01", "00:51")),
    ("0 0 1 JAN,FEB,MAR ? *", "01-01", "12-31", ["01-01 00:00", "02-01 00:00", "03-01 00:00"]),
    ("0 0 1-15 2 ? *", "01-01", "12-31", [f"02-{d:02} 00:00" for d in range(1, 16)]),
    ("0 0 3W 1-6 ? *", "01-01", "12-31",
     ["01-02 00:00", "02-03 00:00", "03-03 00:00", "04-03 00:00", "05-04 00:00", "06-03 00:00"]),
    ("0 0 ? 6-8 3#2 *", "01-01", "12-31", ["06-09 00:00", "07-14 00:00", "08-11 00:00"]),
    ("0 0 L 1-4 ? *", "01-01", "12-31", ["01-31 00:00", "02-28 00:00", "03-31 00:00", "04-30 00:00"]),
    ("0 0 ? 6 L *", "06-01", "06-30", ["06-06 00:00", "06-13 00:00", "06-20 00:00", "06-27 00:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "start", "end", "want"), GUIDE)
def test_the_guides_examples_fire_when_they_say(
    text: str, start: str, end: str, want: list[str]
) -> None:
    """EventBridge user guide, "Cron expressions reference"; Scheduler's, "Schedule types"."""
    assert fires(text, f"2026-{start}", f"2026-{end}T23:59") == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0 0 1W 8 ? *", ["08-03 00:00"]),  # Saturday the 1st: not into July
        ("0 0 31W 5 ? *", ["05-29 00:00"]),  # Sunday the 31st: not into June
        ("0 0 31W 4-5 ? *", ["05-29 00:00"]),  # April has no 31st
        ("0 0 LW 1,5 ? *", ["01-30 00:00", "05-29 00:00"]),
        ("0 0 L-2 2,3 ? *", ["02-26 00:00", "03-29 00:00"]),
        ("0 0 L-30 1-3 ? *", ["01-01 00:00", "03-01 00:00"]),
        ("0 0 L-2W 5 ? *", ["05-29 00:00"]),
        ("0 0 1W,15W,20 8 ? *", ["08-03 00:00", "08-14 00:00", "08-20 00:00"]),
        ("0 0 29 FEB ? 2024-2029", []),
        ("0 0 31 jan-mar ? *", ["01-31 00:00", "03-31 00:00"]),
        ("0 0 ? 5,6 SUN#5 *", ["05-31 00:00"]),
        ("0 0 ? 5 frIL *", ["05-29 00:00"]),
        ("0 0 ? 6 FRI-MON *", [f"06-{d:02} 00:00" for d in range(1, 31) if d % 7 in (0, 1, 5, 6)]),
        ("0 0 1 NOV-FEB ? *", ["01-01 00:00", "02-01 00:00", "11-01 00:00", "12-01 00:00"]),
        ("0 0 28-2 2 ? *", ["02-01 00:00", "02-02 00:00", "02-28 00:00"]),
        ("0 0 1 FEB/4 ? *", ["02-01 00:00", "06-01 00:00", "10-01 00:00"]),
        ("15/65 10 1 1 ? *", ["01-01 10:15"]),
        ("0 22-4/3 1 1 ? *", ["01-01 01:00", "01-01 04:00", "01-01 22:00"]),
        ("0 */6 1 1 ? *", [f"01-01 {h:02}:00" for h in (0, 6, 12, 18)]),
        ("0-15/5 8-8 1 1 ? *", every(5, "01-01", "08:00", "08:15")),
        ("1-31/30 1-1 1 1 ? *", every(30, "01-01", "01:01", "01:31")),
        ("0 1-3/2,11,0,*/23 1 1 ? *", [f"01-01 {h:02}:00" for h in (0, 1, 3, 11, 23)]),
        ("0/30, 9-9, 1, 1, ?, *", ["01-01 09:00", "01-01 09:30"]),  # AWS takes it: aws-sdk#161
    ],
)
def test_what_the_guides_leave_open_is_as_in_quartz(text: str, want: list[str]) -> None:
    assert fires(text, "2026-01-01", "2026-12-31T23:59") == want


@pytest.mark.parametrize(
    "text",
    [
        "* * * * * *", "* * ? * ? *", "0 18 * * MON *", "* * * * ?",
        "* * * * ? * *", "60 * * * ? *", "* 24 * * ? *", "* * 32 * ? *", "* * 0 * ? *",
        "* * * 13 ? *", "* * * 0 ? *", "* * ? * 8 *", "* * ? * 0 *", "* * * * ? 1969",
        "* * * * ? 2200", "? * * * ? *", "* ? * * ? *", "* * * ? ? *", "* * * * ? ?",
        "L * * * ? *", "* * * L ? *", "* * * * ? L", "W * * * ? *", "* * W * ? *", "* * 32W * ? *",
        "* * 0W * ? *", "* * ? * W *", "* * ? * 3W *", "* * 3L * ? *", "* * L-31 * ? *",
        "* * L3 * ? *", "* * 15,L * ? *", "* * 1-LW * ? *", "* * ? * 6L,2L *", "* * ? * 8L *",
        "* * ? * L-2 *", "* * 3#2 * ? *", "* 3#2 * * ? *", "* * ? * 3#6 *", "* * ? * 3#0 *",
        "* * ? * 3#1,6#3 *", "* * ? * 3# *", "* * ? * #2 *", "* * ? * MON#TUE *", "0/0 * * * ? *",
        "0/ * * * ? *", "/5 * * * ? *", "1- * * * ? *", "-5 * * * ? *", "1-2-3 * * * ? *",
        "*-5 * * * ? *", "5-* * * * ? *", "1.5 * * * ? *", "+1 * * * ? *", ", * * * ? *",
        "* * * JANUARY ? *", "* * * FOO ? *", "* * ? * Monday *", "* * ? JAN JAN *", "* * MON * ? *",
        "* * * * ? 2030-2026", "1/-1 * * * ? *", "0x1 * * * ? *", "00000 * * * ? *",
    ],
)  # fmt: skip
def test_other_fields_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


def test_recorded_cases() -> None:
    """4,000 chance cases were compared with pyawscron 1.0.7: it raised in 11 (days that a month
    lacks) and agreed in all others, of which these are some: fields, a minute, gaps to the next
    ten fires in minutes."""
    cases = json.loads(RECORDED.read_text())
    assert len(cases) == 400
    for text, now, *gaps in cases:
        schedule, before = parse(text), now * 60.0
        for gap in gaps:
            fire = before + gap * 60
            assert schedule.after(before) == fire, (text, now)
            assert schedule.latest(fire + 59.9) == fire, (text, now)
            before = fire
        if len(gaps) < 10:
            assert schedule.after(before) is None, (text, now)


# The zones where clocks are strangest: a half-hour shift, midnight shifts, a skipped day, Ramadan,
# and one without any.
SHIFTS = [
    ("America/Los_Angeles", "2026-03-08"),
    ("America/Los_Angeles", "2026-11-01"),
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2026-03-08"),
]


class Fields(NamedTuple):
    """An expression, and the sets that it was written from."""

    text: str
    minutes: set[int]
    hours: set[int]
    days: set[int]
    weekdays: set[int]

    def match(self, wall: dt.datetime) -> bool:
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.day in self.days
            and wall.isoweekday() % 7 + 1 in self.weekdays
        )


def written(values: set[int], low: int, high: int) -> str:
    """A field that means `values`."""
    if values == set(range(low, high + 1)):
        return "*"
    return ",".join(str(v) for v in sorted(values))


@st.composite
def expressions(draw: st.DrawFn) -> Fields:
    def some(low: int, high: int) -> st.SearchStrategy[set[int]]:
        full = set(range(low, high + 1))
        return st.one_of(st.just(full), st.sets(st.integers(low, high), min_size=1, max_size=5))

    minutes, hours = draw(st.sets(st.integers(0, 59), min_size=1, max_size=6)), draw(some(0, 23))
    days, weekdays = set(range(1, 32)), set(range(1, 8))
    if draw(st.booleans()):
        days = draw(some(1, 31))
        both = f"{written(days, 1, 31)} * ?"
    else:
        weekdays = draw(some(1, 7))
        both = f"? * {written(weekdays, 1, 7)}"
    return Fields(
        f"{written(minutes, 0, 59)} {written(hours, 0, 23)} {both} *",
        minutes,
        hours,
        days,
        weekdays,
    )


def each_minute(start: float, end: float, zone: str) -> Iterator[tuple[float, dt.datetime]]:
    place = ZoneInfo(zone)
    for time in range(int(start), int(end), 60):
        yield float(time), dt.datetime.fromtimestamp(time, place)


@settings(max_examples=25, deadline=None)
@given(expressions(), st.sampled_from(SHIFTS), st.integers(0, 2160), st.integers(1, 59))
def test_minute_by_minute(fields: Fields, shift: tuple[str, str], skip: int, late: int) -> None:
    """It fires at each minute that matches, but one that clocks show for the second time."""
    zone, date = shift
    start = at(date) - DAY + skip * 60
    shown = list(each_minute(start, start + 720 * 60, zone))
    want = [time for time, wall in shown if fields.match(wall) and not wall.fold]
    schedule, end = parse(fields.text), shown[-1][0]
    assert list(itertools.takewhile(end.__ge__, iterate(schedule, start - 1, zone))) == want
    moments = [start - late, *(w + late for w in want[::7]), *want[::5], end]
    for now in moments:
        before = [w for w in want if w <= now]
        latest = schedule.latest(now, zone)
        assert latest == before[-1] if before else latest is None or latest < start
        following = schedule.after(now, zone)
        assert following is None or following > now
        assert following is None or schedule.latest(following, zone) == following


def test_daylight_saving_as_the_guide_says() -> None:
    """EventBridge Scheduler user guide, "Daylight savings time": its example, 2:30 in Los Angeles."""
    zone = "America/Los_Angeles"
    assert fires("30 2 * * ? *", "2026-03-07", "2026-03-09T23:59", zone) == [
        "03-07 02:30",
        "03-09 02:30",
    ]
    # What clocks show twice there is from 1:00 to 2:00, whatever the guide's example says.
    autumn = iterate(parse("30 1 * * ? *"), at("2026-11-01", zone), zone)
    first = next(autumn)
    assert first == at("2026-11-01T00:30", zone) + 3600
    assert parse("30 1 * * ? *").latest(first + 1800 + 60, zone) == first  # 1:01 again
    assert next(autumn) == first + 25 * 3600 == at("2026-11-02T01:30", zone)


def test_an_hourly_schedule_pauses_while_clocks_repeat_an_hour() -> None:
    """ "your schedule runs only once and does not repeat its invocation" holds for every hour."""
    zone = "Europe/Berlin"
    start = at("2026-10-25T00:59", zone)
    times = list(itertools.islice(iterate(parse("0 * * * ? *"), start, zone), 4))
    assert [t - times[0] for t in times] == [0, 3600, 3 * 3600, 4 * 3600]


def test_what_never_comes_ends_the_search() -> None:
    now = at("2026-01-01")
    assert parse("0 0 30 2 ? *").after(now) is None
    assert parse("0 0 30 2 ? *").latest(now) is None
    assert parse("0 0 1 1 ? 2025").after(now) is None
    assert parse("0 0 1 1 ? 2025").latest(now) == at("2025-01-01")
    assert parse("0 0 1 1 ? 2199").after(now) == at("2199-01-01")
    assert parse("0 0 1 1 ? 2027").latest(now) is None
    assert parse("30 2 8 3 ? 2026").after(now, "America/Los_Angeles") is None
    assert parse("0 0 29 2 ? 2097-2105").after(now) == at("2104-02-29")


def test_times_between_seconds() -> None:
    schedule, noon = parse("0 12 * * ? *"), at("2026-01-01T12:00")
    just_before = math.nextafter(noon, 0)
    assert schedule.after(just_before) == noon
    assert schedule.latest(just_before) == noon - DAY
    assert schedule.after(noon + 0.5) == noon + DAY
    assert schedule.latest(noon + 0.5) == noon


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "America", "../UTC", "/etc/localtime", "localtime", "posixrules", "America/",
     "right/UTC", "posix/UTC", "zone.tab", "leapseconds", "UTC ", "Europe/Berlin\n", "Ä", "a\0b"],
)  # fmt: skip
def test_only_zones_of_the_database_are_zones(name: str) -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        cron.zone_of(name)
    for good in ("UTC", "Etc/GMT+9", "Pacific/Tahiti", "America/Argentina/Buenos_Aires"):
        assert cron.zone_of(good).utcoffset(dt.datetime(2026, 1, 1)) is not None


def test_zones_are_known_on_a_host_that_has_none() -> None:
    """Slim images have no /usr/share/zoneinfo: the server brings the database itself."""
    reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    try:
        assert cron.zone_of("Asia/Tokyo").utcoffset(dt.datetime(2026, 1, 1)) == dt.timedelta(
            hours=9
        )
    finally:
        reset_tzpath()
        ZoneInfo.clear_cache()
