"""What moves executions on: each event is a step, each step one durable transaction.

`report` says what happened to an execution. A few threads take executions that have something to do,
one thread an execution at a time and its events in order; they hand the step to the database's writer,
which commits the steps of many executions together, and go on with others meanwhile. Once a step is
durable, its service is told (`Port.done`), which begins the work that it ordered. A server that starts
goes on with executions that were cut off, and asks for all work again whose end it does not know.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from sagebrush.asl.steps import (
    Began,
    Continued,
    Happened,
    Redriven,
    Step,
    TimerFired,
)
from sagebrush.engine.execution_endings import Endings, answer
from sagebrush.engine.execution_lives import Item, Live, Lives
from sagebrush.engine.execution_port import Port
from sagebrush.engine.execution_timers import Timers
from sagebrush.errors import AwsError, Doc
from sagebrush.store.db import Conflict, Tx
from sagebrush.store.execution_changes import Change, apply, change_of
from sagebrush.store.execution_values import RUNNING, New, Run
from sagebrush.store.generations import Outdated
from sagebrush.world import World

log = logging.getLogger(__name__)

THREADS = 4
AT_ONCE = 128
"""Steps at most that wait for their commit, which bounds what they take in memory."""
SLICE = 0.05
"""Seconds after which a step leaves what is still ready to the next one: others have their turn."""
AGAIN = 1.0
"""Seconds after which a step is tried again that could not be stored (a full disk)."""


@dataclass(frozen=True)
class _Pages:
    executions: Any
    execution: int

    def read(self, key: str) -> Any:
        return self.executions.page(self.execution, key)


class Executing:
    """Moves the executions of all services on (`World.executing`)."""

    def __init__(self, world: World, ports: Mapping[str, Port], threads: int = THREADS) -> None:
        """`ports`: what each service does for its executions, by `Run.kind`."""
        self._world = world
        self.ports = ports
        self._store = world.executions
        self._lives = Lives()
        self._ready: queue.SimpleQueue[Live | None] = queue.SimpleQueue()
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._endings = Endings(world.executions.find)
        self._unstorable: list[Live] = []
        """Executions whose step could not be stored."""
        self._guard = threading.Lock()
        """Held for a moment, around `_unstorable`."""
        self._stop = False
        names = [f"executions-{at}" for at in range(threads)]
        self._threads = [threading.Thread(target=self._work, name=n, daemon=True) for n in names]
        self._timers = Timers(world.db, self._store, world.clock, self.report)

    # ---- life

    def start(self) -> None:
        """What was under way goes on."""
        for port in self.ports.values():
            port.start()
        for thread in self._threads:
            thread.start()
        self._timers.start()
        for kind, port in self.ports.items():
            if port.forgets:
                self._store.drop(kind, port.forgets)
        for execution, begun in self._store.unfinished():
            self.report(execution, Continued() if begun else Began())
        self._resume()

    def _resume(self) -> None:
        """All work is asked for again whose end is not known."""
        after = (0, "")
        while works := self._store.works(after):
            for work in works:
                run = self._store.run(work.execution)
                if run is None:
                    continue
                try:
                    self.ports[run.kind].resume(run, work)
                except Exception:
                    log.exception("work of %s could not be taken up again", run.arn)
            after = (works[-1].execution, works[-1].key)

    def stop(self, timeout: float = 10.0) -> None:
        """No further step begins; those that are under way are durable, or repeated by the next
        server."""
        self._stop = True
        self._timers.stop(timeout)
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)
        for port in self.ports.values():
            port.stop()
        for future in self._endings.clear():
            future.cancel()
        for live in self._lives.clear():
            if live.stored is not None:  # durable, and nobody was told
                answer(live.stored[0].future, True)
            self._drop(live, _stopping())

    def empty(self) -> None:
        """All executions were deleted: nothing in memory is of one."""
        lives, waiting = self._lives.clear(), self._endings.clear()
        for live in lives:
            self._drop(live, Outdated())
        for port in self.ports.values():
            port.empty()
        for future in waiting:
            answer(future, error=Outdated())

    # ---- what is asked

    def begin(
        self, new: New, more: Callable[[Tx, Run], None] | None = None
    ) -> Future[tuple[Run, bool]]:
        """The execution is durable and begins; False where one of its ARN was there before, which is
        answered and changes nothing. `more` belongs into the transaction where it is a new one."""

        def work(tx: Tx) -> tuple[Run, bool]:
            run, created = self._store.put_in(tx, new)
            if created and more is not None:
                more(tx, run)
            return run, created

        def done(future: Future[tuple[Run, bool]]) -> None:
            if not future.cancelled() and future.exception() is None and future.result()[1]:
                self._begin(future.result()[0])

        future = self._world.db.submit(work)
        future.add_done_callback(done)
        return future

    def _begin(self, run: Run) -> None:
        self._lives.add(run)
        self.report(run.id, Began())

    def redrive(
        self, execution: int, plan: Doc, more: Callable[[Tx, Run], None] | None = None
    ) -> Future[bool]:
        """The execution, which ended without success, goes on where it was not successful, with these
        members of its plan; False where that is not possible. `more` as in `begin`."""

        def work(tx: Tx) -> bool:
            run = self._store.redrive_in(tx, execution, plan)
            if run is not None and more is not None:
                more(tx, run)
            return run is not None

        def done(future: Future[bool]) -> None:
            if not future.cancelled() and future.exception() is None and future.result():
                self.report(execution, Redriven())

        future = self._world.db.submit(work)
        future.add_done_callback(done)
        return future

    def report(self, execution: int, happened: Happened, insists: bool = True) -> Future[bool]:
        """What happened is a step of the execution; answers, once that is durable, whether it changed
        anything: it does not where nothing awaits it any more.

        `insists`: it is tried again while it cannot be stored (a full disk); else the future raises.
        """
        item = Item(happened, Future(), insists, self._world.db.generations.now)
        if self._stop:
            answer(item.future, error=_stopping())
            return item.future
        live = self._lives.receive(execution, item)
        if live is not None:
            self._ready.put(live)
        return item.future

    def ended(self, arn: str) -> Future[Run]:
        """The execution as it is once it has ended. Raises LookupError where it is gone; cancelled as
        the server stops."""
        return self._stopped() or self._endings.of(arn)

    def expect(self, arn: str) -> Future[Run]:
        """As `ended`, for an execution that is about to begin."""
        return self._stopped() or self._endings.expect(arn)

    def _stopped(self) -> Future[Run] | None:
        """A future that is cancelled, where the server stops."""
        if not self._stop:
            return None
        future: Future[Run] = Future()
        future.cancel()
        return future

    def wake(self) -> None:
        """Timers are looked at now (a test's clock went on)."""
        self._timers.wake()

    def settle(self, timeout: float) -> None:
        """Nothing is under way: what was reported is durable, and told. Raises TimeoutError. For
        tests."""
        until = time.monotonic() + timeout
        while True:
            if self._timers.rests and not self._lives.busy():
                return
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.002)

    # ---- steps

    def _work(self) -> None:
        while (live := self._ready.get()) is not None:
            if self._stop:
                return
            try:
                self._turn(live)
            except Outdated as error:
                self._drop(live, error)
            except Exception as error:
                log.exception("execution %s could not be moved on", live.id)
                self._drop(live, error)

    def _turn(self, live: Live) -> None:
        """The step that was committed is told, and the next one is made."""
        if not self._lives.has(live):  # all was deleted
            self._drop(live, Outdated())
            return
        if live.stored is not None:
            (item, step), live.stored = live.stored, None
            with self._world.db.generations.of(item.generation):
                self._tell(live, item, step)
            if step.more:
                self._before(live, Continued())
        item = self._lives.first(live)
        if item is None:
            return
        with self._world.db.generations.of(item.generation):
            self._step(live, item)

    def _before(self, live: Live, happened: Began | Continued) -> None:
        """What was cut off, or has not begun, comes before what has happened since."""
        item = Item(happened, Future(), True, self._world.db.generations.now)
        self._lives.before(live, item)

    def _step(self, live: Live, item: Item) -> None:
        if live.run is None or live.run.status != RUNNING:
            live.program = None  # of one that runs again, whose plan has changed
            found = self._store.get(live.id)
            if found is None or found[0].status != RUNNING:
                self._nothing(live, item)
                return
            live.run, live.position = found
        if not live.position and not isinstance(item.happened, Began):
            self._before(live, Began())  # who asked knew the name, and was faster than the start
            self._ready.put(live)
            return
        run = live.run
        if (isinstance(item.happened, Began) and live.position) or self._stale(live, item):
            self._nothing(live, item)
            return
        step, change = self._made(live, run, item.happened)
        live.size = len(change.position or "")
        self._commit(live, item, step, change)

    def _stale(self, live: Live, item: Item) -> bool:
        """Whether a timer fired that was cancelled or set anew meanwhile (by a heartbeat)."""
        happened = item.happened
        return isinstance(happened, TimerFired) and not self._store.is_due(
            live.id, happened.key, self._world.clock()
        )

    def _made(self, live: Live, run: Run, happened: Happened) -> tuple[Step, Change]:
        """The step and what it changes; where these cannot be made, the execution fails."""
        port, recorded = self.ports[run.kind], self.ports[run.kind].recorded(run)
        until = time.monotonic() + SLICE
        try:
            if live.program is None:
                live.program = port.program(run)
            step = port.advance(
                live.program,
                live.position,
                happened,
                _Pages(self._store, run.id),
                lambda: time.monotonic() > until,
            )
            return step, change_of(run, happened, step, recorded)
        except Exception as error:
            log.exception("%s fails: it could not be moved on", run.arn)
            step = port.broken(run, live.position, error)
            return step, change_of(run, happened, step, recorded)

    def _nothing(self, live: Live, item: Item) -> None:
        """Nobody awaits what happened."""
        self._lives.done(live)
        self._settled(live, item)
        answer(item.future, False)
        self._ready.put(live)

    def _commit(self, live: Live, item: Item, step: Step, change: Change) -> None:
        assert live.run is not None
        port, run = self.ports[live.run.kind], live.run
        if change.end is not None:
            status, stopped, events, output, error, cause = change.end
            run = replace(
                run, status=status, stopped=stopped, events=events, output=output, error=error,
                cause=cause,
            )  # fmt: skip

        def work(tx: Tx) -> None:
            apply(tx, change)
            port.store(tx, run, step)
            if step.end is not None and not port.recorded(run):
                self._store.delete_in(tx, run.id)

        def done(future: Future[None]) -> None:
            self._room.release()
            error = future.exception()
            if error is None:
                live.run, live.position, live.stored = run, step.position, (item, step)
                self._lives.done(live)
                self._ready.put(live)
            else:
                self._unstored(live, item, error)

        self._room.acquire()
        try:
            self._world.db.submit(work).add_done_callback(done)
        except BaseException:  # the database is closed
            self._room.release()
            raise

    def _unstored(self, live: Live, item: Item, error: BaseException) -> None:
        """The step could not be stored; in the thread of the database's writer."""
        if isinstance(error, Outdated | Conflict):
            self._drop(live, error)
            return
        if item.insists:
            log.warning("a step of execution %s is tried again: %s", live.id, error)
            self._later(live)
            return
        self._lives.done(live)
        answer(item.future, error=error)
        self._ready.put(live)

    def _later(self, live: Live) -> None:
        """The execution's step is made again in a while, together with those of others."""
        with self._guard:
            self._unstorable.append(live)
            if len(self._unstorable) > 1:
                return
        again = threading.Timer(AGAIN, self._retry)
        again.daemon = True
        again.start()

    def _retry(self) -> None:
        with self._guard:
            found, self._unstorable = self._unstorable, []
        for live in found:
            self._ready.put(live)

    def _drop(self, live: Live, error: BaseException | None) -> None:
        """The execution is not moved on any more: it is gone, or has ended."""
        for item in self._lives.drop(live):
            self._settled(live, item)
            if error is None:
                answer(item.future, False)
            else:
                answer(item.future, error=error)

    def _settled(self, live: Live, item: Item) -> None:
        if isinstance(item.happened, TimerFired):
            self._timers.settled(live.id, item.happened.key)

    def _tell(self, live: Live, item: Item, step: Step) -> None:
        """Who is concerned by a durable step knows of it."""
        run = live.run
        assert run is not None
        self._settled(live, item)
        self._timers.committed(step)
        try:
            self.ports[run.kind].done(run, item.happened, step)
        except Exception:
            log.exception("what follows from a step of %s failed", run.arn)
        answer(item.future, bool(step.events or step.commands or step.end))
        if step.end is not None:
            self._endings.tell(run)


def _stopping() -> AwsError:
    return AwsError("ServiceUnavailable", "The server is stopping.", 503)
