"""The spine of an execution: `advance` takes what happened and says what follows.

One step goes as far as there are states that are ready, up to a number of events; what waits (a task,
a timer, a map run) is named by a key in the commands, and an answer to a key that nothing waits for
any more changes nothing, so that a late or repeated answer is harmless.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial

from sagebrush.asl import containers, flow, map_runs, redrive, work
from sagebrush.asl.failures import (
    HISTORY_FULL,
    NO_NEXT_STATE,
    RUNTIME,
    TIMEOUT,
    Failure,
    StateError,
)
from sagebrush.asl.machine import Outcome, State, number
from sagebrush.asl.pages import LARGE, Values
from sagebrush.asl.steps import (
    Began,
    CancelTimer,
    Continued,
    End,
    Execution,
    Happened,
    Heartbeat,
    MapRunEnded,
    Pages,
    Redriven,
    SetTimer,
    Step,
    Stopped,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
)
from sagebrush.asl.turn import NOT_TRUNCATED, Line, Turn, copied
from sagebrush.asl.values import read, timestamp, write
from sagebrush.errors import Doc

EVENTS = 1_000
"""From this many events on, what is still ready is left to the next step."""
CHARACTERS = 4_000_000
"""And from so many characters of different values on."""
TOLD = 16_000_000
"""And from so many characters of events on, which tell the same value again and again."""
HISTORY = 25_000
"""Events that a Standard execution may have; the one that ends it is the last."""
TIMER = "execution:timeout"


def advance(
    execution: Execution,
    position: Doc | None,
    happened: Happened,
    now: float,
    source: random.Random,
    pages: Pages,
    late: Callable[[], bool] = lambda: False,
) -> Step:
    """The execution as it is after `happened`, and what the caller is to do; nothing given changes.

    `position`: that of the last step, None with `Began`. `now`: seconds since 1970. `source` makes
    tokens, UUIDs and jitter. `pages` holds what earlier steps gave to keep. `late`: whether the step
    took long enough, so that what is still ready is left to the next one; asked after each state.
    """
    if position is None:
        position = {"events": 0, "root": {}, "ready": []}
    position = {**position, "root": copied(position["root"])}
    turn = Turn(execution, position, now, source, Values(position, pages))
    turn.ready = deque(position["ready"])
    _receive(turn, happened)
    _settle(turn)
    while turn.ready and turn.end is None:
        path = turn.ready.popleft()
        line = turn.line(path)
        if line is not None:
            _enter(turn, line)
            _settle(turn)
        _full(turn)
        long = turn.written > CHARACTERS or turn.told > TOLD
        if len(turn.events) >= EVENTS or long or late():
            break
    if turn.end is not None:
        _close(turn)
    return turn.step()


def _settle(turn: Turn) -> None:
    """Lines that ended or failed have told the states around them."""
    while (turn.ended or turn.failed) and turn.end is None:
        if turn.failed:
            containers.line_failed(turn, *turn.failed.popleft())
            continue
        path, output, text = turn.ended.popleft()
        line = turn.line(path)
        try:
            containers.line_ended(turn, path, output, text)
        except StateError as error:
            assert line is not None
            assert line.parent is not None
            _broken(turn, line.parent, error)
    if turn.end is None:
        turn.before = None  # something caught the failure


def _broken(turn: Turn, line: Line, error: StateError) -> None:
    """A state's own evaluation failed; whatever still runs within it ends first."""
    if "branches" in line.frame or "map" in line.frame:
        containers.clear(turn, line, but="", previous=line.frame["previous"])
    flow.failed(turn, line, error)


def _full(turn: Turn) -> None:
    """A Standard execution ends with its 25,000th event."""
    if not turn.execution.standard or turn.end is not None:
        return
    if turn.position["events"] >= HISTORY - 1:
        surplus = turn.position["events"] - (HISTORY - 1)
        if surplus:
            del turn.events[-surplus:]
            turn.position["events"] = HISTORY - 1
        flow.end_failed(turn, HISTORY - 1, Failure(RUNTIME, HISTORY_FULL))


def _close(turn: Turn) -> None:
    """The execution ended: nothing waits or runs, and only what a redrive needs is kept."""
    if turn.end is not None and turn.end.status != "SUCCEEDED":
        redrive.remember(turn)
    containers.stop(turn, turn.root())
    if turn.execution.machine.timeout is not None:
        turn.commands.append(CancelTimer(TIMER))
    if turn.position["events"] >= HISTORY - 1 or not redrive.keep(turn):
        turn.values.drop("")
    turn.ready.clear()
    turn.position = {**turn.position, "root": {}, "ready": []}


def _receive(turn: Turn, happened: Happened) -> None:
    if isinstance(happened, Began):
        _begin(turn)
    elif not turn.position["root"]:
        if "failed" in turn.position and isinstance(happened, Redriven | Continued):
            _again(turn)  # else it has ended
    elif isinstance(happened, Stopped):
        details = {"error": happened.error, "cause": happened.cause}
        given = {name: value for name, value in details.items() if value is not None}
        turn.emit("ExecutionAborted", 0, "executionAbortedEventDetails", given)
        turn.end = End("ABORTED", error=happened.error, cause=happened.cause)
    elif isinstance(happened, TimerFired):
        _timer(turn, happened.key)
    elif not isinstance(happened, Continued | Redriven):
        _answer(turn, happened)


def _again(turn: Turn) -> None:
    """States that were not successful do their work again."""
    for line in redrive.restore(turn, TIMER):
        _tried(turn, line, partial(_work, turn, line, line.state))


