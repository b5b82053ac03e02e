"""The functions of metric maths over values. Pure.

Source: CloudWatch User Guide, "Metric math syntax and functions".
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise

from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.services.cloudwatch.maths.values import Array, Series, Value, attempt, mapped, whole

Reduce = Callable[[Sequence[float]], float]
REDUCERS: Mapping[str, Reduce] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
    "STDDEV": statistics.pstdev,
    "DATAPOINT_COUNT": len,
}
"""Of a series: a number. Of an array: a series, of the values at each time."""
OF_ARRAYS = frozenset({*REDUCERS, "FIRST", "LAST"})
"""Functions that make one series of an array; one without points where the array is empty."""
_EACH: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
    "EXP": math.exp,
}
_CLOCK: Mapping[str, Callable[[dt.datetime], float]] = {
    "MINUTE": lambda at: at.minute,
    "HOUR": lambda at: at.hour,
    "DAY": lambda at: at.isoweekday(),
    "DATE": lambda at: at.day,
    "MONTH": lambda at: at.month,
    "YEAR": lambda at: at.year,
    "EPOCH": lambda at: at.timestamp(),
}
ABSENT = {
    "ANOMALY_DETECTION_BAND": "anomaly detection",
    "INSIGHT_RULE_METRIC": "Contributor Insights",
    "SERVICE_QUOTA": "service quotas as metrics",
    "DB_PERF_INSIGHTS": "Performance Insights",
    "LAMBDA": "metrics of Lambda functions",
}
"""Functions of AWS's that are not here -> what they are about."""


def call(name: str, values: Sequence[Value]) -> Value:
    """The function's value; raises ExpressionError for an unknown one, and for wrong arguments."""
    if name in ABSENT:
        raise ExpressionError(f"Sagebrush does not implement {name} ({ABSENT[name]})")
    if name in REDUCERS:
        return _reduced(name, *_exactly(name, values, 1))
    if name in _EACH:
        (value,) = _exactly(name, values, 1)
        function = _EACH[name]
        return mapped(lambda s: s.of(_points(function, s)), value, name)
    if name in _CLOCK:
        (value,) = _exactly(name, values, 1)
        return _clock(name, value)
    found = _FUNCTIONS.get(name)
    if found is None:
        raise ExpressionError(f"unknown function {name}")
    function, least, most = found
    if not least <= len(values) <= most:
        raise ExpressionError(f"{name} does not take {len(values)} arguments")
    return function(*values)


def _exactly(name: str, values: Sequence[Value], count: int) -> Sequence[Value]:
    if len(values) != count:
        raise ExpressionError(f"{name} does not take {len(values)} arguments")
    return values


def _points(function: Callable[[float], float], series: Series) -> dict[float, float]:
    return {at: attempt(function, value) for at, value in series.points.items()}


def _reduced(name: str, value: Value) -> Value:
    function = REDUCERS[name]
    if isinstance(value, Series):
        held = list(value.points.values())
        if not held:
            return 0.0 if name in ("SUM", "DATAPOINT_COUNT") else math.nan
        return attempt(function, held)  # pyright: ignore[reportArgumentType]
    if not isinstance(value, tuple):
        raise ExpressionError(f"{name} takes a time series or an array of them")
    if not value:
        raise ExpressionError(f"{name} of an array without time series")
    times = sorted(set[float]().union(*(each.points for each in value)))
    points = {}
    for at in times:
        there = [each.points[at] for each in value if at in each.points]
        if name == "AVG":  # missing values count as 0
            there += [0.0] * (len(value) - len(there))
        points[at] = float(function(there))
    return value[0].of(points)


def _clock(name: str, value: Value) -> Series:
    series = _one(name, value)
    part = _CLOCK[name]
    return series.of({at: part(dt.datetime.fromtimestamp(at, dt.UTC)) for at in series.grid()})


# -- along a series


def _changes(function: Callable[[float, float], float], series: Series) -> Series:
    """`function` of each difference of values and of times between neighbours."""
    found = {
        at: attempt(function, value - before, at - since)
        for (since, before), (at, value) in pairwise(sorted(series.points.items()))
    }
    return series.of(found)


def _diff(value: Value) -> Value:
    return mapped(lambda s: _changes(lambda value, _: value, s), value, "DIFF")


def _diff_time(value: Value) -> Value:
    return mapped(lambda s: _changes(lambda _, seconds: seconds, s), value, "DIFF_TIME")


def _rate(value: Value) -> Value:
    return mapped(lambda s: _changes(lambda value, s: value / s, s), value, "RATE")


def _running_sum(value: Value) -> Value:
    def summed(series: Series) -> Series:
        times = sorted(series.points)
        sums = accumulate(series.points[at] for at in times)
        return series.of(dict(zip(times, sums, strict=True)))

    return mapped(summed, value, "RUNNING_SUM")


