"""The dispatcher of asynchronous requests: real messages and routes, models that do as the test says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush.compute.base import Gone, Running, State
from sagebrush.errors import Doc
from sagebrush.net.http_client import Answer, Pool
from sagebrush.routing.backlog import Backlogs, Job, Later, vacant
from sagebrush.routing.backlog_metrics import BacklogMetrics, points
from sagebrush.routing.backlog_metrics import State as QueueState
from sagebrush.routing.endpoints import Endpoint, Endpoints, Name, Route, Variant
from sagebrush.store.db import Db
from sagebrush.store.messages import FOREVER, Messages, Send
from sagebrush.store.rows import Row, Rows
from sagebrush.store.series import Metric, Series
from tests.conftest import Clock

NAME: Name = ("123456789012", "us-east-1", "e")


class Backend:
    """Every replica has an address."""

    def poll(self, key: str) -> State:
        return Gone() if key.startswith("gone") else Running(0.0, f"tcp:{key}:1")


class Direct:
    """An executor that works at once."""

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        function(*args)


def described(fleet: str, limit: int | None, count: int) -> Doc:
    client = {"MaxConcurrentInvocationsPerInstance": limit} if limit else {}
    return {
        "id": fleet,
        "variants": [{"name": "v", "weight": 1.0, "count": count}],
        "asynchronous": {"ClientConfig": client, "OutputConfig": {}},
    }


class Road:
    """An endpoint's queue, and a dispatcher in the test's own event loop."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.clock = clock
        self.db = Db(home / "db")
        self.rows = Rows(self.db, clock)
        self.messages = Messages(self.db, clock)
        self.series = Series(self.db)
        self.seen: list[str] = []
        self.expired: list[str] = []
        self.open: dict[str, asyncio.Future[None]] = {}
        self.jobs: dict[str, Job] = {}
        self.begin()

    def begin(self) -> None:
        """A dispatcher, as of a server that has just started."""
        self.endpoints = Endpoints(cast(Any, Backend()))
        metrics = BacklogMetrics(self.series, cast(Any, Direct()))
        self.backlogs = Backlogs(self.messages, self.endpoints, metrics, self.clock, lambda: None)
        self.backlogs.start(asyncio.get_running_loop(), self.work)

    def publish(
        self, *keys: str, limit: int | None = 2, fleet: str = "f", coming: Doc | None = None
    ) -> Row:
        """The replicas serve; `coming`: `keys`, `share` and `limit` of the fleet that is to take their
        place."""
        after = coming or {"keys": ()}
        replicas = [
            {"key": k, "id": f"i-{k}", "state": "serving", "fleet": of, "variant": "v"}
            for of, each in ((fleet, keys), ("new", after["keys"]))
            for k in each
        ]
        plan: Doc = {"active": described(fleet, limit, len(keys)), "replicas": replicas}
        if coming:
            plan["pending"] = described("new", coming["limit"], len(keys))
            plan["share"] = coming["share"]
        row = self.rows.get(*NAME[:2], "endpoint", NAME[2])
        if row is None:
            row = self.rows.insert(Row(*NAME[:2], "endpoint", NAME[2], "InService", {}, plan))
        else:
            row = self.rows.update(row.id, lambda r: Row(**{**r.__dict__, "plan": plan}))
            assert row is not None
        self.row = row
        self.endpoints.load(row)
        return row

    def send(self, *names: str, ttl: float = 600.0) -> None:
        sends = [Send(n, "", keep=FOREVER, deadline=ttl) for n in names]
        self.messages.put(self.row.id, sends).result()
        self.db.write(lambda _: None)  # the writer's listeners were told before it

    async def work(self, job: Job) -> None:
        """The model takes the request until the test ends it."""
        name = job.message.uid
        if job.expired:
            self.expired.append(name)
        else:
            self.seen.append(name)
            self.jobs[name] = job
            self.open[name] = asyncio.get_running_loop().create_future()
            await self.open[name]
        self.messages.delete(self.row.id, [(job.message.id, 0)]).result()

    async def turns(self) -> None:
        for _ in range(12):
            await asyncio.sleep(0)

    def answer(self, *names: str) -> None:
        for name in names:
            self.open.pop(name).set_result(None)

    def points(self, metric: str) -> list[float]:
        found = Metric("AWS/SageMaker", metric, {"EndpointName": "e"})
        return [p.value for p in self.series.query(*NAME[:2], found, 0, 1e12)]


@pytest.fixture
def road(tmp_path: Path, clock: Clock) -> Callable[[Callable[[Road], Awaitable[None]]], None]:
    """`road(test)` runs the test with a Road, in an event loop."""

    def run(test: Callable[[Road], Awaitable[None]]) -> None:
        async def main() -> None:
            made = Road(tmp_path, clock)
            try:
                await test(made)
            finally:
                made.backlogs.stop()
                await made.turns()
                made.db.close()

        asyncio.run(main())

    return run