def _begin(turn: Turn) -> None:
    execution = turn.execution
    details = {
        "input": execution.input,
        "inputDetails": NOT_TRUNCATED,
        "roleArn": execution.role,
    }
    turn.emit("ExecutionStarted", 0, "executionStartedEventDetails", details)
    if execution.machine.timeout is not None:
        turn.commands.append(SetTimer(TIMER, turn.now + execution.machine.timeout))
    value = read(execution.input)
    if len(execution.input) >= LARGE:
        turn.text(value)
    frame = {"state": execution.machine.start, "input": value, "previous": 0}
    turn.position["root"] = {**frame, "text": execution.input}
    turn.ready.append("")


def _timer(turn: Turn, key: str) -> None:
    if key == TIMER:
        turn.emit("ExecutionTimedOut", 0, "executionTimedOutEventDetails", {"error": TIMEOUT})
        turn.end = End("TIMED_OUT")
        return
    line = turn.line(key.partition("#")[0])
    wait = line.frame.get("wait", {}) if line is not None else {}
    if line is None:
        return
    task, _, limit = key.rpartition(":")
    if wait.get("timer") == key:
        del line.frame["wait"]
        _tried(turn, line, lambda: flow.leave(turn, line, flow.given(turn, line, line.state)))
    elif wait.get("retry") == key:
        del line.frame["wait"]
        _tried(turn, line, lambda: _work(turn, line, line.state))
    elif wait.get("task") == task and wait.get(limit) is not None:
        work.timed_out(turn, line, limit)


def _answer(
    turn: Turn,
    news: TaskStarted | TaskSubmitted | TaskSucceeded | TaskFailed | Heartbeat | MapRunEnded,
) -> None:
    line = turn.line(news.key.partition("#")[0])
    wait = line.frame.get("wait", {}) if line is not None else {}
    if line is None or news.key not in (wait.get("task"), wait.get("map_run")):
        return
    if isinstance(news, TaskStarted):
        if "started" not in wait:
            work.started(turn, line, news)
    elif isinstance(news, Heartbeat):
        work.beat(turn, line, news)
    elif isinstance(news, TaskSubmitted):
        work.submitted(turn, line, news)
    elif isinstance(news, TaskFailed):
        work.ended_badly(turn, line, news)
    elif isinstance(news, TaskSucceeded):
        _tried(turn, line, lambda: work.succeeded(turn, line, news))
    else:
        _tried(turn, line, lambda: map_runs.ended(turn, line, news))


def _tried(turn: Turn, line: Line, action: Callable[[], None]) -> None:
    """Does the action; an error that it raises is the state's."""
    try:
        action()
    except StateError as error:
        _broken(turn, line, error)


def _enter(turn: Turn, line: Line) -> None:
    state = flow.enter(turn, line)
    try:
        _work(turn, line, state)
    except StateError as error:
        _broken(turn, line, error)


def _work(turn: Turn, line: Line, state: State) -> None:
    """What a state does once it is entered, or tried again. Raises StateError."""
    if state.type == "Pass":
        flow.leave(turn, line, _passed(turn, line, state))
    elif state.type == "Choice":
        effective = flow.given(turn, line, state)
        flow.leave(turn, line, effective, _chosen(turn, line, state, effective))
    elif state.type == "Task":
        work.schedule(turn, line, state)
    elif state.type == "Wait":
        _wait(turn, line, state)
    elif state.type == "Succeed":
        flow.leave(turn, line, flow.given(turn, line, state))
    elif state.type == "Fail":
        _fail(turn, line, state)
    elif state.type == "Parallel":
        containers.start_parallel(turn, line, state)
    else:
        containers.start_map(turn, line, state)


def _passed(turn: Turn, line: Line, state: State) -> object:
    """The result of a Pass: Result, else Parameters, else the effective input."""
    effective = flow.given(turn, line, state)
    if "Result" in state.values:
        return state.doc["Result"]
    return effective if state.arguments is None else state.arguments(turn.scope(line, effective))


def _chosen(turn: Turn, line: Line, state: State, effective: object) -> Outcome:
    scope = turn.scope(line, effective, input=effective)
    for rule in state.rules:
        if rule.matches(scope):
            return rule.outcome
    if state.outcome.next is None:
        raise StateError(RUNTIME, NO_NEXT_STATE)
    return state.outcome


def _wait(turn: Turn, line: Line, state: State) -> None:
    effective = flow.given(turn, line, state)
    scope = turn.scope(line, effective, input=effective)
    if "Seconds" in state.values:
        until = turn.now + number(state, "Seconds", scope)
    else:
        given = state.values["Timestamp"](scope)
        moment = timestamp(given)
        if moment is None:
            path = state.doc.get("TimestampPath")
            name, source = ("TimestampPath", path) if path else ("Timestamp", "Timestamp")
            shown = given if isinstance(given, str) else write(given)
            raise StateError(
                RUNTIME,
                f"The {name} parameter does not reference a valid ISO-8601 extended offset "
                f"date-time format string: {source} == {shown}",
            )
        until = moment
    if until <= turn.now:
        flow.leave(turn, line, effective)
        return
    key = f"{line.path}#{line.frame['entered']}:timer"
    line.frame["wait"] = {"timer": key}
    turn.commands.append(SetTimer(key, until))


def _fail(turn: Turn, line: Line, state: State) -> None:
    value = turn.input_of(line)
    scope = turn.scope(line, value, input=value)
    given: dict[str, str | None] = {"Error": None, "Cause": None}
    for name in given.keys() & state.values.keys():
        text = given[name] = state.values[name](scope)
        if not isinstance(text, str):
            raise StateError(
                RUNTIME, f"The {name}Path parameter does not reference a string: {write(text)}"
            )
    flow.failed(turn, line, Failure(given["Error"], given["Cause"]))
