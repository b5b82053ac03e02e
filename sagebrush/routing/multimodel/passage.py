"""A request for one model of a multi-model endpoint: the model is loaded, then asked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sagebrush.net.http_client import Answer, Body, Pool, Stream
from sagebrush.routing.endpoints import Name, Route, Variant
from sagebrush.routing.multimodel.hosted import Files, named
from sagebrush.routing.multimodel.models import Models, Order, Refused
from sagebrush.routing.passage import Head, Passage, Undirected
from sagebrush.routing.tallies import Subject, Tallies

Reached = TypeVar("Reached", Answer, Stream)

BUSY = 4
"""Requests more at a replica that has the model than at one without, from which the other loads it."""


class Target:
    """The model that a request names, and what it takes to have it loaded."""

    def __init__(
        self, endpoint: Name, model: str, models: Models, files: Files, tallies: Tallies
    ) -> None:
        self.endpoint = endpoint
        self.model = model
        self.name = named(model)
        self.models = models
        self._files = files
        self._tallies = tallies

    def order(self, variant: Variant, seconds: float) -> Order:
        """What is asked of the variant's replica. Raises Undirected."""
        if variant.hosted is None:
            raise Undirected(
                f"Endpoint {self.endpoint[2]} is not a multi-model endpoint and does not support"
                " target model header."
            )
        of = Subject(self.endpoint, variant.name)
        note = self._tallies.noting(of)
        return Order(variant.hosted, self.model, self.name, self._files, note, seconds)


class ModelPassage(Passage[Reached]):
    """A request for a replica that loads the model first. Its answer is a whole one:
    InvokeEndpointWithResponseStream has no TargetModel."""

    def __init__(
        self,
        target: Target,
        head: Head,
        body: Body,
        timeout: float,
        ask: Callable[[Pool, bytes, Body, float], Awaitable[Reached]],
        container: str | None = None,
    ) -> None:
        super().__init__(head, body, timeout, ask, container)
        self._target = target
        self._seconds = min(timeout, 60.0)
        self.targets_model = True

    def prefers(self, route: Route, least: int) -> bool:
        """Whether a replica is to be asked before others, the least busy of which has `least`."""
        return self._target.models.has(route, self._target.name) and route.busy < least + BUSY

    async def through(self, variant: Variant, route: Route) -> Reached | Answer:
        """The model's answer, or the container's where it could not load the model.

        Raises as `Passage.through`, and AwsError.
        """
        models = self._target.models
        order = self._target.order(variant, self._seconds)
        self.check(variant)
        for again in (True, False):
            began = time.perf_counter()
            try:
                model = await models.hold(route, order)
            except Refused as refused:
                return refused.args[0]
            self.waited = time.perf_counter() - began
            try:
                answer = await super().through(variant, route)
                if answer.status == 404 and again and await models.lost(route, model):
                    continue  # it was not loaded, so nothing has had the request
                return answer
            finally:
                models.release(route, model, order)
        raise AssertionError
