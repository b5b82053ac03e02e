"""Who answers for an endpoint now: routes to its replicas, in memory.

The data path asks here instead of the database. What is here may be lost at any time: it is read
again from the endpoint's row and the backend.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sagebrush.compute.base import Backend, Running
from sagebrush.errors import Doc
from sagebrush.net.http_client import Pool
from sagebrush.store.rows import Row

ANSWERING = ("InService", "Updating", "SystemUpdating", "RollingBack")
"""Statuses in which an endpoint takes requests."""

Name = tuple[str, str, str]
"""(account, region, endpoint)."""


@dataclass(eq=False)
class Route:
    """One replica that answers. `pool` belongs to the event loop that first used it."""

    key: str
    replica: str
    address: str
    pool: Pool


@dataclass(frozen=True)
class Variant:
    """A production variant that takes a share of the requests."""

    name: str
    weight: float
    routes: tuple[Route, ...]

    def least_busy(self, without: Sequence[Route] = ()) -> Route | None:
        """The replica with the fewest requests in flight, any of those with as few."""
        routes = self.routes
        if len(routes) == 1 and not without:
            return routes[0]
        open_ = [r for r in routes if r not in without]
        if not open_:
            return None
        fewest = min(r.pool.busy for r in open_)
        return random.choice([r for r in open_ if r.pool.busy == fewest])


@dataclass(frozen=True)
class Endpoint:
    """The routes of one endpoint."""

    name: Name
    row_id: int
    variants: tuple[Variant, ...]

    def choose(self) -> Variant:
        """A variant by weight; by turns where no variant has any."""
        if len(self.variants) == 1:
            return self.variants[0]
        weights = [v.weight for v in self.variants]
        return random.choices(self.variants, weights if any(weights) else None)[0]

    def variant(self, name: str) -> Variant | None:
        """The variant of that name."""
        return next((v for v in self.variants if v.name == name), None)


class Endpoints:
    """The routes of this process (`World.endpoints`); for any thread."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._endpoints: dict[Name, Endpoint] = {}
        self._routes: dict[str, Route] = {}
        self._guard = threading.Lock()
        self._ended: set[int] = set()
        """Rows that are being deleted: a step that began before must not bring them back."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections are made, and closed, in `loop` from now on."""
        self._loop = loop

    def get(self, name: Name) -> Endpoint | None:
        """The routes of the endpoint, where they are known."""
        return self._endpoints.get(name)

    def load(self, row: Row) -> Endpoint | None:
        """The routes of the endpoint as its row and the backend tell them; None when it takes no
        requests. They are the ones used from now on."""
        name = (row.account, row.region, row.name)
        active = row.plan.get("active")
        if row.status not in ANSWERING or not active or row.id in self._ended:
            self.withdraw(name)
            return None
        replicas = [r for r in row.plan["replicas"] if r["state"] == "serving"]
        variants = tuple(
            Variant(v["name"], v["weight"], tuple(self._routes_of(active, v["name"], replicas)))
            for v in active["variants"]
        )
        endpoint = Endpoint(name, row.id, variants)
        with self._guard:
            before = self._endpoints.get(name)
            self._endpoints[name] = endpoint
            self._drop_routes(before, {r.key for v in variants for r in v.routes})
        return endpoint

    def withdraw(self, name: Name) -> None:
        """The endpoint takes no requests any more."""
        with self._guard:
            self._drop_routes(self._endpoints.pop(name, None), set())

    def end(self, name: Name, row_id: int) -> None:
        """The endpoint takes no requests any more, for good."""
        self._ended.add(row_id)
        self.withdraw(name)

    def gone(self, row_id: int) -> None:
        """The row is gone too: the database may give its id to another."""
        self._ended.discard(row_id)

    def close(self) -> None:
        """No connection to a replica is kept. Called in the event loop's own thread, at its end."""
        with self._guard:
            for route in self._routes.values():
                route.pool.close()

    def busy(self, key: str) -> int:
        """Requests that the replica is answering now."""
        route = self._routes.get(key)
        return route.pool.busy if route else 0

    def _routes_of(self, fleet: Doc, variant: str, replicas: Iterable[Doc]) -> Iterable[Route]:
        for replica in replicas:
            if (replica["fleet"], replica["variant"]) != (fleet["id"], variant):
                continue
            state = self._backend.poll(replica["key"])
            if not isinstance(state, Running) or not state.address:
                continue
            with self._guard:
                route = self._routes.get(replica["key"])
                if route is None or route.address != state.address:
                    route = Route(replica["key"], replica["id"], state.address, Pool(state.address))
                    self._routes[replica["key"]] = route
            yield route

    def _drop_routes(self, before: Endpoint | None, keep: set[str]) -> None:
        """Routes that `before` had and that are not kept end when their requests have."""
        for variant in before.variants if before else ():
            for route in variant.routes:
                if route.key in keep:
                    continue
                if self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(route.pool.close)
                if not route.pool.busy:
                    self._routes.pop(route.key, None)

    def forget(self, key: str) -> None:
        """Nothing is remembered of the replica."""
        with self._guard:
            self._routes.pop(key, None)
