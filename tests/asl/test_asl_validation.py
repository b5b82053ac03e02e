"""Definitions beside what AWS says of them.

Sources: recordings of the service (localstack test_sfn_api_validation, test_base_scenarios
test_wait_timestamp_invalid); API reference, "ValidateStateMachineDefinitionDiagnostic"; the public
definitions of ChristopheBougere/asl-validator.
"""

from __future__ import annotations

import json

import pytest

from sagebrush.asl.validation import diagnose, read_machine
from sagebrush.errors import AwsError, Doc
from tests.asl.driver import INVOKE, machine, single
from tests.needs import eval_data

PASS = {"Type": "Pass", "End": True}


def told(definition: Doc | str, express: bool = False) -> list[Doc]:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return [one.document() for one in diagnose(text, express)]


def errors(definition: Doc, express: bool = False) -> list[str]:
    found = diagnose(json.dumps(definition), express)
    return [str(one) for one in found if one.severity == "ERROR"]


SCHEMA = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED"}


@pytest.mark.parametrize(
    ("text", "diagnostic"),
    [
        (" ", SCHEMA | {"message": "Definition must be a valid JSON object"}),
        ("[]", SCHEMA | {"message": "Definition must be a valid JSON object"}),
        (
            "{}",
            SCHEMA | {"location": "/", "message": "These fields are required: [States, StartAt]"},
        ),
        (
            json.dumps({"States": {"S": PASS}}),
            SCHEMA | {"location": "/", "message": "These fields are required: [StartAt]"},
        ),
        (
            "not a definition",
            {
                "severity": "ERROR",
                "code": "INVALID_JSON_DESCRIPTION",
                "location": '[Source: (String)"not a definition"; line: 1, column: 4]',
                "message": "Unrecognized token 'not': was expecting (JSON String, Number, Array, "
                "Object or token 'null', 'true' or 'false')\n"
                ' at [Source: (String)"not a definition"; line: 1, column: 4]',
            },
        ),
        (
            json.dumps(single({**PASS, "QueryLanguage": "JSONPath"}, QueryLanguage="JSONata")),
            SCHEMA
            | {
                "location": "/States/S",
                "message": "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole "
                "state machine",
            },
        ),
    ],
)
def test_recorded_diagnostics(text: str, diagnostic: Doc) -> None:
    assert told(text) == [diagnostic]


def test_express_machines_wait_for_no_token() -> None:
    """test_validate_state_machine_definition_type_express[ILLEGAL_WFTT]: with a space at its end."""
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    definition = single({"Type": "Task", "Resource": resource, "Parameters": {}})
    assert told(definition) == []
    assert told(definition, express=True) == [
        SCHEMA
        | {
            "location": "/States/S/Resource",
            "message": "Express state machine does not support '.waitForTaskToken' service "
            "integration ",
        }
    ]


def test_an_invalid_definition_is_refused_in_aws_words() -> None:
    """test_wait_timestamp_invalid[NO_T]."""
    definition = single({"Type": "Wait", "Timestamp": "2016-12-05 21:29:29Z"})
    with pytest.raises(AwsError) as caught:
        read_machine(json.dumps(definition))
    assert caught.value.code == "InvalidDefinition"
    assert caught.value.message == (
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: String does not match RFC3339 "
        "timestamp at /States/S/Timestamp'"
    )


TASK = {"Type": "Task", "Resource": INVOKE, "End": True}
MAP = {"Type": "Map", "ItemProcessor": machine(P=PASS), "End": True}
FAR = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


