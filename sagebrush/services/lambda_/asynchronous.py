"""Carries out asynchronous invocations: taken from their queues, tried, tried again, told of.

One dispatcher in the event loop. It acts when an event was accepted, when one may be tried again, and when
one has ended; an idle function costs nothing. What was in flight when the server died is done again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from sagebrush.access.function_references import FUNCTION, LATEST, FunctionReference
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.function_counts import Subject
from sagebrush.routing.functions.values import Invocation
from sagebrush.services.lambda_ import invoke, records, serving
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.services.lambda_.records import Again, Ended, Event, Over
from sagebrush.store.db import Tx
from sagebrush.store.generations import Outdated
from sagebrush.store.held_messages import HeldMessages
from sagebrush.store.messages import Message
from sagebrush.store.rows import Row
from sagebrush.world import World

log = logging.getLogger(__name__)

LEAST = 4
"""Events of one function that are carried out at once, on a host of few CPUs."""
FAILED = 5.0
"""Seconds until an event whose work failed unexpectedly is tried again (a full disk, say)."""
PASSING = ("TooManyRequestsException", "ResourceConflictException", "InvalidRuntimeException")
"""Errors of an invocation that no function has seen: it is tried again as long as it is young."""


@dataclass
class _Queue:
    """One function's events."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    drain: asyncio.Task[None] | None = None


