"""Executions that wait, are retried, caught, timed out, stopped; variables; answers out of season.

Sources: specification at states-language.net ("Errors", "Task State", "Wait State"); developer guide,
"Handling errors", "Passing data between states with variables".
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from sagebrush.asl import steps
from sagebrush.asl.failures import matches
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, START, Run, cause_of, machine, output_of, ran, single, started

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": INVOKE, "Parameters": {}}


def fails(task: steps.StartTask) -> steps.TaskFailed:
    return steps.TaskFailed(task.key, "E", "C")


def attempts(retry: list[Doc], error: str = "E") -> tuple[list[float], Run]:
    """Seconds between the attempts of a task that always fails, and the run."""
    at: list[float] = []
    run = started(single({**TASK, "Retry": retry}))

    def worker(task: steps.StartTask) -> steps.Happened:
        at.append(run.now)
        return steps.TaskFailed(task.key, error, None)

    run.finish(worker)
    return [later - earlier for earlier, later in itertools.pairwise(at)], run


@pytest.mark.parametrize(
    ("retrier", "waits"),
    [
        ({}, [1, 2, 4]),
        ({"IntervalSeconds": 3, "MaxAttempts": 2, "BackoffRate": 1.5}, [3, 4.5]),
        (
            {"IntervalSeconds": 3, "MaxAttempts": 4, "BackoffRate": 2, "MaxDelaySeconds": 5},
            [3, 5, 5, 5],
        ),
        ({"MaxAttempts": 0}, []),
    ],
)
def test_retries(retrier: Doc, waits: list[float]) -> None:
    """Defaults: 1 s, 3 attempts, rate 2.0; the guide's example of MaxDelaySeconds caps each wait."""
    found, run = attempts([{"ErrorEquals": ["E"], **retrier}])
    assert found == waits
    assert run.end == steps.End("FAILED", error="E")


def test_jitter_draws_between_nothing_and_the_wait() -> None:
    found, _ = attempts([{"ErrorEquals": ["E"], "IntervalSeconds": 100, "JitterStrategy": "FULL"}])
    assert all(0 < wait < most for wait, most in zip(found, [100, 200, 400], strict=True))


def test_each_retrier_counts_for_itself() -> None:
    """Specification: "each Retrier keeps its own count"; RetryCount counts all."""
    retry = [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["B"], "MaxAttempts": 2}]
    state = {**TASK, "Parameters": {"n.$": "$$.State.RetryCount"}, "Retry": retry}
    errors, counts = iter("ABBB"), list[int]()

    def worker(task: steps.StartTask) -> steps.Happened:
        counts.append(task.parameters["n"])
        return steps.TaskFailed(task.key, next(errors), None)

    assert ran(single(state), worker=worker).end == steps.End("FAILED", error="B")
    assert counts == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("equals", "name", "match"),
    [
        (["A"], "A", True),
        (["A"], "B", False),
        (["States.ALL"], "A", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.Runtime"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", True),
        (["States.TaskFailed"], "A", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.TaskFailed"], "States.HeartbeatTimeout", False),
        (["States.Timeout"], "States.HeartbeatTimeout", True),
        (["States.HeartbeatTimeout"], "States.Timeout", False),
        (["States.ALL"], None, True),
    ],
)
def test_names_of_errors(equals: list[str], name: str | None, match: bool) -> None:
    assert matches(equals, name) is match


@pytest.mark.parametrize(
    ("path", "output"),
    [
        ({}, {"Error": "E", "Cause": "C"}),
        ({"ResultPath": "$.error"}, {"a": 1, "error": {"Error": "E", "Cause": "C"}}),
        ({"ResultPath": None}, {"a": 1}),
    ],
)
def test_catch(path: Doc, output: Doc) -> None:
    catch = [{"ErrorEquals": ["X"], "Next": "X"}, {"ErrorEquals": ["E"], "Next": "H", **path}]
    definition = machine(T={**TASK, "Catch": catch, "Next": "X"}, H=PASS, X={"Type": "Fail"})
    assert ran(definition, {"a": 1}, fails).output == output


def test_variables_assigned_by_a_catcher() -> None:
    """test_error_output TASK_CATCH_ERROR_VARIABLE_SAMPLING."""
    catch = {
        "ErrorEquals": ["States.ALL"],
        "Next": "H",
        "Assign": {"error": "{% $states.errorOutput.Error %}", "given": "{% $states.input %}"},
    }
    shown = {**PASS, "Output": ["{% $error %}", "{% $given %}", "{% $states.input %}"]}
    task = {"Type": "Task", "Resource": INVOKE, "Arguments": {}, "Catch": [catch], "End": True}
    definition = machine(T=task, H=shown) | {"QueryLanguage": "JSONata"}
    run = ran(definition, 1, fails)
    assert run.output == ["E", 1, {"Error": "E", "Cause": "C"}]


