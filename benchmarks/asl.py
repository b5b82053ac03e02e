"""Transitions a second of the pure interpreter alone: no database, no service, one thread.

    python benchmarks/asl.py [--seconds S] [--only NAME]...

Each line runs executions of one machine from its start to its end, one after another, for S seconds
of processor time: states entered a second, and history events a second. `loop` is a Choice and a Pass
that count down from 100; `chain` 20 Pass states with paths; `map` an inline Map over 200 items; `wide`
the same over 5,000, in steps of 1,000 events, and the largest position between two steps; `jsonata` 20
Pass states with an expression each; `task` 20 Task states whose work is answered at once.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import deque
from typing import Any

from sagebrush.asl import steps
from sagebrush.asl.machine import Machine
from sagebrush.asl.spine import advance
from sagebrush.asl.validation import read_machine
from sagebrush.errors import Doc


class Kept(dict[str, Any]):
    """Pages in memory."""

    def read(self, key: str) -> Any:
        return self[key]


def chain(state: Doc, count: int = 20, **machine: Any) -> Doc:
    """A machine of `count` states alike."""
    states = {f"S{at}": {**state, "Next": f"S{at + 1}"} for at in range(count)}
    states[f"S{count - 1}"] = {**state, "End": True}
    return {"StartAt": "S0", "States": states, **machine}


def mapping(length: int) -> tuple[Doc, str]:
    work = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    machine = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": work, "End": True}}}
    return machine, json.dumps(list(range(length)))


LOOP: Doc = {
    "StartAt": "More",
    "States": {
        "More": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.left", "NumericGreaterThan": 0, "Next": "Less"}],
            "Default": "Done",
        },
        "Less": {
            "Type": "Pass",
            "Parameters": {"left.$": "States.MathAdd($.left, -1)"},
            "Next": "More",
        },
        "Done": {"Type": "Succeed"},
    },
}
PATHS = {"Type": "Pass", "InputPath": "$.a", "Parameters": {"b.$": "$.b"}, "ResultPath": "$.c"}
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "f", "Payload.$": "$"},
    "ResultPath": "$.result",
}
JSONATA = {"Type": "Pass", "Output": {"n": "{% $states.input.n + 1 %}"}}
CASES: dict[str, tuple[Doc, str]] = {
    "loop": (LOOP, '{"left": 100}'),
    "chain": (chain(PATHS), '{"a": {"b": [1, 2, 3]}}'),
    "map": mapping(200),
    "wide": mapping(5_000),
    "jsonata": (chain(JSONATA, QueryLanguage="JSONata"), '{"n": 0}'),
    "task": (chain(TASK), '{"a": 1}'),
}


def run(machine: Machine, given: str, source: random.Random) -> tuple[int, int, int]:
    """(states entered, events, the largest position in bytes between two steps) of an execution."""
    arn = "arn:aws:states:us-east-1:123456789012:"
    execution = steps.Execution(
        machine, f"{arn}execution:m:e", "e", "role", f"{arn}stateMachine:m", "m", 0.0, given
    )
    position, pages = None, Kept()
    todo: deque[steps.Happened] = deque([steps.Began()])
    entered = events = largest = 0
    while todo:
        step = advance(execution, position, todo.popleft(), 0.0, source, pages)
        position = step.position
        for prefix in step.dropped:
            for key in [key for key in pages if key.startswith(prefix)]:
                del pages[key]
        pages.update(step.pages)
        events += len(step.events)
        entered += sum(event["type"].endswith("StateEntered") for event in step.events)
        if step.more:
            largest = max(largest, len(json.dumps(position)))
            todo.append(steps.Continued())
        for command in step.commands:
            if isinstance(command, steps.StartTask):
                todo.append(steps.TaskStarted(command.key))
                todo.append(steps.TaskSucceeded(command.key, {"Payload": 1}))
    return entered, events, largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", action="append", choices=sorted(CASES))
    options = parser.parse_args()
    for name in options.only or CASES:
        definition, given = CASES[name]
        machine, source = read_machine(json.dumps(definition)), random.Random(1)
        runs = entered = events = largest = 0
        began = time.process_time()
        while (spent := time.process_time() - began) < options.seconds:
            counts = run(machine, given, source)
            runs, entered, events = runs + 1, entered + counts[0], events + counts[1]
            largest = max(largest, counts[2])
        line = f"{name:8} {entered / spent:9,.0f} transitions/s {events / spent:9,.0f} events/s"
        print(f"{line} {runs:6,} executions" + (f", position {largest:,} B" if largest else ""))


if __name__ == "__main__":
    main()
