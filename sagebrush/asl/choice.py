"""Choice rules of JSONPath states: every operator, with And, Or and Not.

Source: specification, "Choice State". An operand of another type than the operator's never matches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sagebrush.asl.failures import RUNTIME, StateError
from sagebrush.asl.intrinsics import root_of
from sagebrush.asl.jsonpath import read_path
from sagebrush.asl.scope import Scope
from sagebrush.asl.values import MISSING, is_number, timestamp
from sagebrush.errors import Doc

Rule = Callable[[Scope], bool]

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda one, other: one == other,
    "LessThan": lambda one, other: one < other,
    "GreaterThan": lambda one, other: one > other,
    "LessThanEquals": lambda one, other: one <= other,
    "GreaterThanEquals": lambda one, other: one >= other,
}
KINDS: dict[str, Callable[[Any], Any]] = {
    "String": lambda value: value if isinstance(value, str) else None,
    "Numeric": lambda value: value if is_number(value) else None,
    "Timestamp": timestamp,
}
"""Kind of operand -> what is compared of a value, None where the value is of another kind."""
TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": is_number,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: timestamp(value) is not None,
}


def comparisons() -> dict[str, Any]:
    """Every comparison operator -> the JSON type of its operand."""
    found: dict[str, Any] = {"BooleanEquals": bool, "StringMatches": str}
    for kind in KINDS:
        found |= {kind + order: (int, float) if kind == "Numeric" else str for order in ORDERS}
    found |= {f"{name}Path": str for name in [*found] if name != "StringMatches"}
    return found | dict.fromkeys([*TESTS, "IsPresent"], bool)


COMPARISONS = comparisons()


def read_rule(rule: Doc) -> Rule:
    """Whether a rule of a Choice state matches. Raises BadPath; evaluation raises StateError."""
    for name, every in (("And", True), ("Or", False)):
        if name in rule:
            parts = [read_rule(part) for part in rule[name]]
            if every:
                return lambda scope: all(part(scope) for part in parts)
            return lambda scope: any(part(scope) for part in parts)
    if "Not" in rule:
        inner = read_rule(rule["Not"])
        return lambda scope: not inner(scope)
    operator = next(name for name in rule if name in COMPARISONS)
    return _comparison(rule["Variable"], operator, rule[operator])


def _comparison(variable: str, operator: str, operand: Any) -> Rule:
    subject = _finder(variable)
    if operator == "IsPresent":
        return lambda scope: (subject(scope, False) is not MISSING) == operand
    if operator in TESTS:
        test = TESTS[operator]
        return lambda scope: test(subject(scope, True)) == operand
    if operator == "StringMatches":
        pattern = _wildcards(operand)
        return lambda scope: (
            isinstance(value := subject(scope, True), str) and pattern.fullmatch(value) is not None
        )
    compare = _comparing(operator.removesuffix("Path"))
    if operator.endswith("Path"):
        other = _finder(operand)
        return lambda scope: compare(subject(scope, True), other(scope, True))
    return lambda scope: compare(subject(scope, True), operand)


def _comparing(operator: str) -> Callable[[Any, Any], bool]:
    if operator == "BooleanEquals":
        return lambda one, other: isinstance(one, bool) and one is other
    kind = next(kind for kind in KINDS if operator.startswith(kind))
    of, order = KINDS[kind], ORDERS[operator.removeprefix(kind)]

    def compare(one: Any, other: Any) -> bool:
        left, right = of(one), of(other)
        return left is not None and right is not None and order(left, right)

    return compare


def _finder(text: str) -> Callable[[Scope, bool], Any]:
    path = read_path(text)

    def find(scope: Scope, required: bool) -> Any:
        document = root_of(path.root, scope)
        found = MISSING if document is MISSING else path.of(document)
        if found is MISSING and required:
            raise StateError(
                RUNTIME,
                f"Invalid path '{text}': The choice state's condition path references an invalid "
                "value.",
            )
        return found

    return find


def _wildcards(text: str) -> re.Pattern[str]:
    """`*` matches any run of characters, unless a backslash stands before it."""
    parts = re.findall(r"\\[*\\]|\*+|[^*\\]+|\\", text)
    made = [
        ".*" if part.startswith("*") else re.escape(part[1:] if part in (r"\*", r"\\") else part)
        for part in parts
    ]
    return re.compile("".join(made), re.DOTALL)
