"""Which containers of a replica get a request, in which order, and what each gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.net.http_client import Answer, Broken, Pool, Unreachable
from sagebrush.routing.endpoints import Route, Variant
from sagebrush.routing.passage import Passage, Undirected

NAMES = ("clean", "encode", "predict")


class Containers:
    """Three containers that answer with their name and what they got, or as the test says."""

    def __init__(self, names: tuple[str, ...] = NAMES, mode: str = "Serial") -> None:
        addresses = tuple(f"tcp:{name}:1" for name in names)
        self.route = Route("e-1", "1", addresses, tuple(map(Pool, addresses)))
        self.variant = Variant("v", 1.0, (self.route,), names, mode)
        self.asked: list[tuple[str, bytes, bytes]] = []
        self.failing: dict[str, Any] = {}
        for pool in self.route.pools:
            setattr(pool, "ask", self._asked_of(pool))  # noqa: B010 (a method of this one object)

    def _asked_of(self, pool: Pool) -> Any:
        async def ask(head: bytes, body: bytes, _timeout: float) -> Answer:
            return await self.ask(pool, head, body, _timeout)

        return ask

    async def ask(self, pool: Pool, head: bytes, body: Any, _timeout: float) -> Answer:
        name = pool.address.split(":")[1]
        self.asked.append((name, head, body))
        found = self.failing.get(name, 200)
        if isinstance(found, Exception):
            raise found
        return Answer(found, {"content-type": f"text/{name}"}, body + f">{name}".encode())

    def send(self, container: str | None = None) -> tuple[Passage[Answer], Answer]:
        def head(before: Answer | None, last: bool) -> bytes:
            kind = before.headers["content-type"] if before else "first"
            return f"{kind} {last}".encode()

        passage = Passage(head, b"x", 60.0, self.ask, container)
        return passage, asyncio.run(passage.through(self.variant, self.route))


def test_each_gets_what_the_one_before_it_answered() -> None:
    containers = Containers()
    passage, answer = containers.send()
    assert answer.body == b"x>clean>encode>predict"
    assert containers.asked == [
        ("clean", b"first False", b"x"),
        ("encode", b"text/clean False", b"x>clean"),
        ("predict", b"text/encode True", b"x>clean>encode"),
    ]
    assert passage.at == "predict"


def test_the_first_that_refuses_is_the_answer() -> None:
    containers = Containers()
    containers.failing["encode"] = 400
    passage, answer = containers.send()
    assert (answer.status, passage.at) == (400, "encode")
    assert [name for name, *_ in containers.asked] == ["clean", "encode"]


@pytest.mark.parametrize(
    ("where", "raised"), [("clean", Unreachable), ("encode", Broken), ("predict", Broken)]
)
def test_only_a_request_that_nobody_had_may_go_to_another_replica(
    where: str, raised: type[Exception]
) -> None:
    containers = Containers()
    containers.failing[where] = Unreachable("gone")
    with pytest.raises(raised):
        containers.send()


def test_a_named_container_alone_is_asked() -> None:
    containers = Containers(mode="Direct")
    passage, answer = containers.send("encode")
    assert answer.body == b"x>encode"
    assert containers.asked == [("encode", b"first True", b"x")]
    assert passage.at == "encode"
    containers.failing["encode"] = Unreachable("gone")
    with pytest.raises(Unreachable):
        containers.send("encode")


@pytest.mark.parametrize(
    ("mode", "container", "words"),
    [
        ("Direct", None, "TargetContainerHostname is required"),
        ("Direct", "other", "Container other not found"),
        ("Serial", "encode", "TargetContainerHostname is allowed only"),
    ],
)
def test_a_wrong_target_is_told(mode: str, container: str | None, words: str) -> None:
    containers = Containers(mode=mode)
    with pytest.raises(Undirected, match=words):
        containers.send(container)
    assert containers.asked == []


def test_one_container_is_the_primary_one() -> None:
    containers = Containers(("container_1",))
    passage, answer = containers.send()
    assert (passage.at, answer.body) == ("primary", b"x>container_1")
