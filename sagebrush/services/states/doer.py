"""The seam between executions and the work that their states order."""

from __future__ import annotations

from typing import Protocol

from sagebrush.store.execution_values import Run, Work


class Doer(Protocol):
    """Does one sort of work: calls of services, activities, map runs.

    Both methods are called in a thread that moves executions on, after what ordered the work is
    durable: they return soon, and do what takes time elsewhere. What comes of the work is told by
    `world.executing.report(run.id, …)` with the order's key: TaskStarted, TaskSubmitted, then
    TaskSucceeded or TaskFailed (of a map run, MapRunEnded), after which the work is forgotten.
    """

    def begin(self, run: Run, work: Work, again: bool) -> None:
        """The work begins. `again`: a server that started found it, and it may have begun before; with
        what `world.executions.note` wrote for it (`work.note`)."""
        ...

    def stop(self, run: Run, work: Work) -> None:
        """Nobody wants the result any more: what began is ended, and then
        `world.executions.stopped(run.id, work.key)` called. Called again after a restart until it is."""
        ...