def test_states_runtime_is_never_caught() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "H"}]
    task = {
        **TASK,
        "Parameters": {"a.$": "$.nope"},
        "Catch": catch,
        "Retry": [{"ErrorEquals": ["States.ALL"]}],
    }
    run = ran(machine(T={**task, "Next": "H"}, H=PASS))
    assert run.end is not None
    assert run.end.error == "States.Runtime"
    assert run.history()[1:] == [(2, 0, "TaskStateEntered"), (3, 2, "ExecutionFailed")]


def test_a_jsonata_error_is_caught() -> None:
    catch = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "H"}]
    task = {
        "Type": "Task",
        "Resource": INVOKE,
        "Arguments": {},
        "Output": "{% $x %}",
        "Catch": catch,
    }
    definition = machine(T={**task, "End": True}, H={**PASS, "Output": "caught"})
    run = ran(
        {**definition, "QueryLanguage": "JSONata"},
        worker=lambda task: steps.TaskSucceeded(task.key, 1),
    )
    assert run.output == "caught"
    assert [kind for _, _, kind in run.history()][3:7] == [
        "TaskStarted",
        "TaskSucceeded",
        "EvaluationFailed",
        "TaskStateExited",
    ]


def test_a_missed_heartbeat() -> None:
    """Each heartbeat moves the limit; what is recorded is States.Timeout, what is caught is either."""
    catch = [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "H"}]
    resource = "arn:aws:states:us-east-1:123456789012:activity:a"
    task = {"Type": "Task", "Resource": resource, "HeartbeatSeconds": 10, "TimeoutSeconds": 25}
    run = started(machine(T={**task, "Catch": catch, "Next": "H"}, H=PASS))
    (key,) = run.tasks
    assert run.timers == {}, "an activity's limits begin when a worker takes it"
    run.happen(steps.TaskStarted(key, "worker"))
    run.now += 9
    run.happen(steps.Heartbeat(key))
    assert run.timers == {f"{key}:heartbeat": START + 19, f"{key}:timeout": START + 25}
    run.fire()
    assert run.details("ActivityStarted") == [{"workerName": "worker"}]
    assert run.details("ActivityTimedOut") == [{"error": "States.Timeout"}]
    assert run.output == {"Error": "States.Timeout"}
    assert steps.StopTask(key) in run.commands
    assert run.timers == {}


def test_limits_by_path_and_by_expression() -> None:
    by_path = started(
        single({**TASK, "TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h"}),
        {"t": 9, "h": 3},
    )
    by_expression = started(
        single(
            {"Type": "Task", "Resource": INVOKE, "TimeoutSeconds": "{% $states.input.t %}"},
            QueryLanguage="JSONata",
        ),
        {"t": 9},
    )
    for run in (by_path, by_expression):
        (task,) = run.tasks.values()
        assert task.timeout == 9
        assert run.details("TaskScheduled")[0]["timeoutInSeconds"] == 9
    wrong = ran(single({**TASK, "TimeoutSecondsPath": "$.t"}), {"t": "soon"})
    assert wrong.end is not None
    assert wrong.end.error == "States.Runtime"


@pytest.mark.parametrize(
    ("state", "until"),
    [
        ({"Seconds": 5}, START + 5),
        ({"SecondsPath": "$.s"}, START + 7),
        ({"Timestamp": "2023-11-14T22:14:20Z"}, START + 60),
        ({"TimestampPath": "$.t"}, START + 3_660.5),
    ],
)
def test_a_wait(state: Doc, until: float) -> None:
    run = started(single({"Type": "Wait", **state}), {"s": 7, "t": "2023-11-14T23:14:20.5Z"})
    assert list(run.timers.values()) == [until]
    assert run.position is not None
    run.finish()
    assert run.now == until
    assert [kind for _, _, kind in run.history()][1:3] == ["WaitStateEntered", "WaitStateExited"]


def test_a_wait_for_what_is_past_does_not_wait() -> None:
    run = started(single({"Type": "Wait", "Timestamp": "2001-01-01T00:00:00Z"}))
    assert run.output == {}
    assert run.commands == []


def test_a_machines_time_limit() -> None:
    """ExecutionTimedOut follows 0; the state that was cut has no exit."""
    run = started(single(TASK, TimeoutSeconds=30))
    (key,) = run.tasks
    run.fire()
    assert run.now == START + 30
    assert run.end == steps.End("TIMED_OUT")
    assert run.history()[-1] == (4, 0, "ExecutionTimedOut")
    assert steps.StopTask(key) in run.commands


