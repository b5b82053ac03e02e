"""Counts of endpoints' answers, in memory; stored as CloudWatch metrics every FLUSH seconds.

Source: developer guide, "Amazon SageMaker AI metrics in Amazon CloudWatch", endpoint invocation
metrics and inference component metrics, with a resolution of ten seconds (AWS's: a minute). Latencies
are stored so that percentiles can be worked out of them: `_latencies` says how.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sagebrush.routing.endpoints import Endpoint, Name
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
FLUSH = 10.0
"""Seconds between two writes, at whole multiples of it: the resolution of the counts."""
MINUTE = 60.0
"""Seconds between two looks at idle endpoints."""
WIDTH = 1.1
"""The upper bound of a group of latencies over its lower one."""
_ln, _PER_LN = math.log, 1 / math.log(WIDTH)


class Subject(NamedTuple):
    """What answers are counted of: a variant, or an inference component on it."""

    name: Name
    variant: str
    component: str = ""
    config: str = ""
    """The endpoint configuration, where the answers of one alone are counted: "CloudWatch publishes
    the metrics with the dimension EndpointConfigName" (`deployment-guardrails-configuration`)."""

    @property
    def dimensions(self) -> dict[str, str]:
        """Of its metrics."""
        if self.component:
            return {"InferenceComponentName": self.component}
        found = {"EndpointName": self.name[2], "VariantName": self.variant}
        return {**found, "EndpointConfigName": self.config} if self.config else found

    @property
    def per(self) -> tuple[str, str]:
        """Its metrics that are normalised: invocations, and concurrent requests."""
        if self.component:
            return "InvocationsPerCopy", "ConcurrentRequestsPerCopy"
        return "InvocationsPerInstance", "ConcurrentRequestsPerModel"


@dataclass
class Tally:
    """Answers of one subject since the last flush."""

    at: float
    """The time of the first, in seconds since the epoch."""
    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    shares: float = 0.0
    """One over the number of instances, for each request."""
    least: int = 1 << 30
    most: int = 0
    running: int = 0
    """Requests in flight at an instance when each request came, itself included: the fewest, the
    most, their sum."""


class Spread:
    """Values grouped so that each group's differ by less than WIDTH; the least and the greatest."""

    __slots__ = ("_groups", "_least", "_most")

    def __init__(self) -> None:
        self._groups: dict[int, list[float]] = {}
        """The whole part of a value's logarithm -> number and sum."""
        self._least, self._most = math.inf, 0.0

    def add(self, value: float) -> None:
        """The value, which is not negative, is one of them."""
        key = int(_ln(value) * _PER_LN) if value > 1 else 0
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = [1, value]
        else:
            group[0] += 1
            group[1] += value
        if value < self._least:
            self._least = value
        if value > self._most:
            self._most = value

    def sets(self) -> Iterator[tuple[float, int]]:
        """(mean, number) of groups, in ascending order; the least and the greatest are alone."""
        alone = [self._least] if self._groups else []
        groups = [list(self._groups[key]) for key in sorted(self._groups)]
        if sum(number for number, _ in groups) > 1:
            alone.append(self._most)
        for group, value in zip((groups[:1], groups[-1:]), alone, strict=False):
            group[0][0] -= 1
            group[0][1] -= value
        inner = [(total / number, int(number)) for number, total in groups if number]
        return iter([*((v, 1) for v in alone[:1]), *inner, *((v, 1) for v in alone[1:])])


@dataclass
class Latencies:
    """Latencies of one subject since the last flush, in microseconds."""

    at: float
    model: Spread = field(default_factory=Spread)
    overhead: Spread = field(default_factory=Spread)


class Noted:
    """Values of one metric of a subject since the last flush: number, sum, least and greatest."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.count, self.total = 0, 0.0
        self.least, self.most = math.inf, -math.inf

    def add(self, value: float) -> None:
        """The value is one of them."""
        self.count += 1
        self.total += value
        self.least, self.most = min(self.least, value), max(self.most, value)


OF_INSTANCES = ("LoadedModelCount",)
"""Metrics of the instances' namespace."""


@dataclass
class Counts:
    """What was counted and is not stored yet."""

    tallies: dict[Subject, Tally] = field(default_factory=dict)
    latencies: dict[Subject, Latencies] = field(default_factory=dict)
    noted: dict[tuple[Subject, str], Noted] = field(default_factory=dict)


