"""Random machines whose answers and timers come in any order, stopped and redriven: they end well at
last, and leave nothing behind."""

from __future__ import annotations

import random

import pytest

from sagebrush.asl import steps
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, Run, started

PASS = {"Type": "Pass", "End": True}
WAIT = {"Type": "Wait", "Seconds": 2, "End": True}
RETRY = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
LIMITS = {"TimeoutSeconds": 5, "HeartbeatSeconds": 3}
TASK = {"Type": "Task", "Resource": INVOKE, **LIMITS, "Retry": RETRY, "End": True}
ANY = ["States.ALL"]


def any_machine(name: str, depth: int, source: random.Random) -> Doc:
    """A machine of one state, perhaps with others within it, and perhaps a state that catches."""
    kind = source.choice("TWPML" if depth < 3 else "TWP")
    name += kind
    state: Doc = {"T": TASK, "W": WAIT}.get(kind, PASS)
    if kind == "M":
        within = any_machine(name, depth + 1, source)
        items = {"ItemsPath": "$$.Execution.Input.l", "MaxConcurrency": source.choice([0, 1, 2])}
        state = {"Type": "Map", **items, "ItemProcessor": within, "End": True}
    elif kind == "L":
        branches = [any_machine(f"{name}{at}", depth + 1, source) for at in range(2)]
        state = {"Type": "Parallel", "Branches": branches, "End": True}
    if kind in "TML" and source.random() < 0.3:
        caught = {**state, "Catch": [{"ErrorEquals": ANY, "Next": f"{name}H"}]}
        return {"StartAt": name, "States": {name: caught, f"{name}H": PASS}}
    if kind in "ML" and source.random() < 0.3:
        state = {**state, "Retry": [{"ErrorEquals": ANY, "MaxAttempts": 1}]}
    return {"StartAt": name, "States": {name: state}}


def go_on(run: Run, source: random.Random) -> None:
    """A task is answered, or a timer fires."""
    if not run.tasks or (run.timers and source.random() < 0.25):
        run.fire()
        return
    key = source.choice(list(run.tasks))
    run.happen(steps.TaskStarted(key))
    chance = source.random()
    if chance < 0.8:
        run.tasks.pop(key, None)
        good, bad = steps.TaskSucceeded(key, {"x": 1}), steps.TaskFailed(key, "E", None)
        run.happen(good if chance < 0.6 else bad)
    else:
        run.happen(steps.Heartbeat(key))


@pytest.mark.costs("many executions: the driver compares the position before and after each step")
@pytest.mark.parametrize("seed", range(0, 120, 20))
def test_a_walk_ends_and_leaves_nothing(seed: int) -> None:
    for number in range(seed, seed + 20):
        source = random.Random(number)
        run = started(any_machine("s", 0, source), {"l": [1, 2, 3]})
        while run.end is None or run.end.status != "SUCCEEDED":
            if run.end is not None:
                assert run.timers == {}
                run.redrive()
                continue
            go_on(run, source)
            if source.random() < 0.02:
                run.happen(steps.Stopped())
        assert [event["id"] for event in run.events] == list(range(1, len(run.events) + 1))
        assert all(event["previousEventId"] < event["id"] for event in run.events)
        assert (run.pages, run.timers) == ({}, {})
