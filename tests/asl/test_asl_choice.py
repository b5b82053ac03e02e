"""Every operator of Choice rules (specification, "Choice State"; guide, "Choice workflow state")."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.asl.choice import COMPARISONS, read_rule
from sagebrush.errors import Doc
from tests.asl.driver import cause_of, machine, ran, single
from tests.asl.scopes import scope

EARLY, LATE = "2016-08-18T17:33:00Z", "2016-08-18T19:33:00+01:00"
SAMPLES: dict[str, tuple[Any, Any]] = {
    "String": ("abc", "abd"),
    "Numeric": (1, 2.5),
    "Timestamp": (EARLY, LATE),
}
"""Kind -> a smaller and a greater value."""
ORDERS = {
    "Equals": (False, True, False),
    "LessThan": (True, False, False),
    "GreaterThan": (False, False, True),
    "LessThanEquals": (True, True, False),
    "GreaterThanEquals": (False, True, True),
}
"""Order -> whether a smaller, an equal and a greater value match."""


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("order", ORDERS)
def test_comparisons_with_a_value_and_with_a_path(kind: str, order: str) -> None:
    small, great = SAMPLES[kind]
    for (one, other), matches in zip(
        [(small, great), (small, small), (great, small)], ORDERS[order], strict=True
    ):
        given = scope({"x": one, "y": other})
        rule = {"Variable": "$.x", kind + order: other}
        assert read_rule(rule)(given) is matches
        assert read_rule({"Variable": "$.x", f"{kind}{order}Path": "$.y"})(given) is matches
    foreign = {"String": 1, "Numeric": "1", "Timestamp": "yesterday"}[kind]
    assert read_rule({"Variable": "$.x", kind + order: small})(scope({"x": foreign})) is False


@pytest.mark.parametrize(
    ("operator", "operand", "value", "matches"),
    [
        ("BooleanEquals", True, True, True),
        ("BooleanEquals", True, 1, False),
        ("BooleanEquals", False, False, True),
        ("NumericEquals", 1, True, False),
        ("NumericEquals", 1, 1.0, True),
        ("StringMatches", "log-*.txt", "log-zebra.txt", True),
        ("StringMatches", "log-*.txt", "log-zebra.csv", False),
        ("StringMatches", r"a\*b", "a*b", True),
        ("StringMatches", r"a\*b", "axb", False),
        ("StringMatches", "*", "any\nthing", True),
        ("StringMatches", "a.c", "abc", False),
        ("StringMatches", "*", 1, False),
        ("IsNull", True, None, True),
        ("IsNull", False, 1, True),
        ("IsString", True, "x", True),
        ("IsNumeric", True, 1.5, True),
        ("IsNumeric", True, True, False),
        ("IsBoolean", True, False, True),
        ("IsTimestamp", True, EARLY, True),
        ("IsTimestamp", True, "2016-08-18t17:33:00z", False),
        ("IsPresent", True, None, True),
        ("IsPresent", False, None, False),
    ],
)
def test_operators(operator: str, operand: Any, value: Any, matches: bool) -> None:
    assert read_rule({"Variable": "$.x", operator: operand})(scope({"x": value})) is matches


def test_is_present_of_what_is_missing() -> None:
    assert read_rule({"Variable": "$.x", "IsPresent": False})(scope({})) is True
    assert read_rule({"Variable": "$v", "IsPresent": True})(scope({}, {"v": 1})) is True
    assert read_rule({"Variable": "$w", "IsPresent": True})(scope({}, {"v": 1})) is False


def test_there_are_as_many_operators_as_the_specification_lists() -> None:
    assert len(COMPARISONS) == 39
    assert {"StringMatchesPath", "IsPresentPath"} & COMPARISONS.keys() == set()


def test_and_or_not() -> None:
    one = {"Variable": "$.x", "NumericEquals": 1}
    two = {"Variable": "$.y", "NumericEquals": 2}
    both = scope({"x": 1, "y": 2})
    only = scope({"x": 1, "y": 3})
    assert [read_rule({"And": [one, two]})(s) for s in (both, only)] == [True, False]
    assert [read_rule({"Or": [two, one]})(s) for s in (both, only)] == [True, True]
    assert [read_rule({"Not": two})(s) for s in (both, only)] == [False, True]
    assert read_rule({"And": [one, {"Not": {"Or": [two]}}]})(only) is True


def choose(rule: Doc, given: Any, **more: Any) -> Any:
    """Which state follows, by its own Result."""
    named = {n: {"Type": "Pass", "Result": n, "End": True} for n in ("A", "B")}
    choice = {"Type": "Choice", "Choices": [{**rule, "Next": "A"}], "Default": "B", **more}
    return ran(machine(C=choice, **named), given).output


def test_a_choice_state() -> None:
    rule = {"Variable": "$.value", "NumericGreaterThanEquals": 20}
    assert choose(rule, {"value": 22}) == "A"
    assert choose(rule, {"value": 2}) == "B"
    assert choose({"Variable": "$", "NumericEquals": 2}, {"in": 2}, InputPath="$.in") == "A"


def test_a_variable_that_is_missing_fails() -> None:
    """As recorded by users of the service: error States.Runtime, and this sentence."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "P"}]}
    run = ran(machine(S=choice, P={"Type": "Pass", "End": True}))
    assert run.end is not None
    assert (run.end.error, run.end.cause) == (
        "States.Runtime",
        "An error occurred while executing the state 'S' (entered at the event id #2). Invalid path "
        "'$.x': The choice state's condition path references an invalid value.",
    )


