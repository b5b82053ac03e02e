"""Whole histories beside those that the service recorded.

Sources: the snapshots of localstack's tests that were validated against AWS (tests/aws/services/
stepfunctions/v2), named at each test; ids, previous ids, types and details are the service's.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.asl import steps
from sagebrush.errors import Doc
from tests.asl.driver import INVOKE, Run, machine, ran, single, started

PASS = {"Type": "Pass", "End": True}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def processor(**states: Doc) -> Doc:
    return machine(**states)


def test_a_pass() -> None:
    """test_base test_state_pass_result."""
    run = ran(single({"Type": "Pass", "Result": {"Arg1": "argument1"}}))
    times = {"timestamp": 1_700_000_000.0}
    inside, outside = (
        {"inputDetails": {"truncated": False}},
        {"outputDetails": {"truncated": False}},
    )
    assert run.events == [
        times
        | {
            "id": 1,
            "previousEventId": 0,
            "type": "ExecutionStarted",
            "executionStartedEventDetails": {
                "input": "{}",
                "roleArn": "arn:aws:iam::123456789012:role/r",
                **inside,
            },
        },
        times
        | {
            "id": 2,
            "previousEventId": 0,
            "type": "PassStateEntered",
            "stateEnteredEventDetails": {"name": "S", "input": "{}", **inside},
        },
        times
        | {
            "id": 3,
            "previousEventId": 2,
            "type": "PassStateExited",
            "stateExitedEventDetails": {
                "name": "S",
                "output": '{"Arg1":"argument1"}',
                **outside,
            },
        },
        times
        | {
            "id": 4,
            "previousEventId": 3,
            "type": "ExecutionSucceeded",
            "executionSucceededEventDetails": {"output": '{"Arg1":"argument1"}', **outside},
        },
    ]


def test_an_input_is_shown_as_it_was_written() -> None:
    """test_base_scenarios test_map_state_config_inline: "[\\"Hello\\", \\"World\\"]" with its space."""
    run = ran(machine(M={"Type": "Map", "ItemProcessor": processor(P=PASS), "End": True}), "[1, 2]")
    assert run.details("MapStateEntered")[0]["input"] == "[1, 2]"
    assert run.details("MapStateExited")[0]["output"] == "[1,2]"


@pytest.mark.parametrize(
    ("state", "details"),
    [
        ({"Type": "Fail", "Error": "E", "Cause": "C"}, {"error": "E", "cause": "C"}),
        ({"Type": "Fail"}, {}),
        ({"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}, {"error": "x", "cause": "y"}),
        (
            {"Type": "Fail", "CausePath": "States.Format('{}, caused by {}.', $.e, $.c)"},
            {"cause": "x, caused by y."},
        ),
    ],
)
def test_a_fail(state: Doc, details: Doc) -> None:
    """test_base test_state_fail, test_state_fail_empty, _path and _intrinsic."""
    run = ran(single(state), {"e": "x", "c": "y"})
    assert run.history()[1:] == [(2, 0, "FailStateEntered"), (3, 2, "ExecutionFailed")]
    assert run.details("ExecutionFailed") == [details]


def test_a_map_of_one_at_a_time() -> None:
    """test_base_evaluate_expressions test_base_map_from_input[ITEMS]: what follows an iteration that
    succeeded names the event before that."""
    state = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": processor(Process=PASS)}
    run = ran(single(state), [1, 2, 3])
    assert run.history()[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded"),
        (8, 6, "MapIterationStarted"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"),
        (12, 10, "MapIterationStarted"),
        (13, 12, "PassStateEntered"),
        (14, 13, "PassStateExited"),
        (15, 14, "MapIterationSucceeded"),
        (16, 15, "MapStateSucceeded"),
        (17, 15, "MapStateExited"),
        (18, 17, "ExecutionSucceeded"),
    ]
    assert run.details("MapStateStarted") == [{"length": 3}]
    assert run.details("MapIterationStarted")[1] == {"name": "S", "index": 1}
    assert run.details("MapStateExited")[0]["output"] == "[1,2,3]"


def test_a_map_that_is_retried_and_fails() -> None:
    """test_base_scenarios test_map_state_retry_multiple_retriers."""
    fails = processor(F={"Type": "Fail", "Error": "E", "Cause": "C"})
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
    run = ran(single({"Type": "Map", "ItemProcessor": fails, "Retry": retry}), [1])
    assert run.history()[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "FailStateEntered"),
        (6, 5, "MapIterationFailed"),
        (7, 5, "MapStateStarted"),
        (8, 7, "MapIterationStarted"),
        (9, 8, "FailStateEntered"),
        (10, 9, "MapIterationFailed"),
        (11, 9, "MapStateFailed"),
        (12, 11, "ExecutionFailed"),
    ]
    assert run.details("ExecutionFailed") == [{"error": "E", "cause": "C"}]


def test_a_map_whose_task_times_out() -> None:
    """test_timeouts test_service_lambda_map_timeout, with two items: what runs is aborted."""
    task = {"Type": "Task", "Resource": INVOKE, "Parameters": {}, "TimeoutSeconds": 5, "End": True}
    run = started(single({"Type": "Map", "ItemProcessor": processor(T=task)}), [1, 2])
    run.happen(*[steps.TaskStarted(key) for key in list(run.tasks)])
    run.fire()
    assert run.history()[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 3, "MapIterationStarted"),
        (6, 4, "TaskStateEntered"),
        (7, 6, "TaskScheduled"),
        (8, 5, "TaskStateEntered"),
        (9, 8, "TaskScheduled"),
        (10, 7, "TaskStarted"),
        (11, 9, "TaskStarted"),
        (12, 10, "TaskTimedOut"),
        (13, 12, "MapIterationFailed"),
        (14, 12, "TaskStateAborted"),
        (15, 12, "MapIterationAborted"),
        (16, 12, "TaskStateAborted"),
        (17, 12, "MapStateFailed"),
        (18, 17, "ExecutionFailed"),
    ]
    assert run.details("TaskTimedOut") == [
        {"resourceType": "lambda", "resource": "invoke", "error": "States.Timeout"}
    ]
    assert run.details("ExecutionFailed") == [{"error": "States.Timeout"}]
    assert run.tasks == {}
    assert run.timers == {}


def test_a_parallel() -> None:
    """test_base_scenarios test_parallel_state: its exit follows the last state within."""
    branches = [processor(A=PASS), processor(B=PASS)]
    run = ran(single({"Type": "Parallel", "Branches": branches}), [1, 2])
    assert run.history()[2:] == [
        (3, 2, "ParallelStateStarted"),
        (4, 3, "PassStateEntered"),
        (5, 4, "PassStateExited"),
        (6, 3, "PassStateEntered"),
        (7, 6, "PassStateExited"),
        (8, 7, "ParallelStateSucceeded"),
        (9, 7, "ParallelStateExited"),
        (10, 9, "ExecutionSucceeded"),
    ]
    assert run.output == [[1, 2], [1, 2]]


def test_a_service_task_that_fails_and_is_caught() -> None:
    """test_error_output test_task_catch_error_output: order of members, and the previous ids."""
    catch = [
        {"ErrorEquals": ["States.ALL"], "Next": "F", "Output": {"e": "{% $states.errorOutput %}"}}
    ]
    task = {"Type": "Task", "Resource": INVOKE, "Arguments": {"FunctionName": "f"}, "Catch": catch}
    run = ran(
        machine(T={**task, "End": True}, F=PASS) | {"QueryLanguage": "JSONata"},
        worker=lambda task: steps.TaskFailed(task.key, "Exception", '{"errorType":"x"}'),
    )
    assert run.history()[1:] == [
        (2, 0, "TaskStateEntered"),
        (3, 2, "TaskScheduled"),
        (4, 3, "TaskStarted"),
        (5, 4, "TaskFailed"),
        (6, 5, "TaskStateExited"),
        (7, 6, "PassStateEntered"),
        (8, 7, "PassStateExited"),
        (9, 8, "ExecutionSucceeded"),
    ]
    assert run.details("TaskScheduled") == [
        {
            "resourceType": "lambda",
            "resource": "invoke",
            "region": "us-east-1",
            "parameters": '{"FunctionName":"f"}',
        }
    ]
    assert run.details("TaskFailed") == [
        {
            "resourceType": "lambda",
            "resource": "invoke",
            "error": "Exception",
            "cause": '{"errorType":"x"}',
        }
    ]
    assert run.output == {"e": {"Error": "Exception", "Cause": '{"errorType":"x"}'}}


def test_a_lambda_function_by_its_arn() -> None:
    """test_timeouts test_fixed_timeout_lambda: other events, and a start without details."""
    run = started(single({"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5}), {"p": None})
    (key,) = run.tasks
    run.happen(steps.TaskStarted(key)).fire()
    assert run.history()[1:] == [
        (2, 0, "TaskStateEntered"),
        (3, 2, "LambdaFunctionScheduled"),
        (4, 3, "LambdaFunctionStarted"),
        (5, 4, "LambdaFunctionTimedOut"),
        (6, 5, "ExecutionFailed"),
    ]
    assert run.details("LambdaFunctionScheduled") == [
        {
            "resource": FUNCTION,
            "input": '{"p": null}'.replace(" ", ""),
            "inputDetails": {"truncated": False},
            "timeoutInSeconds": 5,
        }
    ]
    assert run.details("LambdaFunctionStarted") == [{}]
    assert run.details("LambdaFunctionTimedOut") == [{"error": "States.Timeout"}]


def test_a_callback() -> None:
    """test_callback test_sqs_wait_for_task_token."""
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    parameters = {"QueueUrl": "u", "MessageBody": {"TaskToken.$": "$$.Task.Token"}}
    state = {"Type": "Task", "Resource": resource, "Parameters": parameters}
    run = started(single({**state, "HeartbeatSeconds": 60, "TimeoutSeconds": 600}))
    (task,) = run.tasks.values()
    assert task.parameters["MessageBody"] == {"TaskToken": task.token}
    key = task.key
    run.happen(
        steps.TaskStarted(key),
        steps.TaskSubmitted(key, {"MessageId": "m"}),
        steps.TaskSucceeded(key, "text"),
    )
    assert run.history()[2:] == [
        (3, 2, "TaskScheduled"),
        (4, 3, "TaskStarted"),
        (5, 4, "TaskSubmitted"),
        (6, 5, "TaskSucceeded"),
        (7, 6, "TaskStateExited"),
        (8, 7, "ExecutionSucceeded"),
    ]
    scheduled = run.details("TaskScheduled")[0]
    assert (scheduled["resourceType"], scheduled["resource"]) == (
        "sqs",
        "sendMessage.waitForTaskToken",
    )
    assert (scheduled["heartbeatInSeconds"], scheduled["timeoutInSeconds"]) == (60, 600)
    assert run.details("TaskSubmitted")[0]["output"] == '{"MessageId":"m"}'
    assert run.timers == {}


@pytest.mark.parametrize(
    ("items", "kind", "shown"),
    [
        (1, "number", "1"),
        ("string", "string", '"string"'),
        (None, "null", "null"),
        ({"a": 1}, "object", '{"a":1}'),
    ],
)
def test_items_that_are_no_array(items: Any, kind: str, shown: str) -> None:
    """test_base_scenarios test_map_state_items_variable_sampling: the event before the entry is what
    EvaluationFailed names."""
    run = ran(
        machine(
            Start={"Type": "Pass", "Assign": {"ItemsVar": items}, "Next": "M"},
            M={
                "Type": "Map",
                "Items": "{% $ItemsVar %}",
                "ItemProcessor": processor(P=PASS),
                "End": True,
            },
        )
        | {"QueryLanguage": "JSONata"}
    )
    cause = (
        "An error occurred while executing the state 'M' (entered at the event id #4). The JSONata "
        "expression '$ItemsVar' specified for the field 'Items' returned an unexpected result type. "
        f"Expected 'array', but was '{kind}' for value: {shown}"
    )
    failed = {"error": "States.QueryEvaluationError", "cause": cause}
    assert run.history()[3:] == [
        (4, 3, "MapStateEntered"),
        (5, 3, "EvaluationFailed"),
        (6, 5, "MapStateFailed"),
        (7, 6, "ExecutionFailed"),
    ]
    assert run.details("EvaluationFailed") == [{**failed, "location": "Items", "state": "M"}]
    assert run.details("ExecutionFailed") == [failed]


def test_variables_of_a_state_are_shown_sorted_and_as_json() -> None:
    """test_assign_reference_variables BASE_REFERENCE_IN_CHOICE, test_mixed_query_language."""
    assign = {"guess": "the_guess", "answer": "the_answer", "n.$": "$.n"}
    exited = ran(single({"Type": "Pass", "Assign": assign}), {"n": 4.3}).details("PassStateExited")
    assert list(exited[0]["assignedVariables"].items()) == [
        ("answer", '"the_answer"'),
        ("guess", '"the_guess"'),
        ("n", "4.3"),
    ]
    assert exited[0]["assignedVariablesDetails"] == {"truncated": False}


@pytest.mark.parametrize(
    "stamp",
    ["2016-12-05 21:29:29Z", "2016-12-05T21:29:29", "2016-13-05T21:29:29Z", "2016-12-05T25:29:29Z"],
)
def test_a_wait_until_what_is_no_time(stamp: str) -> None:
    """test_base_scenarios test_wait_timestamp_path."""
    run = ran(single({"Type": "Wait", "TimestampPath": "$.t"}), {"t": stamp})
    assert run.history()[1:] == [(2, 0, "WaitStateEntered"), (3, 2, "ExecutionFailed")]
    assert run.details("ExecutionFailed") == [
        {
            "error": "States.Runtime",
            "cause": "An error occurred while executing the state 'S' (entered at the event id #2). "
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset "
            f"date-time format string: $.t == {stamp}",
        }
    ]


@pytest.mark.parametrize("errors", [["States.DataLimitExceeded"], ["States.ALL"]])
def test_a_result_that_is_too_large(errors: list[str]) -> None:
    """test_states_errors: 256 KiB of UTF-8, and States.ALL does catch it, whatever the guide says."""
    catch = [{"ErrorEquals": errors, "Next": "H"}]
    task = {"Type": "Task", "Resource": INVOKE, "Parameters": {}, "Catch": catch, "End": True}
    run = ran(
        machine(T=task, H=PASS),
        worker=lambda task: steps.TaskSucceeded(task.key, "\u00e9" * 131_072),
    )
    cause = (
        "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes "
        "service limit."
    )
    assert run.output == {"Error": "States.DataLimitExceeded", "Cause": cause}
    assert [kind for _, _, kind in run.history()][4:6] == ["TaskFailed", "TaskStateExited"]


def test_the_context_object() -> None:
    """test_base test_query_context_object_values: the members and their order."""
    run = ran(single({"Type": "Pass", "Parameters": {"c.$": "$$"}}), {"m": 1})
    assert json.dumps(run.output["c"]) == json.dumps(
        {
            "Execution": {
                "Id": run.execution.arn,
                "Input": {"m": 1},
                "StartTime": "2023-11-14T22:13:20Z",
                "Name": "e",
                "RoleArn": run.execution.role,
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": run.execution.machine_arn, "Name": "m"},
            "State": {"Name": "S", "EnteredTime": "2023-11-14T22:13:20Z"},
        }
    )


def test_a_distributed_map() -> None:
    """test_base_scenarios test_map_state_config_distributed_item_selector."""
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    state = {"Type": "Map", "Label": "L", "ItemProcessor": {**processor(P=PASS), **config}}
    run = started(single(state), ["a", "b"])
    command = run.commands[-1]
    assert isinstance(command, steps.StartMapRun)
    run.happen(steps.MapRunEnded(command.key, ["a", "b"]))
    assert run.history()[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapRunStarted"),
        (5, 4, "MapRunSucceeded"),
        (6, 5, "MapStateSucceeded"),
        (7, 5, "MapStateExited"),
        (8, 7, "ExecutionSucceeded"),
    ]
    assert run.details("MapStateStarted") == [{"length": 2}]
    arn = run.details("MapRunStarted")[0]["mapRunArn"]
    assert arn.startswith("arn:aws:states:us-east-1:123456789012:mapRun:m/L:")


def test_runs_have_the_names_that_the_api_model_has() -> None:
    """Every type and every member of details is botocore's."""
    import botocore.session

    model = botocore.session.get_session().get_service_model("stepfunctions")
    event: Any = model.shape_for("HistoryEvent")
    kinds: Any = model.shape_for("HistoryEventType")
    runs: list[Run] = []
    for resource in (INVOKE, FUNCTION, "arn:aws:states:us-east-1:123456789012:activity:a"):
        state = {"Type": "Task", "Resource": resource, "HeartbeatSeconds": 9, "TimeoutSeconds": 9}
        state |= {"Credentials": {"RoleArn": "r"}} if "activity" not in resource else {}
        good = started(single({**state, "HeartbeatSeconds": 8}))
        (key,) = good.tasks
        runs.append(good.happen(steps.TaskStarted(key, "w" if "activity" in key else None)))
        runs.append(good.happen(steps.TaskSucceeded(key, {})))
        for stage in ("Schedule", "Start", "") if resource != INVOKE else ("Start", "Submit", ""):
            bad = started(single(state))
            if (resource, stage) in [(FUNCTION, "Submit")] or (
                "activity" in resource and stage == "Start"
            ):
                continue
            runs.append(bad.happen(steps.TaskFailed(next(iter(bad.tasks)), "E", "C", stage)))
    runs.append(started(single({"Type": "Wait", "Seconds": 9})).happen(steps.Stopped("E", "C")))
    runs.append(started(single({"Type": "Wait", "Seconds": 9}, TimeoutSeconds=3)).fire())
    for run in runs:
        for one in run.events:
            assert one["type"] in kinds.enum
            assert one.keys() <= event.members.keys()
            for name, details in one.items():
                if name.endswith("EventDetails"):
                    assert details.keys() <= event.members[name].members.keys(), one["type"]
