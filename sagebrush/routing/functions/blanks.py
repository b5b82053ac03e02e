"""Environments that are begun before it is known of which version they will be: a stock of each kind.

One is taken for each cold start, and another begun in its place. No code of a user's has run in it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.compute.base import Spec
from sagebrush.routing.functions.link import Link
from sagebrush.routing.functions.parents import Parents, Unstarted
from sagebrush.routing.functions.prepared import Ground, Places
from sagebrush.routing.functions.values import Unrunnable

log = logging.getLogger(__name__)

STOCK = 2
"""Blank environments of one kind, at least."""
MOST = 8
"""Blank environments of one kind where more than STOCK were wanted at once: some 35 MiB each."""
REMEMBERED = 300.0
"""Seconds after which it is forgotten that more were wanted."""
SETTLED = 0.25
"""Seconds after a cold start until the stock is filled again: the processors are the function's first."""
PATIENCE = 1.0
"""Seconds that cold starts one after the other can put that off."""

Serve = Callable[[Spec, str, socket.socket], Callable[[], Any] | None]
"""(the environment's spec, name, listening socket) -> what ends the serving."""

PREFIX = "function-"
"""With which the keys of all environments begin."""


@dataclass
class Demand:
    """How many blank environments of one kind there are to be."""

    count: int = STOCK
    taken: float = 0.0
    """When the last was asked for; seconds of a clock that does not jump."""
    lacked: float = 0.0
    """When there was none last."""

    def took(self, lacked: bool, now: float) -> None:
        """One was asked for, and there was none where it was lacked."""
        self.taken = now
        if lacked:
            self.count, self.lacked = min(MOST, self.count + 1), now

    def wanted(self, now: float) -> int:
        """How many there should be."""
        if now - self.lacked > REMEMBERED:
            self.count = STOCK
        return self.count


@dataclass
class Blank:
    """One environment that is nobody's yet."""

    key: str
    ground: Ground
    spec: Spec
    link: Link
    closers: list[Callable[[], Any]] = field(default_factory=list)
    """End the serving of its listeners."""

    def end(self) -> None:
        """It ends, and its directory goes with it."""
        self.link.close()
        for closer in self.closers:
            closer()


class Blanks:
    """The stock. Used in the event loop's thread."""

    def __init__(self, parents: Parents, places: Places) -> None:
        self._parents = parents
        self._places = places
        self.serve: Serve = lambda spec, name, sock: None
        self._stock: dict[Ground, list[Blank]] = {}
        self._demands: dict[Ground, Demand] = {}
        self._filling: dict[Ground, asyncio.Task[None]] = {}
        self._closed = False

    async def take(self, ground: Ground) -> Blank:
        """A blank environment of that kind, which is the caller's. Raises Unrunnable."""
        first = ground not in self._stock
        stock = self._stock.setdefault(ground, [])
        while stock:
            found = stock.pop(0)
            if not found.link.closed:
                self._demand(ground).took(False, self._now())
                self.fill(ground)
                return found
            found.end()
        self._demand(ground).took(not first, self._now())
        found = await self._begun(ground, awaited=True)
        self.fill(ground)
        return found

    def fill(self, ground: Ground, delay: float = SETTLED) -> None:
        """There are as many of that kind as its demand says, in a while."""
        if ground not in self._filling and not self._closed:
            self._filling[ground] = asyncio.ensure_future(self._fill(ground, delay))

    async def _fill(self, ground: Ground, delay: float) -> None:
        try:
            demand, until = self._demand(ground), self._now() + PATIENCE
            while delay > 0:
                await asyncio.sleep(delay)
                delay = min(demand.taken + SETTLED, until) - self._now()
            stock = self._stock.setdefault(ground, [])
            while len(stock) < demand.wanted(self._now()):
                stock.append(await self._begun(ground, awaited=False))
        except Unrunnable:
            log.exception("no environment of functions can be begun")
        finally:
            self._filling.pop(ground, None)

    async def _begun(self, ground: Ground, awaited: bool) -> Blank:
        loop = asyncio.get_running_loop()
        key = f"{PREFIX}{secrets.token_hex(10)}"
        spec = await loop.run_in_executor(None, self._places.laid, ground, key, awaited)
        try:
            parent = await self._parents.ready(ground.forked_from)
            ours, theirs = socket.socketpair()
            with theirs:
                parent.fork(spec.root, theirs)
        except (Unstarted, OSError) as error:
            raise Unrunnable(str(error)) from error
        closers: list[Callable[[], Any]] = []

        def listening(name: str, listener: socket.socket) -> None:
            closer = self.serve(spec, name, listener)
            if closer is not None:
                closers.append(closer)

        return Blank(key, ground, spec, Link(ours, listening), closers)

    def _demand(self, ground: Ground) -> Demand:
        return self._demands.setdefault(ground, Demand())

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def drop(self) -> None:
        """Those whose warm process is gone end, and those that are not wanted any more."""
        for ground, stock in self._stock.items():
            for each in stock[self._demand(ground).wanted(self._now()) :]:
                stock.remove(each)
                each.end()
        for ground in [g for g in self._stock if not self._parents.has(g.forked_from)]:
            for each in self._stock.pop(ground):
                each.end()

    def close(self) -> None:
        """All end."""
        self._closed = True
        for task in self._filling.values():
            task.cancel()
        for stock in self._stock.values():
            for each in stock:
                each.end()
        self._stock.clear()
