"""SageMaker's monitoring schedules: its few expressions, and the data an execution reads."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sagebrush.engine.schedules import monitoring
from sagebrush.engine.schedules.cron import Cron
from sagebrush.engine.schedules.expressions import Now, ScheduleError

MIDNIGHT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()
HOUR = 3600.0


def hours(text: str) -> list[int]:
    """Hours of its fires on 2026-01-01."""
    schedule = monitoring.parse(text)
    found, now = list[int](), MIDNIGHT - 1
    while (fire := schedule.after(now)) is not None and fire < MIDNIGHT + 24 * HOUR:
        assert fire % HOUR == 0
        found.append(int(fire - MIDNIGHT) // 3600)
        now = fire
    return found


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("cron(0 * ? * * *)", list(range(24))),
        ("cron(0 12 ? * * *)", [12]),
        ("cron(0 0 ? * * *)", [0]),
        (monitoring.DAILY, [0]),
        ("cron(0 00 ? * * *)", [0]),
        ("cron(0 17/12 ? * * *)", [5, 17]),  # "every 12 hours, starting at 5pm UTC"
        ("cron(0 0/2 ? * * *)", list(range(0, 24, 2))),
        ("cron(0 0/10 ? * * *)", [0, 10, 20]),  # "midnight, 10am, and 8pm every day" (the SDK)
        ("cron(0 17/10 ? * * *)", [3, 13, 17]),
        ("cron(0 23/24 ? * * *)", [23]),
        ("cron(0 5/1 ? * * *)", list(range(24))),
    ],
)
def test_the_supported_expressions(text: str, want: list[int]) -> None:
    assert hours(text) == want
    assert isinstance(monitoring.check({"ScheduleExpression": text}), Cron)


@pytest.mark.parametrize(
    "text",
    ["now", "", "rate(1 hour)", "at(2026-01-01T00:00:00)", "cron(0 24 ? * * *)",
     "cron(5 * ? * * *)", "cron(0 * * * ? *)", "cron(0 */2 ? * * *)", "cron(0 0/0 ? * * *)",
     "cron(0 0/25 ? * * *)", "cron(0 1,2 ? * * *)", "cron(0 * ? * MON *)", "cron(0 * ? * * *) "],
)  # fmt: skip
def test_other_expressions_are_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match=r"^Invalid ScheduleExpression"):
        monitoring.parse(text)


def config(text: str, start: str | None = None, end: str | None = None) -> dict[str, Any]:
    given = {"DataAnalysisStartTime": start, "DataAnalysisEndTime": end}
    return {"ScheduleExpression": text, **{k: v for k, v in given.items() if v is not None}}


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        (config("cron(0 * ? * * *)"), -1, 0),
        (config("cron(0 0 ? * * *)"), -24, 0),
        (config("cron(0 0/6 ? * * *)"), -6, 0),
        (config("cron(0 * ? * * *)", "-PT5H", "-PT1H"), -5, -1),
        (config("cron(0 * ? * * *)", "-PT2H"), -2, 0),
        (config("cron(0 0 ? * * *)", end="-PT30M"), -24, -0.5),
        (config("NOW", "-P1D", "PT0S"), -24, 0),
        (config("NOW", "-PT1H30M", "-PT1800S"), -1.5, -0.5),
    ],
)
def test_the_data_that_an_execution_reads(
    given: dict[str, Any], since: float, until: float
) -> None:
    schedule = monitoring.check(given)
    assert monitoring.window(given, schedule, MIDNIGHT) == (
        MIDNIGHT + since * HOUR,
        MIDNIGHT + until * HOUR,
    )


def test_windows_that_cannot_be_are_refused() -> None:
    assert isinstance(monitoring.check(config("NOW", "-PT1H", "PT0H")), Now)
    for given in (config("NOW"), config("NOW", "-PT1H"), config("NOW", end="-PT1H")):
        with pytest.raises(ScheduleError, match="are required when ScheduleExpression is NOW"):
            monitoring.check(given)
    hourly = "cron(0 * ? * * *)"
    for given in (
        config(hourly, "-PT1H", "-PT2H"),
        config(hourly, "-PT1H", "-PT1H"),
        config(hourly, end="-PT2H"),
        config(hourly, "-PT25H"),
        config("NOW", "-P2D", "-PT1H"),
    ):
        with pytest.raises(ScheduleError, match="by at most 24 hours"):
            monitoring.check(given)


@pytest.mark.parametrize("text", ["", "P", "PT", "-P", "-PT", "1H", "PT1", "P1H", "PT1D", "P1DT", "--PT1H", "P1Y"])  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ScheduleError, match="not an ISO 8601 duration"):
        monitoring.offset(text)
    assert monitoring.offset("+P1DT2H3M4S") == 86400 + 2 * 3600 + 3 * 60 + 4