class Asynchronous:
    """The dispatcher; used in the event loop's thread, where not said otherwise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held = HeldMessages(world.db, world.messages)
        self._queues: dict[int, _Queue] = {}
        self._others: set[int] = set()
        """Queues that are no function's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = ExitStack()
        self._waiting: list[int] = []
        self._most = max(LEAST, 2 * int(world.host.cpus))

    # ---- life

    def resume(self) -> None:
        """Events that were in flight when the last server ended wait again; before `start`."""
        self._waiting = self._held.release([FUNCTION], self._world.clock())

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Events are carried out from now on."""
        self._loop = loop
        self._listening.enter_context(self._world.messages.listening(None, self._sent))
        for queue in self._waiting:
            self._look(queue)

    def stop(self) -> None:
        """No event is begun any more; those in flight are given up, for the next server. In any thread;
        repeatable."""
        self._listening.close()
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._give_up)

    def _give_up(self) -> None:
        for queue in self._queues.values():
            for task in (*queue.running, *((queue.drain,) if queue.drain else ())):
                task.cancel()
        self._queues.clear()

    def wake(self) -> None:
        """Every queue is looked at now: the clock has gone on. In any thread."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(lambda: [q.wake.set() for q in self._queues.values()])

    def _sent(self, queue: int) -> None:
        """Called in the writer's thread."""
        loop = self._loop
        if queue and queue not in self._others and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look, queue)

    def _look(self, number: int) -> None:
        if self._loop is None:
            return
        queue = self._queues.get(number)
        if queue is None:
            queue = self._queues[number] = _Queue()
        queue.wake.set()
        if queue.drain is None:
            queue.drain = asyncio.ensure_future(self._drain(number, queue))

    # ---- a queue

    async def _drain(self, number: int, queue: _Queue) -> None:
        """Begins the queue's events, until there are none."""
        try:
            while await self._begun(number, queue):
                pass
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("events of a function wait")
            if self._loop is not None:
                self._loop.call_later(FAILED, self._look, number)
        finally:
            queue.drain = None
            if not queue.running and not queue.wake.is_set():
                self._queues.pop(number, None)

    async def _begun(self, number: int, queue: _Queue) -> bool:
        """Begins what can be begun, and waits for the next reason to; False where nothing is left."""
        self._world.db.generations.begin()
        queue.wake.clear()
        row = self._world.rows.by_id(number)
        if row is None or row.kind != FUNCTION:
            if row is not None:
                self._others.add(number)
            return False
        # where none may run one is tried all the same: it is throttled, and over
        most = max(1, min(self._most, plan_of(row).get("reserved", self._most)))
        room = most - len(queue.running)
        taken: list[Message] = []
        if room > 0:
            taken = await asyncio.wrap_future(self._held.take(number, room))
            for message in taken:
                task = asyncio.ensure_future(self._carried_out(row, message))
                queue.running.add(task)
                task.add_done_callback(lambda done: self._ended(queue, done))
        if len(taken) == room > 0:
            return True
        pause = self._pause(number)
        if pause is None and not queue.running:
            return queue.wake.is_set()
        with suppress(TimeoutError):
            await asyncio.wait_for(queue.wake.wait(), pause)
        return True

    def _pause(self, number: int) -> float | None:
        """Seconds until an event may be tried again; None where none waits for that."""
        messages, now = self._world.messages, self._world.clock()
        at = messages.next_visible(number)
        if at is None or at > now + 1e9:
            return None
        return max(0.0, at - now) + 0.001

    def _ended(self, queue: _Queue, task: asyncio.Task[None]) -> None:
        queue.running.discard(task)
        queue.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an asynchronous invocation", exc_info=error)

    # ---- an event

    async def _carried_out(self, row: Row, message: Message) -> None:
        """One attempt, and what follows from it, on disk."""
        self._world.db.generations.begin()
        try:
            await self._attempted(row, message)
        except Outdated:  # the function was deleted with all others
            pass
        except AwsError:
            raise
        except Exception:
            now = self._world.clock()
            with suppress(Outdated):
                await asyncio.wrap_future(self._held.again(message, message.more, now, FAILED))
            raise

    async def _attempted(self, row: Row, message: Message) -> None:
        more, now = message.more, self._world.clock()
        of = FunctionReference(row.account, row.region, row.name, more["qualifier"])
        config: Doc = plan_of(row).get("events", {}).get(of.qualifier or LATEST, {})
        event = Event(
            message.uid, more["arn"], message.body, message.sent, more["attempts"],
            more.get("throttled", 0),
        )  # fmt: skip
        if records.aged(event, config, now):
            return await self._over(row, message, event, config, (Over(records.AGED), None))
        if not event.attempts and not event.throttled:
            subject = Subject(of.account, of.region, of.name, of.qualifier)
            age = {"AsyncEventAge": (now - event.sent) * 1000}
            self._world.function_counts.note(subject, age)
        try:
            target = serving.target(self._world, of)
            asked = Invocation(
                event.request_id, event.payload.encode(), event.arn, more.get("context", ""),
                more.get("trace", ""),
            )  # fmt: skip
            outcome = await invoke.run(self._world, of, target, asked)
        except AwsError as error:
            return await self._refused(row, message, event, config, error)
        event = replace(event, attempts=event.attempts + 1, throttled=0)
        ended = Ended(outcome.error, outcome.payload, outcome.version)
        if not outcome.error:
            return await self._over(row, message, event, config, (Over(records.SUCCESS), ended))
        then = records.after_error(event, config, self._world.clock())
        return await self._next(row, message, event, config, then, ended)

    async def _refused(
        self, row: Row, message: Message, event: Event, config: Doc, error: AwsError
    ) -> None:
        """No environment had the event."""
        barred = plan_of(row).get("reserved") == 0  # "Adding a dead-letter queue", note: no retries
        if barred or error.code not in PASSING:  # or it is gone, or goes round in a loop
            over = Over(records.EXHAUSTED)
            return await self._over(row, message, event, config, (over, None))
        then = records.after_throttle(event, config, self._world.clock(), random.random())
        event = replace(event, throttled=event.throttled + 1)
        return await self._next(row, message, event, config, then, None)

    async def _next(
        self, row: Row, message: Message, event: Event, config: Doc, then: Again | Over,
        ended: Ended | None,
    ) -> None:  # fmt: skip
        if isinstance(then, Over):
            return await self._over(row, message, event, config, (then, ended))
        more = {**message.more, "attempts": event.attempts, "throttled": event.throttled}
        again = self._held.again(message, more, self._world.clock(), then.seconds)
        await asyncio.wrap_future(again)

    async def _over(
        self, row: Row, message: Message, event: Event, config: Doc, how: tuple[Over, Ended | None]
    ) -> None:
        """The event is gone, and its records are on their way, at once."""
        over, ended = how
        qualifier = message.more["qualifier"] or LATEST
        arn = f"{row.doc['FunctionArn']}:{qualifier}"
        found = records.deliveries(
            row.doc, config, event, arn, (over.condition, ended), self._world.clock()
        )
        if over.condition != records.SUCCESS:
            subject = Subject(row.account, row.region, row.name, message.more["qualifier"])
            self._world.function_counts.note(subject, {"AsyncEventsDropped": 1.0})

        def work(tx: Tx) -> None:
            if self._held.done_in(tx, message):
                self._world.deliveries.put_in(tx, found)

        await asyncio.wrap_future(self._world.db.submit(work))
