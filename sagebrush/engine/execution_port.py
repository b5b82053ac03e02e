"""What a service does for its executions, which `engine.executions` moves on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sagebrush.asl.steps import Happened, Pages, Step
from sagebrush.errors import Doc
from sagebrush.store.db import Tx
from sagebrush.store.execution_values import Run, Work


class Port(Protocol):
    """What a service does for its executions."""

    forgets: str
    """A server that starts drops running executions whose plan has this member, instead of going on
    with them; "" for none."""

    def program(self, run: Run) -> Any:
        """What runs, read once while the execution is in memory. May raise: the execution fails."""
        ...

    def advance(
        self,
        program: Any,
        position: Doc | None,
        happened: Happened,
        pages: Pages,
        late: Callable[[], bool],
    ) -> Step:
        """The step (`asl.spine.advance`). Pure but for the clock; `late`: whether to leave the rest."""
        ...

    def broken(self, run: Run, position: Doc | None, error: Exception) -> Step:
        """The step by which an execution fails that could not be moved on."""
        ...

    def recorded(self, run: Run) -> bool:
        """Whether the execution's history is kept."""
        ...

    def store(self, tx: Tx, run: Run, step: Step) -> None:
        """What belongs into the step's own transaction besides (events about the execution), which is
        given as it is after the step. Quick."""
        ...

    def done(self, run: Run, happened: Happened, step: Step) -> None:
        """The step is durable: the work that it ordered begins, or stops. Returns soon."""
        ...

    def resume(self, run: Run, work: Work) -> None:
        """A server that starts found work that was ordered, or is to be stopped, and may or may not
        have begun. Returns soon."""
        ...

    def start(self) -> None:
        """The server is about to move executions on."""
        ...

    def empty(self) -> None:
        """All executions were deleted."""
        ...

    def stop(self) -> None:
        """No execution is moved on any more."""
        ...
