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
