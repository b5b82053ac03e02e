"""Routes to the replicas of each endpoint, in memory.

InvokeEndpoint reads them here instead of in the database. They may be lost at any time: they are
rebuilt from the endpoint's row and the backend.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sagebrush.compute.base import Backend, Running
from sagebrush.errors import Doc
from sagebrush.net.http_client import Pool
from sagebrush.routing.capture import record
from sagebrush.routing.capture.record import Rule
from sagebrush.routing.multimodel.hosted import Hosted
from sagebrush.store.rows import Row

ANSWERING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
"""Statuses in which an endpoint takes requests."""

WAKING = 480.0
"""Seconds that requests wait for an endpoint that sleeps, where its variant does not say."""

Name = tuple[str, str, str]
"""(account, region, endpoint); of an inference component, `KIND/NAME` in the endpoint's place."""

COMPONENT = "inference-component"
"""The kind whose rows are routed to as endpoints' are."""


def name_of(row: Row) -> Name:
    """The name under which the row's routes are published."""
    name = f"{row.kind}/{row.name}" if row.kind == COMPONENT else row.name
    return row.account, row.region, name


def component(name: Name, of: str) -> Name:
    """The name of the inference component `of`, in the account and region of `name`."""
    return name[0], name[1], f"{COMPONENT}/{of}"


@dataclass(eq=False)
class Route:
    """One replica that answers: the connections to each of its containers, in their order, which
    belong to the event loop that first used them."""

    key: str
    replica: str
    addresses: tuple[str, ...]
    pools: tuple[Pool, ...]

    @property
    def pool(self) -> Pool:
        """The connections to the first container."""
        return self.pools[0]

    @property
    def busy(self) -> int:
        """Requests that are on it now, in any of its containers."""
        return self.pools[0].busy if len(self.pools) == 1 else sum(p.busy for p in self.pools)

    @property
    def closed(self) -> bool:
        """Whether its connections are not kept any more."""
        return self.pools[0].closed

    def close(self) -> None:
        """Idle connections are ended, and those in use once they are done."""
        for pool in self.pools:
            pool.close()


Prefers = Callable[[Route, int], bool]
"""(replica, the fewest requests at any) -> whether it is to be asked before others."""


@dataclass(frozen=True)
class Elastic:
    """What is known of a variant that has processes only while it is used."""

    patience: float
    """Seconds that a request waits for the first of them."""
    most: int
    """How many it may have."""
    limit: int | None = None
    """How many requests may be inside at once (MaxConcurrency)."""
    provisioned: int = 0
    """For how many of those a process is always there (ProvisionedConcurrency)."""


@dataclass(frozen=True)
class Variant:
    """A production variant that takes a share of the requests."""

    name: str
    weight: float
    routes: tuple[Route, ...]
    containers: tuple[str, ...] = ("container_1",)
    """The names of its model's containers, in their order."""
    mode: str = "Serial"
    """`Serial`: each container gets what the one before it answered; `Direct`: a request names its
    own."""
    capture: Rule | None = None
    """What is captured of its requests."""
    config: str = ""
    """The name of the endpoint configuration that it was deployed from."""
    hosted: Hosted | None = None
    """Where its models are, if it hosts many."""
    model: bool = True
    """Whether it has a model of its own; one without is room for inference components."""
    elastic: Elastic | None = None
    """Set where it has processes only while it is used."""

    def least_busy(
        self, without: Sequence[Route] = (), prefers: Prefers | None = None
    ) -> Route | None:
        """Returns the replica with the fewest requests in flight (ties at random), of those that
        `prefers` if there are any; None if all are in `without`."""
        routes = self.routes
        if len(routes) == 1 and not without:
            return routes[0]
        open_ = [r for r in routes if r not in without]
        if not open_:
            return None
        fewest = min(r.busy for r in open_)
        if prefers is not None and (better := [r for r in open_ if prefers(r, fewest)]):
            open_, fewest = better, min(r.busy for r in better)
        return random.choice([r for r in open_ if r.busy == fewest])


@dataclass(frozen=True)
class Shadow:
    """A variant that gets copies of a `share` (0 to 1) of the requests."""

    variant: Variant
    share: float


