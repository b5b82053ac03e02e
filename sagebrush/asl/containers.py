"""Parallel and Map states: the lines within them begin, end, fail, and are aborted.

Sources: specification, "Parallel State", "Map State"; developer guide, "Map state in Inline mode"
(at most 40 iterations at once); order and ids of events as recorded (localstack test_base_scenarios,
test_timeouts.test_service_lambda_map_timeout).
"""

from __future__ import annotations

from typing import Any

from sagebrush.asl import flow, map_runs, work
from sagebrush.asl.failures import DATA_LIMIT, TOO_LARGE, Failure, StateError
from sagebrush.asl.machine import State, number
from sagebrush.asl.steps import CancelTimer, StopMapRun
from sagebrush.asl.turn import ITEMS, Line, Turn
from sagebrush.asl.values import LARGEST
from sagebrush.errors import Doc

INLINE_CONCURRENCY = 40


def start_parallel(turn: Turn, line: Line, state: State) -> None:
    """Every branch begins. Raises StateError."""
    frame, effective = line.frame, flow.given(turn, line, state)
    scope = turn.scope(line, effective, input=effective)
    given = effective if state.arguments is None else state.arguments(scope)
    turn.text(given)  # the same for every branch, and may be in a page (`pages`)
    frame["previous"] = turn.emit("ParallelStateStarted", frame["previous"])
    frame["branches"] = [
        {"state": branch.start, "input": given, "previous": frame["previous"]}
        for branch in state.branches
    ]
    frame["wait"] = {"branches": len(state.branches)}
    if not state.branches:  # a definition of before such were refused
        _parallel_succeeded(turn, line)
    for at in range(len(state.branches)):
        turn.ready.append(f"{line.path}/{at}" if line.path else str(at))


def start_map(turn: Turn, line: Line, state: State) -> None:
    """The first iterations begin, or the map run. Raises StateError."""
    frame, effective = line.frame, flow.given(turn, line, state)
    scope = turn.scope(line, effective, input=effective)
    if state.distributed:
        map_runs.start(turn, line, state, scope, effective)
        return
    items = map_runs.items_of(state, scope, effective)
    limit = number(state, "MaxConcurrency", scope, 0) or INLINE_CONCURRENCY
    started = frame["previous"] = turn.emit(
        "MapStateStarted",
        frame["previous"],
        "mapStateStartedEventDetails",
        {"length": len(items)},
    )
    key = f"{line.path}#{started}"
    for at in range(0, len(items), ITEMS):
        turn.values.made[f"{key}/items/{at // ITEMS}"] = items[at : at + ITEMS]
    turn.text(turn.input_of(line))  # which stays while others come and go, and may be in a page
    limit = min(int(limit), INLINE_CONCURRENCY)
    frame["map"] = {
        "key": key,
        "length": len(items),
        "next": 0,
        "done": 0,
        "limit": limit,
        "running": {},
    }
    frame["wait"] = {"map": key}
    if not items:
        _map_succeeded(turn, line)
        return
    for _ in range(min(limit, len(items))):
        _start_iteration(turn, line, state, started)


def _start_iteration(turn: Turn, line: Line, state: State, previous: int) -> None:
    running: Doc = line.frame["map"]
    index = running["next"]
    running["next"] = index + 1
    started = turn.emit(
        "MapIterationStarted",
        previous,
        "mapIterationStartedEventDetails",
        {"name": state.name, "index": index},
    )
    path = f"{line.path}/{index}" if line.path else str(index)
    value = turn.item(running["key"], index)
    if state.arguments is not None:
        value = state.arguments(_item_scope(turn, line, state, index, value))
    turn.text(value)
    running["running"][str(index)] = {
        "state": state.branches[0].start,
        "input": value,
        "previous": started,
        "index": index,
    }
    turn.ready.append(path)


def _item_scope(turn: Turn, line: Line, state: State, index: int, value: Any) -> Any:
    """The scope of ItemSelector: `$` is the effective input, and the context has the item."""
    scope = turn.scope(line, flow.given(turn, line, state), input=turn.input_of(line))
    outer = scope.context

    def context() -> Doc:
        return {
            **outer(),
            "Map": {"Item": {"Index": index, "Value": value, "Source": map_runs.STATE_DATA}},
        }

    scope.context = context
    return scope


def line_ended(turn: Turn, path: str, output: Any, text: str) -> None:
    """A line reached the end of its machine. Raises StateError for the state around it."""
    line = turn.line(path)
    assert line is not None
    if line.parent is None:
        flow.succeed(turn, line, text)
    elif "map" in line.parent.frame:
        _iteration_ended(turn, line, line.parent, output, len(text))
    else:
        _branch_ended(turn, line, line.parent, output)


