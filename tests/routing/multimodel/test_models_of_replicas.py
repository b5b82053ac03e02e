"""Which models a replica has: loaded once, unloaded for others, never while a request needs them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.net.http_client import Answer, Body, Pool
from sagebrush.routing.endpoints import Route, Variant
from sagebrush.routing.multimodel import models
from sagebrush.routing.multimodel.hosted import Hosted, Model, NoSpace, named, oldest
from sagebrush.routing.multimodel.models import Models, Order, Refused
from sagebrush.routing.multimodel.passage import BUSY, ModelPassage, Target
from sagebrush.routing.passage import Undirected


class Container:
    """A container that speaks AWS's contract and has room for some models; and its files."""

    def __init__(self, room: int, *loaded: str) -> None:
        self.room = room
        self.loaded = [named(target) for target in loaded]
        self.asked: list[str] = []
        self.fetched: list[str] = []
        self.removed: list[str] = []
        self.noted: list[tuple[str, float]] = []
        self.full_disk = 0
        self.slow: asyncio.Event | None = None
        self.status = 200
        pool = Pool("tcp:container:1")
        setattr(pool, "ask", self.ask)  # noqa: B010 (a method of this one object)
        self.route = Route("e-1", "1", ("tcp:container:1",), (pool,))
        self.models = Models()

    async def ask(self, head: bytes, body: Body, timeout: float) -> Answer:
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append(f"{method} {path}")
        await asyncio.sleep(0)
        name = path.removeprefix("/models/")
        if method == "POST":
            if self.slow is not None:
                await self.slow.wait()
            assert isinstance(body, bytes)
            return self._load(json.loads(body)["model_name"])
        if method == "DELETE":
            self.loaded.remove(name)
            return Answer(200, {}, b"")
        if path == "/models":
            listed = [{"modelName": name, "modelUrl": ""} for name in self.loaded]
            return Answer(200, {}, json.dumps({"models": listed}).encode())
        return Answer(200 if name in self.loaded else 404, {}, b"")

    def _load(self, name: str) -> Answer:
        if name in self.loaded:
            return Answer(409, {}, b"")
        if len(self.loaded) >= self.room:
            return Answer(507, {}, b"full")
        if self.status == 200:
            self.loaded.append(name)
        return Answer(self.status, {}, b"")

    def fetch(self, key: str, hosted: Hosted, target: str, name: str) -> None:
        assert threading.current_thread() is not threading.main_thread()
        if self.full_disk:
            self.full_disk -= 1
            raise NoSpace("full")
        self.fetched.append(target)

    def remove(self, key: str, name: str) -> None:
        self.removed.append(name)

    def order(self, target: str, seconds: float = 60.0, cached: bool = True) -> Order:
        hosted = Hosted("b", "all", None, cached)

        def note(metric: str, value: float) -> None:
            self.noted.append((metric, value))

        return Order(hosted, target, named(target), self, note, seconds)

    async def use(self, *targets: str, **given: Any) -> None:
        for target in targets:
            order = self.order(target, **given)
            model = await self.models.hold(self.route, order)
            assert named(target) in self.loaded
            self.models.release(self.route, model, order)

    def has(self, *targets: str) -> bool:
        return sorted(self.loaded) == sorted(map(named, targets))


