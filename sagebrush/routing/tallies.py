"""Counts of endpoints' answers, as CloudWatch metrics of SageMaker's namespaces.

Source: developer guide, "Amazon SageMaker AI metrics in Amazon CloudWatch", endpoint invocation
metrics and inference component metrics, with a resolution of ten seconds (AWS's: a minute). Latencies
are stored so that percentiles can be worked out of them: `_latencies` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sagebrush.routing.endpoints import Endpoint, Name
from sagebrush.routing.pending import Pending
from sagebrush.routing.sample_sets import Samples, Spread
from sagebrush.store.series import Point, Series

NAMESPACE = "AWS/SageMaker"
INSTANCES = "/aws/sagemaker/Endpoints"
MINUTE = 60.0
"""Seconds between two looks at idle endpoints."""


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


@dataclass
class Latencies:
    """Latencies of one subject since the last flush, in microseconds."""

    at: float
    model: Spread = field(default_factory=Spread)
    overhead: Spread = field(default_factory=Spread)


OF_INSTANCES = ("LoadedModelCount",)
"""Metrics of the instances' namespace."""


@dataclass
class Counts:
    """What was counted and is not stored yet."""

    tallies: dict[Subject, Tally] = field(default_factory=dict)
    latencies: dict[Subject, Latencies] = field(default_factory=dict)
    noted: dict[tuple[Subject, str], Samples] = field(default_factory=dict)


class Tallies:
    """The counts of this process (`World.tallies`)."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._pending = Pending(series, clock, Counts, self._store)
        self.drop, self.flush = self._pending.drop, self._pending.flush
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
        counts = self._pending.counts
        tally = counts.tallies.get(subject)
        if tally is None:
            tally = counts.tallies[subject] = Tally(self._clock())
        latencies = counts.latencies.get(subject)
        if latencies is None:
            latencies = counts.latencies[subject] = Latencies(tally.at)
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
        self._pending.flush_later()

    def noting(self, subject: Subject) -> Callable[[str, float], None]:
        """Returns what notes a value of a metric of the subject's: of times (`…Time`) in
        microseconds. To be called in the event loop's thread."""

        def note(metric: str, value: float) -> None:
            noted = self._pending.counts.noted.get((subject, metric))
            if noted is None:
                noted = self._pending.counts.noted[subject, metric] = Samples(self._clock())
            noted.add(value)
            self._pending.flush_later()

        return note

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

    def _store(self, counts: Counts) -> None:
        for of, tally in counts.tallies.items():
            self._series.append(*of.name[:2], _points(of, tally))
        for of, each in counts.latencies.items():
            self._series.append(*of.name[:2], _latencies(of, each))
        for (of, metric), noted in counts.noted.items():
            self._series.append(*of.name[:2], [_noted(of, metric, noted)])


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


def _noted(of: Subject, metric: str, noted: Samples) -> Point:
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
