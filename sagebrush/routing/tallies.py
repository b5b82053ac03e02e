"""Counts of endpoints' answers, in memory; stored as CloudWatch metrics every FLUSH seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sagebrush.routing.endpoints import Name
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
FLUSH = 10.0
"""Seconds between two writes."""


@dataclass
class Tally:
    """Answers of one variant since the last flush. Latencies in microseconds."""

    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    model: list[float] = field(default_factory=lambda: [0, 0.0, float("inf"), 0.0])
    overhead: list[float] = field(default_factory=lambda: [0, 0.0, float("inf"), 0.0])
    """Each: count, sum, minimum, maximum."""


class Tallies:
    """The counts of this process (`World.tallies`); a crash loses those since the last flush."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._tallies: dict[tuple[Name, str], Tally] = {}
        self._flush_due = False

    def count(
        self, name: Name, variant: str, status: int, model: float | None, overhead: float
    ) -> None:
        """Counts one answer: the model's `status` (0 if it did not answer), the model's own time
        (None then) and the server's, in seconds. Runs in the event loop's thread."""
        key = (name, variant)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        tally.invocations += 1
        if not 200 <= status < 300:
            tally.model_errors += 1
            tally.errors_4xx += 400 <= status < 500
            tally.errors_5xx += status >= 500
        if model is not None:
            _add(tally.model, model * 1e6)
        _add(tally.overhead, overhead * 1e6)
        if not self._flush_due:
            self._flush_due = True
            loop = asyncio.get_running_loop()
            loop.call_later(FLUSH, self._flush_soon, loop)

    def drop(self) -> None:
        """The counts are forgotten: what they are of was deleted."""
        self._tallies = {}

    def flush(self) -> None:
        """Stores the counts as metrics of the CloudWatch namespace AWS/SageMaker."""
        tallies, self._tallies = self._tallies, {}
        self._store(tallies)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # Taken here, where they are counted: none is added to what another thread stores.
        self._flush_due = False
        tallies, self._tallies = self._tallies, {}
        loop.run_in_executor(None, self._series.begun(self._store), tallies)

    def _store(self, tallies: dict[tuple[Name, str], Tally]) -> None:
        now = self._clock()
        try:
            for (name, variant), tally in tallies.items():
                points = _points(tally, {"EndpointName": name[2], "VariantName": variant}, now)
                self._series.append(name[0], name[1], points)
        except Outdated:
            pass  # of endpoints that were deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts of endpoints are lost")


def _add(total: list[float], value: float) -> None:
    total[0] += 1
    total[1] += value
    if value < total[2]:
        total[2] = value
    if value > total[3]:
        total[3] = value


def _points(tally: Tally, dimensions: dict[str, str], now: float) -> list[Point]:
    """Returns a variant's metrics as SageMaker publishes them ("Endpoint invocation metrics")."""
    count = tally.invocations
    found = [
        Point(NAMESPACE, metric, now, total, dimensions, "None", count, low, 1.0 if total else 0.0)
        for metric, total, low in (
            ("Invocations", count, 1.0),
            ("Invocation4XXErrors", tally.errors_4xx, float(tally.errors_4xx == count)),
            ("Invocation5XXErrors", tally.errors_5xx, float(tally.errors_5xx == count)),
            ("InvocationModelErrors", tally.model_errors, float(tally.model_errors == count)),
        )
    ]
    for metric, (number, total, low, high) in (
        ("ModelLatency", tally.model),
        ("OverheadLatency", tally.overhead),
    ):
        if number:
            found.append(
                Point(NAMESPACE, metric, now, total, dimensions, "Microseconds", number, low, high)
            )
    return found
