"""cron, rate and at as each service reads them, and the words in which it refuses."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.engine.schedules import expressions
from sagebrush.engine.schedules.cron import Cron
from sagebrush.engine.schedules.expressions import (
    LAST,
    RULES,
    SCALING,
    SCHEDULER,
    At,
    Dialect,
    Now,
    Rate,
    ScheduleError,
    parse,
)

EVERY = (RULES, SCHEDULER, SCALING)


def at(text: str, zone: str = "UTC") -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3600),
        ("rate(12 hours)", 43200),
        ("rate(1 day)", 86400),
        ("rate(7  days)", 604800),
    ],
)
def test_rates(text: str, seconds: int) -> None:
    for dialect in EVERY:
        assert parse(text, dialect) == Rate(seconds)


@pytest.mark.parametrize(
    "text",
    # The service itself refused these: localstack's test_put_rule_with_invalid_schedule_rate,
    # validated against AWS.
    ["rate(10 seconds)", "rate(10 years)", "rate()", "rate(10)", "rate(10 minutess)",
     "rate(foo minutes)", "rate(0 minutes)", "rate(-10 minutes)", "rate(10 MINUTES)",
     "rate( 10 minutes )", " rate(10 minutes)",
     # and these are refused alike
     "", "NOW", "cron", "cron()", "cron(0 12 * * ? *) ", "cron(0 12 * * ? *", "0 12 * * ? *",
     "cron( 0 12 * * ? *)", "cron(0 12 * * ? * )", "cron(0 12 * * * *)",
     "cron(*/30 * * * * ? *)", "cron(60 * * * ? *)", "cron(0 12 * * ? *)\n", "rate(1 minute)x",
     "rate(1.5 hours)", "rate(1,hour)", "rate(99999999999 days)", "rate(\u0661 minute)",
     "cron(0 12 ? * \u017fUN *)", "every(1 day)", "at()", "at(2026-01-01)", "at(2026-02-30T00:00:00)",
     "at(2026-01-01T24:00:00)", "at(2026-01-01 00:00:00)", "at(2026-01-01T00:00:00Z)",
     "at(2026-1-1T00:00:00)", "at(0000-01-01T00:00:00)"],
)  # fmt: skip
def test_other_expressions_are_refused_in_the_services_words(text: str) -> None:
    for dialect, words in (
        (RULES, "Parameter ScheduleExpression is not valid."),
        (SCHEDULER, f"Invalid Schedule Expression {text}."),
        (SCALING, f"Invalid schedule expression {text}."),
    ):
        with pytest.raises(ScheduleError) as refused:
            parse(text, dialect)
        assert str(refused.value) == words


@pytest.mark.parametrize(
    ("text", "rules", "scheduler"),
    [
        ("rate(1 minutes)", False, True),
        ("rate(1 days)", False, True),  # the Scheduler guide's own example
        ("rate(10 minute)", False, True),
        ("rate(5 hour)", False, True),
        ("at(2022-11-20T13:00:00)", False, True),
        ("AT(2022-11-20T13:00)", False, True),  # as cdk-preflight measured of the Scheduler
        ("CRON(0 12 * * ? *)", False, True),
        ("cron(15 10 ? * 6L)", False, True),  # "one optional field, year"
        ("cron(15 10 ? * 6L *)", True, True),
        ("cron(15\t10  ? * 6L *)", True, True),
    ],
)
def test_services_differ(text: str, rules: bool, scheduler: bool) -> None:
    for dialect, fine in ((RULES, rules), (SCHEDULER, scheduler)):
        assert accepted(text, dialect) == fine
    assert parse("cron(15 10 ? * 6L)") == parse("cron(15 10 ? * 6L *)")
    assert not accepted("cron(15 10 ? * 6L)", SCALING)


def accepted(text: str, dialect: Dialect) -> bool:
    try:
        parse(text, dialect)
    except ScheduleError:
        return False
    return True


@pytest.mark.parametrize("text", ["at(2022-11-20T13:00:00)", "cron(0 13 20 11 ? 2022)"])
def test_one_time_in_a_zone(text: str) -> None:
    """EventBridge Scheduler user guide: "once at 1pm UTC-8 on November 20, 2022"."""
    schedule, zone = parse(text), "America/Los_Angeles"
    once = at("2022-11-20T21:00")
    assert schedule.after(0.0, zone) == schedule.after(once - 0.5, zone) == once
    assert schedule.after(once, zone) is None
    assert schedule.latest(once, zone) == schedule.latest(once + 1e9, zone) == once
    assert schedule.latest(once - 0.5, zone) is None
    assert schedule.after(0.0) == once - 8 * 3600


def test_one_time_where_clocks_shift() -> None:
    zone = "America/Los_Angeles"
    skipped = At(dt.datetime(2026, 3, 8, 2, 30))
    assert skipped.after(0, zone) == at("2026-03-08T03:30", zone)
    repeated = At(dt.datetime(2026, 11, 1, 1, 30))
    assert repeated.after(0, zone) == at("2026-11-01T00:30", zone) + 3600


def test_one_time_at_the_ends_of_the_calendar() -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        assert parse("at(0001-01-01T00:00:00)").latest(0, zone) is not None
        assert parse("at(9999-12-31T23:59:59)").after(0, zone) is not None


def test_a_rate_counts_from_its_anchor_whatever_clocks_do() -> None:
    """ "days represents a 24-hour duration on the clock" (Scheduler guide)."""
    zone, start = "America/Los_Angeles", at("2026-03-07T12:00", "America/Los_Angeles")
    daily = parse("rate(1 day)")
    assert daily.after(start, zone, start) == start + 86400 == at("2026-03-08T13:00", zone)
    assert daily.after(start - 0.5, zone, start) == start
    assert daily.after(0, zone, start) == start
    assert daily.latest(start - 1, zone, start) is None
    assert daily.latest(start + 86399.9, zone, start) == start


@settings(max_examples=50)
@given(
    st.integers(1, 10**12),
    st.floats(-1e9, 1e10, allow_nan=False),
    st.floats(0, 4e9, allow_nan=False),
)
def test_rates_neither_drift_nor_stall(seconds: int, now: float, anchor: float) -> None:
    rate = Rate(seconds)
    fire, latest = rate.after(now, "UTC", anchor), rate.latest(now, "UTC", anchor)
    assert fire is not None or max(now, anchor) + seconds > LAST
    assert latest is None or (latest <= now and (latest - int(anchor)) % seconds == 0)
    if fire is not None:
        assert fire > now
        assert fire >= int(anchor)
        assert (fire - int(anchor)) % seconds == 0
        assert rate.latest(fire, "UTC", anchor) == fire
        assert rate.latest(fire - 0.001, "UTC", anchor) == latest
        assert latest is None or fire - latest == seconds


def test_now_is_once() -> None:
    assert Now().latest(99.9, "UTC", 100.0) is None
    assert Now().latest(100.0, "UTC", 100.7) == 100.0
    assert Now().after(99.0, "UTC", 100.0) == 100.0
    assert Now().after(100.0, "UTC", 100.0) is None


def test_zones_are_checked_by_name() -> None:
    assert expressions.check_zone("Pacific/Tahiti") == "Pacific/Tahiti"
    with pytest.raises(ScheduleError, match=r"^Invalid time zone Mars/Olympus\.$"):
        expressions.check_zone("Mars/Olympus")


@settings(max_examples=50)
@given(st.text(alphabet="cronateminush()0123456789*?/-,LW# TJANSU:", max_size=40))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    for whole in (text, f"cron({text})", f"rate({text})", f"at({text})"):
        try:
            found = parse(whole)
        except ScheduleError:
            continue
        assert isinstance(found, Cron | Rate | At)
        fire = found.after(1.7e9)
        assert fire is None or fire > 1.7e9
