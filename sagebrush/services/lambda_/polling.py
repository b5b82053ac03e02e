"""Reads queues for event source mappings and invokes their functions.

One reader for each mapping, in the event loop. It reads when messages have come, when one may be received
again, and when an invocation has ended; an idle queue costs nothing. Everything is done as the function's
role. Messages are deleted after the function has done them, so what was in flight when the server died
comes again after the queue's visibility time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from sagebrush.access import function_references
from sagebrush.access.function_references import FUNCTION
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.routing.functions.values import Invocation
from sagebrush.services.lambda_ import batches, filters, invoke, mappings, rows, serving
from sagebrush.store.generations import Outdated
from sagebrush.store.rows import Row
from sagebrush.world import World

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

ONCE = 10
"""Messages of one ReceiveMessage."""
LEAST = 5
"""Invocations of one mapping at once, where it does not say ("Lambda starts with five concurrent
batches")."""
RETRY = 5.0
"""Seconds until a queue is read again that could not be (no permission any more, a full disk). One that is
not there, or whose function is not, is news when it comes: nobody looks for it."""
THREADS = 4
"""Threads in which queues are read."""


@dataclass
class _Reader:
    """One mapping that is read."""

    row: Row
    queue: Arn
    source: int
    """The id of the queue's row."""
    asked: list[filters.Filter]
    """The filters that its messages must pass."""
    lacking: bool = False
    """Its queue or its function is not there."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    task: asyncio.Task[None] | None = None

    @property
    def most(self) -> int:
        """How many invocations may run at once."""
        return (self.row.doc.get("ScalingConfig") or {}).get("MaximumConcurrency") or LEAST


class Polling:
    """The readers of all mappings; used in the event loop's thread, where not said otherwise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._readers: dict[int, _Reader] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="event-sources")
        self._settling: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = ExitStack()

    # ---- life

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Queues are read from now on."""
        self._loop = loop
        self._world.mappings_changed = self.changed
        self._listening.enter_context(self._world.messages.listening(None, self._sent))
        self._sync()

    def stop(self) -> None:
        """No queue is read any more. In any thread; repeatable."""
        self._listening.close()
        self._world.mappings_changed = lambda: None
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._give_up)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _give_up(self) -> None:
        for number in list(self._readers):
            self._end(number)

    def _end(self, number: int) -> None:
        reader = self._readers.pop(number)
        if reader.task is not None:
            reader.task.cancel()  # what is in flight ends by itself

    def changed(self) -> None:
        """Mappings were made, changed or deleted, or a queue or a function of one may have come. In any
        thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._news)

    def _news(self) -> None:
        self._sync()
        for reader in self._readers.values():
            if reader.lacking or reader.source != self._source(reader.queue):
                reader.wake.set()

    def wake(self) -> None:
        """Every queue is looked at now: the clock has gone on. In any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(lambda: [r.wake.set() for r in self._readers.values()])

    def _sent(self, queue: int) -> None:
        """Called in the writer's thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed() and self._readers:
            loop.call_soon_threadsafe(self._come, queue)

    def _come(self, queue: int) -> None:
        for reader in self._readers.values():
            if reader.source in (queue, 0):
                reader.wake.set()

    def _sync(self) -> None:
        """There is a reader for each mapping that is enabled, and no other; states are as they are."""
        if self._loop is None:
            return
        self._world.db.generations.begin()
        found = {row.id: row for row in self._world.rows.select(mappings.KIND)}
        for number, reader in list(self._readers.items()):
            row = found.get(number)
            if row is None or not mappings.enabled(row) or row.doc != reader.row.doc:
                self._end(number)
        for number, row in found.items():
            if row.status in ("Creating", "Updating"):
                task = asyncio.ensure_future(self._settled(row))
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)
            if mappings.enabled(row) and number not in self._readers:
                self._begin(row)

    async def _settled(self, row: Row) -> None:
        status = "Enabled" if mappings.enabled(row) else "Disabled"
        with contextlib.suppress(Outdated):
            await self._aside(
                self._world.rows.update, row.id,
                lambda now: replace(now, status=status)
                if mappings.enabled(now) == mappings.enabled(row) else None,
            )  # fmt: skip

    def _begin(self, row: Row) -> None:
        queue = Arn.parse(row.doc["EventSourceArn"])
        assert queue is not None
        given = (row.doc.get("FilterCriteria") or {}).get("Filters") or ()
        asked = [filters.parse(each["Pattern"]) for each in given]
        reader = _Reader(row, queue, self._source(queue), asked)
        self._readers[row.id] = reader
        reader.task = asyncio.ensure_future(self._read(reader))

    def _source(self, queue: Arn) -> int:
        row = self._world.rows.get(queue.account, queue.region, "queue", queue.resource)
        return row.id if row is not None else 0

    async def _aside(self, function: Callable[P, T], *args: P.args, **given: P.kwargs) -> T:
        """What `function` answers, in a thread, as part of this task's work (`store.generations`)."""
        context = contextvars.copy_context()

        def run() -> T:
            return context.run(function, *args, **given)

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    # ---- one mapping

    async def _read(self, reader: _Reader) -> None:
        while True:
            self._world.db.generations.begin()
            reader.wake.clear()
            try:
                pause = await self._turn(reader)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                quiet = isinstance(error, AwsError | Outdated)
                log.info("the queue of the mapping %s could not be read: %s", reader.row.name, error,
                         exc_info=None if quiet else error)  # fmt: skip
                pause = RETRY
            if pause == 0.0:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.wake.wait(), pause)

    async def _turn(self, reader: _Reader) -> float | None:
        """Reads a batch and begins its invocation; seconds until the next look, None where nothing but
        news calls for one."""
        if len(reader.running) >= reader.most:
            return None
        function = self._function(reader.row)
        source = reader.source = self._source(reader.queue)
        reader.lacking = function is None or not source
        if function is None or not source:
            return None
        found, began = await self._batch(reader, function)
        if found:
            work = self._carried_out(reader, function, found, began)
            task = asyncio.ensure_future(work)
            reader.running.add(task)
            task.add_done_callback(lambda done: self._ended(reader, done))
            return 0.0
        if reader.wake.is_set():
            return 0.0
        at = self._world.messages.next_visible(source)
        now = self._world.clock()
        if at is None:
            return None
        return max(0.0, at - now) + 0.001

    def _function(self, row: Row) -> Row | None:
        of = self._reference(row)
        return self._world.rows.get(of.account, of.region, FUNCTION, of.name)

    def _reference(self, row: Row) -> function_references.FunctionReference:
        return function_references.parse(row.doc["FunctionArn"], None, row.account, row.region)

    async def _batch(self, reader: _Reader, function: Row) -> tuple[list[Doc], float]:
        """The records of a batch, as far as filters let them pass, and when the first was received (by
        the clock that passes)."""
        doc, found, size = reader.row.doc, list[Doc](), 0
        window, began = doc["MaximumBatchingWindowInSeconds"], time.monotonic()
        while len(found) < doc["BatchSize"] and size < batches.LARGEST - 1024 * 1024:
            room = min(ONCE, doc["BatchSize"] - len(found))
            messages = await self._aside(self._received, reader, function, room)
            passed, dropped = self._filtered(reader, messages)
            if dropped:
                await self._aside(self._deleted, reader, function, dropped)
            if passed and not found:
                began = time.monotonic()
            found += passed
            size += sum(map(batches.size, passed))
            if not window and len(messages) < room:
                break
            if not window and len(found) >= ONCE:
                break
            if not messages:
                left = window - (time.monotonic() - began) if found else 0.0
                if left <= 0:
                    break
                reader.wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.wake.wait(), left)
        return found, began

    def _received(self, reader: _Reader, function: Row, most: int) -> list[Doc]:
        as_role = self._world.service_ctx(function.doc["Role"], region=reader.queue.region)
        asked: Doc = {
            "QueueUrl": mappings.url(reader.queue), "MaxNumberOfMessages": most,
            "WaitTimeSeconds": 0, "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        }  # fmt: skip
        return as_role.call("sqs", "ReceiveMessage", asked).get("Messages") or []

    def _filtered(self, reader: _Reader, messages: Sequence[Doc]) -> tuple[list[Doc], list[Doc]]:
        passed, dropped = list[Doc](), list[Doc]()
        for message in messages:
            found = batches.record(message, reader.queue)
            (passed if filters.accepts(reader.asked, found) else dropped).append(found)
        return passed, dropped

    def _deleted(self, reader: _Reader, function: Row, found: Sequence[Doc]) -> None:
        """The messages are deleted from the queue; whatever is not comes again."""
        as_role = self._world.service_ctx(function.doc["Role"], region=reader.queue.region)
        for at in range(0, len(found), ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["receiptHandle"]}
                for number, each in enumerate(found[at : at + ONCE])
            ]
            asked = {"QueueUrl": mappings.url(reader.queue), "Entries": entries}
            as_role.call("sqs", "DeleteMessageBatch", asked)

    async def _carried_out(
        self, reader: _Reader, function: Row, found: list[Doc], began: float
    ) -> None:
        """The function had the records, and those that it has done are deleted."""
        self._world.db.generations.begin()
        of, pause = self._reference(reader.row), 1.0
        traces = (each["attributes"].get("AWSTraceHeader") for each in found)
        trace = next(filter(None, traces), "")
        asked = Invocation(rows.revision(), batches.event(found), of.qualified, trace=trace)
        while True:
            try:
                outcome = await invoke.run(self._world, of, serving.target(self._world, of), asked)
                break
            except AwsError as error:
                left = began + function.doc["Timeout"] - time.monotonic()
                if error.code != "TooManyRequestsException" or left < pause:
                    return  # they come again
            await asyncio.sleep(pause)
            pause *= 2
        if outcome.error:
            return
        reports = "ReportBatchItemFailures" in reader.row.doc["FunctionResponseTypes"]
        done = batches.done(found, outcome.payload, reports)
        if done:
            await self._aside(self._deleted, reader, function, done)

    def _ended(self, reader: _Reader, task: asyncio.Task[None]) -> None:
        reader.running.discard(task)
        reader.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            level = logging.INFO if isinstance(error, AwsError | Outdated) else logging.ERROR
            log.log(level, "a batch of the mapping %s: %s", reader.row.name, error)