@dataclass(frozen=True)
class Endpoint:
    """The routes of one endpoint, or of one of its two fleets during a deployment."""

    name: Name
    row_id: int
    variants: tuple[Variant, ...]
    shadows: tuple[Shadow, ...] = ()
    coming: Endpoint | None = None
    """The fleet that is to take the place of this one, if it gets requests already."""
    share: float = 0.0
    """The part of the requests that `coming` gets, 0..1."""
    asynchronous: Doc | None = None
    """Its AsyncInferenceConfig, where its requests come from a queue."""
    role: str | None = None
    """The ARN of the role of its first model."""
    component: str = ""
    """The inference component whose copies these are."""
    owner: Name = ("", "", "")
    """The endpoint that it is on; of an endpoint, its own name."""
    idle: bool = False
    """Whether no copy of the inference component answers, and none is being replaced."""

    def choose(self) -> Variant:
        """Returns a variant at random by weight; all are equally likely if every weight is 0."""
        variants = self._fleet().variants
        if len(variants) == 1:
            return variants[0]
        weights = [v.weight for v in variants]
        return random.choices(variants, weights if any(weights) else None)[0]

    def variant(self, name: str) -> Variant | None:
        """Returns the variant of that name, or None."""
        return next((v for v in self._fleet().variants if v.name == name), None)

    def fleets(self) -> tuple[Endpoint, ...]:
        """Returns the fleets that get requests: this one, and the one that is to take its place."""
        return (self, self.coming) if self.coming else (self,)

    def fleet_of(self, variant: Variant) -> Endpoint:
        """Returns the fleet that the variant is of."""
        return next((f for f in self.fleets() if any(v is variant for v in f.variants)), self)

    def instead(self, variant: Variant) -> Variant | None:
        """Returns what the other fleet has under the variant's name: it answers where no replica of
        the variant does."""
        own = self.fleet_of(variant)
        others = (v for fleet in self.fleets() if fleet is not own for v in fleet.variants)
        return next((v for v in others if v.name == variant.name), None)

    def routes(self) -> Iterator[Route]:
        """Yields the routes of all fleets, and of their shadows."""
        for fleet in self.fleets():
            for variant in (*fleet.variants, *(shadow.variant for shadow in fleet.shadows)):
                yield from variant.routes

    def _fleet(self) -> Endpoint:
        """The fleet that gets this request."""
        return self.coming if self.coming and random.random() < self.share else self