def reader(**config: str) -> Doc:
    """A distributed Map whose items come from S3."""
    source = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config}
    return {**MAP, "ItemProcessor": {**machine(P=PASS), **FAR}, "ItemReader": source}


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (
            {**PASS, "Output": 1},
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the "
            "'JSONata' QueryLanguage at /States/S",
        ),
        (
            {**PASS, "QueryLanguage": "JSONata", "Result": 1},
            "The QueryLanguage is set to 'JSONata', but field 'Result' is only supported for the "
            "'JSONPath' QueryLanguage at /States/S",
        ),
        (
            {**PASS, "QueryLanguage": "jsonpath"},
            "Value should be one of the following: [JSONPath, JSONata] at /States/S/QueryLanguage",
        ),
        ({**PASS, "QueryLanguage": 1}, "Expected value of type [STRING] at /States/S/QueryLanguage"),
        ({**PASS, "Nope": 1}, "Field 'Nope' is not supported at /States/S"),
        ({**PASS, "TimeoutSeconds": 1}, "Field 'TimeoutSeconds' is not supported at /States/S"),
        ({"Type": "Nope"}, "at /States/S/Type"),
        ({}, "These fields are required: [Type] at /States/S"),
        ({"Type": "Pass"}, "One of these fields is required: [Next, End] at /States/S"),
        ({**TASK, "TimeoutSeconds": 0}, "at /States/S/TimeoutSeconds"),
        ({**TASK, "Resource": "arn:aws:lambda:x"}, "at /States/S/Resource"),
        ({**TASK, "Retry": [{"ErrorEquals": []}]}, "at /States/S/Retry[0]/ErrorEquals"),
        ({**TASK, "Retry": [{"ErrorEquals": ["a"], "BackoffRate": 0.5}]}, "/Retry[0]/BackoffRate"),
        ({**TASK, "Retry": [{"ErrorEquals": ["a"], "JitterStrategy": "x"}]}, "/Retry[0]/JitterStrategy"),
        ({**TASK, "Catch": [{"ErrorEquals": ["a"]}]}, "These fields are required: [Next] at /States/S/Catch[0]"),
        (
            {**TASK, "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["a"]}]},
            "States.ALL must be in the last entry at /States/S/Retry[0]/ErrorEquals",
        ),
        ({**TASK, "Parameters": {"a.$": "b"}}, "The value for the field 'a.$' must be a valid JSONPath "
         "or a valid intrinsic function call at /States/S/Parameters"),
        ({**PASS, "Assign": {"states": 1}}, "at /States/S/Assign/states"),
        ({**PASS, "Assign": {"a.b": 1}}, "at /States/S/Assign/a.b"),
        ({**PASS, "Assign": {"a" * 81: 1}}, "is not a valid name of a variable"),
        (
            {**PASS, "QueryLanguage": "JSONata", "Output": {"v": "{% phone %}"}},
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. "
            "at /States/S/Output/v",
        ),
        ({**PASS, "QueryLanguage": "JSONata", "Output": "{% a[1,2) %}"}, "INVALID_JSONATA_EXPRESSION: "),
        ({**MAP, "Label": "L"}, "Field 'Label' is only supported in DISTRIBUTED mode at /States/S"),
        ({**MAP, "QueryLanguage": "JSONata", "Items": {"a": 1}}, "A JSON object as Items is not supported"),
        (
            {**MAP, "ItemProcessor": {**machine(P=PASS), "QueryLanguage": "JSONata"}},
            "Field 'QueryLanguage' is not supported at /States/S/ItemProcessor",
        ),
        (
            {**MAP, "ItemProcessor": {**machine(P=PASS), **FAR}, "ItemReader": {"Resource": "x"}},
            "/States/S/ItemReader/Resource",
        ),
        ({**MAP, "ItemProcessor": {**machine(P=PASS), **FAR}, "ItemBatcher": {}}, "/States/S/ItemBatcher"),
        (reader(InputType="PARQUET"), "Sagebrush does not read Parquet files"),
        (reader(InputType="XML"), "[CSV, JSON, JSONL, PARQUET, MANIFEST] at /States/S/ItemReader/ReaderConfig"),
        (reader(ManifestType="ATHENA_DATA"), "These fields are required: [InputType]"),
        (reader(Transformation="LOAD_AND_FLATTEN"), "These fields are required: [InputType]"),
        ({"Type": "Choice", "Choices": []}, "Array must have at least 1 item at /States/S/Choices"),
        ({"Type": "Parallel", "Branches": []}, "Array must have at least 1 item at /States/S/Branches"),
        ({"Type": "Wait", "End": True}, "One of these fields is required: [Seconds, Timestamp"),
    ],
)  # fmt: skip
def test_fields(state: Doc, error: str) -> None:
    found = errors({"StartAt": "S", "States": {"S": state}})
    assert any(error in one for one in found), found


def test_the_flow_of_states() -> None:
    assert errors({"StartAt": "X", "States": {"S": PASS}}) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /StartAt",
        'MISSING_TRANSITION_TARGET: State "S" is not reachable. at /States/S',
    ]
    assert errors(machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"})) == [
        "MISSING_END_STATE: The workflow does not have a terminal state at /States"
    ]
    inner = machine(S=PASS)
    assert errors(machine(S={"Type": "Parallel", "Branches": [inner], "End": True})) == [
        "DUPLICATE_STATE_NAME: Duplicate State name: S at /States/S/Branches[0]/States/S"
    ]
    assert errors(machine(**{"x" * 81: PASS}))[0].startswith("INVALID_STATE_NAME")


