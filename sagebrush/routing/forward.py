"""One request to an endpoint: a replica is chosen, waited for, asked, and its answer counted.

Touches no database while the endpoint's routes are known. What the request is and what its answer
means is the caller's: it hands in how to ask one replica (`net.http_client.Pool.ask`, `.open`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from sagebrush.net.http_client import Answer, Broken, Pool, Stream, Unreachable
from sagebrush.routing.endpoints import Endpoint, Endpoints, Name, Route, Variant
from sagebrush.routing.tallies import Tallies
from sagebrush.store.rows import Rows

Reached = TypeVar("Reached", Answer, Stream)

PATIENCE = 5.0
"""Seconds that a request waits for a replica while all are being replaced."""
LOOK_AGAIN = 0.02
"""Seconds between two looks for one."""


class Undelivered(Exception):
    """No replica answered the request."""


class NoEndpoint(Undelivered):
    """There is no endpoint of that name, or it takes no requests."""


class NoVariant(Undelivered):
    """The endpoint has no variant of that name."""


class NoReplica(Undelivered):
    """No replica of the variant could be asked in time. `args`: the variant's name."""


class Place(NamedTuple):
    """Who was asked."""

    endpoint: Endpoint
    variant: Variant
    route: Route


class NoAnswer(Undelivered):
    """The replica at `place` had the request and did not answer: not in time, or it is gone.

    The cause is a TimeoutError or `Broken`.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.place = place


class Forward:
    """Brings requests to the replicas of endpoints (`World.forward`); in the event loop's thread."""

    def __init__(
        self, endpoints: Endpoints, tallies: Tallies, rows: Rows, due: Callable[[int], None]
    ) -> None:
        """`due(row_id)` makes the row's reconciler look at it now; it is called in a thread."""
        self._endpoints = endpoints
        self._tallies = tallies
        self._rows = rows
        self._due = due

    async def send(
        self, name: Name, target: str | None, ask: Callable[[Pool], Awaitable[Reached]]
    ) -> tuple[Place, Reached]:
        """Who answered, and what: the first replica that takes the request, of the variant `target`
        or of one chosen by weight. The answer is counted, whatever its status.

        A replica where nothing listens any more is not asked again; the endpoint's reconciler looks
        at it meanwhile. Raises NoEndpoint, NoVariant, NoReplica, NoAnswer.
        """
        began = time.perf_counter()
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            endpoint = await self._load(name)
        variant = _choose(endpoint, target)
        failed: list[Route] = []
        until = 0.0
        while True:
            route = variant.least_busy(failed)
            if route is None:
                until = until or time.monotonic() + PATIENCE
                endpoint, variant, route = await self._replaced(endpoint, variant, target, until)
                failed = []
            sent = time.perf_counter()
            try:
                answer = await ask(route.pool)
            except Unreachable:
                failed.append(route)
                self._look(endpoint)
                continue
            except (Broken, TimeoutError) as error:
                self._count(endpoint, variant, 0, began, sent)
                if not isinstance(error, TimeoutError):
                    self._look(endpoint)
                raise NoAnswer(Place(endpoint, variant, route)) from error
            self._count(endpoint, variant, answer.status, began, sent)
            return Place(endpoint, variant, route), answer

    async def _load(self, name: Name) -> Endpoint:
        """The endpoint's routes, as its row tells them. Raises NoEndpoint."""

        def load() -> Endpoint | None:
            row = self._rows.get(name[0], name[1], "endpoint", name[2])
            return self._endpoints.load(row) if row else None

        found = await asyncio.get_running_loop().run_in_executor(None, load)
        if found is None:
            raise NoEndpoint(name)
        return found

    async def _replaced(
        self, endpoint: Endpoint, variant: Variant, target: str | None, until: float
    ) -> Place:
        """A replica of the endpoint as it is once others have taken the place of those that do not
        answer. Raises NoReplica when none has before `until` (monotonic seconds)."""
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN)
            found = self._endpoints.get(endpoint.name)
            if found is None or found is endpoint:
                continue
            endpoint, variant = found, _choose(found, target)
            route = variant.least_busy()
            if route is not None:
                return Place(endpoint, variant, route)
        raise NoReplica(variant.name)

    def _count(
        self, endpoint: Endpoint, variant: Variant, status: int, began: float, sent: float
    ) -> None:
        now = time.perf_counter()
        model = now - sent
        self._tallies.count(
            endpoint.name, variant.name, status, model if status else None, now - began - model
        )

    def _look(self, endpoint: Endpoint) -> None:
        """The endpoint's reconciler looks at it now."""
        asyncio.get_running_loop().run_in_executor(None, self._due, endpoint.row_id)


def _choose(endpoint: Endpoint, target: str | None) -> Variant:
    """The variant `target`, or one by weight. Raises NoVariant."""
    if target is None:
        return endpoint.choose()
    found = endpoint.variant(target)
    if found is None:
        raise NoVariant(target)
    return found
