"""Intrinsic functions: the developer guide's examples and limits ("Intrinsic functions")."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sagebrush.asl.failures import StateError
from sagebrush.asl.intrinsics import BadIntrinsic, read_invocation
from sagebrush.asl.jsonpath import BadPath
from tests.asl.driver import cause_of, output_of
from tests.asl.scopes import scope

GIVEN = {
    "Id": 123456,
    "name": "Arnav",
    "template": "Hello, my name is {}.",
    "inputArray": [1, 2, 3, 4, 5, 6, 7, 8, 9],
    "lookingFor": 5,
    "index": 5,
    "twice": [1, 2, 3, 3, 3, 3, 3, 3, 4],
    "input": "Data to encode",
    "base64": "RGF0YSB0byBlbmNvZGU=",
    "Data": "input data",
    "json1": {"a": {"a1": 1, "a2": 2}, "b": 2},
    "json2": {"a": {"a3": 1, "a4": 2}, "c": 3},
    "escaped": '{"foo": "bar"}',
    "unescaped": {"foo": "bar"},
    "inputString": "1,2,3,4,5",
    "splits": "This.is+a,test=string",
    "long": "x" * 10_001,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Array($.Id)", [123456]),
        ("States.Array()", []),
        ("States.Array(1, 'two', null, true, $.unescaped)", [1, "two", None, True, {"foo": "bar"}]),
        ("States.ArrayPartition($.inputArray, 4)", [[1, 2, 3, 4], [5, 6, 7, 8], [9]]),
        ("States.ArrayContains($.inputArray, $.lookingFor)", True),
        ("States.ArrayContains($.inputArray, '5')", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(5, 1, -2)", [5, 3, 1]),
        ("States.ArrayGetItem($.inputArray, $.index)", 6),
        ("States.ArrayLength($.inputArray)", 9),
        ("States.ArrayUnique($.twice)", [1, 2, 3, 4]),
        ("States.ArrayUnique(States.Array(1, true, 1))", [1, True]),
        ("States.Base64Encode($.input)", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Decode($.base64)", "Data to encode"),
        ("States.Hash($.Data, 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.json1, $.json2, false)", {"a": {"a3": 1, "a4": 2}, "b": 2, "c": 3}),
        ("States.StringToJson($.escaped)", {"foo": "bar"}),
        ("States.JsonToString($.unescaped)", '{"foo":"bar"}'),
        ("States.MathAdd(111, -1)", 110),
        ("States.MathAdd(59, 4.3)", 63),
        ("States.StringSplit($.inputString, ',')", ["1", "2", "3", "4", "5"]),
        ("States.StringSplit($.splits, '.+,=')", ["This", "is", "a", "test", "string"]),
        ("States.Format('Hello, my name is {}.', $.name)", "Hello, my name is Arnav."),
        ("States.Format($.template, $.name)", "Hello, my name is Arnav."),
        ("States.Format('{} {} {} {}', 1, true, null, $.unescaped)", '1 true null {"foo":"bar"}'),
        (r"States.Format('\{\}\'\\ {}', 1)", r"{}'\ 1"),
        (r"States.Array('\{')", ["{"]),
        ("States.ArrayLength($.inputArray[?(@ > 5)])", 4),
        ("States.Format('{}', States.ArrayGetItem(States.StringSplit('a,b', ','), 1))", "b"),
    ],
)
def test_the_guides_examples(text: str, value: Any) -> None:
    found = read_invocation(text)(scope(GIVEN))
    assert found == value
    assert type(found) is type(value)


def test_random_numbers_and_uuids_come_from_the_given_source() -> None:
    made = [read_invocation("States.MathRandom(1, 4)")(scope({})) for _ in range(3)]
    assert set(made) <= {1, 2, 3}
    one = read_invocation("States.MathRandom(1, 1000000, 42)")
    assert one(scope({}, seed=1)) == one(scope({}, seed=2))
    uuid = read_invocation("States.UUID()")
    assert uuid(scope({}, seed=1)) == uuid(scope({}, seed=1)) != uuid(scope({}, seed=2))
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid(scope({}))
    )


@pytest.mark.parametrize(
    "text",
    [
        "States.ArrayRange(1, 1001, 1)",
        "States.ArrayRange(1, 9, 0)",
        "States.ArrayGetItem($.inputArray, 9)",
        "States.ArrayGetItem($.inputArray, -1)",
        "States.ArrayPartition($.inputArray, 0)",
        "States.ArrayLength($.name)",
        "States.Base64Encode($.long)",
        "States.Base64Decode('?')",
        "States.Hash($.long, 'MD5')",
        "States.Hash('x', 'md5')",
        "States.JsonMerge($.json1, $.json2, true)",
        "States.StringToJson($.name)",
        "States.Format('{}', 1, 2)",
        "States.Format('{} {}', 1)",
        "States.MathAdd(1, $.name)",
    ],
)
def test_arguments_that_a_function_refuses(text: str) -> None:
    """They end the execution: the guide reports what an intrinsic fails with as States.Runtime."""
    with pytest.raises(StateError) as caught:
        read_invocation(text)(scope(GIVEN))
    assert caught.value.name == "States.Runtime"
    assert text in (caught.value.cause or "")


@pytest.mark.parametrize(
    "text",
    [
        "States.Nope()",
        "States.Array(",
        "States.Array(1",
        "States.Array(1 2)",
        "States.Array('a)",
        r"States.Format('\x')",
        "States.UUID(1)",
        "States.MathAdd(1)",
        "States.MathAdd(1,'-1')",
        "States.Array() x",
        "States.Array([1])",
        "States.Array(" * 11 + ")" * 11,
        "States.Array($.)",
    ],
)
def test_what_is_no_invocation(text: str) -> None:
    with pytest.raises((BadIntrinsic, BadPath)):
        read_invocation(text)


def test_ten_functions_can_be_nested() -> None:
    assert read_invocation("States.Array(" * 10 + ")" * 10)(scope({})) == [[[[[[[[[[]]]]]]]]]]


def test_payload_templates() -> None:
    """Guide, "Parameters": names lose their `.$`, at any depth, in arrays too."""
    template = {"comment": "c", "d": {"size.$": "$.a", "l": [{"x.$": "$.b[0]"}, "$.a"]}, "$": 1}
    made = output_of({"Type": "Pass", "Parameters": template}, {"a": "M", "b": [7]})
    assert made == {"comment": "c", "d": {"size": "M", "l": [{"x": 7}, "$.a"]}, "$": 1}


def test_a_path_that_finds_nothing() -> None:
    """Recorded: "The JSONPath '$.JobName' specified for the field 'JobName.$' could not be found in the
    input '{}'"."""
    state = {"Type": "Pass", "Parameters": {"JobName.$": "$.JobName"}}
    assert cause_of(state, {}) == (
        "States.Runtime",
        "The JSONPath '$.JobName' specified for the field 'JobName.$' could not be found in the input "
        "'{}'",
    )
    error, cause = cause_of({"Type": "Pass", "Parameters": {"x.$": "States.Array($.y)"}}, {"z": 1})
    assert error == "States.Runtime"
    assert cause == (
        "The JsonPath argument for the field '$.y' could not be found in the input '{\"z\":1}'"
    )