def test_stop() -> None:
    branches = [
        machine(W={"Type": "Wait", "Seconds": 9, "End": True}),
        machine(T={**TASK, "End": True}),
    ]
    run = started(single({"Type": "Parallel", "Branches": branches}))
    run.happen(steps.Stopped("E", None))
    assert run.end == steps.End("ABORTED", error="E")
    assert run.details("ExecutionAborted") == [{"error": "E"}]
    assert run.tasks == {}
    assert run.timers == {}
    count = len(run.events)
    run.happen(steps.Stopped("again", None))
    assert len(run.events) == count


def test_answers_out_of_season_change_nothing() -> None:
    """After kill -9 a caller repeats what it is not sure to have told."""
    task = {**TASK, "TimeoutSeconds": 5, "Retry": [{"ErrorEquals": ["States.Timeout"]}]}
    run = started(single(task))
    (key,) = run.tasks
    run.happen(steps.TaskStarted(key), steps.TaskStarted(key)).fire()
    late = [
        steps.TaskStarted(key),
        steps.TaskSucceeded(key, 1),
        steps.TaskFailed(key, "E", None),
        steps.TaskSubmitted(key, 1),
        steps.Heartbeat(key),
        steps.TimerFired(f"{key}:timeout"),
        steps.TimerFired("#99:timer"),
        steps.TimerFired("7/3#99:retry"),
        steps.TaskSucceeded("4#1", 1),
        steps.MapRunEnded(key, 1),
        steps.Continued(),
    ]
    before = (run.position, len(run.events))
    for one in late:
        run.happen(one)
    assert (run.position, len(run.events)) == before
    run.fire()
    (again,) = run.tasks
    assert again != key
    run.happen(
        steps.TaskStarted(again), steps.TaskSucceeded(again, 2), steps.TaskSucceeded(again, 3)
    )
    assert run.output == 2


def test_what_a_service_task_is_given() -> None:
    state = {**TASK, "Parameters": {"a.$": "$.x"}, "Credentials": {"RoleArn.$": "$.role"}}
    run = started(single(state), {"x": [1], "role": "arn:aws:iam::1:role/x"})
    (task,) = run.tasks.values()
    assert (task.parameters, task.role, task.resource) == (
        {"a": [1]},
        "arn:aws:iam::1:role/x",
        INVOKE,
    )
    assert run.details("TaskScheduled")[0]["taskCredentials"] == {
        "roleArn": "arn:aws:iam::1:role/x"
    }


def test_a_task_without_parameters_is_given_the_effective_input() -> None:
    """Specification, "Parameters": the default is the effective input."""
    for fields in ({"InputPath": "$.x"}, {"QueryLanguage": "JSONata"}):
        run = started(single({"Type": "Task", "Resource": INVOKE, **fields}), {"x": {"a": 1}})
        (task,) = run.tasks.values()
        assert task.parameters == ({"a": 1} if "InputPath" in fields else {"x": {"a": 1}})


def test_a_fail_path_to_what_is_no_string() -> None:
    error, cause = cause_of({"Type": "Fail", "ErrorPath": "$.e"}, {"e": 5})
    assert (error, cause) == (
        "States.Runtime",
        "The ErrorPath parameter does not reference a string: 5",
    )


def test_results_go_through_selector_path_and_output() -> None:
    """Guide, "Input and output processing": Parameters, ResultSelector, ResultPath, OutputPath."""
    state = {
        **TASK,
        "ResultSelector": {"code.$": "$.StatusCode", "fixed": 1},
        "ResultPath": "$.data.result",
        "Assign": {"status.$": "$.StatusCode"},
        "OutputPath": "$.data",
    }
    run = ran(
        single(state),
        {"data": {"v": 1}, "x": 2},
        lambda task: steps.TaskSucceeded(task.key, {"StatusCode": 200}),
    )
    assert run.output == {"v": 1, "result": {"code": 200, "fixed": 1}}
    assert run.details("TaskStateExited")[0]["assignedVariables"] == {"status": "200"}


def test_variables_have_the_values_of_the_states_entry() -> None:
    """Guide, "Evaluation order in an assign field": x and a swap."""
    definition = machine(
        A={"Type": "Pass", "Assign": {"x": 3, "a": 6}, "Next": "B"},
        B={"Type": "Pass", "Assign": {"x.$": "$a", "nextX.$": "$x"}, "Next": "C"},
        C={**PASS, "QueryLanguage": "JSONata", "Output": ["{% $x %}", "{% $nextX %}"]},
    )
    assert ran(definition).output == [6, 3]


