"""What an execution runs: its machine, read once and shared, and what its plan says."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TypedDict

from sagebrush.asl import machine as asl_machine
from sagebrush.asl.machine import Machine, State
from sagebrush.asl.steps import Execution
from sagebrush.errors import Doc
from sagebrush.services.states.tasks.calls import prepared
from sagebrush.store.execution_values import Run
from sagebrush.store.executions import Executions

KIND = "states"
"""`Run.kind` of executions of state machines."""
LONGEST, EXPRESS = 365 * 86400.0, 300.0
"""Seconds that a Standard and an Express workflow run at most (quotas, "Maximum execution time")."""
CACHED = 200
"""Machines that stay in memory."""


class Plan(TypedDict, total=False):
    """`Run.plan`."""

    role: str
    machine: str
    """The ARN of the state machine, without a version or an alias."""
    type: str
    """STANDARD or EXPRESS."""
    version: str
    """The ARN of the version that runs, "" where none was published."""
    alias: str
    """The ARN of the alias by which it was started."""
    path: list[str]
    """Of a map run's child: names of the states that lead to the Map state."""
    map_run: str
    items: int
    """Of a map run's child: how many items it is for."""
    logging: Doc
    tracing: bool
    """Whether the machine asks for X-Ray."""
    trace: str
    sync: bool
    redrives: int
    redriven: float
    """When it was redriven last."""
    redrive_token: str
    """The client's token of that."""
    revision: str
    """The revision id of the state machine, "" for its first."""
    revised: float
    """When that revision was made."""
    label: str


def plan_of(run: Run) -> Plan:
    """The plan of an execution of a state machine."""
    return Plan(**run.plan)


@dataclass(frozen=True)
class Program:
    """An execution in memory."""

    run: Run
    plan: Plan
    execution: Execution


class Programs:
    """Reads what executions run; machines are kept, and shared by executions. Thread-safe."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions
        self._machines: OrderedDict[tuple[int, tuple[str, ...]], Machine] = OrderedDict()
        self._guard = threading.Lock()

    def program(self, run: Run) -> Program:
        """What the execution runs. Raises KeyError where its definition is gone."""
        plan = plan_of(run)
        machine_arn = plan.get("machine", "")
        standard = plan.get("type") != "EXPRESS"
        machine = self.machine(run.definition, tuple(plan.get("path", ())))
        longest = LONGEST if standard else EXPRESS
        execution = Execution(
            machine=replace(machine, timeout=min(machine.timeout or longest, longest)),
            arn=run.arn,
            name=run.name,
            role=plan.get("role", ""),
            machine_arn=machine_arn,
            machine_name=machine_arn.rpartition(":")[2],
            started=run.started,
            input=run.input,
            redrives=plan.get("redrives", 0),
            standard=standard,
            prepare=prepared,
        )
        return Program(run, plan, execution)

    def machine(self, definition: int, path: tuple[str, ...]) -> Machine:
        """The machine of a definition, or of the Map state at `path` within."""
        key = (definition, path)
        with self._guard:
            if key in self._machines:
                self._machines.move_to_end(key)
                return self._machines[key]
        whole = asl_machine.read(json.loads(self._executions.definition(definition)))
        found = within(whole, path)
        with self._guard:
            self._machines[key] = found
            while len(self._machines) > CACHED:
                self._machines.popitem(last=False)
        return found


def state_at(machine: Machine, path: tuple[str, ...]) -> State:
    """The state to which the names of states lead. Raises KeyError."""
    for at, name in enumerate(path):
        state = machine.states[name]
        if at + 1 == len(path):
            return state
        if state.type == "Map":
            machine = state.branches[0]
        else:
            following = path[at + 1]
            machine = next(one for one in state.branches if following in one.states)
    raise KeyError(path)


def within(machine: Machine, path: tuple[str, ...]) -> Machine:
    """The item processor of the Map state to which the names of states lead. Raises KeyError."""
    return state_at(machine, path).branches[0] if path else machine
