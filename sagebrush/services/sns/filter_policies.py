"""Filter policies of subscriptions: which messages are delivered, by their attributes. Pure.

Source: Amazon SNS Developer Guide, "Amazon SNS message filtering" and "Filter policy constraints".
"""

from __future__ import annotations

import math
import operator
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc

SCOPE = "MessageAttributes"
_COMPARE = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXTS = ("prefix", "suffix", "equals-ignore-case")


class Unusable(ValueError):
    """The policy cannot be carried out as it is written; the text says why."""


def parse(text: str) -> Doc:
    """The policy in `text`; raises Unusable."""
    try:
        policy: Any = json_of(text)
    except ValueError as error:
        raise Unusable("FilterPolicy: failed to parse JSON.") from error
    if not isinstance(policy, dict):
        raise Unusable("FilterPolicy: must be a JSON object.")
    for key, wanted in policy.items():
        if key.startswith("$"):
            raise Unusable(f"FilterPolicy: Sagebrush does not support {key} yet.")
        if not isinstance(wanted, list):
            raise Unusable(
                f'FilterPolicy: "{key}" must be an object or an array: Sagebrush supports arrays of'
                " conditions about message attributes."
            )
        for condition in wanted:
            _check(key, condition)
    return policy


def _check(key: str, condition: Any) -> None:
    if not isinstance(condition, dict):
        if isinstance(condition, list):
            raise Unusable(
                f'FilterPolicy: Match value must be String, number, true, false: "{key}"'
            )
        return
    if len(condition) != 1:
        raise Unusable(f'FilterPolicy: Only one key allowed in match expression: "{key}"')
    name, value = next(iter(condition.items()))
    if name == "exists":
        good = isinstance(value, bool)
    elif name in _TEXTS:
        good = isinstance(value, str)
    elif name == "anything-but":
        good = isinstance(value, str | int | float) or _plain(value) or _affix(value)
    elif name == "numeric":
        good = _is_range(value)
    else:
        raise Unusable(f"FilterPolicy: Sagebrush does not support the match type {name} yet.")
    if not good:
        raise Unusable(f'FilterPolicy: Value of {name} is not as it must be: "{key}"')


def _plain(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str | int | float) for v in value)


def _affix(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    name, text = next(iter(value.items()))
    return name in ("prefix", "suffix") and isinstance(text, str)


def _is_range(value: Any) -> bool:
    """Whether it is `["=", 5]` or `[">=", 0, "<", 150]`."""
    if not isinstance(value, list) or len(value) not in (2, 4):
        return False
    names, numbers = value[::2], value[1::2]
    return all(n in _COMPARE for n in names) and all(
        isinstance(n, int | float) and not isinstance(n, bool) for n in numbers
    )


def accepts(policy: Doc, attributes: Doc) -> bool:
    """Whether a message with these attributes (name -> DataType and StringValue) passes: for each key
    of the policy, one of its conditions holds."""
    return all(
        any(_holds(condition, attributes.get(key)) for condition in wanted)
        for key, wanted in policy.items()
    )


def _holds(condition: Any, attribute: Doc | None) -> bool:
    if isinstance(condition, dict) and "exists" in condition:
        return condition["exists"] == (attribute is not None)
    if attribute is None:
        return False
    return any(_matches(condition, value) for value in _values(attribute))


def _values(attribute: Doc) -> list[Any]:
    """What conditions are about: a text, a number, or the elements of a String.Array."""
    kind, text = attribute["DataType"], attribute.get("StringValue", "")
    if kind.startswith("Binary"):
        return []
    if kind == "String.Array":
        try:
            found: Any = json_of(text)
        except ValueError:
            return []
        return found if isinstance(found, list) else [found]
    if kind.startswith("Number"):
        try:
            return [float(text)]
        except ValueError:
            return []
    return [text]


def _matches(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return _same(condition, value)
    name, wanted = next(iter(condition.items()))
    if name == "anything-but":
        if isinstance(wanted, dict):
            return not _matches(wanted, value)
        return not any(_same(w, value) for w in (wanted if isinstance(wanted, list) else [wanted]))
    if name == "numeric":
        number = isinstance(value, int | float) and not isinstance(value, bool)
        pairs = zip(wanted[::2], wanted[1::2], strict=True)
        return number and all(_COMPARE[sign](value, bound) for sign, bound in pairs)
    if not isinstance(value, str):
        return False
    if name == "equals-ignore-case":
        return value.lower() == wanted.lower()
    return value.startswith(wanted) if name == "prefix" else value.endswith(wanted)


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return wanted is value
    if isinstance(wanted, int | float) and isinstance(value, int | float):
        try:
            return math.isclose(wanted, value, rel_tol=0, abs_tol=1e-9)
        except OverflowError:  # an integer beyond all floats
            return wanted == value
    return wanted == value
