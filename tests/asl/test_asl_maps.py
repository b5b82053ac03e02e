"""Map states: concurrency, item selectors, ten thousand items, and what a distributed map decides.

Sources: developer guide, "Map workflow state", "Inline mode", "Distributed mode", "ItemBatcher",
"Tolerated failure threshold".
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sagebrush.asl import map_runs, steps
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, Run, cause_of, machine, output_of, ran, single, started

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": INVOKE, "Parameters": {"item.$": "$"}, "End": True}
WORK = {"Type": "Map", "ItemProcessor": machine(T=TASK)}


@pytest.mark.parametrize(
    ("asked", "at_once"), [({}, 40), ({"MaxConcurrency": 3}, 3), ({"MaxConcurrency": 90}, 40)]
)
def test_as_many_iterations_run_as_may(asked: Doc, at_once: int) -> None:
    """At most 40 inline; as one ends, the next begins. Results are in the order of the items."""
    run = started(single({**WORK, **asked}), list(range(50)))
    assert len(run.tasks) == at_once
    while run.tasks:
        key, task = run.tasks.popitem()
        run.happen(steps.TaskStarted(key), steps.TaskSucceeded(key, task.parameters["item"] * 2))
        assert len(run.tasks) <= at_once
    assert run.output == [2 * n for n in range(50)]
    assert run.pages == {}


@pytest.mark.parametrize("field", ["ItemSelector", "Parameters"])
def test_an_item_selector(field: str) -> None:
    """test_map_state_config_inline_parameters; `Parameters` is its older name."""
    selector = {
        "constant": 1,
        "value.$": "$$.Map.Item.Value",
        "index.$": "$$.Map.Item.Index",
        "source.$": "$$.Map.Item.Source",
        "from.$": "$.x",
    }
    state = {"Type": "Map", "ItemsPath": "$.l", "Iterator": machine(P=PASS), field: selector}
    assert output_of(state, {"l": ["a", "b"], "x": 5}) == [
        {"constant": 1, "value": "a", "index": 0, "source": "STATE_DATA", "from": 5},
        {"constant": 1, "value": "b", "index": 1, "source": "STATE_DATA", "from": 5},
    ]


def test_an_item_selector_of_jsonata() -> None:
    state = {
        "Type": "Map",
        "Items": "{% $states.input.l %}",
        "ItemSelector": {"v": "{% $states.context.Map.Item.Value & $states.input.x %}"},
        "ItemProcessor": machine(
            P={**PASS, "Output": "{% $states.input.v & $states.context.Map.Item.Index %}"}
        ),
        "Output": {"all": "{% $states.result %}", "first": "{% $states.input.l[0] %}"},
    }
    made = output_of(state, {"l": ["a", "b"], "x": "!"}, QueryLanguage="JSONata")
    assert made == {"all": ["a!0", "b!1"], "first": "a"}


def test_an_empty_map() -> None:
    run = ran(single(WORK), [])
    assert run.output == []
    assert [kind for _, _, kind in run.history()][2:5] == [
        "MapStateStarted",
        "MapStateSucceeded",
        "MapStateExited",
    ]


def test_items_that_are_no_array() -> None:
    assert cause_of({**WORK, "ItemsPath": "$.l"}, {"l": 1}) == (
        "States.Runtime",
        'Reference path "$.l" must point to array.',
    )
    error, cause = cause_of(
        {"Type": "Map", "ItemProcessor": machine(P=PASS)}, 1, QueryLanguage="JSONata"
    )
    assert error == "States.QueryEvaluationError"
    assert cause == "Map state input must be an array but was: 1"


@pytest.mark.costs("ten thousand iterations: 1.5 s")
def test_ten_thousand_items_keep_the_position_small() -> None:
    """An Express execution, whose history has no limit: positions do not grow with the items."""
    run = ran(
        single({"Type": "Map", "ItemProcessor": machine(P=PASS)}),
        list(range(10_000)),
        standard=False,
    )
    assert run.output == list(range(10_000))
    assert run.largest < 8_192, (
        "one of the largest inputs that stay in a position, and 40 iterations"
    )
    assert run.pages == {}
    assert len(run.events) == 40_006


def test_a_map_in_a_map_and_its_failure_inside() -> None:
    """The inner Map catches nothing, the outer one does; nothing of the inner one goes on."""
    inner = {"Type": "Map", "ItemProcessor": machine(T=TASK), "End": True}
    catch = [{"ErrorEquals": ["E"], "Next": "H"}]
    outer = {"Type": "Map", "ItemProcessor": machine(I=inner), "Catch": catch, "End": True}
    run = started(machine(O=outer, H={**PASS, "Result": "caught"}), [[1, 2], [3]])
    assert {task.parameters["item"] for task in run.tasks.values()} == {1, 2, 3}
    key = next(key for key, task in run.tasks.items() if task.parameters["item"] == 2)
    run.happen(steps.TaskFailed(key, "E", None))
    assert run.output == "caught"
    assert sum(isinstance(c, steps.StopTask) for c in run.commands) == 2
    assert run.pages == {}


def test_a_large_input_lies_in_a_page_while_iterations_run() -> None:
    run = started(
        single({**WORK, "ItemsPath": "$.l", "ResultPath": "$.r"}), {"l": [1], "x": "y" * 9_000}
    )
    assert run.largest < 20_000
    assert len(json.dumps(run.position)) < 1_000
    (key,) = run.tasks
    run.happen(steps.TaskStarted(key), steps.TaskSucceeded(key, 5))
    assert run.output == {"l": [1], "x": "y" * 9_000, "r": [5]}


CONFIG = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}
FAR = {"Type": "Map", "ItemProcessor": {**machine(P=PASS), **CONFIG}}


def map_run(state: Doc, given: Any, **options: Any) -> tuple[Run, steps.StartMapRun]:
    run = started(single({**FAR, **state}, **options), given)
    command = run.commands[-1]
    assert isinstance(command, steps.StartMapRun)
    return run, command


def test_what_a_map_run_is_given() -> None:
    state = {
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {
                "InputType": "CSV",
                "CSVHeaderLocation": "FIRST_ROW",
                "MaxItemsPath": "$.most",
            },
            "Parameters": {"Bucket": "b", "Key.$": "$.key"},
        },
        "ItemBatcher": {"MaxItemsPerBatchPath": "$.batch", "BatchInput": {"k.$": "$.key"}},
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "b", "Prefix": "p"},
        },
        "MaxConcurrency": 7,
        "ToleratedFailurePercentagePath": "$.percent",
        "Label": "L",
    }
    run, command = map_run(state, {"key": "k.csv", "most": 10, "batch": 2, "percent": 12.5})
    spec = command.spec
    assert command.path == ("S",)
    assert spec["reader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 10},
        "Parameters": {"Bucket": "b", "Key": "k.csv"},
    }
    assert spec["batcher"] == {"MaxItemsPerBatch": 2, "BatchInput": {"k": "k.csv"}}
    assert spec["writer"]["Parameters"] == {"Bucket": "b", "Prefix": "p"}
    assert (spec["maxConcurrency"], spec["toleratedFailurePercentage"]) == (7, 12.5)
    assert (spec["executionType"], spec["label"], spec["items"]) == ("EXPRESS", "L", None)
    assert json.loads(json.dumps(spec)) == spec
    assert run.details("MapStateStarted") == [{"length": 0}]


def test_what_a_map_run_of_jsonata_is_given() -> None:
    state = {
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:listObjectsV2",
            "Arguments": {"Bucket": "{% $states.input.bucket %}"},
            "ReaderConfig": {"MaxItems": "{% 2 + 3 %}"},
        },
        "MaxConcurrency": "{% $states.input.n %}",
    }
    _, command = map_run(state, {"bucket": "b", "n": 4}, QueryLanguage="JSONata")
    assert command.spec["reader"]["Parameters"] == {"Bucket": "b"}
    assert command.spec["reader"]["ReaderConfig"] == {"MaxItems": 5}
    assert command.spec["maxConcurrency"] == 4
    assert len(command.spec["label"]) == 36


def test_items_of_a_map_run_go_through_the_selector() -> None:
    selector = {
        "v.$": "$$.Map.Item.Value",
        "i.$": "$$.Map.Item.Index",
        "s.$": "$$.Map.Item.Source",
        "x.$": "$.x",
    }
    run, command = map_run({"ItemsPath": "$.l", "ItemSelector": selector}, {"l": [5, 6], "x": 1})
    state = run.execution.machine.states["S"]
    item = {"Index": 1, "Value": 6, "Source": "STATE_DATA"}
    spec = json.loads(json.dumps(command.spec))
    assert map_runs.item_input(state, spec, item, run.now, random.Random(1)) == {
        "v": 6,
        "i": 1,
        "s": "STATE_DATA",
        "x": 1,
    }
    run, command = map_run({}, [5])
    state = run.execution.machine.states["S"]
    assert map_runs.item_input(state, command.spec, item, run.now, random.Random(1)) == 6


@pytest.mark.parametrize(
    ("batcher", "sizes"),
    [
        (None, [1, 1, 1, 1, 1]),
        ({"MaxItemsPerBatch": 2}, [2, 2, 1]),
        ({"MaxInputBytesPerBatch": 29}, [2, 2, 1]),
        ({"MaxInputBytesPerBatch": 28}, [1, 1, 1, 1, 1]),
        ({"MaxItemsPerBatch": 1, "MaxInputBytesPerBatch": 1_000}, [1, 1, 1, 1, 1]),
        ({"MaxInputBytesPerBatch": 5}, [1, 1, 1, 1, 1]),
    ],
)
def test_batches(batcher: Doc | None, sizes: list[int]) -> None:
    """A batch of two is `{"Items":["xxxxxx","xxxxxx"]}`, 29 bytes."""
    made = list(map_runs.child_inputs({"batcher": batcher}, ["xxxxxx"] * 5))
    assert [count for count, _ in made] == sizes
    if batcher is None:
        assert made[0] == (1, "xxxxxx")
    else:
        assert made[0][1] == {"Items": ["xxxxxx"] * sizes[0]}
        limit = batcher.get("MaxInputBytesPerBatch", 1_000)
        texts = [json.dumps(value, separators=(",", ":")) for _, value in made]
        assert all(len(text) <= limit for text in texts) or sizes == [1] * 5


def test_batches_have_their_input_with_them() -> None:
    batcher = {"MaxItemsPerBatch": 5, "BatchInput": {"a": 1}}
    assert list(map_runs.child_inputs({"batcher": batcher}, [1, 2])) == [
        (2, {"BatchInput": {"a": 1}, "Items": [1, 2]})
    ]


@pytest.mark.parametrize(
    ("count", "percent", "failed", "total", "exceeded"),
    [
        (0, 0, 0, 10, False),
        (0, 0, 1, 10, True),
        (2, 0, 2, 10, False),
        (2, 0, 3, 10, True),
        (0, 20, 2, 10, False),
        (0, 20, 3, 10, True),
        (5, 20, 3, 10, True),
        (2, 50, 3, 10, True),
        (0, 100, 10, 10, False),
    ],
)
def test_tolerated_failures(
    count: int, percent: float, failed: int, total: int, exceeded: bool
) -> None:
    """Guide: with both thresholds, the run fails as soon as either is exceeded."""
    spec = {"toleratedFailureCount": count, "toleratedFailurePercentage": percent}
    assert map_runs.exceeded(spec, failed, total) is exceeded


def test_a_map_run_that_fails_is_caught() -> None:
    catch = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "Next": "H"}]
    run = started(machine(M={**FAR, "Catch": catch, "End": True}, H=PASS), [1])
    command = run.commands[-1]
    assert isinstance(command, steps.StartMapRun)
    error = "States.ExceedToleratedFailureThreshold"
    run.happen(steps.MapRunEnded(command.key, error=error, cause="too many"))
    assert run.output == {"Error": error, "Cause": "too many"}
    assert run.details("MapRunFailed") == [{"error": error, "cause": "too many"}]


def test_a_map_run_is_stopped_with_its_execution() -> None:
    run, command = map_run({}, [1])
    run.happen(steps.Stopped())
    assert steps.StopMapRun(command.key) in run.commands


@pytest.mark.parametrize("value", [-1, 1.5, "x", None, True])
@pytest.mark.parametrize("field", ["MaxItems", "MaxItemsPerBatch", "MaxInputBytesPerBatch"])
def test_limits_that_are_no_whole_numbers(field: str, value: Any) -> None:
    """Paths and expressions give them: the state fails before the map run begins."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state: Doc = {"Type": "Map", "ItemProcessor": {**machine(P=PASS), "ProcessorConfig": config}}
    for language, limit in (
        ("JSONPath", {f"{field}Path": "$.n"}),
        ("JSONata", {field: "{% $states.input.n %}"}),
    ):
        reader = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
        }
        if field == "MaxItems":
            reader["ReaderConfig"] |= limit  # type: ignore[operator]
            part: Doc = {"ItemReader": reader}
        else:
            part = {"ItemReader": reader, "ItemBatcher": limit}
        run = started(single({**state, **part}, QueryLanguage=language), {"n": value})
        assert run.end is not None
        assert run.end.error == "States.Runtime"
        assert "does not reference an integer value" in (run.end.cause or "")


def test_a_tolerated_percentage_is_at_most_100() -> None:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state: Doc = {"Type": "Map", "ItemProcessor": {**machine(P=PASS), "ProcessorConfig": config}}
    state |= {"ItemsPath": "$.l", "ToleratedFailurePercentagePath": "$.n"}
    run = started(single(state), {"n": 101, "l": [1]})
    assert run.end is not None
    assert run.end.error == "States.Runtime"