def _fill(value: Value, filler: Value) -> Value:
    return mapped(lambda series: _filled(series, filler), value, "FILL")


def _filled(series: Series, filler: Value) -> Series:
    points = dict(series.points)
    gaps = [at for at in series.grid() if at not in points]
    if isinstance(filler, Series):
        points |= {at: filler.points[at] for at in gaps if at in filler.points}
    elif filler == "REPEAT":
        last = None
        for at in series.grid():
            last = points.get(at, last)
            if last is not None:
                points[at] = last
    elif filler == "LINEAR":
        for (since, before), (until, after) in pairwise(sorted(series.points.items())):
            slope = (after - before) / (until - since)
            points |= {at: before + slope * (at - since) for at in gaps if since < at < until}
    elif isinstance(filler, float):
        points |= dict.fromkeys(gaps, filler)
    else:
        raise ExpressionError("FILL takes a number, a time series, REPEAT or LINEAR")
    return series.of(points)


# -- arrays


def _one(name: str, value: Value) -> Series:
    if not isinstance(value, Series):
        raise ExpressionError(f"{name} takes a time series")
    return value


def _array(name: str, value: Value) -> Array:
    if isinstance(value, Series):
        return (value,)
    if not isinstance(value, tuple):
        raise ExpressionError(f"{name} takes an array of time series")
    return value


def _metric_count(value: Value) -> Value:
    return float(len(_array("METRIC_COUNT", value)))


def _remove_empty(value: Value) -> Value:
    return tuple(each for each in _array("REMOVE_EMPTY", value) if each.points)


def _first(value: Value) -> Value:
    return _end("FIRST", value, 0)


def _last(value: Value) -> Value:
    return _end("LAST", value, -1)


def _end(name: str, value: Value, place: int) -> Series:
    array = _array(name, value)
    if not array:
        raise ExpressionError(f"{name} of an array without time series")
    return array[place]


def _slice(value: Value, begin: Value, end: Value | None = None) -> Value:
    array = _array("SLICE", value)
    first = whole(begin, "SLICE")
    return array[first : None if end is None else whole(end, "SLICE")]


def _sort(value: Value, by: Value, order: Value, most: Value | None = None) -> Value:
    array = _array("SORT", value)
    if by not in ("AVG", "MIN", "MAX", "SUM"):
        raise ExpressionError("SORT takes AVG, MIN, MAX or SUM")
    if order not in ("ASC", "DESC"):
        raise ExpressionError("SORT takes ASC or DESC")
    keys = [_reduced(str(by), each) for each in array]
    with_points = [each for each in zip(keys, array, strict=True) if each[1].points]
    ordered = sorted(with_points, key=lambda pair: float(str(pair[0])), reverse=order == "DESC")
    found = [each for _, each in ordered] + [each for each in array if not each.points]
    return tuple(found if most is None else found[: whole(most, "SORT")])


# -- IF


def _if(condition: Value, yes: Value, no: Value | None = None) -> Value:
    if any(isinstance(each, str | tuple) for each in (condition, yes, no)):
        raise ExpressionError("IF takes numbers and single time series")
    if isinstance(condition, float):
        chosen = yes if condition else no
        if chosen is None:
            return _one("IF", yes).of({})
        return chosen
    series = _one("IF", condition)
    points = {}
    for at, true in series.points.items():
        value = _at(yes, at, 0.0) if true else _at(no, at, None)
        if value is not None:
            points[at] = value
    return (yes if isinstance(yes, Series) else series).of(points)


def _at(value: Value | None, at: float, default: float | None) -> float | None:
    if isinstance(value, Series):
        return value.points.get(at, default)
    return value if isinstance(value, float) else None


def _period(value: Value) -> Value:
    series = _one("PERIOD", value)
    if not series.metric:
        raise ExpressionError("PERIOD takes a metric, not the result of an expression")
    return float(series.period)


_FUNCTIONS: Mapping[str, tuple[Callable[..., Value], int, int]] = {
    "DIFF": (_diff, 1, 1),
    "DIFF_TIME": (_diff_time, 1, 1),
    "RATE": (_rate, 1, 1),
    "RUNNING_SUM": (_running_sum, 1, 1),
    "FILL": (_fill, 2, 2),
    "METRIC_COUNT": (_metric_count, 1, 1),
    "REMOVE_EMPTY": (_remove_empty, 1, 1),
    "FIRST": (_first, 1, 1),
    "LAST": (_last, 1, 1),
    "SLICE": (_slice, 2, 3),
    "SORT": (_sort, 3, 4),
    "IF": (_if, 2, 3),
    "PERIOD": (_period, 1, 1),
}
"""Name -> function, and the fewest and most arguments."""
WORDS = frozenset({"REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM"})
"""Words that are arguments themselves."""
