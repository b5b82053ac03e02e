"""Tasks of activities that wait for a worker, in memory: rows (`store.executions`) hold them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sagebrush.asl.steps import StartTask, TaskFailed, TaskStarted
from sagebrush.store.execution_values import Run, Work
from sagebrush.world import World


@dataclass(frozen=True)
class Offer:
    """A task that a worker may take."""

    execution: int
    key: str
    token: str
    input: Any


class Offered:
    """The doer of activities' tasks (`doer.Doer`). Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._offers: dict[str, deque[Offer]] = {}
        self._waiting: dict[str, deque[Callable[[], object]]] = {}
        self._guard = threading.Lock()
        self.closed = False
        """Whether the server stops: nobody waits any longer."""

    def begin(self, run: Run, work: Work, again: bool) -> None:
        """A worker may take the task, unless one has; it cannot be scheduled where the activity is
        gone."""
        if again and work.started:
            return
        order = work.order
        assert isinstance(order, StartTask)
        assert order.token is not None
        _, _, _, region, account, _, name = order.resource.split(":", 6)
        if self._world.rows.get(account, region, "activity", name) is None:
            cause = f"Activity Does Not Exist: '{order.resource}'"
            failed = TaskFailed(work.key, "ActivityDoesNotExist", cause, "Schedule")
            self._world.executing.report(run.id, failed)
            return
        offer = Offer(run.id, work.key, order.token, order.parameters)
        with self._guard:
            self._offers.setdefault(order.resource, deque()).append(offer)
            told = self._next(order.resource)
        if told is not None:
            told()

    def _next(self, arn: str) -> Callable[[], object] | None:
        """Who has waited longest, and is to be asked first the next time after the others."""
        waiting = self._waiting.get(arn)
        if not waiting:
            return None
        waiting.rotate(-1)
        return waiting[-1]

    def stop(self, run: Run, work: Work) -> None:
        """Nobody takes the task any more. A worker that has it learns so by its next heartbeat."""
        order = work.order
        assert isinstance(order, StartTask)
        with self._guard:
            found = self._offers.get(order.resource)
            if found is not None:
                kept = [o for o in found if (o.execution, o.key) != (run.id, work.key)]
                self._offers[order.resource] = deque(kept)
        self._world.executions.stopped(run.id, work.key)

    def take(self, arn: str) -> Offer | None:
        """The task that has waited longest, which nobody else gets."""
        with self._guard:
            found = self._offers.get(arn)
            if not found:
                return None
            offer = found.popleft()
            if not found:
                del self._offers[arn]
            return offer

    def start(self, offer: Offer, worker: str | None) -> Future[bool]:
        """The task is the worker's; False where it is not awaited any more."""
        return self._world.executing.report(offer.execution, TaskStarted(offer.key, worker or ""))

    @contextmanager
    def waiting(self, arn: str, told: Callable[[], object]) -> Iterator[None]:
        """`told` is called when the activity has a task, until the end."""
        with self._guard:
            self._waiting.setdefault(arn, deque()).append(told)
        try:
            yield
        finally:
            with self._guard:
                self._waiting[arn].remove(told)
                other = self._next(arn) if self._offers.get(arn) else None
                if not self._waiting[arn]:
                    del self._waiting[arn]
            if other is not None:  # it may have been told of a task that another is to take
                other()

    def empty(self) -> None:
        """All executions were deleted."""
        with self._guard:
            self._offers.clear()

    def close(self) -> None:
        """Everybody who waits is told, and need not wait any longer."""
        self.closed = True
        with self._guard:
            found = [told for each in self._waiting.values() for told in each]
        for told in found:
            told()
