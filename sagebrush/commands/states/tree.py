"""An execution as a tree: a definition and a history become states with status, time and data. Pure.

Events name only the event before them, and only some name a state, so each is placed by its
predecessor: in a *line* (the execution's own flow, a branch of a Parallel, an iteration of a Map) and
at a *visit* of a state there. Source: API reference, "HistoryEvent"; histories that the service
recorded (tests/asl/test_asl_histories.py), in which what happens around a line that failed names an
event within it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Doc = Mapping[str, Any]
Machine = tuple[tuple[str, int], ...]
"""Where a machine is in the definition: the container and branch of each level; () is the whole."""
RUNNING, RETRYING, SUCCEEDED, CAUGHT = "RUNNING", "RETRYING", "SUCCEEDED", "CAUGHT"
FAILED, ABORTED, TIMED_OUT = "FAILED", "ABORTED", "TIMED_OUT"
CONTAINERS = ("Parallel", "Map")
TIMEOUT = "States.Timeout"


@dataclass
class Attempt:
    """One try of a task's work."""

    scheduled: float
    resource: str
    """`sagemaker:createTrainingJob.sync`, or the ARN of a function or an activity."""
    parameters: str
    started: float | None = None
    submitted: str | None = None
    """What the call answered, where the work goes on after it."""
    output: str | None = None
    ended: float | None = None
    error: str | None = None
    cause: str | None = None


@dataclass
class Visit:
    """One stay in a state. Times are seconds since 1970; input and output are JSON text."""

    name: str
    type: str
    line: Line
    entered: float
    input: str = ""
    number: int = 1
    """The how-manieth visit of this state in its line."""
    status: str = RUNNING
    ended: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    starts: int = 0
    """How often a container's lines began: more than once where it was tried again."""
    length: int | None = None
    """Items of a Map; AWS tells 0 for those that a reader finds."""
    map_run: str = ""
    lines: dict[int, Line] = field(default_factory=dict)
    """The branches or iterations of the last try."""
    done: bool = False
    """Whether all lines succeeded."""

    @property
    def tries(self) -> int:
        return max(len(self.attempts), self.starts, 1)

    @property
    def open(self) -> bool:
        return self.status in (RUNNING, RETRYING)

    @property
    def machine(self) -> Machine:
        return self.line.machine


@dataclass
class Line:
    """One flow of states, and the container visit around it (None for the execution's own)."""

    machine: Machine
    owner: Visit | None = None
    index: int = 0
    visits: list[Visit] = field(default_factory=list)
    status: str = RUNNING

    def last(self, name: str) -> Visit | None:
        """The latest visit of that state; None where there was none."""
        return next((one for one in reversed(self.visits) if one.name == name), None)


@dataclass(frozen=True)
class Place:
    """A state in the definition."""

    machine: Machine
    doc: Doc


def machines(definition: Doc, at: Machine = ()) -> Iterator[tuple[Machine, Doc]]:
    """The machine, then all within it: branches, iterators and item processors."""
    yield at, definition
    for name, state in definition.get("States", {}).items():
        for index, inner in enumerate(branches(state)):
            yield from machines(inner, (*at, (name, index)))


def branches(state: Doc) -> list[Doc]:
    """The machines within a state, none for most types."""
    if state.get("Type") == "Map":
        found = state.get("ItemProcessor") or state.get("Iterator")
        return [found] if found else []
    return list(state.get("Branches", ())) if state.get("Type") == "Parallel" else []


Position = tuple[Line, "Visit | None"]


