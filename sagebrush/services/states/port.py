"""What Step Functions does for its executions (`engine.executions.Port`)."""

from __future__ import annotations

import random
from collections.abc import Callable

from sagebrush.asl import spine
from sagebrush.asl.resources import read_resource
from sagebrush.asl.steps import (
    End,
    Happened,
    Pages,
    StartMapRun,
    StartTask,
    Step,
    StopMapRun,
    StopTask,
)
from sagebrush.errors import Doc
from sagebrush.services.states.doer import Doer
from sagebrush.services.states.program import Program, Programs, plan_of
from sagebrush.store.db import Tx
from sagebrush.store.executions import Order, Run, Work
from sagebrush.world import World


class StatesPort:
    """The port of Step Functions. `doers`: what does work, by the family of a task's resource
    (`asl.resources`: Task, LambdaFunction, Activity) or "MapRun"."""

    def __init__(self, world: World, doers: dict[str, Doer]) -> None:
        self._world = world
        self._doers = doers
        self._programs = Programs(world.executions)
        self._random = random.SystemRandom()

    def program(self, run: Run) -> Program:
        return self._programs.program(run)

    def advance(
        self,
        program: Program,
        position: Doc | None,
        happened: Happened,
        pages: Pages,
        late: Callable[[], bool],
    ) -> Step:
        return spine.advance(
            program.execution, position, happened, self._world.clock(), self._random, pages, late
        )

    def broken(self, run: Run, position: Doc | None, error: Exception) -> Step:
        last = (position or {}).get("events", 0)
        cause = f"Sagebrush could not move the execution on: {type(error).__name__}: {error}"
        details = {"error": "States.Runtime", "cause": cause}
        event = {
            "timestamp": self._world.clock(),
            "type": "ExecutionFailed",
            "id": last + 1,
            "previousEventId": last,
            "executionFailedEventDetails": details,
        }
        end = End("FAILED", error="States.Runtime", cause=cause)
        return Step({"events": last + 1, "root": {}, "ready": []}, [event], end=end)

    def recorded(self, run: Run) -> bool:
        """Express executions have no history (guide, "Choosing workflow type"); those of a map run
        stay as long as the others, since its results are theirs."""
        plan = plan_of(run)
        return plan.get("type") != "EXPRESS" or "map_run" in plan

    def store(self, tx: Tx, run: Run, program: Program | None, step: Step) -> None:
        pass

    def done(self, run: Run, program: Program | None, happened: Happened, step: Step) -> None:
        orders = {c.key: c for c in step.commands if isinstance(c, StartTask | StartMapRun)}
        for command in step.commands:
            if not isinstance(command, StopTask | StopMapRun):
                continue
            if orders.pop(command.key, None) is None:
                work = self._world.executions.work(run.id, command.key)
                if work is not None:
                    self._doer(work.order).stop(run, work)
        for key, order in orders.items():
            work = Work(run.id, key, order, {}, started=False, stopping=False)
            self._doer(order).begin(run, work, again=False)

    def resume(self, run: Run, work: Work) -> None:
        if work.stopping:
            self._doer(work.order).stop(run, work)
        else:
            self._doer(work.order).begin(run, work, again=True)

    def forgotten(self, run: Run) -> bool:
        """Whoever waited for a synchronous execution has gone: it runs at most once."""
        return bool(plan_of(run).get("sync"))

    def _doer(self, order: Order) -> Doer:
        if isinstance(order, StartMapRun):
            return self._doers["MapRun"]
        return self._doers[read_resource(order.resource).family]
