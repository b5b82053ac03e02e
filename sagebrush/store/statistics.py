"""CloudWatch's statistics over metric points: pure functions.

Source: CloudWatch API Reference, GetMetricStatistics; User Guide, "CloudWatch statistics
definitions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sagebrush.store.series import Point

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")

SIMPLE: dict[str, Callable[[Sequence[Point]], float]] = {
    "SampleCount": lambda ps: sum(p.count for p in ps),
    "Sum": lambda ps: sum(p.value for p in ps),
    "Average": lambda ps: sum(p.value for p in ps) / (sum(p.count for p in ps) or 1),
    "Minimum": lambda ps: min(_low(p) for p in ps),
    "Maximum": lambda ps: max(_high(p) for p in ps),
}


def known(statistic: str) -> bool:
    """Whether `statistic` is one that `compute` can work out."""
    return statistic in SIMPLE or _PERCENTILE.fullmatch(statistic) is not None


def compute(statistic: str, points: Sequence[Point]) -> float | None:
    """The statistic of the (not empty) points; None where CloudWatch has none.

    Percentiles need single samples: a statistic set whose minimum and maximum differ has none, and
    neither have negative values.
    """
    if statistic in SIMPLE:
        return SIMPLE[statistic](points)
    found = _PERCENTILE.fullmatch(statistic)
    if found is None:
        raise ValueError(f"unknown statistic {statistic}")
    if any(_low(p) != _high(p) or _low(p) < 0 for p in points):
        return None
    return percentile(points, float(found[1]) / 100)


def percentile(points: Sequence[Point], rank: float) -> float:
    """The value at `rank` (0 to 1) of the points' samples, interpolated between neighbours."""
    ordered = sorted(points, key=_low)
    place = rank * (sum(p.count for p in ordered) - 1)
    seen = 0.0
    for i, point in enumerate(ordered):
        seen += point.count
        if place <= seen - 1 or i + 1 == len(ordered):
            return _low(point)
        if place < seen:
            share = place - (seen - 1)
            return _low(point) * (1 - share) + _low(ordered[i + 1]) * share
    raise ValueError("no points")


def bucket(points: Sequence[Point], start: float, period: float) -> dict[float, list[Point]]:
    """The points by the start of their period, counted from `start`."""
    buckets: dict[float, list[Point]] = {}
    for point in points:
        begin = start + (point.at - start) // period * period
        buckets.setdefault(begin, []).append(point)
    return buckets


def _low(point: Point) -> float:
    return point.value / (point.count or 1) if point.minimum is None else point.minimum


def _high(point: Point) -> float:
    return point.value / (point.count or 1) if point.maximum is None else point.maximum