def within(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def test_the_least_recently_used_goes_first_and_with_its_files() -> None:
    container = Container(2)
    within(container.use("a", "b", "a", "c"))
    assert container.has("a", "c")
    assert container.removed == [named("b")]
    hits = [value for metric, value in container.noted if metric == "ModelCacheHit"]
    assert hits == [0, 0, 1, 0]
    assert [v for m, v in container.noted if m == "LoadedModelCount"] == [1, 2, 1, 2]


def test_one_load_serves_all_who_ask() -> None:
    container = Container(2)

    async def all_at_once() -> None:
        await asyncio.gather(*(container.use("a") for _ in range(10)))

    within(all_at_once())
    assert container.fetched == ["a"]


def test_a_model_that_is_used_stays_and_the_next_waits_for_it() -> None:
    container = Container(1)

    async def hold() -> None:
        order = container.order("a")
        model = await container.models.hold(container.route, order)
        waits = asyncio.ensure_future(container.use("b"))
        done, _ = await asyncio.wait([waits], timeout=0.05)
        assert not done
        assert container.has("a")
        container.models.release(container.route, model, order)
        await waits

    within(hold())
    assert container.has("b")


def test_a_model_too_large_for_an_empty_container_is_refused_and_can_be_asked_again() -> None:
    container = Container(0)
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            within(container.use("a"))
        assert caught.value.args[0].status == 507
    assert container.removed == [named("a")] * 2


def test_a_model_that_fails_to_load_unloads_no_other() -> None:
    container = Container(2)
    within(container.use("a"))
    container.status = 500
    with pytest.raises(Refused):
        within(container.use("b"))
    assert container.has("a")


def test_what_the_container_has_already_is_asked_for_once() -> None:
    container = Container(2, "a")
    within(container.use("a", "a"))
    assert container.asked == ["GET /models"]
    assert container.fetched == []


def test_a_full_disk_unloads_the_oldest() -> None:
    container = Container(5)
    within(container.use("a", "b"))
    container.full_disk = 1
    within(container.use("c"))
    assert container.has("b", "c")


def test_a_model_that_is_gone_from_its_container_is_loaded_again() -> None:
    container = Container(2)

    async def lose() -> None:
        await container.use("a")
        order = container.order("a")
        model = await container.models.hold(container.route, order)
        assert not await container.models.lost(container.route, model)  # its own 404
        container.loaded.clear()
        assert await container.models.lost(container.route, model)
        container.models.release(container.route, model, order)
        await container.use("a")

    within(lose())
    assert container.fetched == ["a", "a"]


def test_beyond_its_time_a_request_is_told_and_the_load_goes_on() -> None:
    container = Container(2)

    async def late() -> None:
        container.slow = asyncio.Event()
        with pytest.raises(AwsError) as caught:
            await container.use("a", seconds=0.01)
        assert (caught.value.code, caught.value.status) == ("ModelNotReadyException", 429)
        container.slow.set()
        await container.use("a")

    within(late())
    assert container.fetched == ["a"]


def test_without_a_cache_a_model_goes_after_its_last_request() -> None:
    container = Container(2)

    async def uncached() -> None:
        await asyncio.gather(*(container.use("a", cached=False) for _ in range(3)))
        await container.use("b", cached=False)

    within(uncached())
    assert container.fetched[-1] == "b"
    assert named("a") not in container.loaded


def test_only_idle_models_are_chosen() -> None:
    models = [Model("a", users=1, used=1.0, loaded=True), Model("b", used=3.0, loaded=True),
              Model("c", used=2.0, loaded=True), Model("d", used=0.0)]  # fmt: skip
    assert oldest(models) is models[2]
    assert oldest(models[:1]) is None


def test_keys_lie_below_the_prefix() -> None:
    assert Hosted("b", "all", None).key("m.tar.gz") == "all/m.tar.gz"
    assert Hosted("b", "all/", None).key("/x/m.tar.gz") == "all/x/m.tar.gz"
    assert named("/m") == named("m")


def test_an_instance_that_has_the_model_is_asked_unless_it_is_much_busier() -> None:
    pools = [Pool("tcp:a:1"), Pool("tcp:b:1")]
    has, other = (Route(f"e-{n}", str(n), ("",), (pool,)) for n, pool in enumerate(pools))
    variant = Variant("v", 1.0, (has, other))

    def prefers(route: Route, least: int) -> bool:
        return route is has and route.busy < least + BUSY

    has.pool.busy = BUSY - 1
    assert variant.least_busy((), prefers) is has
    assert variant.least_busy((has,), prefers) is other
    has.pool.busy = BUSY
    assert variant.least_busy((), prefers) is other


class Asked(Container):
    """A container whose models answer with what they were sent; the first time it has lost them."""

    def __init__(self) -> None:
        super().__init__(2)
        self.lost = True
        self.tallies: Any = Notes()

    async def ask(self, head: bytes, body: Body, timeout: float) -> Answer:
        if b"/invoke " not in head:
            return await super().ask(head, body, timeout)
        if self.lost:
            self.lost = False
            self.loaded.clear()
            return Answer(404, {}, b"")
        return Answer(200, {}, b"model's")

    async def send(self, variant: Variant, hostname: str | None = None) -> Answer:
        target = Target(("1", "r", "many"), "m", self.models, self, self.tallies)
        head = f"POST /models/{named('m')}/invoke HTTP/1.1\r\n\r\n".encode()
        passage = ModelPassage(
            target,
            lambda _before, _last: head,
            b"x",
            60.0,
            lambda _pool, *given: self.ask(*given),
            hostname,
        )
        return await passage.through(variant, self.route)


class Notes:
    """Tallies that forget."""

    def noting(self, _subject: object) -> Any:
        return lambda _metric, _value: None


def test_a_request_whose_model_the_container_lost_loads_it_and_is_answered() -> None:
    container = Asked()
    variant = Variant("v", 1.0, (container.route,), hosted=Hosted("b", "all", None))
    assert within(container.send(variant)).body == b"model's"
    assert container.fetched == ["m", "m"]


def test_a_variant_of_one_model_refuses_a_target() -> None:
    container = Asked()
    with pytest.raises(Undirected, match="Endpoint many is not a multi-model endpoint"):
        within(container.send(Variant("v", 1.0, (container.route,))))


def test_a_container_is_not_named_beside_a_model() -> None:
    container = Asked()
    variant = Variant("v", 1.0, (container.route,), hosted=Hosted("b", "all", None))
    with pytest.raises(Undirected, match="TargetContainerHostname is allowed only"):
        within(container.send(variant, "container_1"))
    assert container.asked == []


def test_what_fails_to_be_unloaded_is_waited_for_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Container(2)

    def broken(key: str, name: str) -> None:
        raise RuntimeError("no files can be removed now")

    async def uncached() -> None:
        monkeypatch.setattr(container, "remove", broken)
        await container.use("a", cached=False)
        await asyncio.sleep(0.05)
        monkeypatch.undo()
        await container.use("a")

    within(uncached())
    assert container.has("a")


def test_a_failed_load_removes_its_files_before_the_next_one_writes_there() -> None:
    container = Container(2)
    container.status, steps, removing = 500, list[str](), threading.Event()

    def fetch(key: str, hosted: Hosted, target: str, name: str) -> None:
        steps.append("fetch")

    def remove(key: str, name: str) -> None:
        steps.append("remove")
        removing.set()
        again.wait(0.2)
        steps.append("removed")

    again = threading.Event()
    setattr(container, "fetch", fetch)  # noqa: B010 (methods of this one object)
    setattr(container, "remove", remove)  # noqa: B010

    async def run() -> None:
        first = asyncio.ensure_future(container.use("a"))
        await asyncio.to_thread(removing.wait)
        second = asyncio.ensure_future(container.use("a"))
        found = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in found] == [Refused, Refused]

    within(run())
    assert steps == ["fetch", "remove", "removed"]


@pytest.mark.parametrize("body", [b'{"models": [], "nextPageToken": "more"}', b"[" * 100_000])
def test_a_list_of_models_that_never_ends_holds_nobody_up(monkeypatch: Any, body: bytes) -> None:
    monkeypatch.setattr(models, "ASKED", 0.05)
    container = Container(2)
    ask = container.route.pool.ask

    async def listed(head: bytes, given: Body, timeout: float) -> Answer:
        if head.startswith(b"GET /models"):
            await asyncio.sleep(0)
            return Answer(200, {}, body)
        return await ask(head, given, timeout)

    setattr(container.route.pool, "ask", listed)  # noqa: B010
    within(container.use("a"))


def test_large_archives_do_not_take_the_threads_that_read_all_else() -> None:
    container, gate = Container(64), threading.Event()

    def fetch(key: str, hosted: Hosted, target: str, name: str) -> None:
        gate.wait()

    setattr(container, "fetch", fetch)  # noqa: B010

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        uses = [asyncio.ensure_future(container.use(str(n))) for n in range(12)]
        await asyncio.sleep(0.01)
        try:
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 2) == "free"
        finally:
            gate.set()
        await asyncio.gather(*uses)

    within(run())
