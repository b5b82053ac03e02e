"""Filter criteria of event source mappings: which messages a function gets. Pure.

Source: Lambda developer guide, "Control which events Lambda sends to your function" (filter rule syntax) and
"Using event filtering with an Amazon SQS event source".
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from sagebrush.errors import Doc

SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TEXTS = ("prefix", "suffix", "equals-ignore-case")
DEEPEST = 32


class Unusable(ValueError):
    """The text is no pattern that could be matched."""


def parse(text: str) -> Doc:
    """The pattern in `text`; raises Unusable."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unusable(str(error)) from error
    if not isinstance(found, dict):
        raise Unusable("no JSON object")
    _check(found, 0)
    return found


def _check(pattern: Doc, depth: int) -> None:
    if depth > DEEPEST:
        raise Unusable("nested too deeply")
    for key, wanted in pattern.items():
        if key == "$or":
            if not isinstance(wanted, list) or len(wanted) < 2:
                raise Unusable("$or must be a list of patterns")
            for each in wanted:
                if not isinstance(each, dict):
                    raise Unusable("$or must be a list of patterns")
                _check(each, depth + 1)
        elif isinstance(wanted, dict):
            _check(wanted, depth + 1)
        elif not isinstance(wanted, list) or not wanted:
            raise Unusable(f"{key} must be an object or an array")
        else:
            for condition in wanted:
                _check_condition(key, condition)


def _check_condition(key: str, condition: Any) -> None:
    if not isinstance(condition, dict):
        if isinstance(condition, list):
            raise Unusable(f"{key} has an array within an array")
        return
    name, value = next(iter(condition.items())) if len(condition) == 1 else ("", None)
    good = (
        (name == "exists" and isinstance(value, bool))
        or (name in _TEXTS and isinstance(value, str))
        or (name == "numeric" and _range(value))
        or (name == "anything-but" and _spared(value))
    )
    if not good:
        raise Unusable(f"{key} has a condition that is none")


def _range(value: Any) -> bool:
    if not isinstance(value, list) or len(value) not in (2, 4):
        return False
    return all(sign in SIGNS for sign in value[::2]) and all(map(_number, value[1::2]))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spared(value: Any) -> bool:
    if isinstance(value, dict):
        name = next(iter(value)) if len(value) == 1 else ""
        return name in ("prefix", "suffix") and isinstance(value[name], str)
    return all(
        isinstance(v, str) or _number(v) for v in (value if isinstance(value, list) else [value])
    )


def accepts(patterns: list[Doc], message: Doc) -> bool:
    """Whether the message, as the function would get it, passes: one of the patterns holds, or there are
    none. A body that a pattern looks into is read as JSON."""
    if not patterns:
        return True
    return any(_matches(pattern, _read(pattern, message)) for pattern in patterns)


def _read(pattern: Doc, message: Doc) -> Doc:
    """The message, its body as JSON where the pattern is about what is within it."""
    if not isinstance(pattern.get("body"), dict):
        return message
    try:
        body: Any = json.loads(message["body"])
    except (ValueError, RecursionError):
        body = None
    return {**message, "body": body}


def _matches(pattern: Doc, value: Any) -> bool:
    if not isinstance(value, dict):
        value = {}
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(_matches(each, value) for each in wanted):
                return False
        elif isinstance(wanted, dict):
            if not _matches(wanted, value.get(key)):
                return False
        elif not any(_holds(condition, value, key) for condition in wanted):
            return False
    return True


def _holds(condition: Any, holder: Doc, key: str) -> bool:
    if isinstance(condition, dict) and "exists" in condition:
        return condition["exists"] == (key in holder and not isinstance(holder[key], dict))
    if key not in holder:
        return False
    found = holder[key]
    return any(_one(condition, v) for v in (found if isinstance(found, list) else [found]))


def _one(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return _same(condition, value)
    name, wanted = next(iter(condition.items()))
    if name == "anything-but":
        if isinstance(wanted, dict):
            return not _one(wanted, value)
        return not any(_same(w, value) for w in (wanted if isinstance(wanted, list) else [wanted]))
    if name == "numeric":
        pairs = zip(wanted[::2], wanted[1::2], strict=True)
        return _number(value) and all(SIGNS[sign](value, bound) for sign, bound in pairs)
    if not isinstance(value, str):
        return False
    if name == "equals-ignore-case":
        return value.lower() == wanted.lower()
    return value.startswith(wanted) if name == "prefix" else value.endswith(wanted)


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return wanted is value
    return wanted == value