class Tree:
    """What has happened in an execution so far; grows by the events that are added, in order."""

    def __init__(self, definition: Doc) -> None:
        self.definition = definition
        self.machines = dict(machines(definition))
        self.places = {
            name: Place(at, state)
            for at, machine in self.machines.items()
            for name, state in machine.get("States", {}).items()
        }
        self.root = Line(())
        self.last = 0
        """The id of the latest event."""
        self.started: float | None = None
        self.ended: float | None = None
        self.redrives = 0
        self.map_runs: Mapping[str, Doc] = {}
        """ARN -> DescribeMapRun's answer, where somebody has asked."""
        self.status = RUNNING
        self.input, self.output = "", None
        self.error: str | None = None
        self.cause: str | None = None
        self._at: dict[int, Position] = {0: (self.root, None)}
        self._redriven = -1
        """The id of the event since which `_again` do their work again."""
        self._again: list[Visit] = []

    @property
    def drawn(self) -> Doc:
        """The machine that the execution ran: of a child of a map run, the item processor."""
        return self.machines[self.root.machine]

    def add(self, events: Iterable[Doc]) -> Tree:
        """The events have happened; those known already change nothing."""
        for event in events:
            if event["id"] > self.last:
                self.last = event["id"]
                self._at[self.last] = self._take(event)
        return self

    def visits(self, line: Line | None = None) -> Iterator[Visit]:
        """Every visit, each before those within it."""
        for visit in (line or self.root).visits:
            yield visit
            for inner in visit.lines.values():
                yield from self.visits(inner)

    def _take(self, event: Doc) -> Position:
        kind, when = event["type"], seconds(event["timestamp"])
        details = next((v for k, v in event.items() if k.endswith("EventDetails")), {})
        before = event.get("previousEventId", 0)
        position = self._at.get(before, (self.root, None))
        if before == self._redriven and not kind.startswith("Execution"):
            position = self._resumed(kind, details)
        if kind.startswith("Execution"):
            return self._execution(kind, when, details, position)
        if kind.endswith("StateEntered"):
            return self._entered(kind.removesuffix("StateEntered"), when, details, position)
        if kind.endswith("StateExited"):
            return self._exited(when, details, position)
        if kind.endswith("StateAborted"):  # says neither which state nor where
            return position
        if kind.startswith("MapIteration"):
            return self._iteration(kind.removeprefix("MapIteration"), when, details, position)
        if kind.startswith("MapRun"):
            return self._map_run(kind, details, position)
        for type_ in CONTAINERS:
            if kind.startswith(f"{type_}State"):
                what = kind.removeprefix(f"{type_}State")
                return self._container(type_, what, when, details, position)
        if kind == "EvaluationFailed":
            visit = self._named(details.get("state", ""), position)
            if visit is not None:
                visit.error, visit.cause = details.get("error"), details.get("cause")
                return visit.line, visit
            return position
        return self._work(kind, when, details, position)

    def _execution(self, kind: str, when: float, details: Doc, position: Position) -> Position:
        if kind == "ExecutionStarted":
            self.started, self.input = when, details.get("input", "")
            return self.root, None
        if kind == "ExecutionRedriven":
            self.redrives += 1
            self.status, self.ended, self.error, self.cause = RUNNING, None, None, None
            self._redriven, self._again = self.last, list(_unfinished(self.root))
            return self.root, None
        self.status = {
            "ExecutionSucceeded": SUCCEEDED,
            "ExecutionFailed": FAILED,
            "ExecutionTimedOut": TIMED_OUT,
        }.get(kind, ABORTED)
        self.ended, self.output = when, details.get("output")
        self.error, self.cause = details.get("error"), details.get("cause")
        if self.status == FAILED:
            _failed(position, None, when, (self.error, self.cause))
        _close(self.root, TIMED_OUT if self.status == TIMED_OUT else ABORTED, when)
        return self.root, None

    def _resumed(self, kind: str, details: Doc) -> Position:
        """Where the first event of a line after a redrive belongs: all name the redrive before them."""
        name = details.get("name") or details.get("state")
        for visit in self._again:
            if name is not None:
                mine = visit.name == name
            elif "mapRunArn" in details:
                mine = visit.map_run == details["mapRunArn"]
            elif kind.endswith("Scheduled"):
                mine = bool(visit.attempts) and visit.attempts[-1].resource == _resource(details)
            else:
                mine = kind.startswith(f"{visit.type}State")
            if mine:
                self._again = [one for one in self._again if one is not visit]
                return visit.line, visit
        place = self.places.get(name or "")
        around = place.machine[-1][0] if place is not None and place.machine else ""
        owner = next((one for one in self.visits() if one.name == around and one.open), None)
        return (owner.line, owner) if owner is not None else (self.root, None)

    def _entered(self, type_: str, when: float, details: Doc, position: Position) -> Position:
        name = details["name"]
        place = self.places.get(name)
        if place is not None and not self.root.visits and place.machine != self.root.machine:
            self.root.machine = place.machine  # a child of a map run is one of its item processors
        line = self._line(position, place.machine) if place is not None else position[0]
        before = line.last(name)
        visit = Visit(name, type_, line, when, details.get("input", ""))
        visit.number = before.number + 1 if before is not None else 1
        if type_ == "Fail" and place is not None:
            visit.error, visit.cause = plain(place.doc, "Error"), plain(place.doc, "Cause")
        line.visits.append(visit)
        _reopen(line)
        return line, visit

    def _line(self, position: Position, machine: Machine) -> Line:
        """The line that runs that machine, at a position or around it; a branch that begins is made."""
        line, visit = position
        while line.machine != machine:
            inside = visit is not None and machine[:-1] == line.machine
            if inside and visit is not None and visit.name == machine[-1][0]:
                return visit.lines.setdefault(machine[-1][1], Line(machine, visit, machine[-1][1]))
            if line.owner is None:
                return self.root
            visit = line.owner
            line = visit.line
        return line

    def _named(self, name: str, position: Position) -> Visit | None:
        place = self.places.get(name)
        line = self._line(position, place.machine) if place is not None else position[0]
        return line.last(name)

    def _exited(self, when: float, details: Doc, position: Position) -> Position:
        visit = self._named(details["name"], position)
        if visit is None:
            return position
        if visit.type in CONTAINERS and visit.starts and not visit.done:
            _failed(position, visit, when, None)
            _end_within(visit, when)
        visit.status = CAUGHT if visit.error is not None else SUCCEEDED
        visit.ended, visit.output = when, details.get("output")
        return visit.line, visit

    def _around(self, type_: str, position: Position) -> Visit | None:
        """The innermost container of the type, at a position or around it, that has not ended."""
        line, visit = position
        while visit is None or visit.type != type_ or not visit.open:
            if line.owner is None:
                return None
            visit = line.owner
            line = visit.line
        return visit

    def _container(
        self, type_: str, what: str, when: float, details: Doc, position: Position
    ) -> Position:
        visit = self._around(type_, position) or position[1]
        if visit is None:
            return position
        if what == "Started":
            if visit.starts:
                _failed(position, visit, when, None)
            visit.starts, visit.lines, visit.done = visit.starts + 1, {}, False
            visit.status, visit.error, visit.cause = RUNNING, None, None
            visit.length = details.get("length", visit.length)
        elif what == "Succeeded":
            visit.done = True
            for line in visit.lines.values():
                line.status = SUCCEEDED
        elif what == "Failed":
            _failed(position, visit, when, None)
            _end_within(visit, when)
            visit.status, visit.ended = FAILED, when
        return visit.line, visit

    def _iteration(self, what: str, when: float, details: Doc, position: Position) -> Position:
        visit, index = self._named(details.get("name", ""), position), details.get("index", 0)
        if visit is None:
            return position
        line = visit.lines.get(index)
        if line is None or what == "Started":
            line = Line((*visit.machine, (visit.name, 0)), visit, index)
            visit.lines[index] = line
        if what == "Started":
            _reopen(line)
            return line, None
        line.status = {"Succeeded": SUCCEEDED, "Failed": FAILED}.get(what, ABORTED)
        if what == "Failed":
            _failed(position, visit, when, None)
        elif what == "Aborted":
            _close(line, ABORTED, when)
        return position if what == "Failed" else (line, line.visits[-1] if line.visits else None)

    def _map_run(self, kind: str, details: Doc, position: Position) -> Position:
        visit = self._around("Map", position)
        if visit is None:
            return position
        visit.map_run = details.get("mapRunArn", visit.map_run)
        if kind == "MapRunFailed":
            visit.error, visit.cause = details.get("error"), details.get("cause")
        elif kind == "MapRunSucceeded":
            visit.done = True
        return visit.line, visit

    def _work(self, kind: str, when: float, details: Doc, position: Position) -> Position:
        """What a task's work says: the last word of the event's type tells."""
        visit = position[1]
        if visit is None:
            return position
        if kind.endswith("Scheduled"):
            given = details.get("parameters", details.get("input", ""))
            visit.attempts.append(Attempt(when, _resource(details), given))
            visit.status, visit.ended, visit.error, visit.cause = RUNNING, None, None, None
            _reopen(visit.line)
        elif visit.attempts:
            self._answered(visit, kind, when, details)
        return position

    def _answered(self, visit: Visit, kind: str, when: float, details: Doc) -> None:
        attempt = visit.attempts[-1]
        if kind.endswith(("Failed", "TimedOut")):
            error = details.get("error")
            attempt.error = error if error or kind.endswith("Failed") else TIMEOUT
            attempt.cause, attempt.ended = details.get("cause"), when
            visit.error, visit.cause = attempt.error or "", attempt.cause
            again = self.places[visit.name].doc.get("Retry") if visit.name in self.places else None
            visit.status = RETRYING if again else RUNNING
        elif kind.endswith("Started"):
            attempt.started = when
        elif kind.endswith("Submitted"):
            attempt.submitted = details.get("output")
        elif kind.endswith("Succeeded"):
            attempt.output, attempt.ended = details.get("output"), when


