"""How many environments may begin at the same time, and who is next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class Admission:
    """So many at a time. Those that wait are taken in turn of whom they are for, each one's in the order
    in which they came: a function that begins hundreds of environments delays another's by few of them."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """Who is next comes first."""

    def full(self) -> bool:
        """Whether who comes now has to wait."""
        return not self._free

    async def enter(self, who: Hashable) -> None:
        """One for `who` may begin, and `leave` is to be called once for it."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn had just come
                self.leave()
            raise

    def leave(self) -> None:
        """One has begun: the next may."""
        while self._waiting:
            who = next(iter(self._waiting))
            turns = self._waiting.pop(who)
            turn = turns.popleft()
            if turns:
                self._waiting[who] = turns
            if not turn.done():  # else nobody waits for it any more
                turn.set_result(None)
                return
        self._free += 1
