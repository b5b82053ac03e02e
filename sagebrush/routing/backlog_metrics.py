"""Metrics of asynchronous endpoints. Source: SageMaker guide, "Alarms and logs for tracking metrics
from asynchronous endpoints", and "Autoscale an asynchronous endpoint" for HasBacklogWithoutCapacity.
"""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from dataclasses import dataclass

from sagebrush.routing.endpoints import Name
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
EVERY = 60.0
"""Seconds between two points of an idle queue."""
SOON = 10.0
"""Seconds between two points while anything waits, so that a policy acts early."""
UNITS = {
    "RequestDownloadLatency": "Microseconds",
    "ResponseUploadLatency": "Microseconds",
    "TimeInBacklog": "Microseconds",
    "TotalProcessingTime": "Milliseconds",
}
"""Units of the metrics that are times; the others are counts."""


@dataclass
class State:
    """What is known of one queue."""

    size: int = 0
    oldest: float | None = None
    """When the oldest of its messages was sent."""
    changed: bool = True
    """Whether the size may be another by now."""
    without_capacity: bool = False
    """Whether something waited at the last look, and no instance was there."""


def points(name: str, state: State, instances: int, now: float) -> list[Point]:
    """The metrics of the queue of the endpoint `name`; per instance where there are any."""
    age = max(0.0, now - state.oldest) if state.oldest is not None else 0.0
    found = [
        ("ApproximateBacklogSize", float(state.size), "Count"),
        ("ApproximateAgeOfOldestRequest", age, "Seconds"),
        ("HasBacklogWithoutCapacity", float(state.without_capacity), "Count"),
    ]
    if instances:
        found.append(("ApproximateBacklogSizePerInstance", state.size / instances, "Count"))
    return [Point(NAMESPACE, m, now, v, {"EndpointName": name}, unit) for m, v, unit in found]


class BacklogMetrics:
    """Stores the metrics, in threads of `pool`."""

    def __init__(self, series: Series, pool: Executor) -> None:
        self._series = series
        self._pool = pool
        self._sums: dict[tuple[Name, str, str], list[float]] = {}
        """(endpoint, variant, metric) -> count, sum, minimum, maximum since the last flush."""

    @staticmethod
    def pause(busy: bool) -> float:
        """Seconds until the queues are to be noted again."""
        return SOON if busy else EVERY

    def count(self, name: Name, variant: str, values: dict[str, float]) -> None:
        """The values are stored with the next note of a queue. In the event loop's thread."""
        for metric, value in values.items():
            total = self._sums.setdefault((name, variant, metric), [0, 0.0, value, value])
            total[0] += 1
            total[1] += value
            total[2] = min(total[2], value)
            total[3] = max(total[3], value)

    def note(self, name: Name, state: State, instances: int, now: float) -> None:
        """The queue's metrics, and what was counted since, are being stored."""
        found = [*points(name[2], state, instances, now), *self._take(name, now)]
        try:
            self._pool.submit(self._series.begun(self._store), name, found)
        except RuntimeError:
            log.info("the server stops: metrics of endpoint %s are lost", name[2])

    def _take(self, name: Name, now: float) -> list[Point]:
        taken = [key for key in self._sums if key[0] == name]
        found = []
        for key in taken:
            count, total, low, high = self._sums.pop(key)
            dimensions = {"EndpointName": name[2], "VariantName": key[1]}
            unit = UNITS.get(key[2], "Count")
            point = Point(NAMESPACE, key[2], now, total, dimensions, unit, count, low, high)
            found.append(point)
        return found

    def _store(self, name: Name, found: list[Point]) -> None:
        try:
            self._series.append(name[0], name[1], found)
        except Outdated:
            pass  # the endpoint was deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("metrics of endpoint %s are lost", name[2])
