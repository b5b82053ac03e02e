"""The queues of asynchronous endpoints, and what takes their requests to the replicas.

One dispatcher in the event loop: an endpoint's requests are messages of its row (`store.messages`) and
stay there until they are answered for, so what was in flight when the server died is dispatched
again, and nothing else is. It acts when a message was stored, routes were published, a request ended
or a deadline passed; an idle queue costs no look at the database.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from sagebrush.net.http_client import Broken, Unreachable
from sagebrush.routing.backlog_metrics import BacklogMetrics, State
from sagebrush.routing.endpoints import Endpoint, Endpoints, Name, Route, Variant
from sagebrush.store.generations import Outdated
from sagebrush.store.messages import Message, Messages
from sagebrush.store.rows import Rows

log = logging.getLogger(__name__)
T = TypeVar("T")

AHEAD = 64
"""Messages that are read at a time."""
TIMEOUT = 2.0
"""Seconds to wait for a replica's /execution-parameters."""
PARAMETERS = b"GET /execution-parameters HTTP/1.1\r\nHost: localhost\r\n\r\n"
FAILED = 5.0
"""Seconds until a request whose work failed unexpectedly is tried again (a full disk, say)."""
ENDING = 64
"""Requests of one endpoint that the model has answered and whose results are not stored yet, at most."""


class Later(Exception):
    """The request was not taken by a model; it is to be tried again after `args[0]` seconds."""


@dataclass(frozen=True)
class Job:
    """One request to be carried out; `expired`: its deadline has passed, no model is to see it."""

    endpoint: Endpoint
    variant: str
    message: Message
    answered: Callable[[], None]
    """To be called once the model needs no longer look at it: another request may take its place."""
    replica: str = ""
    """The key of the replica that has a place for it."""
    expired: bool = False


Work = Callable[[Job], Awaitable[object]]
"""Carries a request out, its message's deletion included. Raises Later."""


@dataclass
class _Backlog:
    """One endpoint's queue."""

    row_id: int
    name: Name
    after: int = 0
    """The id of the last message that was read."""
    waiting: deque[Message] = field(default_factory=deque)
    """Read, not begun, in order."""
    running: dict[int, tuple[str, asyncio.Task[None]]] = field(default_factory=dict)
    """Message id -> the replica that has it, "" once it has answered, and its task."""
    limits: dict[str, int] = field(default_factory=dict)
    """Replica's key -> how many requests it takes at once, as its container says."""
    paused: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    """Message id -> when it waits again."""
    deadline: asyncio.TimerHandle | None = None
    told: bool = False
    """Whether a turn is coming because messages were sent."""
    lapsed: bool = False
    """Whether messages were passed over whose deadlines had passed."""
    state: State = field(default_factory=State)


def vacant(
    endpoint: Endpoint, running: Mapping[str, int], limit: Callable[[Endpoint, Route], int]
) -> tuple[Variant, Route] | None:
    """The replica that gets the next request, and its variant: of those that have a place free (each
    has `limit` of them, `running` are taken, by their keys), the least busy one of a variant chosen by
    weight; None where there is none.

    During a deployment each fleet gets its part as far as it has places; one that gets none steps in
    where the other has no replica at all.
    """
    parts: list[tuple[float, list[tuple[Variant, list[Route]]]]] = []
    open_ = False
    for fleet in endpoint.fleets():
        part = 1.0
        if endpoint.coming is not None:
            part = endpoint.share if fleet is endpoint.coming else 1.0 - endpoint.share
        open_ = open_ or (part > 0 and any(variant.routes for variant in fleet.variants))
        free = [
            (v, [r for r in v.routes if running.get(r.key, 0) < limit(fleet, r)])
            for v in fleet.variants
        ]
        if free := [(variant, routes) for variant, routes in free if routes]:
            parts.append((part, free))
    if open_:
        parts = [each for each in parts if each[0] > 0]
    if not parts:
        return None
    variant, routes = _weighed([(part, _weighed([(v.weight, (v, r)) for v, r in free]))
                                for part, free in parts])  # fmt: skip
    fewest = min(running.get(route.key, 0) for route in routes)
    return variant, random.choice([r for r in routes if running.get(r.key, 0) == fewest])


def _weighed(given: list[tuple[float, T]]) -> T:
    """One of them by weight; all are equally likely if every weight is 0."""
    weights = [weight for weight, _ in given]
    return random.choices([each for _, each in given], weights if any(weights) else None)[0]