def test_inner_scopes_see_outer_variables_and_end_with_their_state() -> None:
    inner = machine(
        P={"Type": "Pass", "Assign": {"sum.$": "States.MathAdd($, $bias)"}, "Next": "Q"},
        Q={"Type": "Pass", "Parameters": {"sum.$": "$sum"}, "End": True},
    )
    definition = machine(
        A={"Type": "Pass", "Assign": {"bias": 10}, "Next": "M"},
        M={"Type": "Map", "ItemProcessor": inner, "Next": "Z"},
        Z={**PASS, "Parameters": {"out.$": "$", "bias.$": "$bias"}},
    )
    assert ran(definition, [1, 2]).output == {"out": [{"sum": 11}, {"sum": 12}], "bias": 10}
    gone = machine(**{**definition["States"], "Z": {**PASS, "Parameters": {"x.$": "$sum"}}})
    run = ran(gone, [1])
    assert run.end is not None
    assert run.end.error == "States.Runtime"


def test_what_an_assign_refers_to() -> None:
    """Guide: `$` is the result in Task, Map, Parallel and Pass; the effective input in Wait."""
    assign = {"Assign": {"seen.$": "$"}}

    def seen(state: Doc, given: Any) -> Any:
        exited = ran(single(state), given, lambda t: steps.TaskSucceeded(t.key, "r")).events[-2]
        return json.loads(exited["stateExitedEventDetails"]["assignedVariables"]["seen"])

    assert seen({**TASK, **assign}, {"i": 1}) == "r"
    assert seen({"Type": "Pass", "Parameters": {"p.$": "$.i"}, **assign}, {"i": 1}) == {"p": 1}
    assert seen({"Type": "Wait", "Seconds": 0, "InputPath": "$.i", **assign}, {"i": 1}) == 1


def test_outputs_and_variables_have_limits() -> None:
    """Quotas: 256 KiB of input or output; guide, "Limits": 256 KiB of one Assign."""
    big = {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}}
    error, cause = cause_of(big, ["x" * 140_000])
    assert error == "States.DataLimitExceeded"
    assert cause == (
        "The state/task 'S' returned a result with a size exceeding the maximum number of bytes "
        "service limit."
    )
    assert output_of({"Type": "Pass"}, ["x" * 262_140]) == ["x" * 262_140]
    error, _ = cause_of({"Type": "Pass", "Assign": {"a.$": "$", "b.$": "$"}}, ["x" * 140_000])
    assert error == "States.DataLimitExceeded"


def test_a_parallel_whose_branch_fails() -> None:
    branches = [
        machine(F={"Type": "Fail", "Error": "E"}),
        machine(W={"Type": "Wait", "Seconds": 9, "End": True}),
    ]
    catch = [{"ErrorEquals": ["E"], "Next": "H", "ResultPath": "$.error"}]
    parallel = {"Type": "Parallel", "Branches": branches, "Catch": catch, "End": True}
    run = ran(machine(P=parallel, H=PASS), {"a": 1})
    assert run.output == {"a": 1, "error": {"Error": "E"}}
    uncaught = ran(single({"Type": "Parallel", "Branches": branches[::-1]}))
    assert uncaught.history()[3:] == [
        (4, 3, "WaitStateEntered"),
        (5, 3, "FailStateEntered"),
        (6, 5, "WaitStateAborted"),
        (7, 5, "ParallelStateFailed"),
        (8, 7, "ExecutionFailed"),
    ]
    assert uncaught.timers == {}


def test_parallels_within_parallels() -> None:
    inner = {"Type": "Parallel", "Branches": [machine(A=PASS), machine(B=PASS)], "End": True}
    outer = {"Type": "Parallel", "Branches": [machine(I=inner), machine(C=PASS)]}
    assert ran(single({**outer, "ResultSelector": {"all.$": "$[*]"}}), 1).output == {
        "all": [[1, 1], 1]
    }


def test_a_loop_is_cut_into_steps_and_ends_with_the_history() -> None:
    """Quotas: 25,000 events in a Standard execution's history; the last one ends it."""
    loop = machine(
        A={"Type": "Pass", "Next": "B"},
        B={
            "Type": "Choice",
            "Choices": [{"Variable": "$.x", "IsPresent": True, "Next": "C"}],
            "Default": "A",
        },
        C={"Type": "Succeed"},
    )
    run = ran(loop)
    assert run.history()[-1] == (25_000, 24_999, "ExecutionFailed")
    assert run.details("ExecutionFailed") == [
        {
            "error": "States.Runtime",
            "cause": "The execution reached the maximum number of history events (25000).",
        }
    ]
    assert [event["id"] for event in run.events] == list(range(1, 25_001))
