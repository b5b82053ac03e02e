"""The values of one metric by period, as statistics of what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sagebrush.errors import AwsError, Doc
from sagebrush.store import statistics
from sagebrush.store.series import Metric, Point
from sagebrush.world import World

SUB_MINUTE = (1, 5, 10, 20, 30)
"""Periods under a minute that GetMetricData and GetMetricStatistics take, in seconds."""


@dataclass(frozen=True)
class Source:
    """Where metrics are read: one account's in one region."""

    world: World
    account: str
    region: str


@dataclass(frozen=True)
class Reading:
    """Values by the start of their period, oldest first; periods without a value are absent."""

    values: Mapping[float, float]
    samples: Mapping[float, float] = field(default_factory=dict)
    """How many samples there were in each."""
    units: tuple[str, ...] = ()


def metric_of(doc: Doc) -> Metric:
    """The metric that a document with Namespace, MetricName and Dimensions names."""
    return Metric(doc["Namespace"], doc["MetricName"], dimensions_of(doc.get("Dimensions")))


def dimensions_of(given: Sequence[Doc] | None) -> dict[str, str]:
    """A list of Name and Value as a mapping."""
    return {d["Name"]: d["Value"] for d in given or ()}


def of_unit(points: list[Point], unit: str | None) -> list[Point]:
    """The points of that unit, all where none is asked for. Units are not converted."""
    return points if unit is None else [p for p in points if p.unit == unit]


def read(source: Source, stat: Doc, start: float, end: float) -> Reading:
    """What a MetricStat says of [start, end), in periods that count from `start`."""
    found = source.world.series.query(
        source.account, source.region, metric_of(stat["Metric"]), start, end
    )
    points = of_unit(found, stat.get("Unit"))
    values, samples = {}, {}
    for begin, held in sorted(statistics.bucket(points, start, stat["Period"]).items()):
        value = statistics.compute(stat["Stat"], held)
        if value is not None:
            values[begin] = value
            samples[begin] = sum(p.count for p in held)
    return Reading(values, samples, tuple(sorted({p.unit for p in points})))


def check_period(period: int, parameter: str = "Period") -> None:
    """Raises InvalidParameterValue for a period that no metric has."""
    if period not in SUB_MINUTE and (period <= 0 or period % 60):
        raise AwsError(
            "InvalidParameterValue",
            f"The value {period} for parameter {parameter} is invalid. It must be 1, 5, 10, 20, 30"
            " or a multiple of 60.",
        )


def check_statistic(name: str, parameter: str) -> None:
    """Raises InvalidParameterValue for a statistic that there is none of."""
    if not statistics.known(name):
        raise AwsError(
            "InvalidParameterValue", f"The value {name} for parameter {parameter} is not supported."
        )


def place_of(token: str | None) -> int:
    """Where the page of a NextToken begins, 0 for none; raises InvalidNextToken."""
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise AwsError("InvalidNextToken", "Invalid NextToken")
    return int(token)
