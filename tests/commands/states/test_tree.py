"""Histories become trees: those that the interpreter writes, whose events are AWS's, and redriven ones."""

from __future__ import annotations

from typing import Any

from sagebrush.asl import steps
from sagebrush.commands.states.tree import Tree, Visit
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, Run, machine, ran, single, started

PASS = {"Type": "Pass", "End": True}
TASK: Doc = {"Type": "Task", "Resource": INVOKE, "Parameters": {"FunctionName": "f"}, "End": True}
CATCH = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}]}


def tree(run: Run) -> Tree:
    return Tree(run.definition).add(run.events)


def told(found: Tree) -> list[tuple[str, str]]:
    return [(visit.name, visit.status) for visit in found.visits()]


def visit(found: Tree, name: str) -> Visit:
    return next(one for one in found.visits() if one.name == name)


def fails(task: steps.StartTask) -> steps.TaskFailed:
    return steps.TaskFailed(task.key, "Oops", "because")


def test_a_line_of_states() -> None:
    found = tree(
        ran(machine(A={"Type": "Pass", "Next": "W"}, W={"Type": "Wait", "Seconds": 5, "End": True}))
    )
    assert told(found) == [("A", "SUCCEEDED"), ("W", "SUCCEEDED")]
    assert (found.status, found.output) == ("SUCCEEDED", "{}")
    waited = visit(found, "W")
    assert (waited.input, waited.output) == ("{}", "{}")
    assert waited.ended == waited.entered + 5


def test_a_task_under_way_and_its_submission() -> None:
    run = started(single({**TASK, "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"}))
    (key,) = run.tasks
    run.happen(steps.TaskStarted(key), steps.TaskSubmitted(key, {"TrainingJobArn": "arn"}))
    found = tree(run)
    assert (found.status, told(found)) == ("RUNNING", [("S", "RUNNING")])
    (attempt,) = visit(found, "S").attempts
    assert attempt.resource == "sagemaker:createTrainingJob.sync"
    assert attempt.parameters == '{"FunctionName":"f"}'
    assert attempt.submitted == '{"TrainingJobArn":"arn"}'


def test_a_task_is_retried_then_fails_the_execution() -> None:
    retry = {"Retry": [{"ErrorEquals": ["Oops"], "MaxAttempts": 2}]}
    run = started(single({**TASK, **retry}))
    (key,) = run.tasks
    run.happen(steps.TaskStarted(key), steps.TaskFailed(key, "Oops", "because"))
    found = Tree(run.definition).add(run.events)
    assert told(found) == [("S", "RETRYING")]
    run.tasks.pop(key)
    run.finish(fails)
    found.add(run.events)  # a tree grows
    assert told(found) == [("S", "FAILED")]
    one = visit(found, "S")
    assert (one.tries, one.error, one.cause) == (3, "Oops", "because")
    assert (found.status, found.error, found.cause) == ("FAILED", "Oops", "because")


def test_a_caught_error() -> None:
    found = tree(ran(machine(T={**TASK, **CATCH}, After=PASS), worker=fails))
    assert told(found) == [("T", "CAUGHT"), ("After", "SUCCEEDED")]
    assert visit(found, "T").error == "Oops"


