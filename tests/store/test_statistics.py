from __future__ import annotations

import pytest

from sagebrush.store import statistics
from sagebrush.store.series import Point


def point(value: float, count: float = 1, low: float | None = None, high: float | None = None):
    return Point("n", "m", 0.0, value, {}, "None", count, low, high)


def test_simple_statistics_weigh_statistic_sets_by_their_count():
    held = [point(10, 4, 1, 5), point(2)]
    got = {name: statistics.compute(name, held) for name in statistics.SIMPLE}
    assert got == {"SampleCount": 5, "Sum": 12, "Average": 2.4, "Minimum": 1, "Maximum": 5}


@pytest.mark.parametrize(("rank", "value"), [("p0", 1), ("p50", 3), ("p90", 4.6), ("p100", 5)])
def test_percentiles_interpolate_between_samples(rank: str, value: float):
    held = [point(v) for v in (5, 1, 4, 2, 3)]
    assert statistics.compute(rank, held) == pytest.approx(value)


def test_repeated_samples_count_as_often_as_they_came():
    held = [point(9, 9, 1, 1), point(100)]
    assert statistics.compute("p50", held) == 1
    assert statistics.compute("p100", held) == 100


def test_no_percentile_of_a_spread_set_or_of_negative_values():
    assert statistics.compute("p50", [point(6, 2, 1, 5)]) is None
    assert statistics.compute("p50", [point(-1)]) is None


@pytest.mark.parametrize("name", ["p", "p101", "median", "Average "])
def test_unknown_statistics_are_told(name: str):
    assert not statistics.known(name)


TEN = [Point("n", "m", float(i), float(i)) for i in range(1, 11)]


@pytest.mark.parametrize(
    ("statistic", "value"),
    [
        ("tm90", 5.0),  # without the 10
        ("TM(10%:90%)", 5.5),
        ("TM(:90%)", 5.0),
        ("TM(20%:)", 6.5),
        ("TM(2:9)", 6.0),  # above 2, up to 9
        ("TM(100:200)", None),
        ("IQM", 5.5),
        ("tc90", 9.0),
        ("TC(2:9)", 7.0),
        ("TC(100:)", 0.0),
        ("ts90", 45.0),
        ("TS(20%:80%)", 33.0),
        ("PR(:3)", 30.0),
        ("PR(3:5)", 20.0),
        ("PR(8:)", 20.0),
        ("WM(:90%)", 5.41),
        ("WM(3:8)", 5.5),
        ("p0", 1.0),
        ("p100", 10.0),
    ],
)
def test_extended_statistics(statistic: str, value: float | None) -> None:
    assert statistics.known(statistic)
    found = statistics.compute(statistic, TEN)
    assert found == (value if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    "statistic",
    ["p101", "tm", "TM(:)", "TM(%:90%)", "TM(10:90%)", "TM(90%:10%)", "TM(10%:110%)", "PR(10%:90%)",
     "XX(1:2)", "Average ", "iqm", "TM(1:2", ""],
)  # fmt: skip
def test_what_is_no_statistic(statistic: str) -> None:
    assert not statistics.known(statistic)


def test_a_statistic_set_has_extended_statistics_only_where_its_samples_are_known() -> None:
    same = [Point("n", "m", 0.0, 30.0, count=10.0, minimum=3.0, maximum=3.0)]
    mixed = [Point("n", "m", 0.0, 30.0, count=10.0, minimum=1.0, maximum=9.0)]
    negative = [Point("n", "m", 0.0, -1.0)]
    for statistic in ("p50", "tm90", "IQM", "WM(:90%)"):
        assert statistics.compute(statistic, same) == 3.0
    for statistic in ("p50", "tm90", "PR(:3)", "TC(:50%)", "WM(:90%)"):
        assert statistics.compute(statistic, mixed) is None
        assert statistics.compute(statistic, negative) is None
