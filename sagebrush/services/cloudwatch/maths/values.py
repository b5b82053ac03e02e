"""What expressions are about: numbers, series, arrays of series. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sagebrush.services.cloudwatch.maths.parser import ExpressionError

MOST_PERIODS = 200_000
"""Periods of a series without gaps at most (twice what one page of GetMetricData holds)."""


@dataclass(frozen=True)
class Series:
    """One time series: its points by time in seconds since the epoch, in order."""

    label: str
    period: int
    points: Mapping[float, float]
    start: float
    """Where its periods count from."""
    end: float
    """The end of the time that was asked for."""
    metric: bool = False
    """Whether it is a metric's, not the result of an expression."""
    samples: Mapping[float, float] = field(default_factory=dict)
    units: tuple[str, ...] = ()

    def grid(self) -> list[float]:
        """The start of every period."""
        count = max(0, math.ceil((self.end - self.start) / self.period))
        if count > MOST_PERIODS:
            words = f"the time that is asked for has more than {MOST_PERIODS} periods"
            raise ExpressionError(words)
        return [self.start + i * self.period for i in range(count)]

    def of(self, points: Mapping[float, float]) -> Series:
        """A series of other points at the times of this one; what is no number is left out."""
        kept = {at: points[at] for at in sorted(points) if math.isfinite(points[at])}
        return replace(self, points=kept, metric=False, samples={}, units=())


Array = tuple[Series, ...]
Value = float | str | Series | Array


def apply(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """`function` of two values, point by point; where a series has none, it counts as 0. A point
    for which there is no result (a division by 0) is left out."""
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError("operators take numbers and time series, not texts")
    if isinstance(left, tuple):
        if isinstance(right, tuple):
            raise ExpressionError("operators do not take two arrays of time series")
        return tuple(_series(apply(function, each, right)) for each in left)
    if isinstance(right, tuple):
        # the result is of each in the array, and has its label
        made = [(_series(apply(function, left, each)), each) for each in right]
        return tuple(replace(result, label=each.label) for result, each in made)
    if isinstance(left, Series):
        if isinstance(right, Series):
            times = left.points.keys() | right.points.keys()
            return left.of(
                {
                    at: attempt(function, left.points.get(at, 0.0), right.points.get(at, 0.0))
                    for at in times
                }
            )
        return left.of({at: attempt(function, value, right) for at, value in left.points.items()})
    if isinstance(right, Series):
        return right.of({at: attempt(function, left, value) for at, value in right.points.items()})
    return attempt(function, left, right)


def attempt(function: Callable[..., float], *values: float) -> float:
    """The function's value, NaN where it has none."""
    try:
        found = function(*values)
    except (ZeroDivisionError, OverflowError, ValueError):
        return math.nan
    return float(found) if isinstance(found, int | float) else math.nan  # not a complex one


def whole(value: Value | None, name: str) -> int:
    """The number as a count; raises ExpressionError for what is none."""
    if not isinstance(value, float) or not math.isfinite(value) or value < 0:
        raise ExpressionError(f"{name} takes numbers from 0 on")
    return int(value)


def _series(value: Value) -> Series:
    assert isinstance(value, Series)
    return value


def mapped(function: Callable[[Series], Series], value: Value, name: str) -> Series | Array:
    """`function` of a series, or of each in an array."""
    if isinstance(value, tuple):
        return tuple(function(each) for each in value)
    if isinstance(value, Series):
        return function(value)
    raise ExpressionError(f"{name} takes a time series or an array of them")
