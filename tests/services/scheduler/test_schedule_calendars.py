"""When schedules invoke their targets: windows, zones, and clocks that jump. Pure."""

from __future__ import annotations

import datetime as dt

import pytest

from sagebrush.engine.schedules.expressions import parse
from sagebrush.engine.schedules.firing import Timetable
from sagebrush.services.scheduler.calendars import Calendar

START = 1767225600.0  # 2026-01-01T00:00:00Z
HOUR = 3600.0


def calendar(
    expression: str, window: float = 0.0, chance: float = 0.5, zone: str = "UTC"
) -> Calendar:
    return Calendar(Timetable(parse(expression), START, zone), window, lambda _: chance)


def invoked(found: Calendar, until: float, step: float = 60.0) -> list[tuple[float, float]]:
    """(fire, when) of all invocations until then, in hours, looking each `step` seconds."""
    since, now, made = START - 1, START, list[tuple[float, float]]()
    while now <= START + until * HOUR:
        fire = found.due(since, now)
        if fire is not None:
            made.append(((fire - START) / HOUR, (now - START) / HOUR))
            since = fire
        due = found.next(since, now)
        assert due is None or due >= now
        now += step
    return made


def test_a_window_moves_the_moment_and_not_the_fire() -> None:
    assert invoked(calendar("rate(1 hours)", 1800.0), 2.9) == [(0, 0.25), (1, 1.25), (2, 2.25)]
    assert invoked(calendar("rate(1 hours)", 0.0), 2) == [(0, 0), (1, 1), (2, 2)]
    # a window that is longer than the pause between fires ends with it
    narrow = [
        round(when - fire, 2) for fire, when in invoked(calendar("rate(1 hours)", 7200.0, 0.99), 3)
    ]
    assert narrow == [1.0, 1.0, 1.0]


def test_once() -> None:
    once = calendar("at(2026-01-01T01:00:00)", 600.0)
    assert invoked(once, 5) == [(1, pytest.approx(1 + 300 / HOUR))]
    assert once.next(START + HOUR, START + 2 * HOUR) is None
    assert once.over(START + HOUR)
    assert calendar("at(2025-12-31T23:00:00)").next(START - 1, START) is None


def test_missed_fires_are_one() -> None:
    found = calendar("rate(1 hours)", 1800.0)
    assert found.due(START - 1, START + 10.3 * HOUR) == START + 10 * HOUR
    assert (
        found.due(START - 1, START + 10.2 * HOUR) == START + 9 * HOUR
    )  # the tenth is still to come
    assert found.next(START + 9 * HOUR, START + 10.2 * HOUR) == START + 10.25 * HOUR


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    found = calendar("rate(1 hours)")
    done = START + 5 * HOUR
    assert found.due(done, START + 2 * HOUR) is None
    assert found.next(done, START + 2 * HOUR) == START + 6 * HOUR


@pytest.mark.parametrize(
    ("wall", "fires"),
    [
        ("cron(30 2 * * ? *)", ["2026-03-07T02:30-05:00", "2026-03-09T02:30-04:00"]),
        ("cron(30 1 ? 11 SUN#1 *)", ["2026-11-01T01:30-04:00", "2027-11-07T01:30-04:00"]),
    ],
)
def test_daylight_saving_as_awss_guide_has_it(wall: str, fires: list[str]) -> None:
    """A time that the clocks skip does not fire; one that they show twice fires once."""
    found = calendar(wall, zone="America/New_York")
    first, second = (dt.datetime.fromisoformat(text).timestamp() for text in fires)
    assert found.timetable.after(first - 1) == first
    assert found.timetable.after(first) == second
