from __future__ import annotations

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.logs.filter import compile_pattern
from sagebrush.workload import expressions


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR Exception", "ERROR: Exception", True),
        ("ERROR Exception", "ERROR", False),
        ("?ERROR ?WARN", "WARN", True),
        ("?ERROR ?WARN", "INFO", False),
        ("ERROR -EXITING", "ERROR", True),
        ("ERROR -EXITING", "ERROR EXITING", False),
        ('"INTERNAL SERVER"', "an INTERNAL SERVER error", True),
        ('"INTERNAL SERVER"', "SERVER INTERNAL", False),
        (r'"say \"hi\""', 'say "hi"', True),
        ("%loss: [0-9.]+%", "loss: 0.5", True),
        ("%loss: [0-9.]+%", "loss: none", False),
    ],
)
def test_patterns(pattern: str, message: str, matches: bool):
    assert compile_pattern(pattern)(message) is matches


@pytest.mark.parametrize(
    "pattern", ['{ $.level = "ERROR" }', "[ip, user]", "%[%", "%" + "(" * 400 + ")" * 400 + "%"]
)
def test_what_cannot_be_read_is_refused(pattern: str):
    with pytest.raises(AwsError) as error:
        compile_pattern(pattern)
    assert error.value.code == "InvalidParameterException"


def test_an_expression_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(expressions, "SEARCH", 0.01)
    monkeypatch.setattr(expressions, "PATIENT", 0.02)
    matches = compile_pattern("%(a+)+$%")
    assert matches("aaa")
    with pytest.raises(AwsError) as error:
        matches("a" * 4000 + "!")
    assert error.value.code == "InvalidParameterException"
    assert "takes too long" in error.value.message
