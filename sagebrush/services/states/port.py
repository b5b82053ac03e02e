"""What Step Functions does for its executions (`engine.executions.Port`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from sagebrush.asl import spine
from sagebrush.asl.resources import read_resource
from sagebrush.asl.steps import (
    Began,
    Command,
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
from sagebrush.services.states import deletion, log_lines, status_events
from sagebrush.services.states.activity_tasks import Offered
from sagebrush.services.states.doer import Doer
from sagebrush.services.states.program import KIND as EXECUTIONS
from sagebrush.services.states.program import Program, Programs, plan_of
from sagebrush.services.states.records import Records
from sagebrush.services.states.resources import DELETING, KIND
from sagebrush.store.db import Tx
from sagebrush.store.execution_values import Order, Run, Work
from sagebrush.world import World

AT_ONCE = 100_000
"""More tasks than an execution can have at a time."""


class StatesPort:
    """The port of Step Functions."""

    forgets = "sync"
    """Whoever waited for a synchronous execution has gone: it runs at most once."""

    def __init__(self, world: World, doers: Mapping[str, Doer]) -> None:
        """`doers`: what does work, by the family of a task's resource (`asl.resources`: Task,
        LambdaFunction) or "MapRun"; activities' tasks are offered to workers."""
        self._world = world
        self.offered = Offered(world)
        self._doers = {"Activity": self.offered, **doers}
        self.records = Records(world)
        self.deleting: set[str] = set()
        """ARNs of state machines that are deleted once none of their executions runs."""
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
        stops: list[Command] = [
            (StopMapRun if isinstance(work.order, StartMapRun) else StopTask)(work.key)
            for work in self._world.executions.works((run.id, ""), AT_ONCE)
            if work.execution == run.id and not work.stopping
        ]
        return Step({"events": last + 1, "root": {}, "ready": []}, [event], stops, end=end)

    def recorded(self, run: Run) -> bool:
        """Express executions have no history (guide, "Choosing workflow type"); those of a map run
        stay as long as the others, since its results are theirs."""
        plan = plan_of(run)
        return plan.get("type") != "EXPRESS" or "map_run" in plan

    def store(self, tx: Tx, run: Run, step: Step) -> None:
        if step.end is not None:
            status_events.put_in(self._world, tx, run)

    def done(self, run: Run, happened: Happened, step: Step) -> None:
        self._order(run, step)
        plan = plan_of(run)
        machine = plan.get("machine", "")
        configuration = plan.get("logging")
        if configuration is not None and step.events:
            redrives = plan.get("redrives", 0)
            lines = log_lines.lines(step.events, run.arn, redrives, configuration)
            self.records.write(machine.rpartition(":")[2], configuration, lines)
        place = (run.account, run.region, machine)
        measured = self.records.tasks.measured(run.id, step.events, step.end is not None)
        if measured:
            self.records.measure(run.account, run.region, measured)
        if isinstance(happened, Began):
            self.records.count(place, "ExecutionsStarted")
        if step.end is not None:
            self.records.ended(place, step.end.status, (run.stopped or run.started) - run.started)
            if machine in self.deleting:
                self.finish(machine)

    def finish(self, machine: str) -> None:
        """The state machine of that ARN, which is DELETING, is gone, unless an execution of it runs."""
        if deletion.end(self._world, machine):
            self.deleting.discard(machine)

    def start(self) -> None:
        """What was being deleted still is; records are stored from now on."""
        for row in self._world.rows.select(KIND, (DELETING,)):
            self.deleting.add(row.doc["stateMachineArn"])
            self.finish(row.doc["stateMachineArn"])
        self.records.start()

    def empty(self) -> None:
        """All accounts were emptied."""
        self.offered.empty()
        self.records.empty()
        self.deleting.clear()

    def stop(self) -> None:
        self.offered.close()
        self.records.stop()

    def _order(self, run: Run, step: Step) -> None:
        """What the step ordered begins, and what it does not want any more ends."""
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

    def _doer(self, order: Order) -> Doer:
        if isinstance(order, StartMapRun):
            return self._doers["MapRun"]
        return self._doers[read_resource(order.resource).family]


def port_of(world: World) -> StatesPort:
    """The port of a running server."""
    found = world.executing.ports[EXECUTIONS]
    assert isinstance(found, StatesPort)
    return found
