"""Environments that are begun before it is known of which version they will be: a stock of each kind.

One is taken for each cold start, and another begun in its place. No code of a user's has run in it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import socket
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.compute.base import Spec
from sagebrush.compute.host import Host
from sagebrush.routing.functions.admission import Admission
from sagebrush.routing.functions.link import Link
from sagebrush.routing.functions.parents import Parents, Unstarted
from sagebrush.routing.functions.prepared import Ground, Places
from sagebrush.routing.functions.values import Unrunnable

log = logging.getLogger(__name__)

STOCK = 2
"""Blank environments of one kind, at least."""
MOST = 64
"""Blank environments of all kinds where more than STOCK were wanted in short time; fewer on small
hosts."""
SIZE = 14 << 20
"""Bytes of memory that one has for itself: its three processes together."""
PART = 24
"""Blank ones have one part in so many of the host's memory, at most."""
REMEMBERED = 300.0
"""Seconds after which it is forgotten that more were wanted."""
SETTLED = 0.25
"""Seconds after a cold start until the stock is filled again: the processors are the function's first."""
PATIENCE = 1.0
"""Seconds that cold starts one after the other can put that off."""
BEGINNING = 1.0
"""Seconds after which an environment that begins is not waited for by those that come after it."""
IMPORTING = 0.05
"""The same, once its program runs: what that imports may wait for something."""

Serve = Callable[[Spec, str, socket.socket], Callable[[], Any] | None]
"""(the environment's spec, name, listening socket) -> what ends the serving."""

PREFIX = "function-"
"""With which the keys of all environments begin."""


@dataclass
class Demand:
    """How many blank environments of one kind there are to be: as many as were lately taken between
    two times at which there were enough."""

    taken: float = 0.0
    """When the last was asked for; seconds of a clock that does not jump."""
    size: int = 0
    """How many were taken since there were enough."""
    bursts: deque[tuple[float, int]] = field(default_factory=deque)
    """When so many had been taken; larger ones first, each later than those before it."""

    def took(self, now: float) -> None:
        """One was asked for."""
        self.taken = now
        self.size += 1
        if self.size > STOCK:
            while self.bursts and self.bursts[-1][1] <= self.size:
                self.bursts.pop()
            self.bursts.append((now, self.size))

    def met(self) -> None:
        """There are enough."""
        self.size = 0

    def wanted(self, now: float) -> int:
        """How many there should be."""
        while self.bursts and now - self.bursts[0][0] > REMEMBERED:
            self.bursts.popleft()
        return self.bursts[0][1] if self.bursts else STOCK


def most(memory: int) -> int:
    """How many blank environments a host with `memory` bytes keeps, of all kinds together."""
    return max(STOCK, min(MOST, memory // PART // SIZE))


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

    def __init__(self, parents: Parents, places: Places, host: Host) -> None:
        """Of `host`, the processors and the memory count."""
        self._parents = parents
        self._places = places
        self._most = most(host.memory)
        self.serve: Serve = lambda spec, name, sock: None
        self._stock: dict[Ground, list[Blank]] = {}
        self._demands: dict[Ground, Demand] = {}
        self._filling: dict[Ground, asyncio.Task[None]] = {}
        self._admission = Admission(math.ceil(host.cpus) + 1)
        """Of those that begin at the same time: more would only make each other slower, and all of
        them be there at the end."""
        self._closed = False

    async def take(self, ground: Ground, who: Hashable) -> Blank:
        """A blank environment of that kind, which is the caller's and for `who`. Raises Unrunnable."""
        self._demand(ground).took(self._now())
        await self._admission.enter(who)
        try:
            found = self._taken(ground) or await self._begun(ground, awaited=True)
        except BaseException:
            self._admission.leave()
            raise
        self._pass_on(found.link)
        self.fill(ground)
        return found

    def _taken(self, ground: Ground) -> Blank | None:
        """One of the stock, if there is one."""
        stock = self._stock.setdefault(ground, [])
        while stock:
            found = stock.pop(0)
            if not found.link.closed:
                return found
            found.end()
        return None

    def _pass_on(self, link: Link) -> None:
        """The next may begin once that one takes events, or has ended, or takes long."""
        passed = False

        def on(_: object = None) -> None:
            nonlocal passed
            if not passed:
                passed = True
                self._admission.leave()
                timer.cancel()

        def runs(_: object) -> None:
            nonlocal timer
            timer.cancel()
            timer = later(IMPORTING, on)

        later = asyncio.get_running_loop().call_later
        timer = later(BEGINNING, on)
        link.runs.add_done_callback(runs)
        link.asked.add_done_callback(on)
        link.ended.add_done_callback(on)

    def fill(self, ground: Ground, delay: float = SETTLED) -> None:
        """There are as many of that kind as its demand says, in a while."""
        if ground not in self._filling and not self._closed:
            self._filling[ground] = asyncio.ensure_future(self._fill(ground, delay))

    async def _fill(self, ground: Ground, delay: float) -> None:
        """One after the other, and in pauses of what is asked for: this work is nobody's who waits."""
        try:
            demand, stock = self._demand(ground), self._stock.setdefault(ground, [])
            await asyncio.sleep(delay)
            until = self._now() + PATIENCE
            while self._lacks(ground, stock):
                while (left := self._quiet_in(demand, until if delay else 0.0)) > 0:
                    await asyncio.sleep(left)
                begun = await self._begun(ground, awaited=False)
                stock.append(begun)
                link = begun.link
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait({link.built, link.ended}, timeout=BEGINNING, return_when=first)
            demand.met()
        except Unrunnable:
            log.exception("no environment of functions can be begun")
        finally:
            self._filling.pop(ground, None)

    def _quiet_in(self, demand: Demand, until: float) -> float:
        """Seconds until it may be that the processors are not needed; 0.0 where they are not."""
        if self._admission.full():
            return SETTLED  # what is begun for the stock now would only be taken out of turn
        return max(0.0, min(demand.taken + SETTLED, until) - self._now())

    def _lacks(self, ground: Ground, stock: list[Blank]) -> bool:
        """Whether there are fewer than wanted, and room for one more."""
        if len(stock) >= self._demand(ground).wanted(self._now()):
            return False
        return len(stock) < STOCK or sum(map(len, self._stock.values())) < self._most

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
            while stock := self._stock[ground]:  # the list stays: it may be being filled
                stock.pop().end()

    def close(self) -> None:
        """All end."""
        self._closed = True
        for task in self._filling.values():
            task.cancel()
        for stock in self._stock.values():
            for each in stock:
                each.end()
        self._stock.clear()