def _branch_ended(turn: Turn, line: Line, parent: Line, output: Any) -> None:
    frame = parent.frame
    previous = line.frame["previous"]
    frame["branches"][int(line.path.rpartition("/")[2])] = {"output": output}
    left = frame["wait"]["branches"] - 1
    if left:
        frame["wait"] = {"branches": left}
        return
    frame["previous"] = previous
    _parallel_succeeded(turn, parent)


def _parallel_succeeded(turn: Turn, line: Line) -> None:
    branches = line.frame.pop("branches")
    del line.frame["wait"]
    turn.emit("ParallelStateSucceeded", line.frame["previous"])
    _check_size(line, sum(branch.get("weight", 0) for branch in branches))
    flow.leave(turn, line, [turn.values.of(branch, "output") for branch in branches])


def _iteration_ended(turn: Turn, line: Line, parent: Line, output: Any, size: int) -> None:
    frame, running = parent.frame, parent.frame["map"]
    previous, index = line.frame["previous"], line.frame["index"]
    turn.values.made[f"{running['key']}/results/{index}"] = output
    running["size"] = running.get("size", 0) + size
    frame["previous"] = turn.emit(
        "MapIterationSucceeded",
        previous,
        "mapIterationSucceededEventDetails",
        {"name": frame["state"], "index": index},
    )
    del running["running"][str(index)]
    running["done"] += 1
    if running["next"] < running["length"]:
        _start_iteration(turn, parent, parent.state, previous)
    elif running["done"] == running["length"]:
        _map_succeeded(turn, parent)


def _map_succeeded(turn: Turn, line: Line) -> None:
    running = line.frame["map"]
    small, results = running.get("size", 0) <= LARGEST, list[Any]()
    if small:
        keys = (f"{running['key']}/results/{at}" for at in range(running["length"]))
        results = list(map(turn.values.get, keys))
    del line.frame["map"], line.frame["wait"]
    turn.values.drop(f"{running['key']}/")
    turn.emit("MapStateSucceeded", line.frame["previous"])
    _check_size(line, running.get("size", 0))
    flow.leave(turn, line, results)


def _check_size(line: Line, size: int) -> None:
    """Results that are more than memory should hold are not read. Raises StateError."""
    if size > LARGEST:
        raise StateError(DATA_LIMIT, TOO_LARGE.format(line.frame["state"]), own=False)


def line_failed(turn: Turn, path: str, failure: Failure) -> None:
    """A line failed: the others within the same state are aborted, and the state fails."""
    line = turn.line(path)
    assert line is not None
    parent, previous = line.parent, line.frame["previous"]
    if parent is None:
        flow.end_failed(turn, previous, failure)
        return
    if "map" in parent.frame:
        turn.emit(
            "MapIterationFailed",
            previous,
            "mapIterationFailedEventDetails",
            {"name": parent.frame["state"], "index": line.frame["index"]},
        )
    own = line.state.type
    clear(turn, parent, but=path, previous=previous)
    if own == "Task":
        turn.emit("TaskStateAborted", previous)
    parent.frame["previous"] = previous
    flow.failed(turn, parent, failure)


def clear(turn: Turn, line: Line, but: str, previous: int) -> None:
    """Nothing runs within the state any more; what ran, but one line, is recorded as aborted."""
    frame = line.frame
    within = [str(at) for at in range(len(frame.get("branches", [])))]
    running = frame.get("map")
    within += list(running["running"]) if running else []
    for part in within:
        child = turn.child(line, part)
        if child is not None and "output" not in child.frame:
            if child.path != but and "entered" in child.frame:
                turn.emit(f"{child.state.type}StateAborted", previous)
            if child.path != but and running:
                turn.emit(
                    "MapIterationAborted",
                    previous,
                    "mapIterationAbortedEventDetails",
                    {"name": frame["state"], "index": child.frame["index"]},
                )
            stop(turn, child)
    if running:
        turn.values.drop(f"{running['key']}/")
        del frame["map"]
    frame.pop("branches", None)
    frame.pop("wait", None)
    inside = f"{line.path}/" if line.path else ""
    kept = [p for p in turn.ready if p == line.path or not p.startswith(inside)]
    turn.ready.clear()
    turn.ready.extend(kept)


def stop(turn: Turn, line: Line) -> None:
    """What the line waits for is stopped, and so is all within it; no events."""
    wait = line.frame.get("wait", {})
    if "task" in wait:
        work.forget(turn, line, stop=True)
    for name in ("retry", "timer"):
        if name in wait:
            turn.commands.append(CancelTimer(wait[name]))
    if "map_run" in wait:
        turn.commands.append(StopMapRun(wait["map_run"]))
    running = line.frame.get("map")
    parts = [str(at) for at in range(len(line.frame.get("branches", [])))]
    for part in parts + (list(running["running"]) if running else []):
        child = turn.child(line, part)
        if child is not None and "output" not in child.frame:
            stop(turn, child)
    if running:
        turn.values.drop(f"{running['key']}/")
