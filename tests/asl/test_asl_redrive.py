"""Executions that failed, were stopped or timed out go on where they were not successful.

Source: developer guide, "Restarting state machine executions with redrive in Step Functions".
"""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.asl import steps
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, Run, machine, ran, single, started

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": INVOKE, "End": True}


def fails(task: steps.StartTask) -> steps.Happened:
    return steps.TaskFailed(task.key, "E", "C")


def works(task: steps.StartTask) -> steps.Happened:
    return steps.TaskSucceeded(task.key, {"x": 1})


def again(run: Run) -> list[str]:
    """The types of events after the latest redrive."""
    types = [event["type"] for event in run.events]
    return types[len(types) - 1 - types[::-1].index("ExecutionRedriven") :]


def test_a_task_is_scheduled_again_without_being_entered() -> None:
    run = ran(machine(A={"Type": "Pass", "Next": "T"}, T=TASK), {"a": 1}, fails)
    last = run.events[-1]["id"]
    run.redrive().finish(works)
    assert run.output == {"x": 1}
    assert again(run) == [
        "ExecutionRedriven",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert run.details("ExecutionRedriven") == [{"redriveCount": 1}]
    assert run.history()[last][:2] == (last + 1, last)
    assert run.history()[last + 1][1] == last + 1


def test_retries_begin_anew() -> None:
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
    run = ran(single({**TASK, "Retry": retry}), None, fails)
    run.redrive().finish(fails)
    assert len(run.details("TaskScheduled")) == 4


def test_branches_that_succeeded_stay() -> None:
    branches = [machine(A={**TASK, "Parameters": 1}), machine(B={**TASK, "Parameters": 2})]

    def second_fails(task: steps.StartTask) -> steps.Happened:
        return fails(task) if task.parameters == 2 else works(task)

    run = started(single({"Type": "Parallel", "Branches": branches}))
    for key, task in list(run.tasks.items()):  # in the order of branches
        del run.tasks[key]
        run.happen(steps.TaskStarted(key), second_fails(task))
    assert run.end is not None
    asked: list[Any] = []

    def worker(task: steps.StartTask) -> steps.Happened:
        asked.append(task.parameters)
        return works(task)

    run.redrive().finish(worker)
    assert asked == [2]
    assert run.output == [{"x": 1}, {"x": 1}]


def test_iterations_that_succeeded_stay() -> None:
    items = list(range(60))
    state: Doc = {"Type": "Map", "ItemProcessor": machine(T=TASK), "MaxConcurrency": 1}
    seen: list[Any] = []

    def worker(task: steps.StartTask) -> steps.Happened:
        seen.append(task.parameters)
        if task.parameters == 55 and seen.count(55) == 1:
            return steps.TaskFailed(task.key, "E", None)
        return steps.TaskSucceeded(task.key, task.parameters * 2)

    run = ran(single(state), items, worker)
    assert run.end == steps.End("FAILED", error="E")
    run.redrive().finish(worker)
    assert run.output == [item * 2 for item in items]
    assert seen == [*range(56), *range(55, 60)]
    assert run.pages == {}


def test_a_result_that_was_too_large_runs_all_again() -> None:
    large = {"Type": "Pass", "Result": "x" * 200_000, "End": True}
    state = {"Type": "Parallel", "Branches": [machine(A=large), machine(B=large)]}
    run = ran(single(state))
    assert run.end is not None
    assert run.end.error == "States.DataLimitExceeded"
    run.redrive().finish()
    assert again(run).count("PassStateExited") == 2


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_what_was_stopped_or_timed_out_goes_on(status: str) -> None:
    wait = {"Type": "Wait", "Seconds": 50, "End": True}
    run = started(single(wait, TimeoutSeconds=20))
    run = run.happen(steps.Stopped("E")) if status == "ABORTED" else run.fire()
    assert run.end is not None
    assert (run.end.status, run.timers) == (status, {})
    run.redrive()
    assert sorted(at - run.now for at in run.timers.values()) == [20, 50]


def test_a_failure_that_was_caught_is_not_redriven() -> None:
    inner = {**TASK, "Catch": [{"ErrorEquals": ["E"], "Next": "H"}]}
    states = {"T": inner, "H": {"Type": "Fail", "Error": "H"}}
    run = ran({"StartAt": "T", "States": states}, None, fails)
    run.redrive()
    assert again(run) == ["ExecutionRedriven", "ExecutionFailed"]


def test_a_map_run_is_the_same() -> None:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        **machine(P=PASS),
    }
    run = started(single({"Type": "Map", "ItemProcessor": processor}), [1, 2])
    [command] = [c for c in run.commands if isinstance(c, steps.StartMapRun)]
    run.happen(steps.MapRunEnded(command.key, error="States.ExceedToleratedFailureThreshold"))
    run.redrive()
    second = [c for c in run.commands if isinstance(c, steps.StartMapRun)][-1]
    arn = command.spec["mapRunArn"]
    assert (second.spec["mapRunArn"], second.spec["redrives"]) == (arn, 1)
    assert run.details("MapRunRedriven") == [{"mapRunArn": arn, "redriveCount": 1}]
    run.happen(steps.MapRunEnded(second.key, [1, 2]))
    assert run.output == [1, 2]


@pytest.mark.parametrize(("standard", "status"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_what_cannot_be_redriven_keeps_nothing(standard: bool, status: str) -> None:
    worker = works if standard else fails
    run = ran(single(TASK), None, worker, standard=standard)
    before = len(run.events)
    assert run.end is not None
    assert run.end.status == status
    assert run.happen(steps.Redriven()).events[before:] == []