def plain(state: Doc, name: str) -> str | None:
    """A field of a state that is text as it stands, and no expression."""
    found = state.get(name)
    return found if isinstance(found, str) and not found.startswith(("{%", "$")) else None


def _resource(details: Doc) -> str:
    """What a Scheduled event names, in one word."""
    service, what = details.get("resourceType"), details.get("resource", "")
    return f"{service}:{what}" if service else what


def _unfinished(line: Line) -> Iterator[Visit]:
    """The innermost visits that were not successful; they and those around them run again."""
    visit = line.visits[-1] if line.visits else None
    if visit is None or visit.status in (SUCCEEDED, CAUGHT):
        return
    line.status = RUNNING
    visit.status, visit.ended, visit.error, visit.cause = RUNNING, None, None, None
    for inner in visit.lines.values():
        yield from _unfinished(inner)
    if not visit.lines:
        yield visit


def _reopen(line: Line) -> None:
    """What is around a line goes on: only a redrive finds it ended."""
    while line.owner is not None and not line.owner.open:
        visit = line.owner
        visit.status, visit.ended, visit.error, visit.cause = RUNNING, None, None, None
        line.status = RUNNING
        line = visit.line


def _failed(
    position: Position,
    until: Visit | None,
    when: float,
    error: tuple[str | None, str | None] | None,
) -> None:
    """The visit at a position failed, and the containers around it up to `until`, which takes over the
    error; `error` is that of the innermost where it has none."""
    line, visit = position
    given = error or (None, None)
    while visit is not until or visit is None:
        if visit is not None and visit.ended is None:
            if visit.error is None or (visit.cause is None and visit.error == given[0]):
                visit.error, visit.cause = given
            visit.status, visit.ended = FAILED, when
            _end_within(visit, when)
        if visit is not None and visit.error is not None:
            given = (visit.error, visit.cause)
        if line.owner is None:
            break
        line.status = FAILED
        visit = line.owner
        line = visit.line
    if until is not None and until.error is None:
        until.error, until.cause = given[0] or "", given[1]


def _end_within(visit: Visit, when: float) -> None:
    for line in visit.lines.values():
        _close(line, ABORTED, when)


def _close(line: Line, status: str, when: float) -> None:
    """What still runs in the line, and within it, ended so."""
    if line.status == RUNNING:
        line.status = status
    for visit in line.visits:
        if visit.open:
            visit.status, visit.ended = status, when
            for inner in visit.lines.values():
                _close(inner, status, when)


def seconds(when: Any) -> float:
    """A time of an AWS client, or seconds already, in seconds since 1970."""
    return when.timestamp() if isinstance(when, dt.datetime) else float(when)
