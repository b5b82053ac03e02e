"""How a request finds a replica, on routes in memory and replicas that answer as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush.compute.base import Gone, Running, State
from sagebrush.net.http_client import Answer, Body, Broken, Pool, Unreachable
from sagebrush.routing import forward
from sagebrush.routing.endpoints import Endpoints, Name
from sagebrush.routing.forward import (
    Forward,
    NoAnswer,
    NoEndpoint,
    NoReplica,
    NoSession,
    NoVariant,
    Place,
)
from sagebrush.routing.passage import Passage
from sagebrush.routing.tallies import Tallies
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.store.series import Metric, Series

NAME: Name = ("123456789012", "us-east-1", "e")


class Backend:
    """Every replica that the test started has an address."""

    def __init__(self) -> None:
        self.running: set[str] = set()

    def poll(self, key: str) -> State:
        return Running(0.0, f"tcp:{key}:1") if key in self.running else Gone()


class Road:
    """An endpoint with the replicas `a` and `b` of one variant, and what was asked of whom."""

    def __init__(self, home: Path) -> None:
        self.db = Db(home / "db")
        self.rows = Rows(self.db, lambda: 1000.0)
        self.series = Series(self.db)
        self.backend = Backend()
        self.endpoints = Endpoints(cast(Any, self.backend))
        self.tallies = Tallies(self.series, lambda: 1000.0)
        self.due: list[int] = []
        self.now = 1000.0
        self.forward = Forward(
            self.endpoints, self.tallies, self.rows, self.due.append, lambda: self.now
        )
        self.asked: list[str] = []
        self.failing: dict[str, Exception] = {}

    def publish(self, *keys: str, variants: tuple[str, ...] = ("v",)) -> Row:
        """The endpoint has these replicas, and its row says so."""
        self.backend.running.update(keys)
        replicas = [
            {"key": key, "id": f"i-{key}", "state": "serving", "fleet": "f", "variant": "v"}
            for key in keys
        ]
        active = {"id": "f", "variants": [{"name": name, "weight": 1.0} for name in variants]}
        plan = {"active": active, "replicas": replicas}
        known = self.rows.get(*NAME[:2], "endpoint", NAME[2])
        if known is not None:
            self.rows.delete(known.id)
        return self.rows.insert(Row(*NAME[:2], "endpoint", NAME[2], "InService", {}, plan))

    def deploy(self, share: float) -> Row:
        """`a` serves, and `b` and `c` are of the fleet that is to take its place."""
        row = self.publish("a", "b", "c")
        for replica in row.plan["replicas"][1:]:
            replica["fleet"] = "g"
        row.plan["active"]["config"] = "old"
        variants = [{"name": "v", "weight": 1.0, "count": 2}]
        row.plan["pending"] = {"id": "g", "variants": variants, "config": "new"}
        row.plan["share"] = share
        self.endpoints.load(row)
        return row

    async def ask(self, pool: Pool, _head: bytes, _body: Body, _timeout: float) -> Answer:
        key = pool.address.split(":")[1]
        self.asked.append(key)
        if key in self.failing:
            raise self.failing[key]
        return Answer(200, {}, key.encode())

    def passage(self) -> Passage[Answer]:
        return Passage(lambda _before, _last: b"", b"", 60.0, self.ask)

    def send(self, target: str | None = None, session: str | None = None) -> tuple[Place, Answer]:
        return asyncio.run(self.forward.send(NAME, target, self.passage(), session))

    def counted(self, metric: str) -> float:
        self.tallies.flush()
        dimensions = {"EndpointName": "e", "VariantName": "v"}
        found = self.series.query(*NAME[:2], Metric("AWS/SageMaker", metric, dimensions), 0.0, 1e12)
        return sum(point.value for point in found)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    made = Road(tmp_path)
    yield made
    made.db.close()


def test_the_routes_are_read_from_the_row_once(road: Road, monkeypatch: Any) -> None:
    row = road.publish("a")
    place, answer = road.send()
    assert (answer.body, place.route.replica, place.variant.name) == (b"a", "i-a", "v")
    assert place.endpoint.row_id == row.id
    monkeypatch.setattr(road.rows, "get", lambda *place: pytest.fail("the database was asked"))
    road.send("v")
    assert road.asked == ["a", "a"]
    assert road.counted("Invocations") == 2


def test_names_that_are_none(road: Road) -> None:
    with pytest.raises(NoEndpoint):
        road.send()
    road.publish("a")
    with pytest.raises(NoVariant):
        road.send("w")
    assert road.asked == []


def test_where_nothing_listens_another_is_asked(road: Road) -> None:
    row = road.publish("a", "b")
    road.failing["a"] = Unreachable("refused")
    for _ in range(20):
        assert road.send()[1].body == b"b"
    assert "a" in road.asked, "each is asked first about every other time"
    assert set(road.due) == {row.id}
    assert road.counted("Invocations") == 20, "one answer each"


@pytest.mark.parametrize(
    ("problem", "looked"), [(Broken("closed"), True), (TimeoutError("slow"), False)]
)
def test_a_request_that_may_have_been_read_is_not_repeated(
    road: Road, problem: Exception, looked: bool
) -> None:
    row = road.publish("a", "b")
    road.failing = {"a": problem, "b": problem}
    with pytest.raises(NoAnswer) as failed:
        road.send()
    assert failed.value.__cause__ is problem
    assert failed.value.place.route.key == road.asked[0]
    assert len(road.asked) == 1
    assert road.due == ([row.id] if looked else [])
    assert road.counted("InvocationModelErrors") == 1


def test_a_request_waits_while_replicas_are_replaced(road: Road) -> None:
    road.publish("a")
    road.failing["a"] = Unreachable("refused")

    async def replaced() -> Answer:
        waiting = asyncio.create_task(road.forward.send(NAME, None, road.passage()))
        while "a" not in road.asked:
            await asyncio.sleep(0)
        road.endpoints.load(road.publish("b"))
        return (await waiting)[1]

    assert asyncio.run(replaced()).body == b"b"


def test_it_does_not_wait_for_ever(road: Road, monkeypatch: Any) -> None:
    monkeypatch.setattr(forward, "PATIENCE", 0.05)
    road.publish("a")
    road.failing["a"] = Unreachable("refused")
    with pytest.raises(NoReplica, match=r"^v$"):
        road.send()
    assert road.asked == ["a"]


def test_a_session_stays_with_its_replica_until_it_expires(road: Road) -> None:
    road.publish("a", "b")
    road.send()
    road.forward.sessions.begin(NAME, "s-1; Expires=1970-01-01T00:17:00Z", "v", "b")
    for _ in range(8):
        assert road.send(session="s-1")[1].body == b"b"
    road.now = 1021.0
    with pytest.raises(NoSession):
        road.send(session="s-1")


def test_a_request_that_names_its_replica_goes_there_or_nowhere(road: Road) -> None:
    def ask(key: str) -> tuple[Place, Answer]:
        passage = road.passage()
        passage.replica = key
        return asyncio.run(road.forward.send(NAME, "v", passage))

    road.deploy(1.0)
    for key in "abc":
        place, answer = ask(key)
        assert (place.route.key, answer.body) == (key, key.encode())
    asked = len(road.asked)
    with pytest.raises(NoReplica):
        ask("d")
    assert len(road.asked) == asked
    road.failing["b"] = Unreachable("gone")
    with pytest.raises(NoReplica):
        ask("b")
    assert road.asked[asked:] == ["b"]


def test_a_session_is_over_when_it_is_closed_or_its_replica_is_gone(road: Road) -> None:
    road.publish("a", "b")
    road.send()
    for identity in ("s-1", "s-2", "s-3"):
        road.forward.sessions.begin(NAME, identity, "v", "b")
    road.forward.sessions.end(NAME, "s-1")
    with pytest.raises(NoSession):
        road.send(session="s-1")
    road.failing["b"] = Unreachable("refused")
    with pytest.raises(NoSession):
        road.send(session="s-2")
    road.endpoints.load(road.publish("a"))
    with pytest.raises(NoSession):
        road.send(session="s-3")
    with pytest.raises(NoSession):
        road.send(session="never-begun")


def test_two_fleets_share_the_requests(road: Road) -> None:
    road.deploy(0.5)
    places = [road.send()[0] for _ in range(200)]
    assert 60 < sum(place.variant.config == "new" for place in places) < 140
    assert set(road.asked) == {"a", "b"}, "half of the new instances have traffic"
    assert all(place.endpoint.variants[0] is place.variant for place in places)
    assert {road.send("v")[0].route.key for _ in range(50)} == {"a", "b"}


@pytest.mark.parametrize(("share", "dead", "alive"), [(1.0, "bc", {"a"}), (0.01, "a", {"b"})])
def test_where_one_fleet_does_not_answer_the_other_does(
    road: Road, share: float, dead: str, alive: set[str]
) -> None:
    road.deploy(share)
    road.failing = {key: Unreachable("refused") for key in dead}
    assert {road.send()[1].body.decode() for _ in range(20)} == alive


def test_answers_are_counted_of_each_configuration_too(road: Road) -> None:
    road.deploy(0.5)
    for _ in range(40):
        road.send()
    road.tallies.flush()

    def counted(**more: str) -> float:
        dimensions = {"EndpointName": "e", "VariantName": "v", **more}
        metric = Metric("AWS/SageMaker", "Invocations", dimensions)
        return sum(p.value for p in road.series.query(*NAME[:2], metric, 0.0, 1e12))

    old, new = (counted(EndpointConfigName=name) for name in ("old", "new"))
    assert old > 0 < new
    assert old + new == counted() == 40


def test_a_session_stays_with_its_replica_of_either_fleet(road: Road) -> None:
    road.deploy(0.5)
    for key in ("a", "b"):
        road.forward.sessions.begin(NAME, f"s-{key}", "v", key)
        assert {road.send(session=f"s-{key}")[1].body.decode() for _ in range(10)} == {key}


def test_a_replica_that_just_left_is_busy_until_no_request_can_have_chosen_it(road: Road) -> None:
    """The loop's thread is between its choice and its count when another thread publishes."""

    async def run() -> None:
        road.endpoints.use(asyncio.get_running_loop())
        road.endpoints.load(road.publish("a", "b"))
        road.endpoints.load(road.publish("b"))
        assert (road.endpoints.busy("a"), road.endpoints.busy("b")) == (1, 0)
        await asyncio.sleep(0)
        assert road.endpoints.busy("a") == 0

    asyncio.run(run())