Run = Callable[[Callable[[Road], Awaitable[None]]], None]


def test_each_instance_is_kept_at_its_concurrency(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a")
        r.send(*"123456")
        await r.turns()
        assert r.seen == ["1", "2"]
        r.answer("2")
        await r.turns()
        assert r.seen == ["1", "2", "3"]
        r.publish("a", "b")
        await r.turns()
        assert r.seen == ["1", "2", "3", "4", "5"]
        r.jobs["4"].answered()  # its result is still being stored
        await r.turns()
        assert r.seen[-1] == "6"

    road(test)


@pytest.mark.parametrize(
    ("said", "at_once"),
    [
        (b'{"MaxConcurrentTransforms": 2, "BatchSize": 2}', 4),
        (b'{"MaxConcurrentTransforms": 2}', 2),
        (b'{"MaxConcurrentTransforms": 2, "BatchSize": "x"}', 1),
        (b"[]", 1),
        (b"nonsense", 1),
    ],
)
def test_a_container_says_how_many_it_takes_at_once(
    road: Run, monkeypatch: pytest.MonkeyPatch, said: bytes, at_once: int
) -> None:
    async def ask(*_: Any) -> Answer:
        return Answer(200, {}, said)

    monkeypatch.setattr(Pool, "ask", ask)

    async def test(r: Road) -> None:
        r.publish("a", limit=None)
        await r.turns()
        r.send(*"123456")
        await r.turns()
        assert len(r.seen) == at_once

    road(test)


def test_requests_wait_while_there_is_no_instance(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish()
        await r.turns()
        r.send("1")
        await r.turns()
        assert r.seen == []
        assert r.points("HasBacklogWithoutCapacity") == [0.0, 1.0]
        assert r.points("ApproximateBacklogSize") == [0.0, 1.0]
        assert r.points("ApproximateBacklogSizePerInstance") == []
        r.publish("a")
        await r.turns()
        assert r.seen == ["1"]

    road(test)


def test_a_new_server_repeats_what_was_in_flight_and_nothing_else(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a")
        r.send(*"1234")
        await r.turns()
        r.answer("1")
        await r.turns()
        assert r.seen == ["1", "2", "3"]
        r.backlogs.stop()
        await r.turns()
        r.begin()
        r.backlogs.resume(r.rows)
        await r.turns()
        assert r.seen == ["1", "2", "3", "2", "3"]
        r.answer("2", "3")
        await r.turns()
        assert r.seen[-1] == "4"

    road(test)


def test_what_no_model_took_is_tried_again_first(road: Run) -> None:
    async def test(r: Road) -> None:
        tries: list[str] = []

        async def refuse_once(job: Job) -> None:
            tries.append(job.message.uid)
            if tries == ["1"]:
                raise Later(0.0)
            await Road.work(r, job)

        r.backlogs.stop()
        r.endpoints.published = lambda _: None
        r.work = refuse_once  # type: ignore[method-assign]
        r.begin()
        r.publish("a", limit=1)
        r.send("1", "2", "3")
        await r.turns()
        await asyncio.sleep(0.01)
        assert tries[:2] == ["1", "2"]
        r.answer("2")
        await r.turns()
        assert tries[:3] == ["1", "2", "1"]

    road(test)


def test_a_request_that_waited_too_long_is_told_so_and_not_carried_out(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a", limit=1)
        r.send("1", ttl=60.0)
        r.send("2", ttl=60.0)
        r.send("3", ttl=600.0)
        await r.turns()
        assert r.seen == ["1"]
        r.clock.forward(61)
        r.answer("1")
        await r.turns()
        assert r.expired == ["2"]
        assert r.seen == ["1", "3"]

    road(test)


def test_a_deadline_passes_though_nothing_else_happens(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish()
        r.send("1", ttl=0.02)
        await r.turns()
        r.clock.forward(0.02)
        await asyncio.sleep(0.03)
        assert r.expired == ["1"]

    road(test)


def test_a_clock_that_is_set_back_carries_nothing_out_twice(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a", limit=1)
        r.send("1")
        r.send("2", "3", ttl=50.0)
        await r.turns()
        r.clock.now -= 3600
        r.messages.set_back(3600.0)
        await r.turns()
        r.clock.forward(51)
        r.backlogs._expire(r.row.id)
        await r.turns()
        assert (r.seen, sorted(r.expired)) == (["1"], ["2", "3"])
        r.answer("1")
        await r.turns()
        assert r.seen == ["1"], "what was told to have expired"

    road(test)


def test_a_deleted_endpoints_requests_are_given_up(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a")
        r.send("1")
        await r.turns()
        r.endpoints.end(NAME, r.row.id)
        await r.turns()
        assert r.open["1"].cancelled()

    road(test)


def test_an_idle_queue_costs_no_look_at_the_database(road: Run) -> None:
    async def test(r: Road) -> None:
        r.publish("a")
        await r.turns()
        looks: list[str] = []
        read = r.db.read
        r.db.read = lambda sql, params=(): looks.append(sql) or read(sql, params)  # type: ignore[method-assign]
        await r.turns()
        r.backlogs._measure()  # as each minute
        assert looks == []
        assert r.points("ApproximateBacklogSizePerInstance") == [0.0, 0.0]

    road(test)


def test_work_that_fails_unexpectedly_is_not_lost(
    road: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagebrush.routing.backlog.FAILED", 0.0)

    async def test(r: Road) -> None:
        r.publish("a", limit=1)
        begun = Road.work

        async def fail_once(job: Job) -> None:
            if not r.seen:
                r.seen.append("failed")
                raise OSError("no space")
            await begun(r, job)

        r.backlogs._work = fail_once
        r.send("1")
        await r.turns()
        await asyncio.sleep(0.01)
        assert r.seen == ["failed", "1"]

    road(test)


def route(name: str) -> Route:
    return Route(name, name, (), ())


def test_the_variant_of_the_next_request() -> None:
    a = Variant("a", 1.0, (route("1"), route("2")))
    b = Variant("b", 0.0, (route("3"),))
    endpoint = Endpoint(NAME, 1, (a, b))
    assert {chosen(endpoint, {}) for _ in range(40)} == {"1", "2"}
    assert chosen(endpoint, {"1": 2, "2": 1}) == "2"
    assert chosen(endpoint, {"1": 2, "2": 2}) == "3"
    assert chosen(endpoint, {"1": 2, "2": 2, "3": 2}) is None
    assert chosen(Endpoint(NAME, 1, (Variant("a", 1.0, ()),)), {}) is None


def chosen(endpoint: Endpoint, running: dict[str, int]) -> str | None:
    found = vacant(endpoint, running, lambda _, __: 2)
    return found[1].key if found else None


def test_the_replica_of_the_next_request_during_a_deployment() -> None:
    new = Endpoint(NAME, 1, (Variant("a", 1.0, (route("new"),)),))
    old = Endpoint(NAME, 1, (Variant("a", 1.0, (route("1"), route("2"))),), coming=new, share=0.5)
    assert {chosen(old, {}) for _ in range(60)} == {"1", "2", "new"}
    assert {chosen(old, {"new": 2}) for _ in range(40)} == {"1", "2"}  # it has no place left
    assert chosen(old, {"1": 2, "2": 2}) == "new"
    assert chosen(old, {"1": 2, "2": 2, "new": 2}) is None
    over = replace(old, share=1.0)
    assert {chosen(over, {}) for _ in range(20)} == {"new"}
    assert chosen(over, {"new": 2}) is None  # the old fleet gets nothing any more
    empty = replace(over, coming=Endpoint(NAME, 1, (Variant("a", 1.0, ()),)))
    assert chosen(empty, {"1": 1}) == "2"


def test_a_deployment_keeps_each_instance_at_its_concurrency_and_stalls_nothing(road: Run) -> None:
    def taken(r: Road) -> Counter[str]:
        return Counter(r.jobs[name].replica for name in r.open)

    async def test(r: Road) -> None:
        coming: Doc = {"keys": ("n", "m"), "share": 0.5, "limit": 3}
        r.publish("a", "b", coming=coming)
        r.send(*map(str, range(20)))
        await r.turns()
        assert taken(r) == {"a": 2, "b": 2, "n": 3}  # one of the new ones has its share of traffic
        r.publish("a", "b", coming={**coming, "share": 1.0})
        await r.turns()
        assert taken(r) == {"a": 2, "b": 2, "n": 3, "m": 3}
        r.publish("n", "m", limit=3, fleet="new")  # the old ones drain, and have requests still
        r.answer(*[name for name in list(r.open) if r.jobs[name].replica in ("n", "m")])
        await r.turns()
        assert taken(r) == {"a": 2, "b": 2, "n": 3, "m": 3}

    road(test)


def test_what_replicas_said_is_forgotten_with_them(
    road: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(*_: Any) -> Answer:
        return Answer(200, {}, b'{"MaxConcurrentTransforms": 2}')

    monkeypatch.setattr(Pool, "ask", ask)

    async def test(r: Road) -> None:
        for n in range(5):
            r.publish(f"a{n}", limit=None)
            await r.turns()
        (known,) = r.backlogs._known.values()
        assert known.limits == {"a4": 2}

    road(test)


def test_metrics_of_a_queue() -> None:
    found = {p.metric: p.value for p in points("e", QueueState(6, 90.0), 2, 100.0)}
    assert found == {
        "ApproximateBacklogSize": 6.0,
        "ApproximateBacklogSizePerInstance": 3.0,
        "ApproximateAgeOfOldestRequest": 10.0,
        "HasBacklogWithoutCapacity": 0.0,
    }
