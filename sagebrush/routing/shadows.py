"""Copies of requests for a shadow variant: its answers are thrown away, its errors are counted.

SageMaker guide, "Shadow tests". A copy is sent after the caller has its answer, and no more than
MOST at a time wait for an endpoint's, so that a slow one costs its callers nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

from sagebrush.errors import AwsError
from sagebrush.net.http_client import Answer, Broken, Stream, Unreachable
from sagebrush.routing.endpoints import Endpoint, Name, Shadow, Variant
from sagebrush.routing.passage import Passage, Undirected
from sagebrush.routing.tallies import Subject, Tallies

MOST = 64
"""Copies of one endpoint's requests that may wait for an answer at a time; further ones are not sent."""

KEPT = 6 * 1024 * 1024
"""Bytes of an answer that are captured. What is not is thrown away as it comes: MOST large answers at
a time would fill the server's memory."""

Done = Callable[[Variant, Answer], None]
"""What is told of a copy's answer of 2xx."""


class Shadows:
    """Sends copies. Used in the event loop's thread alone."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: Counter[Name] = Counter()

    def copy(self, endpoint: Endpoint, make: Callable[[], Passage[Stream]], done: Done) -> None:
        """Sends a copy of the request that `make` builds to each shadow that is to have one; returns
        at once."""
        for shadow in endpoint.shadows:
            if self._waiting[endpoint.name] >= MOST or random.random() >= shadow.share:
                continue
            task = asyncio.get_running_loop().create_task(
                self._send(endpoint, shadow, make(), done)
            )
            self._running.add(task)
            self._waiting[endpoint.name] += 1
            task.add_done_callback(lambda ended: self._over(endpoint.name, ended))

    def _over(self, name: Name, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._waiting[name] -= 1
        if self._waiting[name] <= 0:
            del self._waiting[name]

    async def _send(
        self, endpoint: Endpoint, shadow: Shadow, passage: Passage[Stream], done: Done
    ) -> None:
        variant = shadow.variant
        route = variant.least_busy()
        if route is None:
            return
        sent, status = time.perf_counter(), 0
        load = (len(variant.routes), route.busy + 1)
        try:
            reached = await passage.through(variant, route)
            answer = await _taken(reached, KEPT if variant.capture is not None else 0)
            status = answer.status
            if 200 <= status < 300:
                done(variant, answer)
        except (Unreachable, Broken, TimeoutError, Undirected, AwsError):
            pass  # counted as an error of the model's, and nobody's to be told
        took = time.perf_counter() - sent
        for config in ("", variant.config) if variant.config else ("",):
            of = Subject(endpoint.name, variant.name, config=config)
            self._tallies.count(of, status, took if status else None, 0.0, load)


async def _taken(reached: Stream | Answer, most: int) -> Answer:
    """The answer, all of which has come; its body are the first `most` bytes of it. Raises Broken and
    TimeoutError."""
    if isinstance(reached, Answer):
        return reached
    held = bytearray()
    try:
        async for piece in reached:
            held += piece[: most - len(held)]
    finally:
        reached.close()
    return Answer(reached.status, reached.headers, bytes(held))