def test_an_open_request_counts_though_its_replica_left(road: Road) -> None:
    found = road.endpoints.load(road.publish("a", "b"))
    assert found is not None
    (route,) = [r for r in found.routes() if r.key == "a"]
    road.endpoints.load(road.publish("b"))
    route.pool.busy = 1  # it had chosen before, and is sent now
    assert road.endpoints.busy("a") == 1
    route.pool.busy = 0
    assert road.endpoints.busy("a") == 0


def test_after_a_refusal_what_is_published_by_then_is_asked(road: Road) -> None:
    road.publish("a", "b")
    road.failing["a"] = Unreachable("refused")
    road.failing["b"] = AssertionError("it left, and may be ended at any moment")

    async def leaving(pool: Pool, _head: bytes, _body: Body, _timeout: float) -> Answer:
        if "c" not in road.backend.running:
            road.endpoints.load(road.publish("c"))
            raise Unreachable("refused")
        return await road.ask(pool, b"", b"", 1.0)

    passage = Passage(lambda _before, _last: b"", b"", 60.0, leaving)
    assert asyncio.run(road.forward.send(NAME, None, passage))[1].body == b"c"


def test_a_row_that_was_read_before_a_step_does_not_undo_it(road: Road) -> None:
    old = road.publish("a", "b")
    newer = road.endpoints.load(road.publish("b"))
    assert road.endpoints.load(old, first=True) is newer
