"""JSONata as Step Functions has it: its functions, what it refuses, and the bounds of evaluation.

Sources: developer guide, "Transforming data with JSONata"; limits as the service answers them.
"""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.asl.expressions import BadExpression, evaluate, read_expression, unsupported
from sagebrush.asl.failures import StateError
from sagebrush.errors import Doc
from tests.asl.driver import output_of, ran, single
from tests.asl.scopes import scope

GIVEN = {"none": None, "list": [1, 2, 3], "one": [{"a": 1}], "id": 5890840712243076, "text": "x"}


def value_of(text: str, variables: Doc | None = None) -> Any:
    return evaluate(read_expression(text), scope(GIVEN, variables), "Output")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$states.input.list", [1, 2, 3]),
        ("$states.input.none", None),
        ("[$states.input.none]", [None]),
        ("{'n': $states.input.none}", {"n": None}),
        ("$exists($states.input.none)", True),
        ("$type($states.input.none)", "null"),
        ("$variable + 1", 8),
        ("$nothing", None),
        ("10 / 4", 2.5),
        ("10 / 2", 5),
        ("[1..3]", [1, 2, 3]),
        ("$states.input.one[a=1]", {"a": 1}),
        ("$states.input.one[a=1][]", [{"a": 1}]),
        ("$states.context.Execution.Id", "arn"),
        ("$partition([1, 2, 3, 4, 5], 2)", [[1, 2], [3, 4], [5]]),
        ("$partition([1, 2, 3], 2.9)", [[1, 2], [3]]),
        ("$range(0, 10, 2)", [0, 2, 4, 6, 8, 10]),
        ("$range(-1.7, 2, 1)", [-1, 0, 1, 2]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$range(1, 1, 1)", 1),
        ("$hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("$parse('{\"a\": [1, null]}')", {"a": [1, None]}),
        ("$parse('null')", None),
        ("$random(5) = $random(5)", True),
        ("$random() < 1", True),
        ("$length($uuid())", 36),
        ("$now()", "2023-11-14T22:13:20.123Z"),
        ("$millis()", 1_700_000_000_123),
        ("$sort($shuffle([3, 1, 2]))", [1, 2, 3]),
        ("$string($states.input.id)", "5890840712243076"),
        ("'id-' & $states.input.id", "id-5890840712243076"),
        ("$string(1e20)", "100000000000000000000"),
        ("$merge([{'hello': 'world'}, {'foo': 'bar'}])", {"hello": "world", "foo": "bar"}),
        ("$replace('john smith', /(\\w+) (\\w+)/, '$2 $1')", "smith john"),
        ("$contains('abc', /B/i)", True),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = value_of(text, {"variable": 7, "nothing": None})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["$states.input.absent", "$partition([1], 0)", "$partition([], 2)", "$range(1, 3)", "$range(1, 3, -1)",
     "$hash('x')", "$unknown"],
)  # fmt: skip
def test_what_yields_nothing_fails_the_field(text: str) -> None:
    with pytest.raises(StateError) as caught:
        value_of(text)
    assert (caught.value.name, caught.value.location) == ("States.QueryEvaluationError", "Output")
    assert caught.value.cause == (
        f"The JSONata expression '{text}' specified for the field 'Output' returned nothing (undefined)."
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 + 'a'", "T2002"),
        ("$eval('1')", "T1006: Attempted to invoke a non-function"),
        ("$states.input.text()", "T1006"),
        ("$hash('x', 'md5')", "Invalid hash algorithm: md5"),
        ("$parse('{')", "Invalid JSON"),
        ("1 / 0", "D1001: Number out of range: Infinity"),
        ("$error('told')", "told"),
        ("function($x){$x}", "returned an unsupported result type"),
        ("$number('z')", "could not convert"),
    ],
)
def test_errors_of_evaluation(text: str, told: str) -> None:
    with pytest.raises(StateError) as caught:
        value_of(text)
    assert caught.value.name == "States.QueryEvaluationError"
    assert told in (caught.value.cause or "")


