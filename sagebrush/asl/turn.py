"""One step in the making: the position that changes, and what is gathered for the caller.

The position is `{"events": last event id, "root": line, "ready": [paths]}`. A *line* is one flow of
states: the execution's own, a branch of a Parallel, an iteration of a Map. It holds the state it is
in, that state's input, ids and time of its entry, its variables, what it waits for, and the lines
within. Its path is the indexes of the lines from the root, as text: "", "2", "2/17".
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl.failures import Failure
from sagebrush.asl.machine import Machine, State
from sagebrush.asl.pages import Values
from sagebrush.asl.scope import Scope
from sagebrush.asl.steps import Command, End, Execution, Step
from sagebrush.asl.values import iso, read, write
from sagebrush.errors import Doc

NOT_TRUNCATED = {"truncated": False}
RETRYING = ("Task", "Parallel", "Map")


@dataclass
class Line:
    """A line of the position, with the machine that it runs and the line around it."""

    path: str
    frame: Doc
    machine: Machine
    parent: Line | None = None
    values: Values | None = None
    """Where large values are; None for a line that has none."""

    @property
    def state(self) -> State:
        return self.machine.states[self.frame["state"]]

    def variables(self) -> Doc:
        """The variables that a state of the line sees, those of outer scopes included."""
        if self.parent is None:
            return self.own_variables()
        return {**self.parent.variables(), **self.own_variables()}

    def own_variables(self) -> Doc:
        """Those that were assigned in the line itself."""
        if self.values is not None:
            return self.values.of(self.frame, "variables") or {}
        return self.frame.get("variables") or {}


def copied(frame: Doc) -> Doc:
    """A line whose members can be set without changing the given one; values are shared."""
    frame = dict(frame)
    if "branches" in frame:
        frame["branches"] = [copied(one) for one in frame["branches"]]
    if "map" in frame:
        running = {at: copied(one) for at, one in frame["map"]["running"].items()}
        frame["map"] = {**frame["map"], "running": running}
    return frame


@dataclass
class Turn:
    """A step in the making."""

    execution: Execution
    position: Doc
    now: float
    random: random.Random
    values: Values
    events: list[Doc] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    end: End | None = None
    ready: deque[str] = field(default_factory=deque)
    """Paths of lines whose next state is to be entered."""
    ended: deque[tuple[str, Any, str]] = field(default_factory=deque)
    """Lines that ended, each with its output as value and as text."""
    failed: deque[tuple[str, Failure]] = field(default_factory=deque)
    """Lines that failed."""
    texts: dict[int, tuple[Any, str]] = field(default_factory=dict)
    before: tuple[Doc, dict[str, Any], int] | None = None
    """Root, pages and number of drops before a failure was unwound (`redrive`)."""
    written: int = 0
    """Characters of the texts."""
    told: int = 0
    """Characters of the texts, as often as they were asked for: events tell of the same value again."""

    def emit(self, kind: str, previous: int, member: str = "", details: Doc | None = None) -> int:
        """A history event is added; its id."""
        number = self.position["events"] = self.position["events"] + 1
        event: Doc = {
            "timestamp": self.now,
            "type": kind,
            "id": number,
            "previousEventId": previous,
        }
        if member:
            event[member] = details if details is not None else {}
        self.events.append(event)
        return number

    def root(self) -> Line:
        """The execution's own line."""
        return Line("", self.position["root"], self.execution.machine, None, self.values)

    def line(self, path: str) -> Line | None:
        """The line at a path; None where there is none any more."""
        found = self.root()
        for part in path.split("/") if path else ():
            child = self.child(found, part)
            if child is None:
                return None
            found = child
        return found

    def child(self, line: Line, part: str) -> Line | None:
        path = f"{line.path}/{part}" if line.path else part
        if "branches" in line.frame:
            frame = line.frame["branches"][int(part)]
            return Line(path, frame, line.state.branches[int(part)], line, self.values)
        running = line.frame.get("map", {}).get("running", {})
        if part not in running:
            return None
        return Line(path, running[part], line.state.branches[0], line, self.values)

    def input_of(self, line: Line) -> Any:
        """The input of the state that a line is in."""
        return self.values.of(line.frame, "input")

    def text(self, value: Any) -> str:
        """The JSON text of a value, written once in a step."""
        kept = self.texts.get(id(value))
        if kept is not None and kept[0] is value:
            self.told += len(kept[1])
            return kept[1]
        made = write(value)
        self.told += len(made)
        self.texts[id(value)] = (value, made)
        self.written += len(made)
        return made

    def _length(self, value: Any) -> int:
        """The characters of a value whose text was made in this step; 0 for others."""
        kept = self.texts.get(id(value))
        return len(kept[1]) if kept is not None and kept[0] is value else 0

    def scope(self, line: Line, value: Any = None, **states: Any) -> Scope:
        """The scope of expressions of the line's state; `value` is `$`, `states` are of `$states`."""
        return Scope(
            value, lambda: self.context(line), line.variables, self.now, self.random, states
        )

    def context(self, line: Line) -> Doc:
        """The context object. Its members' order is that of the service (recorded)."""
        execution, frame = self.execution, line.frame
        if execution.context is not None:
            return execution.context
        state: Doc = {"Name": frame["state"], "EnteredTime": iso(frame["at"])}
        if line.state.type in RETRYING:
            state["RetryCount"] = frame.get("retried", 0)
        found: Doc = {
            "Execution": {
                "Id": execution.arn,
                "Input": read(execution.input),
                "StartTime": iso(execution.started),
                "Name": execution.name,
                "RoleArn": execution.role,
            },
            "StateMachine": {"Id": execution.machine_arn, "Name": execution.machine_name},
            "State": state,
        }
        if execution.redrives is not None:
            found["Execution"]["RedriveCount"] = execution.redrives
        if "token" in frame.get("wait", {}):
            found["Task"] = {"Token": frame["wait"]["token"]}
        item = self._item(line)
        if item is not None:
            found["Map"] = {"Item": item()}
        elif execution.item is not None:
            found["Map"] = {"Item": execution.item}
        return found

    def _item(self, line: Line | None) -> Callable[[], Doc] | None:
        """What makes `Map.Item` of the nearest iteration around a line."""
        while line is not None and line.parent is not None:
            if "map" in line.parent.frame and "index" in line.frame:
                key, index = line.parent.frame["map"]["key"], line.frame["index"]
                return lambda: {
                    "Index": index, "Value": self.item(key, index), "Source": "STATE_DATA"
                }  # fmt: skip
            line = line.parent
        return None

    def item(self, key: str, index: int) -> Any:
        """An item of the inline Map with this key."""
        return self.values.get(f"{key}/items/{index // ITEMS}")[index % ITEMS]

    def step(self) -> Step:
        self.position["ready"] = list(self.ready)
        self.values.settle(self.position, self._length)
        return Step(
            self.position,
            self.events,
            self.commands,
            self.values.made,
            self.values.dropped,
            self.end,
            bool(self.ready) and self.end is None,
        )


ITEMS = 50
"""How many items of an inline Map lie in one page."""
