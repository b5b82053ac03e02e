"""Forwards a request to an endpoint: chooses a replica (or waits for one), asks it, counts.

Reads no database while the endpoint's routes are in memory. The caller builds the request, as a
`passage.Passage` through a replica's containers, and interprets the answer.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sagebrush.net.http_client import Answer, Broken, Stream, Unreachable
from sagebrush.routing.demand import Asking, Demand, Full
from sagebrush.routing.endpoints import Endpoint, Endpoints, Name, Prefers, Route, Variant
from sagebrush.routing.multimodel.models import Models
from sagebrush.routing.passage import Passage, Reached
from sagebrush.routing.sessions import Sessions
from sagebrush.routing.shadows import Shadows
from sagebrush.routing.tallies import Subject, Tallies
from sagebrush.store.rows import Rows

PATIENCE = 5.0
"""Seconds that a request waits for a replica while all are being replaced."""
LOOK_AGAIN = 0.02
"""Seconds between two checks for new replicas meanwhile."""
PAYLOAD = 4 * 1024 * 1024
"""Bytes of a request to a serverless endpoint, and of its answer (SageMaker's guide, "Serverless
Inference")."""
WAITING = 1000
"""Requests that may wait at once for an endpoint that sleeps."""


class Undelivered(Exception):
    """No replica answered the request."""


class NoEndpoint(Undelivered):
    """There is no endpoint of that name, or it takes no requests."""


class NoVariant(Undelivered):
    """The endpoint has no variant of that name."""


class NoSession(Undelivered):
    """No replica has the state of that session (any more). `args`: its id."""


class Queued(Undelivered):
    """The endpoint is asynchronous: its requests come from its queue."""


class NoComponent(Undelivered):
    """The endpoint has no models of its own, and the request names no inference component."""


class NoCapacity(Undelivered):
    """The inference component has no copy that answers."""


class NoReplica(Undelivered):
    """No replica of the variant accepted the request in PATIENCE. `args`: the variant's name."""


class Throttled(Undelivered):
    """As many requests are inside as the variant takes at once. `args`: how many those are."""


class TooLarge(Undelivered):
    """The variant takes no body of that size. `args`: its bytes."""


class NotAwake(Undelivered):
    """The variant's processes, which the request had to wait for, did not come up. `args`: its name,
    and why."""


class Left(Undelivered):
    """The caller left while the request waited."""


class Place(NamedTuple):
    """The replica that a request was sent to."""

    endpoint: Endpoint
    variant: Variant
    route: Route


class NoAnswer(Undelivered):
    """The replica at `place` accepted the request and did not answer it.

    `__cause__` is a TimeoutError, or `Broken` if the connection failed.
    """

    def __init__(self, place: Place, container: str) -> None:
        super().__init__(place)
        self.place = place
        self.container = container
        """The name of the container that did not answer."""


class Waiter(NamedTuple):
    """What a request waits for."""

    endpoint: Endpoint
    variant: Variant
    patience: float
    """Seconds that it does."""
    target: str | None


class Forward:
    """Forwards requests to replicas (`World.forward`). Used in the event loop's thread alone."""

    def __init__(
        self,
        endpoints: Endpoints,
        tallies: Tallies,
        rows: Rows,
        due: Callable[[int], None],
        clock: Callable[[], float],
    ) -> None:
        """`due(row_id)` makes a row due now and wakes the loop; it is called in a worker thread."""
        self.sessions = Sessions(clock)
        self.shadows = Shadows(tallies)
        self.models = Models()
        self.demand = Demand(clock)
        """The use of endpoints that have processes only while they are used."""
        self._endpoints = endpoints
        self._tallies = tallies
        self._rows = rows
        self._due = due

    async def send(
        self,
        name: Name,
        target: str | None,
        passage: Passage[Reached],
        session: str | None = None,
    ) -> tuple[Place, Reached | Answer]:
        """Sends the request to one replica, counts its answer (of any status), and returns both.

        The replica is one of the variant `target`, or of a variant chosen by weight (None), or the
        one that has the state of the `session`. If nothing listens there, the next one is asked and
        the endpoint's row becomes due; a request that a replica has accepted is never sent twice.
        Where a variant has no processes while nobody uses it, the request waits for one. A passage
        that names its replica goes to that one, or raises NoReplica. Raises Undelivered and
        Undirected.
        """
        began = time.perf_counter()
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            endpoint = await self._load(name)
        if endpoint.asynchronous is not None and not passage.queued:
            raise Queued(name)
        if endpoint.idle:
            refused = Subject(endpoint.owner, "", endpoint.component)
            self._tallies.noting(refused)("NoCapacityInvocationFailures", 1.0)
            raise NoCapacity(name)
        bound = self._bound(endpoint, session) if session else None
        if passage.replica:
            bound = _of_replica(endpoint, passage.replica)
        variant = bound[0] if bound else _choose(endpoint, target)
        if not variant.model:
            raise NoComponent(name)
        if variant.elastic is None:
            return await self._sent((began, endpoint, variant), target, passage, bound)
        asking = self._enter(endpoint, variant, passage)
        answer: Reached | Answer | None = None
        try:
            place, answer = await self._sent(
                (began, endpoint, variant), target, passage, bound, asking
            )
            return place, answer
        finally:
            leave = functools.partial(self.demand.leave, (name, ""), asking)
            if isinstance(answer, Stream):
                answer.after(leave)
            else:
                leave()

    def _enter(self, endpoint: Endpoint, variant: Variant, passage: Passage[Reached]) -> Asking:
        """The request is inside the variant, which may lack a process for it. Raises Throttled and
        TooLarge."""
        elastic = variant.elastic
        assert elastic is not None
        if elastic.limit is not None and passage.size > PAYLOAD:
            raise TooLarge(passage.size)
        if not variant.routes and (why := self.demand.held((endpoint.name, ""))):
            raise NotAwake(variant.name, why)
        most = elastic.limit
        if most is None and not variant.routes:
            most = WAITING
        try:
            asking = self.demand.enter((endpoint.name, ""), most, elastic.provisioned)
        except Full as full:
            raise Throttled(most) from full
        if asking.more and variant.routes and len(variant.routes) < elastic.most:
            self._look(endpoint)
        return asking

    async def _sent(
        self,
        chosen: tuple[float, Endpoint, Variant],
        target: str | None,
        passage: Passage[Reached],
        bound: tuple[Variant, Route, str] | None,
        asking: Asking | None = None,
    ) -> tuple[Place, Reached | Answer]:
        """`send` for the chosen endpoint and variant; also when it began."""
        began, endpoint, variant = chosen
        name, failed = endpoint.name, list[Route]()
        until = 0.0
        while True:
            variant, route = (
                bound[:2] if bound else _pick(endpoint, variant, failed, passage.prefers)
            )
            if route is None and asking is not None and variant.elastic is not None:
                endpoint, variant, route = await self._woken(
                    Waiter(endpoint, variant, variant.elastic.patience, target), asking, passage
                )
                failed = []
            elif route is None:
                until = until or time.monotonic() + PATIENCE
                endpoint, variant, route = await self._replaced(endpoint, variant, target, until)
                failed = []
            if asking is not None:
                asking.waiting = False
            sent = time.perf_counter()
            running = route.busy + 1
            try:
                answer = await passage.through(variant, route)
            except Unreachable:
                failed.append(route)
                self._look(endpoint)
                if passage.replica:
                    raise NoReplica(variant.name) from None
                if bound:
                    raise NoSession(bound[2]) from None
                # what was published meanwhile: a replica that left must not be asked any more
                newer = self._endpoints.get(name)
                if newer is not None and newer is not endpoint:
                    endpoint, variant = newer, _choose(newer, target)
                continue
            except (Broken, TimeoutError) as error:
                place = Place(endpoint.fleet_of(variant), variant, route)
                self._count(place, 0, running, began, sent)
                if not isinstance(error, TimeoutError):
                    self._look(endpoint)
                raise NoAnswer(place, passage.at) from error
            place = Place(endpoint.fleet_of(variant), variant, route)
            self._count(place, answer.status, running, began, sent + passage.waited)
            return place, answer

    def _bound(self, endpoint: Endpoint, session: str) -> tuple[Variant, Route, str]:
        """The replica of the session. Raises NoSession."""
        found = self.sessions.find(endpoint, session)
        if found is None:
            raise NoSession(session)
        return (*found, session)

    async def _load(self, name: Name) -> Endpoint:
        """Loads the endpoint's routes from its row. Raises NoEndpoint."""

        def load() -> Endpoint | None:
            kind, _, bare = name[2].rpartition("/")
            row = self._rows.get(name[0], name[1], kind or "endpoint", bare)
            return self._endpoints.load(row, first=True) if row else None

        found = await asyncio.get_running_loop().run_in_executor(None, load)
        if found is None:
            raise NoEndpoint(name)
        return found

    async def _published(self, name: Name) -> Endpoint:
        """The endpoint as it is published now. Raises NoEndpoint where it was deleted: that its routes
        are not here is no sign of it, they may only have been forgotten."""
        return self._endpoints.get(name) or await self._load(name)

    async def _replaced(
        self, endpoint: Endpoint, variant: Variant, target: str | None, until: float
    ) -> Place:
        """Waits until other replicas are published for the endpoint, and returns one of them.

        Raises NoReplica if there is none by `until` (monotonic seconds), NoEndpoint, and NoVariant.
        """
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN)
            found = await self._published(endpoint.name)
            if found is endpoint:
                continue
            endpoint = found
            variant, route = _pick(found, _choose(found, target), ())
            if route is not None:
                return Place(endpoint, variant, route)
        raise NoReplica(variant.name)

    async def _woken(self, of: Waiter, asking: Asking, passage: Passage[Reached]) -> Place:
        """Waits until a replica is published for the endpoint, which is told to start one.

        Raises NotAwake if none comes up in time, Left, NoEndpoint where it is deleted, and NoVariant.
        """
        asking.waiting = True
        endpoint, variant = of.endpoint, of.variant
        until = time.monotonic() + of.patience
        self._look(endpoint)
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_AGAIN)
            if passage.left():
                raise Left(endpoint.name)
            if asking.why:
                raise NotAwake(variant.name, asking.why)
            found = await self._published(endpoint.name)
            if found is endpoint:
                continue
            endpoint = found
            variant, route = _pick(found, _choose(found, of.target), ())
            if route is not None:
                return Place(endpoint, variant, route)
        why = f"It did not answer GET /ping with 200 within {of.patience:g} seconds."
        raise NotAwake(variant.name, why)

    def _count(self, place: Place, status: int, running: int, began: float, sent: float) -> None:
        """Counts an answer; `running`: requests at the replica when it was asked, this included."""
        now = time.perf_counter()
        model = now - sent
        endpoint, variant, _ = place
        subjects = [Subject(endpoint.owner, variant.name)]
        if variant.config:
            subjects.append(Subject(endpoint.owner, variant.name, config=variant.config))
        if endpoint.component:
            subjects.append(Subject(endpoint.owner, variant.name, endpoint.component))
        for subject in subjects:
            self._tallies.count(
                subject,
                status,
                model if status else None,
                now - began - model,
                (len(variant.routes), running),
            )

    def _look(self, endpoint: Endpoint) -> None:
        """Makes the endpoint's row due in a worker thread."""
        asyncio.get_running_loop().run_in_executor(None, self._due, endpoint.row_id)


def _of_replica(endpoint: Endpoint, key: str) -> tuple[Variant, Route, str]:
    """The replica of that key, of either fleet. Raises NoReplica where it gets no requests now."""
    for fleet in endpoint.fleets():
        for variant in fleet.variants:
            for route in variant.routes:
                if route.key == key:
                    return variant, route, ""
    raise NoReplica(key)


def _choose(endpoint: Endpoint, target: str | None) -> Variant:
    """Returns the variant `target`, or one by weight (None). Raises NoVariant."""
    if target is None:
        return endpoint.choose()
    found = endpoint.variant(target)
    if found is None:
        raise NoVariant(target)
    return found


def _pick(
    endpoint: Endpoint,
    variant: Variant,
    failed: Sequence[Route],
    prefers: Prefers | None = None,
) -> tuple[Variant, Route | None]:
    """Returns the least busy replica that is not in `failed`: of the variant, else of the same one
    of the other fleet of a deployment; None if there is none."""
    route = variant.least_busy(failed, prefers)
    if route is None and (other := endpoint.instead(variant)) is not None:
        return other, other.least_busy(failed)
    return variant, route
