"""Small definitions that would take memory or processors without end are ended, in little time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.asl.jsonpath import BadPath, read_path
from sagebrush.asl.values import read
from tests.asl.driver import cause_of, output_of
from tests.asl.test_asl_expressions import value_of

DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
LARGE = {"a": "x" * 200_000}


@pytest.mark.costs("each path runs into the bound of values or of seconds: 3 s")
@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("$..[*]..[*]..[*]", DEEP),
        ("$[?(@ in $..x)]", list(range(20_000))),
        ("$[?(@ in $[*])]", list(range(20_000))),
        ("$[?(@ =~ /(a|aa)+$/)]", ["a" * 40 + "!"] * 20),
    ],
)
def test_searches_end(path: str, given: Any) -> None:
    error, cause = cause_of({"Type": "Pass", "InputPath": path}, given)
    assert error == "States.Runtime"
    assert cause == f"The evaluation of the JSONPath '{path}' takes too long"


def test_filters_compare_with_patterns_alone() -> None:
    assert read_path("$[?(@ =~ 'a')]").of(["a"]) == []
    with pytest.raises(BadPath, match="not valid"):
        read_path("$[?(@ =~ /(/)]")


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ({f"k{at}.$": "$.a" for at in range(100)}, "States.DataLimitExceeded"),
        ({"k": [{"l.$": "$.a"}] * 100}, "States.DataLimitExceeded"),
        ({"k.$": f"States.Array($.a{', $.a' * 100})"}, "States.DataLimitExceeded"),
        ({"k.$": f"States.Format('{'{}' * 99}'{', $.a' * 99})"}, "States.Runtime"),
    ],
)
def test_templates_make_no_more_than_fits(template: Any, named: str) -> None:
    error, cause = cause_of({"Type": "Pass", "Parameters": template}, LARGE)
    assert error == named
    assert "returned a result" not in (cause or "")  # which is said once all is in memory


@pytest.mark.parametrize("field", ["Output", "Assign"])
def test_expressions_make_no_more_than_fits(field: str) -> None:
    many = {f"k{at}": "{% $pad('x', 6000000) %}" for at in range(3)}
    error, cause = cause_of({"Type": "Pass", field: many}, {}, QueryLanguage="JSONata")
    assert error == "States.DataLimitExceeded"
    assert "makes values" in (cause or "")


@pytest.mark.costs("a million values are counted: 1 s")
def test_a_value_may_not_be_in_another_a_million_times() -> None:
    four = "{'a': $x, 'b': $x, 'c': $x, 'd': $x}"
    text = f"{{% $reduce([1..12], function($x, $n) {{ {four} }}, 'x') %}}"
    error, cause = cause_of({"Type": "Pass", "Output": text}, {}, QueryLanguage="JSONata")
    assert error == "States.QueryEvaluationError"
    assert "memory limit exceeded" in (cause or "")


def test_each_value_once_in_linear_time() -> None:
    assert value_of("$count($distinct([1..100000]))") == 100_000
    assert value_of("$distinct([1, true, 1.0, '1', {'a': [1]}, {'a': [1]}, [null], [null]])") == [
        1, True, "1", {"a": [1]}, [None],
    ]  # fmt: skip
    assert value_of("$distinct(['a'])") == ["a"]
    assert value_of("$distinct('a')") == "a"


def test_an_evaluation_ends_by_the_clock_of_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.asl.expressions.SECONDS", 0.05)
    text = "{% $map([1..200], function($i) { $sum([1..20000]) }) %}"
    error, cause = cause_of({"Type": "Pass", "Output": text}, {}, QueryLanguage="JSONata")
    assert error == "States.QueryEvaluationError"
    assert "Expression evaluation timeout" in (cause or "")


@pytest.mark.parametrize("text", ["1e400", "[-1e400]", "1" + "0" * 400])
def test_numbers_that_no_double_holds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range"):
        read(text)
    error, cause = cause_of(_calling(f"States.StringToJson('{text}')"))
    assert error == "States.Runtime"
    assert "out of range" in (cause or "")


def _calling(invocation: str) -> dict[str, Any]:
    return {"Type": "Pass", "Parameters": {"x.$": invocation}}


def test_functions_refuse_what_they_cannot_do() -> None:
    error, cause = cause_of(
        _calling("States.ArrayRange(-9223372036854775807, 9223372036854775807, 1)")
    )
    assert error == "States.Runtime"
    assert "at most 1000 elements" in (cause or "")
    for first, last, step, count in ((1, 1000, 1, 1000), (9, 1, -4, 3), (5, 1, 1, 0), (1, 1, 7, 1)):
        made = output_of(_calling(f"States.ArrayRange({first}, {last}, {step})"))
        assert len(made["x"]) == count


def test_half_a_pair_of_surrogates_is_hashed_and_encoded_as_java_does() -> None:
    given = json.loads('{"s": "\\ud800"}')
    assert output_of(_calling("States.Base64Encode($.s)"), given) == {"x": "Pw=="}
    assert output_of(_calling("States.Hash($.s, 'MD5')"), given) == output_of(
        _calling("States.Hash('?', 'MD5')")
    )