class Endpoints:
    """The routes known to this process (`World.endpoints`). Thread-safe."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._endpoints: dict[Name, Endpoint] = {}
        self._routes: dict[str, Route] = {}
        self._guard = threading.Lock()
        self._ended: set[int] = set()
        """Rows being deleted: a reconciler step that began earlier must not publish them again."""
        self._emptied = 0
        """Rows with ids up to this one are deleted."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: set[str] = set()
        """Replicas that are in no endpoint any more, and that a request may just have chosen."""
        self.published: Callable[[Name], object] = lambda _: None
        """Called, in any thread, after an endpoint's routes were loaded or withdrawn."""

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sets the event loop in which connections to replicas are opened and closed."""
        self._loop = loop

    def get(self, name: Name) -> Endpoint | None:
        """Returns the endpoint's routes, None if they are not loaded."""
        return self._endpoints.get(name)

    def all(self) -> list[Endpoint]:
        """The endpoints whose routes are loaded."""
        return list(self._endpoints.values())

    def load(self, row: Row, first: bool = False) -> Endpoint | None:
        """Builds the endpoint's routes from its row and the backend, publishes and returns them.

        With `first`, what is published already stays: the row may have been read before a step of
        the reconciler published its own. Returns None, and withdraws the endpoint, if it takes no
        requests.
        """
        name = name_of(row)
        active = row.plan.get("active")
        gone = row.id in self._ended or row.id <= self._emptied
        if row.status not in ANSWERING or not active or gone:
            self.withdraw(name)
            return None
        replicas = [r for r in row.plan["replicas"] if r["state"] == "serving"]
        endpoint = self._fleet(row, active, replicas)
        share, pending = row.plan.get("share") or 0.0, row.plan.get("pending")
        if share and pending:
            coming = self._fleet(row, pending, replicas, share)
            endpoint = replace(endpoint, coming=coming, share=share)
        with self._guard:
            before = self._endpoints.get(name)
            if first and before is not None:
                return before
            self._endpoints[name] = endpoint
            self._leave(before, endpoint)
        self.published(name)
        return endpoint

    def _fleet(self, row: Row, fleet: Doc, replicas: Sequence[Doc], share: float = 1.0) -> Endpoint:
        """The fleet's variants, each with as many replicas as carry the `share` of the traffic."""
        docs = fleet["variants"]
        every = [self._variant(fleet, doc, replicas, share) for doc in docs]
        sleeps = row.plan.get("sleeps")
        every = [
            replace(v, elastic=_elastic(doc, sleeps)) for v, doc in zip(every, docs, strict=True)
        ]
        shadowed = [v.get("shadow", False) for v in docs]
        variants = tuple(v for v, copied in zip(every, shadowed, strict=True) if not copied)
        weight = sum(v.weight for v in variants)
        shadows = tuple(
            Shadow(v, min(1.0, v.weight / weight) if weight else 0.0)
            for v, copied in zip(every, shadowed, strict=True)
            if copied
        )
        return Endpoint(
            name_of(row),
            row.id,
            variants,
            shadows,
            asynchronous=fleet.get("asynchronous"),
            role=docs[0].get("role"),
            component=row.name if row.kind == COMPONENT else "",
            owner=(row.account, row.region, row.doc.get("EndpointName", row.name)),
            idle=row.kind == COMPONENT
            and not replicas
            and not any(each.get("replaces") for each in row.plan["replicas"]),
        )

    def withdraw(self, name: Name) -> None:
        """Stops routing requests to the endpoint until it is loaded again."""
        with self._guard:
            self._leave(self._endpoints.pop(name, None), None)
        self.published(name)

    def end(self, name: Name, row_id: int) -> None:
        """Stops routing requests to the endpoint; `load` of this row does nothing from now on."""
        self._ended.add(row_id)
        self.withdraw(name)

    def empty(self, last: int) -> None:
        """Stops routing requests to all endpoints; `load` does nothing for rows with ids up to
        `last`, all of which were deleted."""
        self._emptied = last
        for name in list(self._endpoints):
            self.withdraw(name)
        self._ended.clear()
        with self._guard:
            self._routes.clear()

    def gone(self, row_id: int) -> None:
        """Forgets the id of a deleted row."""
        self._ended.discard(row_id)

    def close(self) -> None:
        """Closes all connections to replicas. Runs in the event loop's thread, before it ends."""
        with self._guard:
            for route in self._routes.values():
                route.close()

    def busy(self, key: str) -> int:
        """Returns the number of requests in flight at the replica; at least 1 while one may just have
        chosen it that is not counted yet."""
        route = self._routes.get(key)
        return (route.busy if route else 0) or int(key in self._leaving)

    def _variant(self, fleet: Doc, doc: Doc, replicas: Sequence[Doc], share: float) -> Variant:
        """The variant that a fleet's document describes, with the routes to its replicas."""
        routes = tuple(self._routes_of(fleet, doc["name"], replicas))
        return Variant(
            doc["name"],
            doc["weight"],
            routes if share >= 1.0 else routes[: activated(share, doc["count"])],
            # a row that an older version wrote has no containers
            tuple(c["name"] for c in doc.get("containers", ())) or ("container_1",),
            doc.get("mode", "Serial"),
            record.rule(fleet.get("capture"), doc.get("role") or ""),
            fleet.get("config", ""),
            _hosted(doc),
            doc.get("containers") != [],
        )

    def _routes_of(self, fleet: Doc, variant: str, replicas: Iterable[Doc]) -> Iterable[Route]:
        for replica in replicas:
            if (replica["fleet"], replica["variant"]) != (fleet["id"], variant):
                continue
            addresses = self._addresses(replica)
            if not addresses:
                continue
            with self._guard:
                route = self._routes.get(replica["key"])
                if route is None or route.addresses != addresses or route.closed:
                    pools = tuple(Pool(address) for address in addresses)
                    route = Route(replica["key"], replica["id"], addresses, pools)
                    self._routes[replica["key"]] = route
            yield route

    def _addresses(self, replica: Doc) -> tuple[str, ...]:
        """Where each of the replica's containers listens; () unless all of them run."""
        states = [self._backend.poll(key) for key in replica.get("keys") or [replica["key"]]]
        found = tuple(s.address for s in states if isinstance(s, Running) and s.address)
        return found if len(found) == len(states) else ()

    def _leave(self, before: Endpoint | None, after: Endpoint | None) -> None:
        """Idle connections of the routes that are not in `after` any more are closed.

        A request is counted on the replica that it chose before the loop does anything else, so one
        that chose by `before` is counted once the loop has made the call that is asked for here.
        """
        kept = {route.key for route in after.routes()} if after else set[str]()
        left = [route for route in before.routes() if route.key not in kept] if before else []
        if not left or self._loop is None or self._loop.is_closed():
            return
        self._leaving.update(route.key for route in left)
        self._loop.call_soon_threadsafe(self._left, left)

    def _left(self, routes: Sequence[Route]) -> None:
        for route in routes:
            route.close()
            self._leaving.discard(route.key)

    def forget(self, key: str) -> None:
        """Drops the replica's route."""
        with self._guard:
            self._routes.pop(key, None)


def _hosted(doc: Doc) -> Hosted | None:
    """Where the models of a variant's document are, if its container hosts many."""
    found = next((c for c in doc.get("containers", ()) if c.get("multi")), None)
    if found is None:
        return None
    bucket, prefix, _ = found["data"]
    return Hosted(bucket, prefix, doc.get("role"), not found.get("uncached"))


def activated(share: float, count: int) -> int:
    """How many of `count` new replicas get a share of the traffic: as few as are their part."""
    return min(count, math.ceil(share * count - 1e-9))


def _elastic(variant: Doc, sleeps: float | None) -> Elastic | None:
    """What a variant's document says of its processes' coming and going; `sleeps`: after how many
    idle seconds its endpoint sleeps."""
    config = variant.get("serverless")
    if config is not None:
        limit, provisioned = config["MaxConcurrency"], config.get("ProvisionedConcurrency", 0)
        return Elastic(float(variant["startup"]), variant["most"], limit, provisioned)
    if sleeps is None:
        return None
    return Elastic(float(variant.get("startup") or WAKING), variant["count"])
