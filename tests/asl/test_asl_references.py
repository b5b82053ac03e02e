"""Which variables states name, as recorded (localstack test_sfn_api_variable_references)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.asl.references import variables

BIAS = "States.MathAdd(States.MathAdd($yCurrent, $xCurrent), $bias)"


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ({"Type": "Pass", "Parameters": {"result": "$result"}}, []),
        ({"Type": "Pass", "Parameters": {"result.$": "$result", "o.$": "$.x"}}, ["result"]),
        ({"Type": "Wait", "SecondsPath": "$waitTime"}, ["waitTime"]),
        ({"Type": "Pass", "Assign": {"Sum.$": BIAS}}, ["bias", "xCurrent", "yCurrent"]),
        ({"Type": "Pass", "Assign": {"a.$": "States.Format('$no {}', $$.State.Name)"}}, []),
        (
            {
                "Type": "Choice",
                "Choices": [{"Variable": "$guess", "StringEqualsPath": "$answer", "Next": "S"}],
            },
            ["answer", "guess"],
        ),
        (
            {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $sum($list) & '$no' %}"},
            ["list"],
        ),
        (
            {
                "Type": "Pass",
                "QueryLanguage": "JSONata",
                "Output": {
                    "a": "{% ($x := $states.input.y; $map($all, function($v) { $v + $x })) %}"
                },
            },
            ["all"],
        ),
    ],
)
def test_the_variables_of_a_state(state: Any, names: list[str]) -> None:
    found = variables(json.dumps({"StartAt": "S", "States": {"S": state}}))
    assert found == ({"S": names} if names else {})


def test_states_within_others_name_their_own() -> None:
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "InputPath": "$a", "End": True}}}
    outer = {"Type": "Map", "ItemsPath": "$items", "ItemProcessor": inner, "End": True}
    found = variables(json.dumps({"StartAt": "M", "States": {"M": outer}}))
    assert found == {"M": ["items"], "I": ["a"]}