@pytest.mark.costs("an endless recursion runs into the bound of steps: 2 s")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("($f := function($x){ $f($x + 1) }; $f(0))", "too many steps"),
        ("($f := function($x){ 1 + $f($x + 1) }; $f(0))", "Depth=101 max=100"),
        ("($__evaluate_entry := $nothing; $f := function(){ $f() }; $f())", "too many steps"),
        ("[1..900000] ~> $count()", "memory limit exceeded"),
        ("$range(1, 360146, 1)", "memory limit exceeded"),
        ("$pad('x', 10000000)", "memory limit exceeded"),
        ("$replace($pad('', 3000, 'a'), 'a', $pad('', 3000, 'b'))", "memory limit exceeded"),
        ("$join($map([1..3000], function($n){'a'}), $pad('', 3000, 'b'))", "memory limit exceeded"),
        ("$reduce([1..23], function($t, $i){ $t & $t }, 'x')", "memory limit exceeded"),
        ("$reduce([1..40], function($a, $i){ $a * $a }, 10)", "D1001"),
        ("$match($pad('', 40, 'a') & 'b', /(a|aa)+$/)", ""),
    ],
)
def test_nothing_runs_or_grows_without_end(text: str, told: str) -> None:
    with pytest.raises(StateError) as caught:
        value_of(text)
    assert told in (caught.value.cause or "")


def test_a_hundred_levels_are_allowed() -> None:
    assert value_of("+".join(["1"] * 100)) == 100
    with pytest.raises(StateError, match="Depth=101"):
        value_of("+".join(["1"] * 101))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("phone", "Reference to 'phone' at the top level is not supported."),
        (
            "$map($states.input.a, function($x){ b })",
            "Reference to 'b' at the top level is not supported.",
        ),
        ("[1, a]", "Reference to 'a' at the top level is not supported."),
        ("{'k': a.b}", "Reference to 'a' at the top level is not supported."),
        ("true ? a : 1", "Reference to 'a' at the top level is not supported."),
        ("$$.a", "Reference to '$$' is not supported."),
        ("$.a", "Reference to '$' at the top level is not supported."),
        ("$states.input.items[value > 3].name^(price)", None),
        ("$states.input ~> |a|{'x': y}|", None),
        ("($x := 1; $x)", None),
    ],
)
def test_the_top_level_has_no_context(text: str, problem: str | None) -> None:
    assert unsupported(read_expression(text)) == problem


@pytest.mark.parametrize(
    "text", ["a[1,2)", "10 + * 2", "$sum(1", "", "/(/", "$" * 3 + "(", "(" * 5_000]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(BadExpression) as caught:
        read_expression(text)
    assert caught.value.code == "INVALID_JSONATA_EXPRESSION"


def test_values_do_not_share_with_the_input() -> None:
    given = scope({"a": {"b": [1, None]}})
    found = evaluate(read_expression("$states.input.a"), given, "Output")
    found["b"].append(2)
    assert given.states["input"] == {"a": {"b": [1, None]}}


def test_templates_of_outputs() -> None:
    """test_output BASE_LITERALS (localstack's recordings): what is not within `{% %}` stays."""
    literals = {
        "null": None,
        "n": 0.1,
        "not": " {% states.input %} ",
        "jp.$": "$",
        "path": "$.input_value",
        "format": "States.Format('Format:{}', 101)",
        "l": [None, [], {"c": "$states.input"}, "{% 3 + 4 %}"],
    }
    made = output_of({"Type": "Pass", "Output": literals}, QueryLanguage="JSONata")
    assert made == {**literals, "l": [None, [], {"c": "$states.input"}, 7]}
    for value in (True, 42, 0.1, "text", [], {}):
        assert output_of({"Type": "Pass", "Output": value}, QueryLanguage="JSONata") == value


def test_the_field_of_an_error_is_named_with_its_path() -> None:
    output = {"a": [1, {"b": "{% $states.input.absent %}"}]}
    run = ran(single({"Type": "Pass", "Output": output}, QueryLanguage="JSONata"))
    (failed,) = run.details("EvaluationFailed")
    assert failed["location"] == "Output/a[1]/b"
    assert failed["state"] == "S"
    assert [kind for _, _, kind in run.history()][-2:] == ["EvaluationFailed", "ExecutionFailed"]