class Tallies:
    """The counts of this process (`World.tallies`); a crash loses those since the last flush."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._counts = Counts()
        self._flush_due = False
        self._looked = 0.0
        """The minute in which idle endpoints were last looked at."""

    def count(
        self,
        subject: Subject,
        status: int,
        model: float | None,
        overhead: float,
        load: tuple[int, int] = (1, 1),
    ) -> None:
        """Counts one answer: the model's `status` (0 if it did not answer), the model's own time
        (None then) and the server's, in seconds; `load`: how many instances the subject had, and
        how many requests were in flight at the one that was asked, this one included. Runs in the
        event loop's thread."""
        tally = self._counts.tallies.get(subject)
        if tally is None:
            tally = self._counts.tallies[subject] = Tally(self._clock())
        latencies = self._counts.latencies.get(subject)
        if latencies is None:
            latencies = self._counts.latencies[subject] = Latencies(tally.at)
        tally.invocations += 1
        if not 200 <= status < 300:
            tally.model_errors += 1
            tally.errors_4xx += 400 <= status < 500
            tally.errors_5xx += status >= 500
        instances, running = load
        tally.shares += 1 / instances if instances else 1.0
        tally.running += running
        if running > tally.most:
            tally.most = running
        if running < tally.least:
            tally.least = running
        if model is not None:
            latencies.model.add(model * 1e6)
        latencies.overhead.add(overhead * 1e6)
        if not self._flush_due:
            self._flush_later(asyncio.get_running_loop())

    def noting(self, subject: Subject) -> Callable[[str, float], None]:
        """Returns what notes a value of a metric of the subject's: of times (`…Time`) in
        microseconds. To be called in the event loop's thread."""

        def note(metric: str, value: float) -> None:
            noted = self._counts.noted.get((subject, metric))
            if noted is None:
                noted = self._counts.noted[subject, metric] = Noted(self._clock())
            noted.add(value)
            if not self._flush_due:
                self._flush_later(asyncio.get_running_loop())

        return note

    def drop(self) -> None:
        """The counts are forgotten: what they are of was deleted."""
        self._counts = Counts()

    def flush(self) -> None:
        """Stores the counts as metrics of the CloudWatch namespace AWS/SageMaker."""
        counts, self._counts = self._counts, Counts()
        self._store(counts)

    def look(self, endpoints: Iterable[Endpoint]) -> None:
        """The requests in flight at each instance now are stored, those of endpoints at which there
        are none once a minute: an alarm on them must see that nothing happens. In any thread."""
        now = self._clock()
        minute = now // MINUTE
        idle_too, self._looked = minute != self._looked, minute
        for endpoint in endpoints:
            for variant in endpoint.variants:
                busy = [route.busy for route in variant.routes]
                if not busy or not (idle_too or any(busy)):
                    continue
                of = Subject(endpoint.owner, variant.name, endpoint.component)
                spread = (float(sum(busy)), len(busy), float(min(busy)), float(max(busy)))
                point = _set(of.per[1], now, spread, of.dimensions)
                self._series.append(*endpoint.name[:2], [point])

    def _flush_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._flush_due = True
        loop.call_later(FLUSH - self._clock() % FLUSH, self._flush_soon, loop)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # Taken here, where they are counted: none is added to what another thread stores.
        self._flush_due = False
        counts, self._counts = self._counts, Counts()
        loop.run_in_executor(None, self._series.begun(self._store), counts)

    def _store(self, counts: Counts) -> None:
        try:
            for of, tally in counts.tallies.items():
                self._series.append(*of.name[:2], _points(of, tally))
            for of, each in counts.latencies.items():
                self._series.append(*of.name[:2], _latencies(of, each))
            for (of, metric), noted in counts.noted.items():
                self._series.append(*of.name[:2], [_noted(of, metric, noted)])
        except Outdated:
            pass  # of endpoints that were deleted meanwhile
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts of endpoints are lost")


def _points(of: Subject, tally: Tally) -> list[Point]:
    """A subject's counts as SageMaker publishes them."""
    count, dimensions = tally.invocations, of.dimensions
    found = [
        _set(metric, tally.at, (float(total), count, low, 1.0 if total else 0.0), dimensions)
        for metric, total, low in (
            ("Invocations", count, 1.0),
            ("Invocation4XXErrors", tally.errors_4xx, float(tally.errors_4xx == count)),
            ("Invocation5XXErrors", tally.errors_5xx, float(tally.errors_5xx == count)),
            ("InvocationModelErrors", tally.model_errors, float(tally.model_errors == count)),
        )
    ]
    invocations, concurrent = of.per
    found.append(Point(NAMESPACE, invocations, tally.at, tally.shares, dimensions, count=count))
    spread = (float(tally.running), count, float(tally.least), float(tally.most))
    found.append(_set(concurrent, tally.at, spread, dimensions))
    return found


def _noted(of: Subject, metric: str, noted: Noted) -> Point:
    """Values of a metric as a set of samples."""
    namespace = INSTANCES if metric in OF_INSTANCES else NAMESPACE
    unit = "Microseconds" if metric.endswith("Time") else "None"
    spread = (noted.count, noted.least, noted.most)
    return Point(namespace, metric, noted.at, noted.total, of.dimensions, unit, *spread)


def _set(
    metric: str, at: float, spread: tuple[float, int, float, float], dimensions: dict[str, str]
) -> Point:
    """A set of samples: their sum, number, least and greatest."""
    total, count, low, high = spread
    return Point(NAMESPACE, metric, at, total, dimensions, "None", count, low, high)


def _latencies(of: Subject, each: Latencies) -> list[Point]:
    """Latencies as sets of samples that are almost the same.

    CloudWatch has percentiles only of single values, or of sets whose samples are all the same. So
    latencies that differ by less than WIDTH are one set, at their mean: sums, averages and counts
    are exact, and a percentile is off by less than a tenth. The least and the greatest are sets of
    their own, so that these are exact too.
    """
    dimensions = of.dimensions
    return [
        Point(
            NAMESPACE, metric, each.at, mean * count, dimensions, "Microseconds", count, mean, mean
        )
        for metric, values in (("ModelLatency", each.model), ("OverheadLatency", each.overhead))
        for mean, count in values.sets()
    ]
