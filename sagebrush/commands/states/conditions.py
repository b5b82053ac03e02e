"""A Choice's rule in few words: `n < 100 and mode = blazingtext`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

COMPARISONS = {
    "Equals": "=",
    "LessThan": "<",
    "LessThanEquals": "≤",
    "GreaterThan": ">",
    "GreaterThanEquals": "≥",
    "Matches": "~",
}
COMPARISON = re.compile(
    r"(?:String|Numeric|Timestamp|Boolean)"
    r"(Equals|LessThanEquals|LessThan|GreaterThanEquals|GreaterThan|Matches)(Path)?"
)
IS = re.compile(r"Is([A-Z]\w+)")


def rule_label(rule: Mapping[str, Any]) -> str:
    """The rule's condition; JSONata's without its brackets, and without the way to its input."""
    if "Condition" in rule:
        text = str(rule["Condition"])
        bare = " ".join(text.removeprefix("{%").removesuffix("%}").split())
        return bare.replace("$states.input.", "").replace(">=", "≥").replace("<=", "≤")
    for name, word in (("And", " and "), ("Or", " or ")):
        if name in rule:
            return word.join(_bracketed(one) for one in rule[name])
    if "Not" in rule:
        return f"not {_bracketed(rule['Not'])}"
    subject = _path(rule.get("Variable", ""))
    for name, value in rule.items():
        if found := COMPARISON.fullmatch(name):
            other = _path(value) if found[2] else _value(value)
            return f"{subject} {COMPARISONS[found[1]]} {other}"
        if found := IS.fullmatch(name):
            word = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", found[1]).lower()
            return f"{subject} is {'' if value else 'not '}{word}"
    return subject


def _bracketed(rule: Mapping[str, Any]) -> str:
    label = rule_label(rule)
    return f"({label})" if "And" in rule or "Or" in rule else label


def _path(text: object) -> str:
    return str(text).removeprefix("$$.").removeprefix("$.")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) and value else repr(value)
