"""What requests to endpoints of custom text models consume, in memory; stored as CloudWatch metrics every
FLUSH seconds, each as the set of its samples.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sagebrush.routing.tallies import FLUSH
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

NAMESPACE = "AWS/Comprehend"
UNITS = {"InferenceUtilization": "Percent"}
"""Units of metrics that are no counts."""
Sums = dict[tuple[str, str], list[float]]
"""(endpoint's ARN, metric) -> first time, number of samples, their sum, the least, the greatest."""


class UnitCounts:
    """Samples of the endpoints of all accounts; noted in the event loop's thread."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._sums: Sums = {}
        self._due = False

    def note(self, arn: str, values: Mapping[str, float]) -> None:
        """The values are samples of these metrics of the endpoint."""
        now = self._clock()
        for metric, value in values.items():
            total = self._sums.setdefault((arn, metric), [now, 0, 0.0, value, value])
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
        loop.run_in_executor(None, self._series.begun(self._store), self._taken())

    def drop(self) -> None:
        """The samples are forgotten: what they are of was deleted."""
        self._taken()

    def flush(self) -> None:
        """The samples are stored as metrics."""
        self._store(self._taken())

    def _taken(self) -> Sums:
        taken, self._sums = self._sums, {}
        return taken

    def _store(self, sums: Sums) -> None:
        try:
            for (arn, metric), (at, count, total, low, high) in sums.items():
                _, _, _, region, account, _ = arn.split(":", 5)
                unit = UNITS.get(metric, "Count")
                point = Point(
                    NAMESPACE, metric, at, total, {"EndpointArn": arn}, unit, count, low, high
                )
                self._series.append(account, region, [point])
        except Outdated:
            pass  # of endpoints that were deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts of inference units are lost")
