"""Copies for shadow variants: sent beside the caller, counted, and never too many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.net.http_client import Answer, Body, Broken, Pool, Unreachable
from sagebrush.routing import shadows
from sagebrush.routing.endpoints import Endpoint, Name, Route, Shadow, Variant
from sagebrush.routing.passage import Passage
from sagebrush.routing.shadows import Shadows
from sagebrush.routing.tallies import Subject

NAME = ("123456789012", "us-east-1", "e")


class Counted:
    """Stands for the tallies: what was counted."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int]] = []
        self.configs: list[str] = []

    def count(self, of: Subject, status: int, *_: Any) -> None:
        assert of.name == NAME
        self.configs.append(of.config)
        if not of.config:
            self.found.append((of.variant, status))


def endpoint(share: float = 1.0, routes: int = 1, name: Name = NAME) -> Endpoint:
    pool = Pool("tcp:shadow:1")
    found = (Route("e-2", "2", ("tcp:shadow:1",), (pool,)),) * routes
    shadow = Variant("shadow", 1.0, found, config="c")
    return Endpoint(name, 1, (Variant("v", 1.0, ()),), (Shadow(shadow, share),))


def passage(answer: Any) -> Passage[Any]:
    async def ask(_pool: Pool, _head: bytes, body: Body, _timeout: float) -> Answer:
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(body, bytes)
        return Answer(answer if isinstance(answer, int) else 200, {}, body)

    return Passage(lambda _before, _last: b"", b"copy", 60.0, ask)


async def settle(copies: Shadows) -> None:
    while copies._running:
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [(200, 200, 1), (500, 500, 0), (Broken("x"), 0, 0), (TimeoutError(), 0, 0),
     (Unreachable("x"), 0, 0), (AwsError("ModelNotReadyException", "x"), 0, 0),
     (AwsError("ModelError", "x"), 0, 0)],
)  # fmt: skip
def test_a_copy_is_counted_and_its_failure_is_nobodys(answer: Any, status: int, told: int) -> None:
    counted, done = Counted(), []
    copies = Shadows(counted)  # type: ignore[arg-type]

    async def run() -> None:
        copies.copy(endpoint(), lambda: passage(answer), lambda v, a: done.append((v.name, a.body)))
        await settle(copies)

    asyncio.run(run())
    assert counted.found == [("shadow", status)]
    assert counted.configs == ["", "c"]  # of the endpoint, and of its configuration alone
    assert done == [("shadow", b"copy")] * told


def test_no_more_wait_than_may(monkeypatch: Any) -> None:
    monkeypatch.setattr(shadows, "MOST", 3)
    counted, made = Counted(), []
    copies = Shadows(counted)  # type: ignore[arg-type]

    async def run() -> None:
        gate = asyncio.Event()

        def make() -> Passage[Any]:
            made.append(1)
            return passage(gate)

        for _ in range(10):
            copies.copy(endpoint(), make, lambda _v, _a: None)
        gate.set()
        await settle(copies)

    asyncio.run(run())
    assert len(made) == len(counted.found) == 3


def test_a_share_of_none_and_a_shadow_without_replicas_get_nothing() -> None:
    counted = Counted()
    copies = Shadows(counted)  # type: ignore[arg-type]

    async def run() -> None:
        copies.copy(endpoint(share=0.0), lambda: passage(200), lambda _v, _a: None)
        copies.copy(endpoint(routes=0), lambda: passage(200), lambda _v, _a: None)
        await settle(copies)

    asyncio.run(run())
    assert counted.found == []


def test_a_shadow_that_hangs_takes_no_copies_from_another_endpoint(monkeypatch: Any) -> None:
    monkeypatch.setattr(shadows, "MOST", 2)
    counted = Counted()
    copies = Shadows(counted)  # type: ignore[arg-type]

    async def run() -> None:
        gate = asyncio.Event()
        for _ in range(5):
            copies.copy(endpoint(), lambda: passage(gate), lambda _v, _a: None)
        other = endpoint(name=("210987654321", *NAME[1:]))
        copies.copy(other, lambda: passage(200), lambda _v, _a: answered.append(1))
        gate.set()
        await settle(copies)

    answered: list[int] = []
    monkeypatch.setattr(Counted, "count", lambda *_: None)
    asyncio.run(run())
    assert answered == [1]
    assert not copies._waiting


def test_a_large_answer_is_thrown_away_as_it_comes() -> None:
    """None of it is kept where nothing is captured."""
    copies, done = Shadows(Counted()), []  # type: ignore[arg-type]
    size = 3 << 20

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        address = f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"
        pool, head = Pool(address), b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        route = Route("e-2", "2", (address,), (pool,))
        shadow = Shadow(Variant("shadow", 1.0, (route,)), 1.0)
        found = Endpoint(NAME, 1, (Variant("v", 1.0, ()),), (shadow,))
        copies.copy(
            found,
            lambda: Passage(lambda _before, _last: head, b"", 60.0, Pool.open),
            lambda _, answer: done.append((answer.status, answer.body)),
        )
        await asyncio.gather(*copies._running)
        assert pool.busy == 0
        pool.close()
        server.close()

    asyncio.run(run())
    assert done == [(200, b"")]
