"""One request's way through the containers of the replica that it was sent to.

One container; all of them in turn, each with what the one before it answered (a serial inference
pipeline: SageMaker guide, "Inference pipelines"); or the one that the request names (direct
invocation: "Invoke a multi-container endpoint with direct invocation").
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sagebrush.net.http_client import Answer, Body, Broken, Pool, Stream, Unreachable
from sagebrush.routing.endpoints import Route, Variant

Reached = TypeVar("Reached", Answer, Stream)

PRIMARY = "primary"
"""What AWS calls the one container of a model."""

Head = Callable[[Answer | None, bool], bytes]
"""(what the container before it answered, whether it is the last) -> the head of its request."""


class Undirected(Exception):
    """The request names no container, or one that it cannot have; the text says so."""


class Passage(Generic[Reached]):
    """A request for a replica, sent by `through`; `at` is the container that has it now."""

    def __init__(
        self,
        head: Head,
        body: Body,
        timeout: float,
        ask: Callable[[Pool, bytes, Body, float], Awaitable[Reached]],
        container: str | None = None,
    ) -> None:
        """`body`: the first container's. `timeout`: seconds for all containers together. `ask`: how the last one is asked (`Pool.ask` or `Pool.open`).
        `container`: the one that the request names."""
        self._head = head
        self._body = body
        self._timeout = timeout
        self._ask = ask
        self._container = container
        self.at = PRIMARY
        self.left: Callable[[], bool] = lambda: False
        """Whether its caller has left."""
        self.queued = False
        """Whether it comes from an asynchronous endpoint's queue, as all its requests must."""
        self.replica = ""
        """The key of the replica that it must go to; "" for any."""
        self.targets_model = False
        """Whether it names one of a multi-model endpoint's models."""
        self.waited = 0.0
        """Seconds that it waited at the replica before its container was asked."""

    def prefers(self, route: Route, least: int) -> bool:
        """Whether a replica is to be asked before others, the least busy of which has `least`
        requests."""
        return False

    @property
    def size(self) -> int:
        """Bytes of its body, 0 where they are not in memory."""
        return len(self._body) if isinstance(self._body, bytes) else 0

    async def through(self, variant: Variant, route: Route) -> Reached | Answer:
        """The last container's answer, or the first that is no success.

        Raises Unreachable if nothing was sent to the first one, Undirected, and Broken or
        TimeoutError if the container `at` did not answer.
        """
        if variant.hosted is not None and not self.targets_model:
            raise Undirected(
                "The request is missing a target model header: TargetModel is required to invoke a"
                " multi-model endpoint."
            )
        places = self._places(variant)
        if places is None:
            return await self._ask(route.pool, self._head(None, True), self._body, self._timeout)
        until = time.monotonic() + self._timeout
        before: Answer | None = None
        body = self._body
        for place in places[:-1]:
            self.at = variant.containers[place]
            head = self._head(before, False)
            before = await self._pass(route.pools[place], head, body, until, before is None)
            if not 200 <= before.status < 300:
                return before
            body = before.body
        self.at = variant.containers[places[-1]]
        try:
            left = max(0.0, until - time.monotonic())
            return await self._ask(route.pools[places[-1]], self._head(before, True), body, left)
        except Unreachable as error:
            if before is None:
                raise
            raise Broken(str(error)) from error

    def check(self, variant: Variant) -> None:
        """Raises Undirected for a container that the request cannot have."""
        self._places(variant)

    def _places(self, variant: Variant) -> range | None:
        """The containers that get the request, by their places; None: the only one."""
        names = variant.containers
        if variant.mode == "Direct":
            if self._container is None:
                raise Undirected(
                    "TargetContainerHostname is required to invoke an endpoint whose containers are"
                    " invoked directly."
                )
            if self._container not in names:
                raise Undirected(
                    f"Container {self._container} not found in production variant {variant.name}."
                )
            place = names.index(self._container)
            return range(place, place + 1)
        if self._container is not None:
            raise Undirected(
                "TargetContainerHostname is allowed only for an endpoint whose containers are"
                " invoked directly."
            )
        return range(len(names)) if len(names) > 1 else None

    async def _pass(self, pool: Pool, head: bytes, body: Body, until: float, first: bool) -> Answer:
        try:
            return await pool.ask(head, body, max(0.0, until - time.monotonic()))
        except Unreachable as error:
            if first:
                raise
            # the one before it has had the request: it must not be sent to another replica
            raise Broken(str(error)) from error
