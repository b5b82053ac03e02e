"""Tests of single states, beside recorded answers of TestState."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sagebrush.asl.steps import StartTask, TaskFailed, TaskSucceeded
from sagebrush.asl.values import write
from sagebrush.errors import AwsError
from sagebrush.services.states.testing import mocks
from sagebrush.services.states.testing.subject import subject_of
from sagebrush.services.states.testing.trial import Trial

LAMBDA = "arn:aws:states:::lambda:invoke"


def tried(
    state: dict[str, Any], value: Any = None, mock: Any = None, inspect: bool = True, **more: Any
) -> Any:
    """The answer of TestState, with its JSON texts read."""
    request: dict[str, Any] = {"definition": json.dumps(state), "roleArn": "role"}
    if mock is not None:
        request["mock"] = mock
    for name in ("stateName", "context", "revealSecrets"):
        if name in more:
            request[name] = more[name]
    subject = subject_of(request)
    result = mocks.result_of(mock, subject.original) if mock and "result" in mock else None

    def do(order: StartTask) -> TaskSucceeded | TaskFailed:
        assert mock is not None
        if "errorOutput" in mock:
            return TaskFailed(order.key, mock["errorOutput"]["error"], mock["errorOutput"]["cause"])
        return TaskSucceeded(order.key, result)

    trial = Trial(
        subject=subject,
        account="111122223333",
        region="us-east-1",
        role=more.get("role", "role"),
        input=write({} if value is None else value),
        variables=more.get("variables", {}),
        context=json.loads(more["context"]) if "context" in more else None,
        retried=more.get("retried", 0),
        failed=more.get("failed", 0),
        source=more.get("source"),
        clock=lambda: 1_700_000_000.0,
        random=random.Random(1),
        do=do,
        wait=lambda at: None,
    )
    answer = trial.run(inspect)
    return {name: _read(each) for name, each in answer.items()}


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


HELLO = {"Value": "HelloWorld"}
PASS = {"Type": "Pass", "End": True}
RESULT = {"Type": "Pass", "Result": {"resultKey": "result value"}, "End": True}
IO = {
    "initialData": {"fieldFromInput": "value from input", "otherField": "other"},
    "unrelatedData": {"someOtherField": 1234},
}
MODIFIED = {"staticValue": "some value", "inputValue": "value from input"}
IO_PASS = {
    "Type": "Pass", "End": True, "InputPath": "$.initialData", "ResultPath": "$.modifiedData",
    "Parameters": {"staticValue": "some value", "inputValue.$": "$.fieldFromInput"},
}  # fmt: skip
FAIL = {"Type": "Fail", "Error": "SomeFailure", "Cause": "because"}
CHOICE = {
    "Type": "Choice", "Default": "Other",
    "Choices": [{"Variable": "$.value", "NumericGreaterThanEquals": 20, "Next": "ValueInTwenties"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "value", "answer", "inspected"),
    [
        (PASS, HELLO, {"output": HELLO, "status": "SUCCEEDED"}, {
            "afterInputPath": HELLO, "afterParameters": HELLO, "afterResultPath": HELLO,
            "afterResultSelector": HELLO, "input": HELLO,
        }),
        (RESULT, HELLO, {"output": RESULT["Result"], "status": "SUCCEEDED"}, {
            "afterResultPath": RESULT["Result"], "afterResultSelector": RESULT["Result"],
            "input": HELLO, "result": RESULT["Result"],
        }),
        (IO_PASS, IO, {"output": {**IO, "modifiedData": MODIFIED}, "status": "SUCCEEDED"}, {
            "afterInputPath": IO["initialData"], "afterParameters": MODIFIED,
            "afterResultPath": {**IO, "modifiedData": MODIFIED}, "afterResultSelector": MODIFIED,
            "input": IO,
        }),
        (FAIL, HELLO, {"cause": "because", "error": "SomeFailure", "status": "FAILED"}, {
            "afterInputPath": HELLO, "input": HELLO,
        }),
        ({"Type": "Succeed"}, HELLO, {"output": HELLO, "status": "SUCCEEDED"}, {
            "afterInputPath": HELLO, "input": HELLO,
        }),
        (CHOICE, {"value": 22}, {
            "nextState": "ValueInTwenties", "output": {"value": 22}, "status": "SUCCEEDED",
        }, {"afterInputPath": {"value": 22}, "input": {"value": 22}}),
        ({"Type": "Pass", "QueryLanguage": "JSONata", "Next": "N"}, HELLO, {
            "output": HELLO, "nextState": "N", "status": "SUCCEEDED",
        }, {"input": HELLO}),
        ({"Type": "Wait", "Seconds": 200, "Next": "N"}, HELLO, {
            "output": HELLO, "nextState": "N", "status": "SUCCEEDED",
        }, {"afterInputPath": HELLO, "input": HELLO}),
    ],
)  # fmt: skip
def test_states_and_their_data_flow(state: Any, value: Any, answer: Any, inspected: Any) -> None:
    """Recorded: localstack test_test_state_scenarios, `test_base_inspection_level_*`."""
    assert tried(state, value, inspect=False) == answer
    assert tried(state, value) == {**answer, "inspectionData": inspected}


TASK = {"Type": "Task", "Resource": LAMBDA, "End": True}


def test_a_mocked_call_goes_through_the_data_flow() -> None:
    """Recorded: `test_state_wait_task_context_object`."""
    pokemon = {"pokemon": ["charizard"]}
    state = {
        "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "ResultPath": "$.SQS", "Next": "NEXT_STATE",
        "Parameters": {"QueueUrl": "u", "MessageBody": {"TaskToken.$": "$$.Task.Token"}},
    }  # fmt: skip
    found = tried(
        state, {}, {"result": json.dumps(pokemon)}, context='{"Task":{"Token":"abcd123"}}'
    )
    assert found == {
        "inspectionData": {
            "afterInputPath": {},
            "afterParameters": {"QueueUrl": "u", "MessageBody": {"TaskToken": "abcd123"}},
            "afterResultPath": {"SQS": pokemon}, "afterResultSelector": pokemon, "input": {},
            "result": pokemon,
        },
        "nextState": "NEXT_STATE", "output": {"SQS": pokemon}, "status": "SUCCEEDED",
    }  # fmt: skip


CAUGHT = {
    "Type": "Task", "QueryLanguage": "JSONata", "Resource": LAMBDA, "End": True,
    "Arguments": {"FunctionName": "foo", "Payload": "bar"},
    "Catch": [
        {"ErrorEquals": ["MockException"], "Next": "HandleMockError", "Output": "{% $states %}"},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "HandleThreshold"},
    ],
}  # fmt: skip


def test_a_mocked_error_is_caught() -> None:
    """Recorded: `test_state_task_catch_error[DEBUG]`."""
    error = {"error": "MockException", "cause": "Mock the cause of the error."}
    found = tried(CAUGHT, HELLO, {"errorOutput": error})
    output = found.pop("output")
    assert found == {
        **error, "nextState": "HandleMockError", "status": "CAUGHT_ERROR",
        "inspectionData": {
            "afterArguments": {"FunctionName": "foo", "Payload": "bar"},
            "errorDetails": {"catchIndex": 0}, "input": HELLO,
        },
    }  # fmt: skip
    assert output["errorOutput"] == {"Error": "MockException", "Cause": error["cause"]}
    context = output["context"]
    assert context["Execution"].keys() == {"Id", "Input", "Name", "RoleArn", "StartTime"}
    assert ":express:" in context["Execution"]["Id"]
    assert (context["State"]["Name"], context["State"]["RetryCount"]) == ("StateName", 0)
    other = tried(CAUGHT, HELLO, {"errorOutput": {**error, "error": "States.TaskFailed"}})
    assert other["inspectionData"]["errorDetails"] == {"catchIndex": 1}


def test_a_mocked_error_is_tried_again_until_it_is_not() -> None:
    retry = {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2, "BackoffRate": 3}
    state = {**TASK, "Retry": [{"ErrorEquals": ["Other"]}, retry]}
    mock = {"errorOutput": {"error": "Busy", "cause": "c"}}
    found = tried(state, HELLO, mock)
    assert (found["status"], found["error"]) == ("RETRIABLE", "Busy")
    assert found["inspectionData"]["errorDetails"] == {
        "retryIndex": 1, "retryBackoffIntervalSeconds": 2,
    }  # fmt: skip
    again = tried(state, HELLO, mock, retried=1)
    assert again["inspectionData"]["errorDetails"]["retryBackoffIntervalSeconds"] == 6
    assert tried(state, HELLO, mock, retried=2)["status"] == "FAILED"


MAP = {
    "Type": "Map", "ItemsPath": "$.Values", "MaxConcurrency": 1, "End": True,
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": PASS},
    },
}  # fmt: skip


def test_a_mocked_map() -> None:
    """Recorded: `test_state_map_context_object`, `test_map_state_failure_count`."""
    mock = {"result": '["A","B"]'}
    found = tried(MAP, {"Values": ["a", "b"]}, mock)
    assert found["output"] == ["A", "B"]
    inspected = found["inspectionData"]
    assert (inspected["afterItemsPath"], inspected["maxConcurrency"]) == (["a", "b"], 1)
    assert inspected["afterResultPath"] == ["A", "B"]
    broken = tried(MAP, {"Values": 1}, mock)
    assert (broken["status"], broken["error"]) == ("FAILED", "States.Runtime")
    assert broken["cause"] == 'Reference path "$.Values" must point to array.'
    tolerant = {**MAP, "ToleratedFailureCount": 1}
    assert tried(tolerant, {"Values": [1, 2, 3]}, mock, failed=1)["status"] == "SUCCEEDED"
    failed = tried(tolerant, {"Values": [1, 2, 3]}, mock, failed=2)
    assert failed["error"] == "States.ExceedToleratedFailureThreshold"


READ = {
    "Type": "Map", "End": True,
    "ItemReader": {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"}, "Parameters": {"Bucket": "b", "Key.$": "$.key"},
    },
    "ItemSelector": {"n.$": "$$.Map.Item.Value", "at.$": "$$.Map.Item.Index", "key.$": "$.key"},
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P", "States": {"P": PASS},
    },
}  # fmt: skip


def test_the_steps_of_a_map_are_told() -> None:
    mock = {"result": "[]"}
    found = tried(READ, {"key": "k"}, mock, source="[5,6,7]")["inspectionData"]
    selected = [{"n": n, "at": at, "key": "k"} for at, n in enumerate([5, 6, 7])]
    assert found["afterItemSelector"] == selected
    assert "afterItemsPath" not in found
    batched = {**READ, "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"b": 1}}}
    found = tried(batched, {"key": "k"}, mock, source="[5,6,7]")["inspectionData"]
    assert found["afterItemBatcher"] == [
        {"BatchInput": {"b": 1}, "Items": selected[:2]},
        {"BatchInput": {"b": 1}, "Items": selected[2:]},
    ]
    inline = {**MAP, "ItemSelector": {"v.$": "$$.Map.Item.Value"}}
    found = tried(inline, {"Values": ["a"]}, mock)["inspectionData"]
    assert (found["afterItemsPath"], found["afterItemSelector"]) == (["a"], [{"v": "a"}])


@pytest.mark.parametrize(
    ("config", "source", "items"),
    [
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        ({"InputType": "JSONL"}, '{"a":1}\n2\n', [{"a": 1}, 2]),
        ({"InputType": "JSON", "MaxItems": 1}, "[1,2]", [1]),
        ({"InputType": "JSON", "ItemsPointer": "/x/y"}, '{"x":{"y":[1,2]}}', [1, 2]),
    ],
)  # fmt: skip
def test_what_a_reader_would_read_may_be_given(config: Any, source: str, items: Any) -> None:
    reader = {**READ["ItemReader"], "ReaderConfig": config}
    state = {**READ, "ItemReader": reader, "ItemSelector": {"i.$": "$$.Map.Item.Value"}}
    found = tried(state, {"key": "k"}, {"result": "[]"}, source=source)["inspectionData"]
    assert found["afterItemSelector"] == [{"i": item} for item in items]
    assert found.get("afterItemsPointer") == (items if "ItemsPointer" in config else None)


def test_data_that_no_reader_can_read_fails_the_map() -> None:
    found = tried(READ, {"key": "k"}, {"result": "[]"}, source='{"no": "array"}')
    assert (found["status"], found["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert found["cause"] == "Attempting to map over non-iterable node."
    unread = tried(READ, {"key": "k"}, {"result": "[1]"})
    assert (unread["status"], unread["output"]) == ("SUCCEEDED", [1])


def test_a_reader_of_jsonata_tells_no_more_than_its_limits() -> None:
    """Recorded: `test_state_machine_configuration_map_iteration_item_reader`."""
    state = {
        **{name: value for name, value in READ.items() if name != "ItemSelector"},
        "QueryLanguage": "JSONata", "MaxConcurrency": 1,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
            "Arguments": {"Bucket": "b", "Key": "{% $states.input.key %}"},
        },
    }  # fmt: skip
    found = tried(state, {"key": "k"}, {"result": "[1,4,9]"}, source="[1,2,3]")
    assert found["inspectionData"] == {"input": {"key": "k"}, "maxConcurrency": 1}
    selecting = {**state, "ItemSelector": {"v": "{% $states.context.Map.Item.Value + 1 %}"}}
    found = tried(selecting, {"key": "k"}, {"result": "[]"}, source="[1,2]")
    assert found["inspectionData"]["afterItemSelector"] == [{"v": 2}, {"v": 3}]


def test_a_state_of_an_iteration_has_its_input_as_the_item() -> None:
    inner = {"Type": "Pass", "End": True, "Parameters": {"of.$": "$$.Map.Item"}}
    machine = {
        "StartAt": "Each", "States": {
            "Each": {
                "Type": "Map", "End": True,
                "ItemProcessor": {"StartAt": "In", "States": {"In": inner}},
            },
            "Beside": PASS,
        },
    }  # fmt: skip
    machine["States"]["Each"] = {**machine["States"]["Each"], "Next": "Beside"}
    machine["States"]["Each"].pop("End")
    found = tried(machine, HELLO, stateName="In")
    assert found["output"] == {"of": {"Index": 0, "Value": HELLO}}


def test_mocks_of_jobs_are_judged_by_what_describes_them() -> None:
    state = {**TASK, "Resource": "arn:aws:states:::states:startExecution.sync"}
    wrong = {"result": json.dumps({"Status": "DONE", "Output": "{}"})}
    with pytest.raises(AwsError, match="Field 'Status' is not an expected value"):
        tried(state, HELLO, wrong)
    well = {"Status": "SUCCEEDED", "Output": "{}"}
    assert tried(state, HELLO, {"result": json.dumps(well)})["output"] == well


def test_variables_are_given_and_assigned() -> None:
    """Recorded: `test_state_with_variables`."""
    state = {
        "Type": "Pass", "QueryLanguage": "JSONata", "End": True,
        "Output": {"sum": "{% $sum($states.input.v) + $ten %}"}, "Assign": {"more": "{% $ten * 2 %}"},
    }  # fmt: skip
    found = tried(state, {"v": [1, 2, 3]}, variables={"ten": 10}, role=None)
    assert found["output"] == {"sum": 16}
    assert found["inspectionData"] == {
        "input": {"v": [1, 2, 3]},
        "variables": {"ten": 10, "more": 20},
    }


def test_a_state_of_a_machine_is_found_by_its_name() -> None:
    inner = {"StartAt": "Deep", "States": {"Deep": FAIL}}
    machine = {
        "StartAt": "First", "States": {
            "First": {"Type": "Pass", "Next": "Both"},
            "Both": {"Type": "Parallel", "End": True, "Branches": [inner]},
        },
    }  # fmt: skip
    assert tried(machine, HELLO, stateName="First")["nextState"] == "Both"
    assert tried(machine, HELLO, stateName="Deep")["error"] == "SomeFailure"


@pytest.mark.parametrize(
    ("state", "more", "code", "message"),
    [
        (PASS, {"mock": {"result": "1"}}, "ValidationException", "State type 'Pass' is not supported when a mock is specified"),
        (MAP, {}, "InvalidDefinition", "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]"),
        (TASK, {"mock": {"result": "1", "errorOutput": {}}}, "ValidationException", "A test mock should have only one of the following fields: [result, errorOutput]."),
        (TASK, {"mock": {"result": "{}"}, "revealSecrets": True}, "ValidationException", "TestState does not support RevealSecrets when a mock is specified."),
        (MAP, {"mock": {"result": "{}"}}, "ValidationException", "Mocked result must be an array."),
        ({"StartAt": "A", "States": {"A": PASS}}, {"stateName": "B"}, "ValidationException", "State not found in definition"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Map":{}}'}, "ValidationException", "Invalid Context object provided: 'Map' field is not supported when mocking a Context object"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Execution":{"Id":1}}'}, "ValidationException", "Invalid Context object provided: Execution.Id must be a string"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Execution":{"pokemon":1}}'}, "ValidationException", "Invalid Context object provided: Field 'pokemon' is not allowed"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Task":{"Token":"t"}}'}, "ValidationException", "Invalid Context object provided: Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern"),
    ],
)  # fmt: skip
def test_refusals_in_recorded_words(state: Any, more: Any, code: str, message: str) -> None:
    mock = more.pop("mock", None)
    with pytest.raises(AwsError) as found:
        tried(state, HELLO, mock, **more)
    assert (found.value.code, found.value.message) == (code, message)


@pytest.mark.parametrize(
    ("action", "result", "said"),
    [
        ("events:putEvents", {"Entries": 1}, "Field 'Entries' must be an array"),
        ("events:putEvents", {"Entries": [{}, {"EventId": 1}]}, "Field 'EventId' must be a string"),
        ("states:startExecution", {}, "Required field 'ExecutionArn' is missing"),
        ("states:startExecution", {"executionArn": "a"}, "Required field 'ExecutionArn' is missing"),
        ("states:startExecution", {"ExecutionArn": "a", "StartDate": 1}, "Field 'StartDate' must be a string"),
        ("lambda:invoke", {"StatusCode": "200"}, "Field 'StatusCode' must be a number"),
        ("aws-sdk:s3:getObject", {"ContentLength": "1"}, "Field 'ContentLength' must be a number"),
        ("aws-sdk:s3:getObject", {"StorageClass": "X"}, "Field 'StorageClass' is not an expected value"),
        ("aws-sdk:lambda:getFunction", {"Configuration": {"MemorySize": 1}}, "Field 'MemorySize' is less than the minimum value"),
        ("lambda:invoke", {"random": "json", "Payload": {"any": 1}}, None),
        ("events:putEvents", {}, None),
    ],
)  # fmt: skip
def test_mocks_are_judged_by_the_operations_answer(
    action: str, result: Any, said: str | None
) -> None:
    """Recorded: localstack test_field_validation_mode."""
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{action}", "End": True}
    mock = {"result": json.dumps(result)}
    if said is None:
        assert tried(state, HELLO, mock)["output"] == result
        return
    with pytest.raises(AwsError) as found:
        tried(state, {}, mock)
    assert found.value.message == f"Mock result schema validation error: {said}"
    loose = {**mock, "fieldValidationMode": "NONE"}
    assert tried(state, {}, loose)["output"] == result


@pytest.mark.parametrize("junk", [None, 1, "x", {}, [None], [[]], [{"Next": []}], [{"Next": None}]])
def test_targets_of_any_type_are_refused_as_a_definition(junk: Any) -> None:
    for field in ("Next", "Default", "Choices", "Catch"):
        state = {"Type": "Task", "Resource": LAMBDA, "End": True, field: junk}
        with pytest.raises(AwsError) as caught:
            subject_of({"definition": json.dumps(state), "roleArn": "role"})
        assert caught.value.code == "InvalidDefinition"
