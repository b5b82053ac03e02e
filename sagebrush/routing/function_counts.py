"""Counts of functions' invocations, as CloudWatch metrics of Lambda's namespace.

Source: Lambda developer guide, "Types of metrics for Lambda functions", with a resolution of ten seconds
(AWS's: a minute). Durations are stored so that percentiles can be worked out of them, as latencies of
endpoints are (`routing.tallies`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sagebrush.routing.pending import Pending
from sagebrush.routing.sample_sets import Samples, Spread
from sagebrush.store.series import Point, Series

NAMESPACE = "AWS/Lambda"
SPREAD = ("Duration", "AsyncEventAge")
"""Metrics that are times, in milliseconds; the others are counts."""


class Subject(NamedTuple):
    """A function, and the version or alias by which it was invoked."""

    account: str
    region: str
    name: str
    qualifier: str = ""
    """"" where the request named none."""


@dataclass
class Counts:
    """What was counted and is not stored yet, for each metric of a subject."""

    samples: dict[tuple[Subject, str], Samples] = field(default_factory=dict)
    spreads: dict[tuple[Subject, str], tuple[float, Spread]] = field(default_factory=dict)
    """The time of the first, in seconds since the epoch, and the values."""


class FunctionCounts:
    """Counts of the functions of all accounts; noted in the event loop's thread."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._pending = Pending(series, clock, Counts, self._store)
        self.drop, self.flush = self._pending.drop, self._pending.flush

    def note(self, of: Subject, values: Mapping[str, float]) -> None:
        """The values are samples of these metrics."""
        now, counts = self._clock(), self._pending.counts
        for metric, value in values.items():
            if metric not in SPREAD:
                counts.samples.setdefault((of, metric), Samples(now)).add(value)
                continue
            if (of, metric) not in counts.spreads:
                counts.spreads[of, metric] = (now, Spread())
            counts.spreads[of, metric][1].add(max(0.0, value))
        self._pending.flush_later()

    def _store(self, counts: Counts) -> None:
        found: dict[tuple[str, str], list[Point]] = {}
        for (of, metric), each in counts.samples.items():
            spread = (each.count, each.least, each.most)
            for named in dimensions(of):
                point = Point(NAMESPACE, metric, each.at, each.total, named, "Count", *spread)
                found.setdefault(of[:2], []).append(point)
        for (of, metric), (at, spread) in counts.spreads.items():
            for named in dimensions(of):
                found.setdefault(of[:2], []).extend(
                    Point(NAMESPACE, metric, at, mean * n, named, "Milliseconds", n, mean, mean)
                    for mean, n in spread.sets()
                )
        for (account, region), points in found.items():
            self._series.append(account, region, points)


def dimensions(of: Subject) -> list[dict[str, str]]:
    """The dimensions under which the subject's metrics are kept: all functions, the function, and what
    the request named of it."""
    resource = f"{of.name}:{of.qualifier}" if of.qualifier else of.name
    return [{}, {"FunctionName": of.name}, {"FunctionName": of.name, "Resource": resource}]
