"""Map states in Distributed mode: what the caller needs to run one, and what it decides by.

The caller reads the items and starts child executions of the item processor; which items go into
which child, what a child's input is, and when too many have failed is decided here. Sources:
developer guide, "Map state in Distributed mode", "ItemBatcher", "Tolerated failure threshold".
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from sagebrush.asl import expressions, flow, templates
from sagebrush.asl.failures import QUERY_EVALUATION, RUNTIME, Failure, StateError
from sagebrush.asl.machine import State, number
from sagebrush.asl.scope import Scope, new_uuid
from sagebrush.asl.steps import MapRunEnded, StartMapRun
from sagebrush.asl.turn import Line, Turn
from sagebrush.asl.values import PAYLOAD_LIMIT, is_number, write
from sagebrush.errors import Doc

LIMITS = {"MaxItems", "MaxItemsPerBatch", "MaxInputBytesPerBatch"}
CONCURRENCY = 10_000
"""Child executions at once where MaxConcurrency is 0 or missing."""


def start(turn: Turn, line: Line, state: State, scope: Scope, effective: Any) -> None:
    """The caller is asked to run the map. Raises StateError.

    The spec: `mapRunArn`, `label`, `executionType`, `maxConcurrency`, `toleratedFailureCount` and
    `toleratedFailurePercentage` (0 where not given), `items` (a list, an object whose pairs
    are the items, None with a reader), `reader` and
    `writer` (Resource, their configuration, and Parameters, evaluated), `batcher` (limits and
    BatchInput, evaluated; None without), `redrives` (0, or how often the map run of that ARN was redriven:
    children that succeeded stay), and `scope`, what ItemSelector may refer to.
    """
    frame, doc = line.frame, state.doc
    reader = evaluated(state, doc.get("ItemReader"), "ItemReader", scope)
    items = None if reader is not None else items_of(state, scope, effective, pairs=True)
    spec: Doc = {
        "label": doc.get("Label") or new_uuid(turn.random),
        "executionType": _processor(doc)["ProcessorConfig"]["ExecutionType"],
        "maxConcurrency": number(state, "MaxConcurrency", scope, 0) or CONCURRENCY,
        "toleratedFailureCount": number(state, "ToleratedFailureCount", scope, 0),
        "toleratedFailurePercentage": _percentage(state, scope),
        "items": items,
        "reader": reader,
        "batcher": evaluated(state, doc.get("ItemBatcher"), "ItemBatcher", scope),
        "writer": evaluated(state, doc.get("ResultWriter"), "ResultWriter", scope),
        "scope": {
            "input": turn.input_of(line) if state.jsonata else effective,
            "variables": line.variables(),
            "context": turn.context(line),
        },
    }
    before = frame.get("mapRun")
    if before is not None:
        spec |= {
            "label": before["label"],
            "mapRunArn": before["arn"],
            "redrives": before["redrives"] + 1,
        }
        details = {"mapRunArn": before["arn"], "redriveCount": spec["redrives"]}
        frame["previous"] = turn.emit(
            "MapRunRedriven", frame["previous"], "mapRunRedrivenEventDetails", details
        )
    else:
        _begin(turn, line, spec, len(items or ()))
    frame["mapRun"] = {
        "arn": spec["mapRunArn"],
        "label": spec["label"],
        "redrives": spec["redrives"],
    }
    key = f"{line.path}#{frame['previous']}"
    frame["wait"] = {"map_run": key}
    turn.commands.append(StartMapRun(key, names(line), spec))


def _percentage(state: State, scope: Scope) -> float:
    name = "ToleratedFailurePercentage"
    found = number(state, name, scope, 0)
    if found > 100:
        path = state.doc.get(f"{name}Path")
        field = f"{name}Path" if path else name
        raise StateError(RUNTIME, f"The {field} parameter must be between 0 and 100: {found}")
    return found


def _begin(turn: Turn, line: Line, spec: Doc, length: int) -> None:
    """A map run of its own, with its events."""
    frame = line.frame
    machine = turn.execution.machine_arn.replace(":stateMachine:", ":mapRun:", 1)
    spec |= {"mapRunArn": f"{machine}/{spec['label']}:{new_uuid(turn.random)}", "redrives": 0}
    details: Doc = {"length": length}
    started = turn.emit(
        "MapStateStarted", frame["previous"], "mapStateStartedEventDetails", details
    )
    details = {"mapRunArn": spec["mapRunArn"]}
    frame["previous"] = turn.emit("MapRunStarted", started, "mapRunStartedEventDetails", details)


STATE_DATA = "STATE_DATA"
"""Map.Item.Source of items that come from the state's input."""


def items_of(state: State, scope: Any, effective: Any, pairs: bool = False) -> Any:
    """The array that a Map goes through, or with `pairs` an object (guide, "ItemReader (Map)", "JSON data
    from a previous step": of distributed ones). Raises StateError, in recorded words."""
    found = state.values["Items"](scope) if "Items" in state.values else effective
    if isinstance(found, list) or (pairs and isinstance(found, dict)):
        return found
    if state.jsonata:
        cause = f"Map state input must be an array but was: {write(found)}"
        raise StateError(QUERY_EVALUATION, cause)
    path = state.doc.get("ItemsPath", "$")
    raise StateError(RUNTIME, f'Reference path "{path}" must point to array.')


