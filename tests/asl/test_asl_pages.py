"""Large values of positions: a step writes what is new, and nothing is left behind.

The driver keeps the position and the pages as JSON between steps, as a server that is killed would.
"""

from __future__ import annotations

import json

import pytest

from sagebrush.asl import pages, spine, steps
from sagebrush.errors import Doc
from tests.asl import test_asl_walks as walks
from tests.asl.driver import INVOKE, Run, machine, ran, single, started

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": INVOKE, "Parameters": {"n": 1}, "End": True}
WAIT = {"Type": "Wait", "Seconds": 5, "Next": "P"}
ONE = {**PASS, "Result": 1}
BIG = "x" * 200_000


def _written(run: Run, happened: steps.Happened) -> int:
    """Characters that the steps write of the position and of pages."""
    before = dict(run.pages)
    run.largest = 0
    run.happen(happened)
    new = {key: text for key, text in run.pages.items() if before.get(key) != text}
    return run.largest + sum(map(len, new.values()))


def test_branches_share_what_they_were_given() -> None:
    """A Parallel of 60 branches with 200 KB of input, each of which waits."""
    branches = [
        machine(**{f"W{at}": {**WAIT, "Next": f"P{at}"}, f"P{at}": ONE}) for at in range(60)
    ]
    state: Doc = {"Type": "Parallel", "Branches": branches}
    state["ResultSelector"] = {"first.$": "$[0]"}
    run = started(single(state), {"big": BIG}, standard=False)
    assert len(run.timers) == 60
    assert sum(map(len, run.pages.values())) < 201_000, "the value is there once"
    assert run.largest < 12_000, "and not in the position"
    key = next(iter(run.timers))
    run.now += 5
    assert _written(run, steps.TimerFired(key)) < 12_000
    run.timers.pop(key)
    assert run.finish().output == {"first": 1}
    assert run.pages == {}


def test_a_step_writes_its_own_value_alone() -> None:
    """Each branch has a large value of its own."""
    own = {"Type": "Pass", "Parameters": {"at.$": "$$.State.Name", "big.$": "$.big"}}
    branches = [
        machine(
            **{
                f"O{at}": {**own, "Next": f"W{at}"},
                f"W{at}": {**WAIT, "Next": f"P{at}"},
                f"P{at}": PASS,
            }
        )
        for at in range(50)
    ]
    state = {"Type": "Parallel", "Branches": branches, "ResultPath": None}
    run = started(single(state), {"big": BIG[:50_000]})
    assert sum(map(len, run.pages.values())) > 50 * 50_000
    assert run.largest < 50_000
    key = next(iter(run.timers))
    run.now += 5
    assert _written(run, steps.TimerFired(key)) < 30_000, "what it hands on stays in its page"
    run.timers.pop(key)
    assert run.finish().output == {"big": BIG[:50_000]}
    assert run.pages == {}


def test_small_values_stay_in_the_position() -> None:
    run = started(single(TASK), {"text": "x" * 4_000})
    assert run.pages == {}
    assert run.position is not None
    assert len(run.position["root"]["input"]["text"]) == 4_000


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_variables(language: str) -> None:
    """Variables are written once, and read by states and by branches."""
    path = language == "JSONPath"
    assign: Doc = {"v.$": "$.big", "n": 1} if path else {"v": "{% $states.input.big %}", "n": 1}
    again: Doc = {"n": 2}
    last: Doc = (
        {"Parameters": {"v.$": "$v", "n.$": "$n"}}
        if path
        else {"Output": {"v": "{% $v %}", "n": "{% $n %}"}}
    )
    first: Doc = {"Type": "Pass", "Assign": assign, "Next": "W"}
    if not path:
        first["Output"] = 0
    states: Doc = {
        "A": first,
        "W": {"Type": "Wait", "Seconds": 1, "Assign": again, "Next": "L"},
        "L": {**PASS, **last},
    }
    run = started({**machine(**states), "QueryLanguage": language}, {"big": BIG})
    assert run.largest < 2_000
    assert len(run.pages) == (2 if path else 1), "a JSONPath state hands its input on"
    assert run.finish().output == {"v": BIG, "n": 2}
    assert run.pages == {}


