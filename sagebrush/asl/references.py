"""Which variables the states of a definition refer to, as DescribeStateMachine lists them.

Source: API reference, "DescribeStateMachine" (`variableReferences`); recorded answers (localstack
test_sfn_api_variable_references).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sagebrush.asl.expressions import is_expression
from sagebrush.asl.machine import JSONATA
from sagebrush.errors import Doc

_VARIABLE = re.compile(r"(?<![\w$])\$([^\W\d]\w*)")
_LITERAL = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_BOUND = re.compile(r"\$([^\W\d]\w*)\s*:=|function\s*\(([^)]*)\)")
_CALLED = re.compile(r"(?<![\w$])\$([^\W\d]\w*)\s*\(")
_INNER = ("States", "Branches", "ItemProcessor", "Iterator")


def variables(text: str) -> dict[str, list[str]]:
    """State -> the variables that its fields name, sorted; states without any are left out. The
    definition is valid."""
    doc = json.loads(text)
    found: dict[str, list[str]] = {}
    _machine(doc, doc.get("QueryLanguage", ""), found)
    return found


def _machine(doc: Doc, language: str, found: dict[str, list[str]]) -> None:
    for name, state in doc["States"].items():
        own = state.get("QueryLanguage", language)
        fields = {key: value for key, value in state.items() if key not in _INNER}
        names = set(_jsonata(fields) if own == JSONATA else _jsonpath(fields, ""))
        if names:
            found[name] = sorted(names)
        inner = state.get("ItemProcessor") or state.get("Iterator")
        for each in [*state.get("Branches", []), *([inner] if inner else [])]:
            _machine(each, language, found)


def _jsonpath(value: Any, field: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _jsonpath(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _jsonpath(each, field)
    elif isinstance(value, str) and _evaluated(field):
        yield from _VARIABLE.findall(_LITERAL.sub("''", value))


def _evaluated(field: str) -> bool:
    if field in ("ResultPath", "Comment"):
        return False
    return field.endswith((".$", "Path")) or field == "Variable"


def _jsonata(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _jsonata(each)
    elif isinstance(value, list):
        for each in value:
            yield from _jsonata(each)
    elif isinstance(value, str) and is_expression(value):
        text = _LITERAL.sub("''", value)
        bound = {"states"}
        for name, parameters in _BOUND.findall(text):
            bound |= {name, *(each.strip().removeprefix("$") for each in parameters.split(","))}
        called = set(_CALLED.findall(text))
        yield from (name for name in _VARIABLE.findall(text) if name not in bound | called)