def test_a_loop_numbers_its_visits() -> None:
    states = machine(
        C={
            "Type": "Choice",
            "Default": "N",
            "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "E"}],
        },
        N={"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "Next": "C"},
        E={"Type": "Succeed"},
    )
    found = tree(ran(states, {"n": 0}))
    assert [(one.name, one.number) for one in found.visits()] == [
        ("C", 1), ("N", 1), ("C", 2), ("N", 2), ("C", 3), ("E", 1),
    ]  # fmt: skip


def parallel(*branches: Doc, **fields: Any) -> Doc:
    return {"Type": "Parallel", "Branches": list(branches), "End": True, **fields}


def test_branches_within_branches() -> None:
    inner = parallel(machine(X=PASS), machine(Y=PASS), End=False, Next="Z")
    del inner["End"]
    found = tree(ran(single(parallel(machine(I=inner, Z=PASS), machine(B=PASS)))))
    outer = visit(found, "S")
    assert {at: [one.name for one in line.visits] for at, line in outer.lines.items()} == {
        0: ["I", "Z"],
        1: ["B"],
    }
    assert [line.visits[0].name for line in visit(found, "I").lines.values()] == ["X", "Y"]
    assert {status for _, status in told(found)} == {"SUCCEEDED"}


def test_a_failing_branch_aborts_the_others() -> None:
    states = machine(
        S=parallel(
            machine(A={"Type": "Wait", "Seconds": 9, "End": True}),
            machine(F={"Type": "Fail", "Error": "E", "Cause": "C"}),
        )
    )
    found = tree(ran(states))
    assert told(found) == [("S", "FAILED"), ("A", "ABORTED"), ("F", "FAILED")]
    assert (visit(found, "S").error, visit(found, "S").cause) == ("E", "C")
    caught = tree(ran(machine(S={**states["States"]["S"], **CATCH}, After=PASS)))
    assert told(caught) == [
        ("S", "CAUGHT"),
        ("A", "ABORTED"),
        ("F", "FAILED"),
        ("After", "SUCCEEDED"),
    ]


def test_a_retried_map_shows_its_last_try() -> None:
    state = {"Type": "Map", "ItemProcessor": machine(F={"Type": "Fail", "Error": "E"}),
             "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}]}  # fmt: skip
    found = tree(ran(single(state), [1]))
    assert told(found) == [("S", "FAILED"), ("F", "FAILED")]
    assert (visit(found, "S").tries, visit(found, "S").error) == (2, "E")


def test_iterations() -> None:
    state = {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": machine(T=TASK)}
    run = started(single(state), [1, 2, 3])
    first, second = run.tasks
    run.happen(steps.TaskStarted(first), steps.TaskSucceeded(first, 7))
    found = tree(run)
    mapped = visit(found, "S")
    assert mapped.length == 3
    assert {at: line.status for at, line in mapped.lines.items()} == {
        0: "SUCCEEDED", 1: "RUNNING", 2: "RUNNING",
    }  # fmt: skip
    run.happen(steps.TaskStarted(second), steps.TaskFailed(second, "Oops", "because"))
    found.add(run.events)
    assert {at: line.status for at, line in mapped.lines.items()} == {
        0: "SUCCEEDED", 1: "FAILED", 2: "ABORTED",
    }  # fmt: skip
    assert (mapped.status, mapped.error, found.status) == ("FAILED", "Oops", "FAILED")


def test_a_map_in_a_map_in_a_parallel() -> None:
    inner = {"Type": "Map", "ItemsPath": "$", "ItemProcessor": machine(P=PASS), "End": True}
    outer = {"Type": "Map", "ItemProcessor": machine(I=inner), "End": True}
    found = tree(ran(single(parallel(machine(M=outer))), [[1, 2], [3]]))
    lines = visit(found, "M").lines
    assert {at: len(line.visits[0].lines) for at, line in lines.items()} == {0: 2, 1: 1}
    assert {status for _, status in told(found)} == {"SUCCEEDED"}


def test_a_fail_whose_cause_is_an_expression() -> None:
    found = tree(
        ran(machine(F={"Type": "Fail", "Error": "E", "CausePath": "$.why"}), {"why": "so"})
    )
    assert (visit(found, "F").error, visit(found, "F").cause) == ("E", "so")


def test_a_stopped_execution() -> None:
    run = started(single(parallel(machine(T=TASK))))
    run.happen(steps.Stopped("Mine", "I said so"))
    found = tree(run)
    assert told(found) == [("S", "ABORTED"), ("T", "ABORTED")]
    assert (found.status, found.error, found.cause) == ("ABORTED", "Mine", "I said so")


def test_an_expression_that_fails_names_its_state() -> None:
    run = ran(
        machine(
            Start={"Type": "Pass", "Next": "M"},
            M={"Type": "Map", "Items": "{% 1 %}", "ItemProcessor": machine(P=PASS), "End": True},
        )
        | {"QueryLanguage": "JSONata"}
    )
    found = tree(run)
    assert told(found) == [("Start", "SUCCEEDED"), ("M", "FAILED")]
    assert visit(found, "M").error == "States.QueryEvaluationError"


def redriven(run: Run, *types: str) -> list[Doc]:
    """A redrive's event and what lines do first after it, as asl.redrive writes them."""
    last = run.events[-1]["id"]
    made: list[Doc] = [{"type": "ExecutionRedriven", "id": last + 1, "previousEventId": last}]
    details = {"resourceType": "lambda", "resource": "invoke", "parameters": "{}"}
    for at, kind in enumerate(types):
        made.append({"type": kind, "id": last + 2 + at, "previousEventId": last + 1})
        if kind == "TaskScheduled":
            made[-1]["taskScheduledEventDetails"] = details
    return [{"timestamp": 1_700_000_100.0, **each} for each in made]


def test_a_redriven_execution_goes_on() -> None:
    run = ran(single(parallel(machine(T=TASK), machine(P=PASS))), worker=fails)
    found = tree(run)
    assert told(found) == [("S", "FAILED"), ("T", "FAILED"), ("P", "SUCCEEDED")]
    found.add(redriven(run, "TaskScheduled"))
    assert told(found) == [("S", "RUNNING"), ("T", "RUNNING"), ("P", "SUCCEEDED")]
    assert (found.status, found.error, found.redrives) == ("RUNNING", None, 1)
    assert visit(found, "T").tries == 2


def test_every_unfinished_iteration_is_found_again() -> None:
    run = started(single({"Type": "Map", "ItemProcessor": machine(T=TASK)}), [1, 2, 3])
    first, second, _ = run.tasks
    run.happen(steps.TaskStarted(first), steps.TaskSucceeded(first, 1))
    run.happen(steps.TaskStarted(second), steps.TaskFailed(second, "Oops", None))
    found = tree(run).add(redriven(run, "TaskScheduled", "TaskScheduled"))
    lines = visit(found, "S").lines
    assert [line.visits[0].tries for line in lines.values()] == [1, 2, 2]
    assert [line.status for line in lines.values()] == ["SUCCEEDED", "RUNNING", "RUNNING"]


def test_a_child_of_a_map_run_is_its_item_processor() -> None:
    """DescribeStateMachineForExecution answers with the whole machine's definition."""
    child = ran(machine(P={"Type": "Pass", "Next": "Q"}, Q=PASS))
    around = {"Type": "Map", "ItemProcessor": child.definition, "End": True}
    found = Tree(single(around)).add(child.events)
    assert told(found) == [("P", "SUCCEEDED"), ("Q", "SUCCEEDED")]
