"""A state, moved on alone by the interpreter until it has ended. Pure but for the given clock and calls."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagebrush.asl import spine
from sagebrush.asl.failures import Failure, StateError, matches
from sagebrush.asl.machine import State
from sagebrush.asl.map_runs import exceeded
from sagebrush.asl.pages import Values
from sagebrush.asl.resources import Problem, Resource
from sagebrush.asl.scope import Scope
from sagebrush.asl.steps import (
    Continued,
    Execution,
    Happened,
    SetTimer,
    StartTask,
    Step,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TimerFired,
    as_they_are,
)
from sagebrush.asl.turn import Line, Turn
from sagebrush.asl.values import read, write
from sagebrush.errors import Doc
from sagebrush.services.states.map_runs.readers import Unreadable
from sagebrush.services.states.map_runs.results import EXCEEDED, THRESHOLD
from sagebrush.services.states.map_runs.sources import READER_FAILED
from sagebrush.services.states.tasks.calls import prepared, target_of
from sagebrush.services.states.testing.inspection import NOTHING, Inspection
from sagebrush.services.states.testing.subject import Subject

Do = Callable[[StartTask], TaskSucceeded | TaskFailed]
"""Makes the call of a task, or answers for it."""


class _NoPages:
    def read(self, key: str) -> Any:
        raise KeyError(key)


@dataclass
class Trial:
    """One test of a state. `wait` returns at a time in seconds since 1970; `retried` is how often the
    state was tried before."""

    subject: Subject
    account: str
    region: str
    role: str | None
    input: str
    variables: Doc
    context: Doc | None
    retried: int
    failed: int
    """Iterations of a Map that failed."""
    source: str | None
    """What an ItemReader would read."""
    clock: Callable[[], float]
    random: random.Random
    do: Do
    wait: Callable[[float], object]

    def __post_init__(self) -> None:
        self._events: list[Doc] = []
        self._failure: Failure | None = None
        self._result: Any = NOTHING
        self._again: float | None = None
        self._began = self.clock()
        machine, name = str(uuid.uuid4()), str(uuid.uuid4())
        at = f"arn:aws:states:{self.region}:{self.account}"
        self._execution = Execution(
            machine=self.subject.machine,
            arn=f"{at}:express:{machine}:{name}:{uuid.uuid4()}",
            name=name,
            role=self.role,
            machine_arn=f"{at}:stateMachine:{machine}",
            machine_name=machine,
            started=self._began,
            input=self.input,
            redrives=None,
            standard=False,
            prepare=_prepared if self.subject.original.type == "Task" else as_they_are,
            context=self.context,
            item={"Index": 0, "Value": read(self.input)} if self.subject.iterated else None,
        )

    def run(self, inspect: bool) -> Doc:
        """The answer of TestState."""
        frame: Doc = {
            "state": self.subject.name,
            "input": read(self.input),
            "text": self.input,
            "previous": 0,
        }
        if self.variables:
            frame["variables"] = self.variables
        if self.retried:
            tried = {str(at): self.retried for at in range(len(self.subject.state.retriers))}
            frame |= {"retries": tried, "retried": self.retried}
        position: Doc = {"events": 1, "root": frame, "ready": [""]}
        happened: list[Happened] = [Continued()]
        while happened:
            step = self._advance(position, happened.pop(0))
            position = step.position
            happened += self._follow(step)
        return self._told(inspect)

    def _advance(self, position: Doc, happened: Happened) -> Step:
        step = spine.advance(
            self._execution, position, happened, self.clock(), self.random, _NoPages()
        )
        self._events += step.events
        return step

    def _follow(self, step: Step) -> list[Happened]:
        """What the step's commands lead to."""
        if any(event["type"].endswith("StateExited") for event in self._events):
            return []
        for command in step.commands:
            if isinstance(command, StartTask):
                answer = self._answer(command)
                if isinstance(answer, TaskFailed):
                    self._failure = Failure(answer.error, answer.cause)
                else:
                    self._result = answer.output
                return [TaskStarted(command.key), answer]
            if isinstance(command, SetTimer) and command.key.endswith(":timer"):
                self.wait(command.at)
                return [TimerFired(command.key)]
            if isinstance(command, SetTimer) and command.key.endswith(":retry"):
                self._again = command.at - self.clock()
        return []

    def _answer(self, command: StartTask) -> TaskSucceeded | TaskFailed:
        state = self.subject.original
        if state.type == "Map":
            problem = self._of_map(command.key, state)
            if problem is not None:
                return problem
        return self.do(command)

    def _of_map(self, key: str, state: State) -> TaskFailed | None:
        """Why a Map fails by itself, mocked or not."""
        inspection = self._inspection(state)
        found = inspection.made()
        if "maxConcurrency" not in found:
            return _broken(key, lambda: self._items(state, inspection))
        limits = {
            "toleratedFailureCount": found.get("toleratedFailureCount", 0),
            "toleratedFailurePercentage": found.get("toleratedFailurePercentage", 0),
        }
        total = len(inspection.items or ())
        if any(limits.values()) and exceeded(limits, self.failed, total):
            return TaskFailed(key, THRESHOLD, EXCEEDED)
        return None

    def _items(self, state: State, inspection: Inspection) -> None:
        """Raises what keeps the items from being known."""
        value = read(self.input)
        if state.jsonata:
            inspection.read_items(self._scope(None, input=value), value)
            return
        scope = self._scope(value)
        effective = value if state.input is None else state.input(scope)
        inspection.read_items(self._scope(effective), effective)

    # ---- the answer

    def _scope(self, value: Any, **states: Any) -> Scope:
        name = self.subject.name
        frame: Doc = {
            "state": name, "at": self._began, "retried": self.retried, "variables": self.variables,
        }  # fmt: skip
        line = Line("", frame, self.subject.machine)
        values = Values({"root": frame}, _NoPages())
        turn = Turn(self._execution, {"events": 1}, self._began, self.random, values)
        return turn.scope(line, value, **states)

    def _inspection(self, state: State) -> Inspection:
        value = read(self.input)
        return Inspection(state, self.input, value, self._scope, self._result, self.source)

    def _told(self, inspect: bool) -> Doc:
        exited = next((e for e in self._events if e["type"].endswith("StateExited")), None)
        failed = next((e for e in self._events if e["type"] == "ExecutionFailed"), None)
        answer: Doc = {}
        evaluated = next((e for e in self._events if e["type"] == "EvaluationFailed"), None)
        if evaluated is not None and self._failure is None:
            details = evaluated["evaluationFailedEventDetails"]
            self._failure = Failure(details.get("error"), details.get("cause"))
        if failed is not None and exited is None:
            details = failed.get("executionFailedEventDetails", {})
            self._failure = Failure(details.get("error"), details.get("cause"))
        if self._failure is not None:
            told = {"error": self._failure.name, "cause": self._failure.cause}
            answer |= {name: text for name, text in told.items() if text is not None}
        if exited is not None:
            answer["output"] = exited["stateExitedEventDetails"]["output"]
            after = self._events[self._events.index(exited) + 1 :]
            entered = next((e for e in after if e["type"].endswith("StateEntered")), None)
            if entered is not None:
                answer["nextState"] = entered["stateEnteredEventDetails"]["name"]
        answer["status"] = self._status(exited)
        if inspect:
            answer["inspectionData"] = self._inspected(answer, exited)
        return answer

    def _status(self, exited: Doc | None) -> str:
        if self._again is not None:
            return "RETRIABLE"
        if self._failure is None:
            return "SUCCEEDED"
        return "FAILED" if exited is None else "CAUGHT_ERROR"

    def _inspected(self, answer: Doc, exited: Doc | None) -> Doc:
        data = self._inspection(self.subject.original).made()
        error, state = self._failure, self.subject.state
        if answer["status"] == "CAUGHT_ERROR" and error is not None:
            data["errorDetails"] = {"catchIndex": _index(state.catchers, error)}
        elif answer["status"] == "RETRIABLE" and error is not None:
            data["errorDetails"] = {
                "retryIndex": _index(state.retriers, error),
                "retryBackoffIntervalSeconds": round(self._again or 0),
            }
        variables = self.variables if exited is None else _assigned(exited, self.variables)
        if variables:
            data["variables"] = write(variables)
        return data


def _assigned(exited: Doc, before: Doc) -> Doc:
    """The variables after the state, by the event of its end."""
    assigned = exited["stateExitedEventDetails"].get("assignedVariables") or {}
    return {**before, **{name: read(text) for name, text in assigned.items()}}


def _index(handlers: Any, failure: Failure) -> int:
    """The place of the first retrier or catcher for the failure."""
    name = failure.matched or failure.name
    return next((at for at, one in enumerate(handlers) if matches(one.errors, name)), 0)


def _prepared(resource: Resource, parameters: Any) -> Any:
    """As a machine's tasks; what this server lacks is for the mock to answer."""
    return (
        parameters if isinstance(target_of(resource), Problem) else prepared(resource, parameters)
    )


def _broken(key: str, evaluate: Callable[[], object]) -> TaskFailed:
    try:
        evaluate()
    except StateError as error:
        return TaskFailed(key, error.name, error.cause)
    except Unreadable as error:
        return TaskFailed(key, READER_FAILED, str(error))
    return TaskFailed(key, "States.Runtime", None)