class Backlogs:
    """The queues of all asynchronous endpoints; used in the event loop's thread, where not said
    otherwise."""

    def __init__(
        self,
        messages: Messages,
        endpoints: Endpoints,
        metrics: BacklogMetrics,
        clock: Callable[[], float],
        begin: Callable[[], None],
    ) -> None:
        """`begin` makes the work of a task that of now (`store.generations`)."""
        self._messages = messages
        self._endpoints = endpoints
        self._metrics = metrics
        self._clock = clock
        self._begin = begin
        self._known: dict[int, _Backlog] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: Work | None = None
        self._listening = ExitStack()
        self._tick: asyncio.TimerHandle | None = None

    # ---- life

    def start(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        """Requests of endpoints whose routes are published from now on are carried out by `work`."""
        self._loop, self._work = loop, work
        self._endpoints.published = self._published
        self._listening.enter_context(self._messages.listening(None, self._sent))

    def resume(self, rows: Rows) -> None:
        """Endpoints in whose queues requests wait have their routes published, as far as their replicas
        still run; the others' reconcilers see to it. In any thread, after the backend has adopted."""
        for queue in self._messages.queues():
            row = rows.by_id(queue)
            if row is not None and row.kind == "endpoint":
                self._endpoints.load(row)

    def stop(self) -> None:
        """No request is begun any more, and those in flight are given up: the next server carries them
        out again. In any thread; repeatable."""
        self._endpoints.published = lambda _: None
        self._listening.close()
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._give_up)

    def _give_up(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
        for backlog in self._known.values():
            self._forget(backlog)
        self._known.clear()

    @staticmethod
    def _forget(backlog: _Backlog) -> None:
        for _, task in backlog.running.values():
            task.cancel()
        for timer in (*backlog.paused.values(), backlog.deadline):
            if timer is not None:
                timer.cancel()
        backlog.paused.clear()

    # ---- what happened

    def _sent(self, queue: int) -> None:
        """Called in the writer's thread."""
        loop, backlog = self._loop, self._known.get(queue)
        if backlog is not None and not backlog.told and loop is not None and not loop.is_closed():
            backlog.told = True
            loop.call_soon_threadsafe(self._turn, queue)

    def _published(self, name: Name) -> None:
        """Called in any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look, name)

    def _look(self, name: Name) -> None:
        """The endpoint's routes are others, or it is no more."""
        if self._loop is None:
            return
        endpoint = self._endpoints.get(name)
        if endpoint is None or endpoint.asynchronous is None:
            for backlog in [b for b in self._known.values() if b.name == name]:
                self._forget(backlog)
                del self._known[backlog.row_id]
            return
        if endpoint.row_id not in self._known:
            self._known[endpoint.row_id] = _Backlog(endpoint.row_id, name)
        self._ask_limits(self._known[endpoint.row_id], endpoint)
        self._turn(endpoint.row_id)
        if self._tick is None:
            self._measure()

    def _ask_limits(self, backlog: _Backlog, endpoint: Endpoint) -> None:
        """Replicas are being asked that were not; those that are gone are forgotten."""
        routes = {
            route.key: route
            for fleet in endpoint.fleets()
            if not _limit_of(fleet)
            for variant in fleet.variants
            for route in variant.routes
        }
        new = routes.keys() - backlog.limits.keys()
        backlog.limits = {key: backlog.limits.get(key, 1) for key in routes}
        for key in new:
            task = asyncio.ensure_future(self._ask_limit(backlog, routes[key]))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask_limit(self, backlog: _Backlog, route: Route) -> None:
        """It is known how many requests the replica takes at once; one where it does not say."""
        try:
            answer = await route.pool.ask(PARAMETERS, b"", TIMEOUT)
            said = json.loads(answer.body)
            found = int(said["MaxConcurrentTransforms"]) * max(1, int(said.get("BatchSize", 1)))
        except (Unreachable, Broken, TimeoutError, ValueError, LookupError, TypeError):
            return
        except (RecursionError, OverflowError):  # a hostile container's
            return
        if route.key in backlog.limits:
            backlog.limits[route.key] = max(1, min(1000, found))
            self._turn(backlog.row_id)

    # ---- dispatching

    def _turn(self, row_id: int) -> None:
        """As many of the endpoint's requests are begun as its replicas have places for."""
        backlog = self._known.get(row_id)
        endpoint = self._endpoints.get(backlog.name) if backlog else None
        if backlog is None or endpoint is None or self._loop is None:
            return
        sent, backlog.told = backlog.told, False
        backlog.state.changed = True
        running = Counter(replica for replica, _ in backlog.running.values())
        if running[""] >= ENDING:
            return

        def limit(fleet: Endpoint, route: Route) -> int:
            return _limit_of(fleet) or backlog.limits.get(route.key, 1)

        while (place := vacant(endpoint, running, limit)) is not None:
            message = self._next(backlog)
            if message is None:
                break
            running[place[1].key] += 1
            self._begin_job(backlog, endpoint, message, place)
        if sent or backlog.lapsed or backlog.deadline is None:
            backlog.lapsed = False
            self._watch_deadline(backlog)
        if sent and not endpoint_capacity(endpoint) and not backlog.state.without_capacity:
            self._measure()  # a policy may wake it

    def _next(self, backlog: _Backlog) -> Message | None:
        if not backlog.waiting:
            found = self._messages.peek(backlog.row_id, backlog.after, AHEAD)
            if found:
                backlog.after = found[-1].id
                backlog.waiting.extend(found)
        now = self._clock()
        while backlog.waiting:
            message = backlog.waiting.popleft()
            if message.id in backlog.running:
                continue  # its end is being told
            if message.deadline is None or message.deadline > now:
                return message
            backlog.lapsed = True
        return None

    def _begin_job(
        self,
        backlog: _Backlog,
        endpoint: Endpoint,
        message: Message,
        place: tuple[Variant, Route] | None,
    ) -> None:
        """The request is being carried out; without a place: its deadline has passed, and it takes
        none of another."""
        variant, replica = (place[0].name, place[1].key) if place else ("", "")

        def answered() -> None:
            backlog.running[message.id] = "", task
            if self._loop is not None:
                self._loop.call_soon(self._turn, backlog.row_id)

        job = Job(endpoint, variant, message, answered, replica, expired=place is None)
        task = asyncio.ensure_future(self._run(backlog, job))
        backlog.running[message.id] = replica, task

    async def _run(self, backlog: _Backlog, job: Job) -> None:
        assert self._work is not None
        self._begin()
        message = job.message
        try:
            await self._work(job)
        except Later as later:
            self._pause(backlog, message, later.args[0])
        except Outdated:
            pass  # the endpoint was deleted
        except Exception:
            log.exception("a request of endpoint %s could not be carried out", backlog.name[2])
            self._pause(backlog, message, FAILED)
        finally:
            backlog.running.pop(message.id, None)
            if self._loop is not None:
                self._loop.call_soon(self._turn, backlog.row_id)

    def _pause(self, backlog: _Backlog, message: Message, seconds: float) -> None:
        """The message waits again, before all others, after some seconds."""
        if self._loop is None or self._known.get(backlog.row_id) is not backlog:
            return

        def again() -> None:
            backlog.paused.pop(message.id, None)
            backlog.waiting.appendleft(message)
            self._turn(backlog.row_id)

        backlog.paused[message.id] = self._loop.call_later(seconds, again)

    # ---- deadlines

    def _watch_deadline(self, backlog: _Backlog) -> None:
        """The backlog is looked at when the first deadline of what waits passes."""
        if backlog.deadline is not None:
            backlog.deadline.cancel()
            backlog.deadline = None
        assert self._loop is not None
        if self._overdue(backlog):
            self._loop.call_soon(self._expire, backlog.row_id)
            return
        at = self._messages.next_deadline(backlog.row_id)
        if at is not None:
            wait = max(0.0, at - self._clock())
            backlog.deadline = self._loop.call_later(wait, self._expire, backlog.row_id)

    def _overdue(self, backlog: _Backlog) -> list[Message]:
        found = self._messages.overdue(backlog.row_id, AHEAD)
        return [m for m in found if m.id not in backlog.running and m.id not in backlog.paused]

    def _expire(self, row_id: int) -> None:
        """What waits beyond its deadline is told so, some at a time."""
        backlog = self._known.get(row_id)
        endpoint = self._endpoints.get(backlog.name) if backlog else None
        if backlog is None or endpoint is None or self._loop is None:
            return
        found = self._overdue(backlog)
        ended = {message.id for message in found}  # whatever their copies here say of deadlines
        backlog.waiting = deque(each for each in backlog.waiting if each.id not in ended)
        for message in found:
            self._begin_job(backlog, endpoint, message, None)
        if not found:
            self._watch_deadline(backlog)

    # ---- metrics

    def _measure(self) -> None:
        """The sizes of all queues are noted, and will be again: soon while anything waits."""
        if self._loop is None:
            return
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if not self._known:
            return
        for backlog in self._known.values():
            endpoint = self._endpoints.get(backlog.name)
            if endpoint is None:
                continue
            state = backlog.state
            if state.changed or state.size:
                state.size, state.oldest = self._messages.size(backlog.row_id)
                state.changed = False
            instances = endpoint_capacity(endpoint)
            state.without_capacity = bool(state.size) and not instances
            self._metrics.note(backlog.name, state, instances, self._clock())
        busy = any(backlog.state.size for backlog in self._known.values())
        self._tick = self._loop.call_later(self._metrics.pause(busy), self._measure)


def endpoint_capacity(endpoint: Endpoint) -> int:
    """How many instances of the endpoint answer, in both fleets of a deployment."""
    return sum(len(v.routes) for fleet in endpoint.fleets() for v in fleet.variants)


def _limit_of(endpoint: Endpoint) -> int:
    """MaxConcurrentInvocationsPerInstance; 0 where the configuration does not say."""
    config = (endpoint.asynchronous or {}).get("ClientConfig") or {}
    return config.get("MaxConcurrentInvocationsPerInstance") or 0