def test_an_inner_variable_has_no_name_of_an_outer_one() -> None:
    """Guide, "Variable scope"; children of a distributed Map see no outer variables at all."""
    inner = machine(P={**PASS, "Assign": {"x": 1}})
    outer = {"Type": "Pass", "Assign": {"x": 1}, "Next": "M"}
    assert (
        "already assigned in an outer scope"
        in errors(machine(A=outer, M={**MAP, "ItemProcessor": inner}))[0]
    )
    assert errors(machine(A=outer, M={**MAP, "ItemProcessor": {**inner, **FAR}})) == []


def test_warnings_leave_a_definition_valid() -> None:
    """NO_DOLLAR and PASS_RESULT_IS_STATIC."""
    definition = machine(
        S={"Type": "Pass", "Parameters": {"a": "$.b"}, "Next": "T"},
        T={**PASS, "Result": {"a.$": "$"}},
    )
    found = told(definition)
    assert [(one["severity"], one["code"], one["location"]) for one in found] == [
        ("WARNING", "NO_DOLLAR", "/States/S/Parameters/a"),
        ("WARNING", "PASS_RESULT_IS_STATIC", "/States/T/Result"),
    ]
    read_machine(json.dumps(definition))


def test_a_member_that_is_given_twice() -> None:
    assert told('{"StartAt": "S", "StartAt": "S", "States": {}}') == [
        {
            "severity": "ERROR",
            "code": "INVALID_JSON_DESCRIPTION",
            "message": "Duplicate field 'StartAt'",
        }
    ]


OWN_OPINION = {
    # AWS asks that the string begins with {% and ends with %}, not for spaces within ("Transforming
    # data with JSONata").
    "invalid-json-surround-syntax-extra-spaces",
    "invalid-jsonata-surround-syntax-no-spaces",
    # Names of variables are Unicode identifiers ("Variable name syntax"): no hyphen.
    "valid-assign.asl",
    # Strings within a filter are quoted (Jayway's README, "Filter Operators").
    "valid-current-value-predicate",
    # ItemReader, ResultWriter and Label are fields of Distributed mode ("Map state").
    "valid-map-noconfig.asl",
    # 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine (recorded).
    "valid-map-with-item-batcher-jsonata",
    # Jayway's dialect has no script expressions, [(...)].
    "valid-path-array-context",
    # There are no tasks of Simple Workflow ("Task": activities, Lambda functions, services).
    "valid-task-credentials",
    "valid-task-parameters",
    "valid-task-timeout-jsonata",
    # CloudFormation's {"Fn::GetAtt": ...} and ${...} are replaced before AWS sees the definition.
    "valid-task-intrisic-function",
    "valid-cfn-definition-substitutions",
}
"""Where the validator that these definitions come from and AWS's guides differ."""


@pytest.mark.costs("112 definitions")
def test_public_definitions() -> None:
    lines = (eval_data("../cases/asl_definitions") / "definitions.jsonl").read_text().splitlines()
    otherwise = set()
    for case in map(json.loads, lines):
        text = json.dumps(case["definition"])
        valid = not errors(case["definition"])
        if valid:
            read_machine(text)
        if valid != case["valid"]:
            otherwise.add(case["name"])
    assert len(lines) == 112
    assert otherwise == OWN_OPINION


@pytest.mark.parametrize("junk", [None, 1, "x", [], [1], {"a": 1}, True, {"States": 1}])
@pytest.mark.parametrize(
    "field",
    ["Type", "Choices", "Branches", "ItemProcessor", "Iterator", "Retry", "Catch", "Assign", "Next",
     "Resource", "ItemReader", "ItemBatcher", "ResultWriter", "Label", "Credentials", "Output", "Items",
     "ResultPath", "InputPath", "Timestamp", "Seconds", "QueryLanguage"],
)  # fmt: skip
def test_no_value_of_a_field_makes_the_validator_fail(field: str, junk: object) -> None:
    for kind in ("Pass", "Task", "Choice", "Wait", "Map", "Parallel", "Fail"):
        for language in ("JSONPath", "JSONata"):
            state = {"Type": kind, "End": True, field: junk}
            definition = {"StartAt": "S", "QueryLanguage": language, "States": {"S": state}}
            text = json.dumps(definition)
            if not errors(definition):
                read_machine(text)


def test_a_long_text_is_told_in_part() -> None:
    """As the service's JSON reader does: 500 characters of the source, 256 of a token."""
    (found,) = diagnose("x" * 10_000)
    assert "[truncated 9500 chars]" in found.message
    assert len(found.message) < 2_000
    many = {
        "StartAt": "A",
        "States": {f"S{at}": {"Type": "Pass", "End": True} for at in range(999)},
    }
    with pytest.raises(AwsError) as caught:
        read_machine(json.dumps(many))
    assert len(caught.value.message) < 20_000
