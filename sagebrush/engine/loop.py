"""The loop: claims due rows, runs their kind's reconciler, applies its step under the lease."""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace

from sagebrush.engine.kinds import Kind
from sagebrush.engine.turns import Turns
from sagebrush.scheduler import members
from sagebrush.store.generations import Outdated
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

log = logging.getLogger(__name__)

GIVE_UP = 8
"""Unexpected exceptions in a row (about four minutes of them) after which a resource has failed."""
RETRIES = (0.1, 0.5, 2.0, 5.0, None)
"""Seconds between trials to store a step, fewer than a lease has."""
SLOWEST = 60.0
"""Seconds between tries at most, and of sleep at most (a clock that was set back is survived)."""
SET_BACK = 5.0
"""Seconds by which a clock goes back that was set; less is a correction."""
FAILURES = "loop_failures"


class Loop:
    """Drives every row whose kind has a reconciler; survives any exception of a reconciler.

    Several loops may share a database: a lease makes each row one loop's at a time.
    """

    def __init__(
        self, world: World, kinds: Mapping[str, Kind], threads: int = 0, lease: float = 30.0
    ) -> None:
        """`lease` in seconds: how long a row stays taken when this process dies.

        `threads` 0: as many as jobs may copy files at once, and some for quick steps.
        """
        threads = threads or 16 + 2 * (os.cpu_count() or 1)
        self._world = world
        self._kinds = kinds
        self._threads = threads
        self._lease = lease
        self._running: dict[Future[None], Row] = {}
        self._renewed = 0.0
        self._latest: float | None = None
        """The latest time that was seen."""
        words = "the loop could not read or change rows"  # leases expire, so trying again is safe
        self._turns = Turns("reconcile", threads, self._turn, words)

    def start(self) -> None:
        """Starts the loop in a thread of its own, until `stop`."""
        self._turns.start()

    def wake(self) -> None:
        """Makes the loop look for due rows now."""
        self._turns.wake()

    def changed(self, key: str) -> None:
        """Makes the resource that reserved capacity under `key` (of any of its instances) due now:
        the backend's job runs, or ended. Never raises; a failure is logged."""
        if self._turns.stopping:
            return
        try:
            self._world.rows.touch_owner(members.owner(key))
        except Exception:  # polling finds it later
            log.exception("could not make the owner of %s due", key)
        self.wake()

    def stop(self, timeout: float = 10.0) -> None:
        """Claims no further row, and waits up to `timeout` seconds for running reconcilers.

        Those still running lose nothing: their rows' leases end, and the next server repeats them.
        """
        self._turns.stop(lambda: self._running, timeout)

    def held(self) -> AbstractContextManager[None]:
        """No step begins within; those that run go on."""
        return self._turns.held()

    def settled(self, timeout: float) -> bool:
        """Whether the steps that ran have ended, for which it waits up to `timeout` seconds. Only
        while the loop is `held`."""
        return not wait(list(self._running), timeout).not_done

    def run_once(self) -> int:
        """Runs one step of every row due now, one after another in this thread; how many.

        For tests, which pass their own clock.
        """
        self._look_at_clock()
        generation = self._world.db.generations.now
        rows = self._world.rows.claim(self._lease, 10_000)
        for row in rows:
            self._step(row, generation)
        return len(rows)

    def _look_at_clock(self) -> None:
        """A clock that was set back, even while no server ran, delays nothing: every row that waits
        for a time of the earlier clock is due now, and its next step sets a new time; messages come
        when they would have."""
        if self._latest is None:
            self._latest = self._world.rows.latest()
        now = self._world.clock()
        if now < self._latest - SET_BACK:
            count = self._world.rows.rush()
            back = self._latest - now
            self._world.messages.set_back(back)
            self._world.events.set_back()
            self._world.deliveries.set_back(back)
            log.warning("the clock was set back by %.0f s: %d resources are due now", back, count)
            self._latest = now
        self._latest = max(self._latest, now)

    def _turn(self) -> float:
        """Gives due rows to free threads and renews running leases; returns the seconds to sleep."""
        self._look_at_clock()
        for future in [f for f in self._running if f.done()]:
            del self._running[future]
        free = self._threads - len(self._running)
        if free > 0:
            running = {row.id: future for future, row in self._running.items()}
            generation = self._world.db.generations.now
            for row in self._world.rows.claim(self._lease, free):
                # A row whose step still runs has just been given back by it, or the clock jumped
                # past its lease: either way the next step waits for the end of that one.
                future = self._turns.pool.submit(self._step, row, generation, running.get(row.id))
                self._running[future] = row
                future.add_done_callback(lambda _: self._turns.wake())
        if time.monotonic() - self._renewed >= self._lease / 4:
            self._renewed = time.monotonic()
            for row in self._running.values():
                self._world.rows.renew(row, self._lease)
        sleeps = [SLOWEST]
        if self._running:
            sleeps.append(self._lease / 4)
        if len(self._running) < self._threads:
            due = self._world.rows.next_due()
            if due is not None:
                sleeps.append(max(0.0, due - self._world.clock()))
        return min(sleeps)

    def _step(self, row: Row, generation: int, before: Future[None] | None = None) -> None:
        """Calls the row's reconciler once, after `before` has ended, and stores the step that it
        returned, or the step of `_failed` where it raised. What it writes is of `generation`, in
        which the row was claimed."""
        if before is not None:
            wait([before])
        try:
            with self._world.db.generations.of(generation):
                self._take(row)
        except Outdated:
            log.info("%s %s: its step was dropped: all was deleted", row.kind, row.name)

    def _take(self, row: Row) -> None:
        kind = self._kinds.get(row.kind)
        if kind is None or kind.reconcile is None:
            log.error("%s %s is due, but nothing reconciles that kind", row.kind, row.name)
            step = Next()
        else:
            try:
                step = kind.reconcile(self._world, row)
                if FAILURES in row.plan:
                    step = replace(step, plan={FAILURES: None, **step.plan})
            except Outdated:
                raise
            except Exception as error:
                log.exception("%s %s: the reconciler raised", row.kind, row.name)
                step = self._failed(kind, row, error)
        self._store(row, step)

    def _store(self, row: Row, step: Next) -> None:
        """Stores the step in the row. A failure (a full disk) is retried for some seconds, since
        otherwise the row waits for the end of its lease; after that it is logged, never raised."""
        for pause in RETRIES:
            try:
                self._world.rows.apply(row, step)
                return
            except Outdated:
                raise
            except Exception:
                if pause is None or self._turns.paused(pause):
                    log.exception("%s %s: the step could not be stored", row.kind, row.name)
                    return

    def _failed(self, kind: Kind, row: Row, error: Exception) -> Next:
        """The step after the reconciler of `row` raised: try later, or give up with the reason."""
        count = row.plan.get(FAILURES, 0) + 1
        if count < GIVE_UP:
            return Next(plan={FAILURES: count}, due=min(2.0 ** (count - 1), SLOWEST))
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = (
            f"InternalServerError: Sagebrush failed {count} times in a row on this resource:"
            f" {type(error).__name__}: {error} ({frame.name}, line {frame.lineno}); the server's"
            " log has the whole traceback"
        )[:1024]
        if kind.fail is not None:
            try:
                return kind.fail(self._world, row, reason)
            except Exception:
                log.exception("%s %s: could not be failed in its own way", row.kind, row.name)
        return Next("Failed", {"FailureReason": reason})