def names(line: Line) -> tuple[str, ...]:
    """The names of states that lead from the root to the line's own."""
    around = names(line.parent) if line.parent is not None else ()
    return (*around, line.frame["state"])


def _processor(doc: Doc) -> Doc:
    return doc.get("ItemProcessor") or doc["Iterator"]


def evaluated(state: State, doc: Doc | None, field: str, scope: Scope) -> Doc | None:
    """An object of the Map state with every expression, `.$` member and `...Path` evaluated."""
    if doc is None:
        return None
    if state.jsonata:
        made = expressions.read_template(doc, field)(scope)
        made = {"Parameters" if n == "Arguments" else n: v for n, v in made.items()}
    else:
        made = _followed(templates.read_template(doc)(scope), scope)
    _check_limits(made, doc)
    return made


def _check_limits(made: Doc, doc: Doc) -> None:
    """The limits of a reader or a batcher, which expressions may have given, are whole numbers."""
    for name in LIMITS & made.keys():
        value = made[name]
        if not is_number(value) or value < 0 or value != int(value):
            path = doc.get(f"{name}Path")
            raise StateError(
                RUNTIME,
                f"The {name}{'Path' if path else ''} parameter does not reference an integer value: "
                f"{path or doc.get(name)} == {write(value)}",
            )
    if isinstance(made.get("ReaderConfig"), dict):
        _check_limits(made["ReaderConfig"], doc["ReaderConfig"])


def _followed(doc: Doc, scope: Scope) -> Doc:
    made: Doc = {}
    for name, value in doc.items():
        if name.removesuffix("Path") in LIMITS and name not in LIMITS:
            made[name.removesuffix("Path")] = templates.read_named_path(name, value)(scope)
        else:
            made[name] = _followed(value, scope) if name == "ReaderConfig" else value
    return made


def ended(turn: Turn, line: Line, news: MapRunEnded) -> None:
    """The caller's map run ended. Raises StateError."""
    frame = line.frame
    del frame["wait"]
    if news.error is None:
        frame["previous"] = turn.emit("MapRunSucceeded", frame["previous"])
        turn.emit("MapStateSucceeded", frame["previous"])
        flow.leave(turn, line, news.output)
        return
    details = {"error": news.error, "cause": news.cause}
    given = {name: value for name, value in details.items() if value is not None}
    frame["previous"] = turn.emit(
        "MapRunFailed", frame["previous"], "mapRunFailedEventDetails", given
    )
    flow.failed(turn, line, Failure(news.error, news.cause))


def parts(items: Any) -> Iterator[Doc]:
    """Of each element of an array, or pair of an object, what the context object tells of it."""
    if isinstance(items, dict):
        return ({"Key": k, "Value": v, "Source": STATE_DATA} for k, v in items.items())
    return ({"Value": value, "Source": STATE_DATA} for value in items)


def item_input(state: State, spec: Doc, item: Doc, now: float, source: random.Random) -> Any:
    """What becomes of an item before it is batched: itself, or what ItemSelector makes of it.

    Raises StateError. `item` is the context object's: Index (from 0), Key (of an object's pair), Value,
    and Source (`STATE_DATA` or the S3 URI; guide, "Context object data for Map states").
    """
    if state.arguments is None:
        pair = {"Key": item["Key"], "Value": item["Value"]} if "Key" in item else None
        return pair or item["Value"]
    given = spec["scope"]
    scope = Scope(
        given["input"],
        lambda: {**given["context"], "Map": {"Item": item}},
        lambda: given["variables"],
        now,
        source,
        {"input": given["input"]},
    )
    return state.arguments(scope)


def child_inputs(spec: Doc, items: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """(how many items, the input) of each child execution, in the order of the items.

    Without an ItemBatcher each item is an input; with one, `{"Items": [...]}` of at most
    MaxItemsPerBatch items and MaxInputBytesPerBatch bytes, with BatchInput where it is given. An item
    that alone is larger makes a batch of its own, which the child then refuses.
    """
    batcher = spec["batcher"]
    if batcher is None:
        yield from ((1, item) for item in items)
        return
    most = batcher.get("MaxItemsPerBatch") or 100_000_000
    limit = min(batcher.get("MaxInputBytesPerBatch") or PAYLOAD_LIMIT, PAYLOAD_LIMIT)
    around: Doc = {"BatchInput": batcher["BatchInput"]} if "BatchInput" in batcher else {}
    empty = len(write({**around, "Items": []}).encode())
    batch: list[Any] = []
    size = empty
    for item in items:
        more = len(write(item).encode()) + bool(batch)
        if batch and (len(batch) >= most or size + more > limit):
            yield len(batch), {**around, "Items": batch}
            batch, size, more = [], empty, more - 1
        batch.append(item)
        size += more
    if batch:
        yield len(batch), {**around, "Items": batch}


def exceeded(spec: Doc, failed: int, total: int) -> bool:
    """Whether more items failed than the map run tolerates; either threshold fails it."""
    count, percent = spec["toleratedFailureCount"], spec["toleratedFailurePercentage"]
    if failed == 0:
        return False
    if not count and not percent:
        return True
    over_count = bool(count) and failed > count
    return over_count or (bool(percent) and total > 0 and failed * 100 > percent * total)
