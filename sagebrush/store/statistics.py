"""CloudWatch's statistics over metric points: pure functions.

Source: CloudWatch API Reference, GetMetricStatistics; User Guide, "CloudWatch statistics
definitions".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter

from sagebrush.store.series import Point

_NUMBER = r"\d{1,2}(?:\.\d{1,10})?|100(?:\.0+)?"
_SHORT = re.compile(rf"(p|tm|wm|tc|ts)({_NUMBER})")
_BOUND = r"-?\d+(?:\.\d+)?"
_LONG = re.compile(rf"(TM|WM|TC|TS|PR)\(({_BOUND})?(%?):({_BOUND})?(%?)\)")

SIMPLE: dict[str, Callable[[Sequence[Point]], float]] = {
    "SampleCount": lambda ps: sum(p.count for p in ps),
    "Sum": lambda ps: sum(p.value for p in ps),
    "Average": lambda ps: sum(p.value for p in ps) / (sum(p.count for p in ps) or 1),
    "Minimum": lambda ps: min(_low(p) for p in ps),
    "Maximum": lambda ps: max(_high(p) for p in ps),
}


@dataclass(frozen=True)
class Extended:
    """A statistic of the samples themselves, between two bounds (None: no bound)."""

    name: str
    """p, TM, WM, TC, TS or PR."""
    low: float | None
    high: float | None
    shares: bool
    """Whether the bounds are shares of the samples (0 to 1); else they are values."""


@cache
def extended(statistic: str) -> Extended | None:
    """What `p90`, `tm90`, `TM(10%:90%)`, `PR(:300)`, `IQM` … mean; None for what is none of them."""
    if statistic == "IQM":
        return Extended("TM", 0.25, 0.75, True)
    if found := _SHORT.fullmatch(statistic):
        share = float(found[2]) / 100
        return Extended(found[1] if found[1] == "p" else found[1].upper(), None, share, True)
    found = _LONG.fullmatch(statistic)
    if not found:
        return None
    name, low, low_percent, high, high_percent = found.groups()
    marks = {bool(mark) for value, mark in ((low, low_percent), (high, high_percent)) if value}
    if len(marks) != 1 or (not low and low_percent) or (not high and high_percent):
        return None  # no bound at all, or a share and a value
    shares = marks.pop()
    bounds = [float(value) / (100 if shares else 1) if value else None for value in (low, high)]
    if shares and (name == "PR" or any(b is not None and not 0 <= b <= 1 for b in bounds)):
        return None
    if bounds[0] is not None and bounds[1] is not None and bounds[0] >= bounds[1]:
        return None
    return Extended(name, bounds[0], bounds[1], shares)


def known(statistic: str) -> bool:
    """Whether `statistic` is one that `compute` can work out."""
    return statistic in SIMPLE or extended(statistic) is not None


def compute(statistic: str, points: Sequence[Point]) -> float | None:
    """The statistic of the (not empty) points; None where CloudWatch has none.

    All but the simple ones need single samples: a statistic set whose minimum and maximum differ has
    none, and neither have negative values.
    """
    if statistic in SIMPLE:
        return SIMPLE[statistic](points)
    asked = extended(statistic)
    if asked is None:
        raise ValueError(f"unknown statistic {statistic}")
    if any(_low(p) != _high(p) or _low(p) < 0 for p in points):
        return None
    if asked.name == "p":
        return percentile(points, asked.high or 0.0)
    return _between(asked, sorted(((_low(p), p.count) for p in points), key=itemgetter(0)), points)


def _between(
    asked: Extended, samples: Sequence[tuple[float, float]], points: Sequence[Point]
) -> float | None:
    """A statistic of (value, count) pairs in ascending order.

    Below a bound that is a value lies what equals it: lower bounds are exclusive, upper inclusive.
    """
    total = sum(count for _, count in samples)
    if total <= 0:
        return None
    if asked.name == "WM":
        low, high = asked.low, asked.high
        if asked.shares:
            low = None if low is None else percentile(points, low)
            high = None if high is None else percentile(points, high)
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        return sum(min(max(value, low), high) * count for value, count in samples) / total
    kept = list(_trimmed(asked, samples, total))
    count = sum(weight for _, weight in kept)
    match asked.name:
        case "TC":
            return count
        case "TS":
            return sum(value * weight for value, weight in kept)
        case "PR":
            return 100 * count / total
        case _:
            return sum(value * weight for value, weight in kept) / count if count else None


def _trimmed(
    asked: Extended, samples: Sequence[tuple[float, float]], total: float
) -> Iterator[tuple[float, float]]:
    """(value, weight) of the samples within the bounds; one across a share counts in part."""
    if not asked.shares:
        low = -math.inf if asked.low is None else asked.low
        high = math.inf if asked.high is None else asked.high
        yield from ((value, count) for value, count in samples if low < value <= high)
        return
    begin, end = total * (asked.low or 0.0), total * (1.0 if asked.high is None else asked.high)
    seen = 0.0
    for value, count in samples:
        weight = min(seen + count, end) - max(seen, begin)
        seen += count
        if weight > 1e-9 * total:
            yield value, weight


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