def test_a_redrive_finds_large_values_again() -> None:
    """One branch fails; what the others had, and its own input, is there after the end."""
    branches = [machine(W={**WAIT, "Seconds": 1}, P=PASS), machine(T=TASK)]
    run = started(single({"Type": "Parallel", "Branches": branches}), {"big": BIG})
    run.fire()
    key = run.tasks.popitem()[0]
    run.happen(steps.TaskStarted(key), steps.TaskFailed(key, "E", None))
    assert run.end == steps.End("FAILED", error="E")
    assert run.largest < 2_000
    assert sum(map(len, run.pages.values())) < 201_000
    run.redrive()
    assert run.finish(lambda task: steps.TaskSucceeded(task.key, 2)).output == [{"big": BIG}, 2]
    assert run.pages == {}


@pytest.mark.parametrize("kind", ["Parallel", "Map"])
def test_results_beyond_memory_are_not_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.asl.containers.LARGEST", 1_000)
    monkeypatch.setattr(spine, "CHARACTERS", 1)
    large = [machine(**{f"P{at}": {**PASS, "Result": "x" * 600}}) for at in range(4)]
    parts: Doc = {"Branches": large} if kind == "Parallel" else {"ItemProcessor": large[0]}
    run = ran(single({"Type": kind, **parts, "ResultSelector": {}}), [1, 2, 3, 4])
    assert run.end is not None
    assert run.end.error == "States.DataLimitExceeded"


def test_what_the_events_of_one_step_tell_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many branches tells of the same large input."""
    monkeypatch.setattr(spine, "TOLD", 500_000)
    branches = [
        machine(**{f"W{at}": {**WAIT, "Next": f"P{at}"}, f"P{at}": ONE}) for at in range(20)
    ]
    run = Run(single({"Type": "Parallel", "Branches": branches}), f'{{"big": "{BIG}"}}')
    run.happen(steps.Began())
    assert run.steps > 5
    assert run.finish().output == [1] * 20


def test_walks_with_every_value_in_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any machine comes to the same end, and leaves nothing."""
    monkeypatch.setattr(pages, "LARGE", 1)
    monkeypatch.setattr(pages, "TOGETHER", -1)
    monkeypatch.setattr(spine, "LARGE", 0)
    walks.test_a_walk_ends_and_leaves_nothing(7)


def test_a_position_of_before_there_were_such_pages_goes_on() -> None:
    """A Map's input lay in a page of another name; branches had their values themselves, large or not."""
    wait = {"Type": "Wait", "Seconds": 1, "End": True}
    inner, *both = (machine(**{name: wait}) for name in "ABC")
    states = {
        "M": {"Type": "Map", "ItemsPath": "$.n", "ItemProcessor": inner, "ResultPath": "$.m", "Next": "Q"},
        "Q": {"Type": "Parallel", "Branches": both, "ResultPath": "$.q", "End": True},
    }  # fmt: skip
    run = started(machine(**states), {"n": [1, 2], "big": "x" * 5_000})
    assert run.position is not None
    root = run.position["root"]
    root["paged"] = "#2/input"
    run.pages["#2/input"] = json.dumps(root.pop("input"))
    run.position.pop("pages", None)
    root["map"].pop("size", None)
    root.pop("weight", None)
    run.fire().fire()
    branches = run.position["root"]["branches"]
    branches[0] = {"output": {"big": BIG[:90_000]}}
    del branches[1]["paged"], branches[1]["weight"]
    branches[1]["input"] = {"big": BIG[:90_000]}
    run.position["root"]["wait"] = {"branches": 1}
    run.timers.pop(next(key for key in run.timers if key.startswith("0#")))
    run.finish()
    assert run.output["m"] == [1, 2]
    assert run.output["q"] == [{"big": BIG[:90_000]}] * 2
    assert run.output["big"] == "x" * 5_000
    assert run.pages == {}
