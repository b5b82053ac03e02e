"""Counts of functions' invocations, in memory; stored as CloudWatch metrics every FLUSH seconds.

Source: Lambda developer guide, "Types of metrics for Lambda functions", with a resolution of ten seconds
(AWS's: a minute). Durations are stored so that percentiles can be worked out of them, as latencies of
endpoints are (`routing.tallies`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sagebrush.routing.tallies import FLUSH, Spread
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

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


class FunctionCounts:
    """Counts of the functions of all accounts; noted in the event loop's thread."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._sums: dict[tuple[Subject, str], list[float]] = {}
        """Metric of a subject -> first time, number, sum, least, greatest."""
        self._spreads: dict[tuple[Subject, str], tuple[float, Spread]] = {}
        self._due = False

    def note(self, of: Subject, values: Mapping[str, float]) -> None:
        """The values are samples of these metrics."""
        now = self._clock()
        for metric, value in values.items():
            if metric in SPREAD:
                if (of, metric) not in self._spreads:
                    self._spreads[of, metric] = (now, Spread())
                self._spreads[of, metric][1].add(max(0.0, value))
                continue
            total = self._sums.setdefault((of, metric), [now, 0, 0.0, value, value])
            total[1] += 1
            total[2] += value
            total[3] = min(total[3], value)
            total[4] = max(total[4], value)
        if not self._due:
            self._later()

    def _later(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # in tests without one; whoever flushes has them
        self._due = True
        loop.call_later(FLUSH - self._clock() % FLUSH, self._soon, loop)

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = False
        loop.run_in_executor(None, self._series.begun(self._store), *self._taken())

    def drop(self) -> None:
        """The counts are forgotten: what they are of was deleted."""
        self._taken()

    def flush(self) -> None:
        """The counts are stored as metrics."""
        self._store(*self._taken())

    def _taken(
        self,
    ) -> tuple[
        dict[tuple[Subject, str], list[float]], dict[tuple[Subject, str], tuple[float, Spread]]
    ]:
        taken = self._sums, self._spreads
        self._sums, self._spreads = {}, {}
        return taken

    def _store(
        self,
        sums: dict[tuple[Subject, str], list[float]],
        spreads: dict[tuple[Subject, str], tuple[float, Spread]],
    ) -> None:
        found: dict[tuple[str, str], list[Point]] = {}
        for (of, metric), (at, count, total, low, high) in sums.items():
            for named in dimensions(of):
                point = Point(NAMESPACE, metric, at, total, named, "Count", count, low, high)
                found.setdefault(of[:2], []).append(point)
        for (of, metric), (at, spread) in spreads.items():
            for named in dimensions(of):
                found.setdefault(of[:2], []).extend(
                    Point(NAMESPACE, metric, at, mean * n, named, "Milliseconds", n, mean, mean)
                    for mean, n in spread.sets()
                )
        try:
            for (account, region), points in found.items():
                self._series.append(account, region, points)
        except Outdated:
            pass  # of functions that were deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts of functions are lost")


def dimensions(of: Subject) -> list[dict[str, str]]:
    """The dimensions under which the subject's metrics are kept: all functions, the function, and what
    the request named of it."""
    resource = f"{of.name}:{of.qualifier}" if of.qualifier else of.name
    return [{}, {"FunctionName": of.name}, {"FunctionName": of.name, "Resource": resource}]
