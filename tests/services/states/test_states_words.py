"""What is pure in Step Functions' service: names, texts, lines, shares."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.states import aliases, arns, log_lines, payloads, status_events, tokens
from sagebrush.store.execution_values import Run

ARN = "arn:aws:states:us-east-1:123456789012:"


@pytest.mark.parametrize("name", ["", "a" * 81, "a b", "a:b", "a/b", "a\x01", "a#", "a\ud800"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(AwsError, match="Invalid Name"):
        arns.check_name(name)


@pytest.mark.parametrize("name", ["a", "A-b_c.d", "é", "a(b)=c+d@e"])
def test_names(name: str) -> None:
    arns.check_name(name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not", "Unrecognized token 'not'"),
        ("[1,]", "Unexpected character (']' (code 93)): expected a valid value"),
        ('{"a": 1, }', "Unexpected character ('}' (code 125)): was expecting double-quote"),
        ('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon"),
        ('{"a": 1 "b"}', "Unexpected character ('\"' (code 34)): was expecting comma"),
        ("{", "Unexpected end-of-input"),
        ("[" * 100_000, ""),
        ("NaN", ""),
    ],
)
def test_texts_that_are_no_json(text: str, why: str) -> None:
    found = payloads.problem(text)
    assert found is not None
    assert found.startswith(why)


@pytest.mark.parametrize("text", ["{}", "1", '"a"', "null", ' {"a": [1.5e3]} '])
def test_texts_that_are_json(text: str) -> None:
    assert payloads.problem(text) is None


def test_inputs_are_measured_in_bytes() -> None:
    payloads.check_input(json.dumps("a" * 262_000))
    with pytest.raises(AwsError, match="262144"):
        payloads.check_input(json.dumps("é" * 131_100, ensure_ascii=False))


LEVELS = {
    "ExecutionFailed": ("ALL", "ERROR", "FATAL"),
    "ExecutionAborted": ("ALL", "ERROR", "FATAL"),
    "TaskFailed": ("ALL", "ERROR"),
    "LambdaFunctionTimedOut": ("ALL", "ERROR"),
    "FailStateEntered": ("ALL", "ERROR"),
    "MapIterationAborted": ("ALL", "ERROR"),
    "TaskSucceeded": ("ALL",),
    "ExecutionSucceeded": ("ALL",),
}


@pytest.mark.parametrize("kind", LEVELS)
def test_levels_of_logs(kind: str) -> None:
    levels = [level for level in ("ALL", "ERROR", "FATAL", "OFF") if log_lines.logged(kind, level)]
    assert tuple(levels) == LEVELS[kind]


def test_lines_too_long_for_the_log_leave_their_data_out() -> None:
    details = {"input": "x" * 260_000, "inputDetails": {"truncated": False}, "name": "S"}
    event = {"id": 1, "previousEventId": 0, "type": "PassStateEntered", "timestamp": 1.5}
    events = [{**event, "stateEnteredEventDetails": details}]
    [(ms, line)] = log_lines.lines(events, "arn", 0, {"level": "ALL", "includeExecutionData": True})
    assert ms == 1500
    assert json.loads(line)["details"] == {"inputDetails": {"truncated": True}, "name": "S"}


def test_weights_decide_which_version_runs() -> None:
    routes = [
        {"stateMachineVersionArn": f"{ARN}stateMachine:m:{at}", "weight": weight}
        for at, weight in ((1, 30), (2, 70))
    ]
    alias = SimpleNamespace(doc={"routingConfiguration": routes})
    rows = SimpleNamespace(get=lambda *given: given[-1])
    ctx = cast(Any, SimpleNamespace(account="a", region="r", world=SimpleNamespace(rows=rows)))
    found = [aliases.chosen(ctx, cast(Any, alias), at / 100) for at in range(100)]
    assert (found.count(cast(Any, "m:1")), found.count(cast(Any, "m:2"))) == (30, 70)


def test_large_data_are_not_in_events() -> None:
    large = "x" * 150_000
    run = Run(
        1, "states", f"{ARN}execution:m:e", "", "e", "FAILED", 1, 1.0, 2.5, 9, large, large,
        "E", "C", {"machine": "m"},
    )  # fmt: skip
    found = status_events.detail(run)
    assert (found["input"], found["inputDetails"]) == (None, {"included": False})
    assert (found["startDate"], found["stopDate"]) == (1000, 2500)
    assert (found["error"], found["redriveStatus"]) == ("E", "REDRIVABLE")


@pytest.mark.parametrize(
    "place", [[1 << 63, 1], [1.0, -(10**30)], [1.0], [1.0, 2, 3], ["1", 2], [1.0, 1.5], {}, None]
)
def test_places_that_nobody_gave_out(place: Any) -> None:
    with pytest.raises(AwsError, match="Invalid Token"):
        tokens.read({"nextToken": tokens.write(place)}, float, int)
    assert tokens.read({"nextToken": tokens.write([1, 2])}, float, int) == [1, 2]
