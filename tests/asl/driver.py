"""Plays the caller of `spine.advance`: keeps the position as JSON, the pages, the timers, the clock."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sagebrush.asl import steps
from sagebrush.asl.spine import advance
from sagebrush.asl.validation import read_machine
from sagebrush.errors import Doc

ARN = "arn:aws:states:us-east-1:123456789012:"
START = 1_700_000_000.0
INVOKE = "arn:aws:states:::lambda:invoke"
Worker = Callable[[steps.StartTask], "steps.Happened | None"]


class Pages(dict[str, Any]):
    def read(self, key: str) -> Any:
        return json.loads(self[key])


@dataclass
class Run:
    """An execution under way. `tasks` are those that were started and are not stopped."""

    definition: Doc
    input: str = "{}"
    standard: bool = True
    position: Doc | None = None
    now: float = START
    events: list[Doc] = field(default_factory=list)
    commands: list[steps.Command] = field(default_factory=list)
    pages: Pages = field(default_factory=Pages)
    timers: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, steps.StartTask] = field(default_factory=dict)
    end: steps.End | None = None
    largest: int = 0
    steps: int = 0

    def __post_init__(self) -> None:
        machine = read_machine(json.dumps(self.definition))
        self.execution = steps.Execution(
            machine,
            f"{ARN}execution:m:e",
            "e",
            "arn:aws:iam::123456789012:role/r",
            f"{ARN}stateMachine:m",
            "m",
            START,
            self.input,
            standard=self.standard,
        )
        self.random = random.Random(7)

    def happen(self, *happened: steps.Happened) -> Run:
        """What happened is told, and all further steps that are ready are done."""
        todo = deque(happened)
        while todo:
            before = json.dumps(self.position)
            step = advance(
                self.execution, self.position, todo.popleft(), self.now, self.random, self.pages
            )
            assert json.dumps(self.position) == before, "the given position has changed"
            self._keep(step)
            if step.more:
                todo.append(steps.Continued())
        return self

    def _keep(self, step: steps.Step) -> None:
        self.steps += 1
        text = json.dumps(step.position)
        self.largest = max(self.largest, len(text))
        self.position = json.loads(text)
        self.events += step.events
        self.commands += step.commands
        for prefix in step.dropped:
            for key in [key for key in self.pages if key.startswith(prefix)]:
                del self.pages[key]
        self.pages.update({key: json.dumps(value) for key, value in step.pages.items()})
        for command in step.commands:
            if isinstance(command, steps.SetTimer):
                self.timers[command.key] = command.at
            elif isinstance(command, steps.CancelTimer):
                self.timers.pop(command.key, None)
            elif isinstance(command, steps.StartTask):
                self.tasks[command.key] = command
            elif isinstance(command, steps.StopTask):
                self.tasks.pop(command.key, None)
        self.end = step.end or self.end

    def redrive(self) -> Run:
        """RedriveExecution."""
        self.end = None
        self.execution = replace(self.execution, redrives=(self.execution.redrives or 0) + 1)
        return self.happen(steps.Redriven())

    def fire(self) -> Run:
        """The next timer, once the clock is there."""
        key = min(self.timers, key=lambda key: self.timers[key])
        self.now = max(self.now, self.timers.pop(key))
        return self.happen(steps.TimerFired(key))

    def finish(self, worker: Worker | None = None) -> Run:
        """Goes on until the execution ends: tasks are answered by `worker`, then timers fire."""
        while self.end is None:
            if self.tasks and worker is not None:
                key, task = self.tasks.popitem()
                answer = worker(task)
                news: list[steps.Happened] = [steps.TaskStarted(key)]
                self.happen(*news, *([answer] if answer is not None else []))
            elif self.timers:
                self.fire()
            else:
                raise AssertionError(f"nothing goes on: {self.position}")
        return self

    @property
    def output(self) -> Any:
        assert self.end is not None
        assert self.end.status == "SUCCEEDED", self.end
        return json.loads(self.end.output or "")

    def history(self) -> list[tuple[int, int, str]]:
        return [(event["id"], event["previousEventId"], event["type"]) for event in self.events]

    def details(self, kind: str) -> list[Doc]:
        """The details of all events of a type."""
        return [
            next((value for name, value in event.items() if name.endswith("EventDetails")), {})
            for event in self.events
            if event["type"] == kind
        ]


def started(definition: Doc, given: Any = None, **options: Any) -> Run:
    """An execution after its first steps; a string is the input's text."""
    text = given if isinstance(given, str) else json.dumps({} if given is None else given)
    return Run(definition, text, **options).happen(steps.Began())


def ran(definition: Doc, given: Any = None, worker: Worker | None = None, **options: Any) -> Run:
    """An execution from its start to its end."""
    return started(definition, given, **options).finish(worker)


def machine(**states: Doc) -> Doc:
    """A machine of these states, of which the first is the start."""
    return {"StartAt": next(iter(states)), "States": states}


def single(state: Doc, **machine_fields: Any) -> Doc:
    """A machine of one state, S, which ends it."""
    ends = {} if state["Type"] in ("Succeed", "Fail", "Choice") else {"End": True}
    return {"StartAt": "S", "States": {"S": {**state, **ends}}, **machine_fields}


def output_of(state: Doc, given: Any = None, **machine_fields: Any) -> Any:
    """What a machine of one state makes of an input."""
    return ran(single(state, **machine_fields), given).output


def cause_of(state: Doc, given: Any = None, **machine_fields: Any) -> tuple[str | None, str | None]:
    """(error, cause) of a machine of one state that fails; the sentence that names it is left out."""
    end = ran(single(state, **machine_fields), given).end
    assert end is not None
    assert end.status == "FAILED"
    told = "An error occurred while executing the state 'S' (entered at the event id #2). "
    return end.error, (end.cause or "").removeprefix(told)