def test_no_rule_matches() -> None:
    """States.NoChoiceMatched is reserved; States.Runtime is reported (guide, "Handling errors")."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True, "Next": "P"}]}
    run = ran(machine(S=choice, P={"Type": "Pass", "End": True}), 1)
    assert run.end is not None
    assert (run.end.error, run.end.cause) == (
        "States.Runtime",
        "An error occurred while executing the state 'S' (entered at the event id #2). Failed to "
        "transition out of the state. The state does not point to a next state.",
    )


def test_a_choice_of_jsonata() -> None:
    choice = {
        "Type": "Choice",
        "Choices": [
            {
                "Condition": "{% $states.input.n > 1 %}",
                "Next": "P",
                "Assign": {"big": True},
                "Output": "{% 'rule ' & $states.input.n %}",
            }
        ],
        "Default": "D",
        "Output": "default",
        "Assign": {"big": False},
    }
    shown = {
        "Type": "Pass",
        "Output": {"big": "{% $big %}", "in": "{% $states.input %}"},
        "End": True,
    }
    definition = machine(C=choice, P=shown, D=shown) | {"QueryLanguage": "JSONata"}
    assert ran(definition, {"n": 2}).output == {"big": True, "in": "rule 2"}
    assert ran(definition, {"n": 1}).output == {"big": False, "in": "default"}


def test_a_condition_that_is_not_boolean() -> None:
    rules = [{"Condition": "{% 1 %}", "Next": "P"}]
    definition = machine(S={"Type": "Choice", "Choices": rules}, P={"Type": "Succeed"})
    run = ran({**definition, "QueryLanguage": "JSONata"})
    assert run.details("EvaluationFailed")[0]["location"] == "Choices[0]/Condition"
    assert run.end is not None
    assert "Expected 'boolean', but was 'number' for value: 1" in (run.end.cause or "")


def test_paths_of_input_and_output() -> None:
    """`null` makes an empty object of the input, and of the output."""
    assert ran(
        single({"Type": "Pass", "InputPath": None, "ResultPath": "$.r"}), {"a": 1}
    ).output == {
        "a": 1,
        "r": {},
    }
    assert ran(single({"Type": "Succeed", "OutputPath": None}), {"a": 1}).output == {}
    assert ran(single({"Type": "Pass", "Result": 5, "ResultPath": None}), {"a": 1}).output == {
        "a": 1
    }
    assert ran(single({"Type": "Pass", "OutputPath": "$.a"}), {"a": 1}).output == 1
    error, cause = cause_of({"Type": "Pass", "InputPath": "$.b"}, {"a": 1})
    assert error == "States.Runtime"
    assert "Invalid path '$.b'" in (cause or "")
    error, _ = cause_of({"Type": "Pass", "Result": 1, "ResultPath": "$.a.b"}, {"a": 1})
    assert error == "States.ResultPathMatchFailure"
