"""Who answers for an endpoint now: routes to its replicas in memory, and the counts of its answers.

The data path asks here instead of the database. What is here may be lost at any time: it is read
again from the endpoint's row and the backend.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sagebrush.compute.base import Backend, Pending, Running
from sagebrush.errors import Doc
from sagebrush.net import dial
from sagebrush.net.http_client import Pool
from sagebrush.store.rows import Row, Rows
from sagebrush.store.series import Point, Series

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"
ANSWERING = ("InService", "Updating", "SystemUpdating", "RollingBack")
"""Statuses in which an endpoint takes requests."""
FLUSH = 10.0
"""Seconds between two writes of the counts."""
PING_TIMEOUT = 2.0
"""Seconds that a container may take for one /ping (SageMaker's own limit)."""
FIRST_WAIT, LONGEST_WAIT = 0.01, 0.1
"""Seconds between two looks at a replica that does not answer yet."""

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


@dataclass
class Tally:
    """The answers of one variant since the last flush. Latencies in microseconds."""

    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    model: list[float] = field(default_factory=lambda: [0, 0.0, float("inf"), 0.0])
    overhead: list[float] = field(default_factory=lambda: [0, 0.0, float("inf"), 0.0])
    """Each: count, sum, minimum, maximum."""


class Serving:
    """The routes and counts of this process: `World.endpoints`."""

    def __init__(
        self,
        rows: Rows,
        series: Series,
        backend: Backend,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._series = series
        self._backend = backend
        self._clock = clock
        self._wake = wake
        self._endpoints: dict[Name, Endpoint] = {}
        self._routes: dict[str, Route] = {}
        self._guard = threading.Lock()
        self._ended: set[int] = set()
        """Rows that are being deleted: a step that began before must not bring them back."""
        self._healthy: set[str] = set()
        self._watched: set[str] = set()
        self._tallies: dict[tuple[Name, str], Tally] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flush_due = False

    # ---- routes

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
            self._healthy.discard(key)

    # ---- health

    def healthy(self, key: str) -> bool:
        """Whether the replica has answered /ping with 200 since this process looks."""
        return key in self._healthy

    def watch(self, key: str, row_id: int, until: float) -> None:
        """The row is due as soon as the replica answers /ping; looked for until the clock says
        `until`, or the replica ends. Repeatable."""
        with self._guard:
            if key in self._watched or key in self._healthy:
                return
            self._watched.add(key)
        thread = threading.Thread(
            target=self._wait_for_ping, args=(key, row_id, until), name=f"ping-{key}", daemon=True
        )
        thread.start()

    def _wait_for_ping(self, key: str, row_id: int, until: float) -> None:
        try:
            if answers(self._backend, self._clock, key, "/ping", until):
                self._healthy.add(key)
        finally:
            with self._guard:
                self._watched.discard(key)
            self._touch(row_id)

    def _touch(self, row_id: int) -> None:
        try:
            self._rows.touch(row_id)
        except Exception:  # the server is ending and its database is closed
            return
        self._wake()

    # ---- counts

    def count(
        self, name: Name, variant: str, status: int, model: float | None, overhead: float
    ) -> None:
        """One answer: the model's `status` (0: none), its and our own time in seconds."""
        key = (name, variant)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        tally.invocations += 1
        if not 200 <= status < 300:
            tally.model_errors += 1
            tally.errors_4xx += 400 <= status < 500
            tally.errors_5xx += status >= 500
        if model is not None:
            _add(tally.model, model * 1e6)
        _add(tally.overhead, overhead * 1e6)
        if not self._flush_due:
            self._flush_due = True
            self._loop = loop = asyncio.get_running_loop()
            loop.call_later(FLUSH, self._flush_soon, loop)

    def _flush_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # Taken here, where they are counted: none is added to what another thread stores.
        self._flush_due = False
        tallies, self._tallies = self._tallies, {}
        loop.run_in_executor(None, self._store, tallies)

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections are made in `loop` from now on."""
        self._loop = loop

    def flush(self) -> None:
        """The counts are stored as metrics (CloudWatch namespace AWS/SageMaker)."""
        tallies, self._tallies = self._tallies, {}
        self._store(tallies)

    def _store(self, tallies: dict[tuple[Name, str], Tally]) -> None:
        now = self._clock()
        try:
            for (name, variant), tally in tallies.items():
                points = _points(tally, {"EndpointName": name[2], "VariantName": variant}, now)
                self._series.append(name[0], name[1], points)
        except Exception:  # a full disk, say: answers are worth more than their counts
            log.exception("counts of endpoints are lost")


def answers(
    backend: Backend, clock: Callable[[], float], key: str, path: str, until: float
) -> bool:
    """Whether GET `path` of what runs under `key` was answered with 200 before the clock said
    `until`; waits for it, and no longer than it lives."""
    wait, pause = FIRST_WAIT, threading.Event()
    while clock() < until:
        state = backend.poll(key)
        if isinstance(state, Running):
            if state.address and ping(state.address, path):
                return True
        elif not isinstance(state, Pending):
            return False
        pause.wait(wait)
        wait = min(wait * 1.5, LONGEST_WAIT)
    return False


def ping(address: str, path: str = "/ping") -> bool:
    """Whether GET `path` is answered with 200 in time."""
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with dial.connect_sync(address, PING_TIMEOUT) as sock:
            sock.settimeout(PING_TIMEOUT)
            sock.sendall(asked.encode())
            head = b""
            while len(head) < 12:
                more = sock.recv(4096)
                if not more:
                    return False
                head += more
            return head[:7] == b"HTTP/1." and head[8:12] == b" 200"
    except OSError:
        return False


def _add(total: list[float], value: float) -> None:
    total[0] += 1
    total[1] += value
    if value < total[2]:
        total[2] = value
    if value > total[3]:
        total[3] = value


def _points(tally: Tally, dimensions: dict[str, str], now: float) -> list[Point]:
    """The metrics that SageMaker sends for an endpoint ("Endpoint invocation metrics")."""
    count = tally.invocations
    found = [
        Point(NAMESPACE, metric, now, total, dimensions, "None", count, low, 1.0 if total else 0.0)
        for metric, total, low in (
            ("Invocations", count, 1.0),
            ("Invocation4XXErrors", tally.errors_4xx, float(tally.errors_4xx == count)),
            ("Invocation5XXErrors", tally.errors_5xx, float(tally.errors_5xx == count)),
            ("InvocationModelErrors", tally.model_errors, float(tally.model_errors == count)),
        )
    ]
    for metric, (number, total, low, high) in (
        ("ModelLatency", tally.model),
        ("OverheadLatency", tally.overhead),
    ):
        if number:
            found.append(
                Point(NAMESPACE, metric, now, total, dimensions, "Microseconds", number, low, high)
            )
    return found
