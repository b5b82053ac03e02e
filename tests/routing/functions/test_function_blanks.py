"""How many blank environments there are to be."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.compute.base import Spec
from sagebrush.compute.host import Host
from sagebrush.routing.functions import blanks as of
from sagebrush.routing.functions.blanks import (
    MOST,
    PART,
    REMEMBERED,
    SIZE,
    STOCK,
    Blank,
    Blanks,
    Demand,
    most,
)
from sagebrush.routing.functions.link import Link
from sagebrush.routing.functions.parents import Plan
from sagebrush.routing.functions.prepared import Ground


def taken(demand: Demand, count: int, now: float) -> None:
    """So many were asked for, and then there were enough."""
    for _ in range(count):
        demand.took(now)
    demand.met()


def test_a_burst_is_remembered_for_a_while() -> None:
    demand = Demand()
    taken(demand, 1, 1.0)
    assert demand.wanted(1.0) == STOCK
    taken(demand, 10, 2.0)
    assert demand.taken == 2.0
    taken(demand, 1, 3.0)
    assert demand.wanted(2.0 + REMEMBERED) == 10
    assert demand.wanted(2.1 + REMEMBERED) == STOCK


def test_a_smaller_one_after_it_is_remembered_for_longer() -> None:
    demand = Demand()
    for size, now in ((30, 1.0), (5, 2.0), (12, 3.0)):
        taken(demand, size, now)
    assert demand.wanted(3.0) == 30
    assert demand.wanted(2.0 + REMEMBERED) == 12
    assert demand.wanted(4.0 + REMEMBERED) == STOCK


def test_what_comes_after_there_were_enough_is_another_burst() -> None:
    demand = Demand()
    for _ in range(40):
        taken(demand, STOCK, 1.0)
    assert demand.wanted(1.0) == STOCK


def test_the_hosts_memory_bounds_them() -> None:
    assert most(0) == STOCK
    assert most(20 * PART * SIZE) == 20
    assert most(1 << 50) == MOST


class Stock(Blanks):
    """Blank environments that are connections alone; `shims` are their other ends."""

    def __init__(self) -> None:
        nothing = cast(Any, None)
        super().__init__(nothing, nothing, Host(1.0, 1 << 30))
        self.shims: list[socket.socket] = []
        self.links: list[Link] = []

    async def _begun(self, ground: Ground, awaited: bool) -> Blank:
        ours, theirs = socket.socketpair()
        self.shims.append(theirs)
        spec = Spec(key="k", argv=(), env={}, root=Path("/nowhere"), binds=(), cwd="/")
        self.links.append(Link(ours, lambda name, listener: None))
        return Blank("k", ground, spec, self.links[-1])


GROUND = Ground(Plan(Path("/python"), "module:class"))


async def settled() -> None:
    """What could go on has."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_as_many_begin_at_a_time_as_processors_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of, "IMPORTING", 0.0)

    async def scenario() -> None:
        stock = Stock()
        taken = [asyncio.ensure_future(stock.take(GROUND, "f")) for _ in range(5)]
        await settled()
        assert [each.done() for each in taken] == [True, True, False, False, False]
        stock.links[0].ready()
        await taken[2]
        assert not taken[3].done()
        stock.shims[1].close()  # one that ends makes room too
        await taken[3]
        taken[4].cancel()  # and who waits may go
        stock.shims[2].sendall(b"running 1.0\n")  # what it imports is not waited for
        await stock.take(GROUND, "f")
        stock.close()
        for each in (*taken[:4], *stock.shims):
            each.close() if isinstance(each, socket.socket) else each.result().end()

    asyncio.run(scenario())


def test_one_that_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of, "BEGINNING", 0.0)

    async def scenario() -> None:
        stock = Stock()
        found = [await stock.take(GROUND, "f") for _ in range(10)]
        stock.close()
        for blank, shim in zip(found, stock.shims, strict=True):
            blank.end()
            shim.close()

    asyncio.run(scenario())


def test_what_is_begun_in_the_stock_while_others_are_dropped_ends_with_it() -> None:
    """Its warm process ended meanwhile, and others of the kind are dropped."""

    async def scenario() -> None:
        stock = Stock()
        stock._parents = cast(Any, SimpleNamespace(has=lambda plan: False))
        stock.fill(GROUND, 0.0)
        while not stock.links:
            await asyncio.sleep(0)
        stock.drop()
        while len(stock.links) < STOCK:
            await asyncio.sleep(0)
        stock.close()
        assert [link.closed for link in stock.links] == [True] * len(stock.links)
        for shim in stock.shims:
            shim.close()

    asyncio.run(asyncio.wait_for(scenario(), 10))
