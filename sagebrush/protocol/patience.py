"""How long a peer is waited for in the middle of a request: while it sends a body, or takes an answer.

As Apache's mod_reqtimeout has it (`body=60,MinRate=500`): some seconds, and another one for each RATE
bytes that it moved meanwhile, so that a slow line is served and a trickle is not.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from sagebrush.protocol.connections import Held

RATE = 500.0
"""Bytes a second that a peer must move, once its patience is used up."""
BODY = 60.0
"""Seconds without a byte of a body."""
ANSWER = 300.0
"""Seconds without a byte of an answer being taken: programs work between two reads of a stream."""


class Patience:
    """Bounds the time spent waiting for a peer: wrap each wait in `async with` it.

    Raises TimeoutError once the waits together have used up `seconds`.
    """

    def __init__(self, held: Held, seconds: float) -> None:
        self._held = held
        self._most = self._left = seconds
        self._begun = 0.0
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        self._held.waits()
        self._begun = asyncio.get_running_loop().time()
        self._timeout = asyncio.timeout(max(self._left, 0.0))
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left -= asyncio.get_running_loop().time() - self._begun
        self._held.busy()
        if self._timeout is not None:
            await self._timeout.__aexit__(kind, error, trace)

    def moved(self, count: int) -> None:
        """The peer has moved `count` bytes."""
        self._left = min(self._most, self._left + count / RATE)
