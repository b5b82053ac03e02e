"""Metrics of endpoints: what is stored of what was counted."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.routing.endpoints import Endpoint, Route, Variant
from sagebrush.routing.sample_sets import WIDTH, Spread
from sagebrush.routing.tallies import Subject, Tallies
from sagebrush.store import statistics
from sagebrush.store.series import Point

NAME = ("123456789012", "us-east-1", "e")
OF = Subject(NAME, "v")


class Kept:
    """Keeps the points that are stored."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def begun(self, function: Any) -> Any:
        return function

    def append(self, account: str, region: str, points: list[Point]) -> None:
        assert (account, region) == NAME[:2]
        self.points += points

    def of(self, metric: str) -> list[Point]:
        return [p for p in self.points if p.metric == metric]


class Clock:
    now = 1200.0

    def __call__(self) -> float:
        return self.now


def counted(*calls: Any, of: Subject = OF) -> Kept:
    """What is stored of these calls of `count`."""
    kept, clock = Kept(), Clock()
    tallies = Tallies(cast(Any, kept), clock)

    async def count() -> None:
        for call in calls:
            tallies.count(of, *call)

    asyncio.run(count())
    clock.now += 7  # the time of the first request is theirs
    tallies.flush()
    return kept


def test_invocations_per_instance_are_shares_of_each_request() -> None:
    kept = counted(*[(200, 0.1, 0.001, (4, 1))] * 6, (200, 0.1, 0.001, (2, 1)))
    (point,) = kept.of("InvocationsPerInstance")
    assert (point.value, point.count, point.at) == (2.0, 7, 1200.0)
    assert point.dimensions == {"EndpointName": "e", "VariantName": "v"}
    assert statistics.compute("Sum", [point]) == 2.0
    assert kept.of("Invocations")[0].value == 7


def test_concurrent_requests_are_those_at_the_busiest_instance() -> None:
    kept = counted(*[(200, 0.1, 0.001, (2, running)) for running in (1, 2, 7, 3)])
    points = kept.of("ConcurrentRequestsPerModel")
    assert statistics.compute("Maximum", points) == 7
    assert statistics.compute("Minimum", points) == 1


def test_a_components_metrics_are_of_its_copies() -> None:
    kept = counted((200, 0.1, 0.001, (2, 1)), of=Subject(NAME, "v", "llm"))
    assert kept.of("InvocationsPerCopy")[0].dimensions == {"InferenceComponentName": "llm"}
    assert kept.of("ConcurrentRequestsPerCopy")[0].value == 1
    assert not kept.of("InvocationsPerInstance")


def test_errors_and_requests_that_no_model_answered() -> None:
    kept = counted((200, 0.1, 0.0), (500, 0.1, 0.0), (404, 0.1, 0.0), (0, None, 60.0))
    sums = {p.metric: p.value for p in kept.points}
    assert (sums["Invocation4XXErrors"], sums["Invocation5XXErrors"]) == (1, 1)
    assert sums["InvocationModelErrors"] == 3
    assert sum(p.count for p in kept.of("ModelLatency")) == 3
    assert statistics.compute("Maximum", kept.of("OverheadLatency")) == 60e6


def test_latencies_have_exact_sums_and_percentiles_within_a_tenth() -> None:
    random.seed(7)
    seconds = [random.lognormvariate(-4, 1) for _ in range(5000)]
    kept = counted(*((200, s, 0.0) for s in seconds))
    points, exact = kept.of("ModelLatency"), sorted(s * 1e6 for s in seconds)
    assert len(points) < 90
    assert statistics.compute("SampleCount", points) == 5000
    assert statistics.compute("Average", points) == pytest.approx(sum(exact) / 5000)
    assert statistics.compute("Minimum", points) == exact[0]
    assert statistics.compute("Maximum", points) == exact[-1]
    for rank in (50, 90, 99):
        found = statistics.compute(f"p{rank}", points)
        assert found == pytest.approx(exact[50 * rank], rel=WIDTH - 1)


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0], [0.0, 0.5], [3.0, 3.1, 900.0]])
def test_few_values_are_themselves(values: list[float]) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)
    found = list(spread.sets())
    assert sum(number for _, number in found) == len(values)
    assert sum(mean * number for mean, number in found) == pytest.approx(sum(values))
    assert [mean for mean, _ in found] == sorted(mean for mean, _ in found)


def test_an_idle_endpoint_is_seen_to_be_idle_once_a_minute() -> None:
    kept, clock = Kept(), Clock()
    tallies = Tallies(cast(Any, kept), clock)
    pools = [SimpleNamespace(busy=0), SimpleNamespace(busy=0)]
    routes = tuple(Route(f"k{i}", f"r{i}", ("",), (cast(Any, p),)) for i, p in enumerate(pools))
    endpoint = Endpoint(NAME, 1, (Variant("v", 1.0, routes), Variant("empty", 1.0, ())))
    for _ in range(12):  # every ten seconds
        tallies.look([endpoint])
        clock.now += 10
    assert [p.value for p in kept.of("ConcurrentRequestsPerModel")] == [0.0, 0.0]
    pools[1].busy = 3
    tallies.look([endpoint])
    clock.now += 10
    tallies.look([endpoint])
    last = kept.of("ConcurrentRequestsPerModel")[-2:]
    assert [(p.value, p.count, p.minimum, p.maximum) for p in last] == [(3.0, 2, 0.0, 3.0)] * 2
