"""Filter policies of subscriptions: which messages are delivered, by attributes or body. Pure.

What a policy may be is SNS's own; what its conditions mean is EventBridge's (`patterns.conditions`), whose
language it is. Source: Amazon SNS Developer Guide, "Amazon SNS message filtering" and "Filter policy
constraints".
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Union

from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc
from sagebrush.patterns.conditions import (
    LARGEST,
    MILLION,
    Addresses,
    Condition,
    Field,
    IgnoreCase,
    Not,
    Numeric,
    Prefix,
    Present,
    Suffix,
    key,
    millionths,
)

SCOPE, BODY = "MessageAttributes", "MessageBody"
"""What policies may be about (FilterPolicyScope), the default first."""
MOST_KEYS, MOST_COMBINATIONS = 5, 150
_OR = "$or"
_AFFIXES = {"prefix": Prefix, "suffix": Suffix}
_DIGITS = 6
"""Digits after the point that are compared."""

Policy = Mapping[str, Union[Field, "Policy", Sequence["Policy"]]]
"""Name -> what is asked of it, or of what lies in it; `$or` -> policies, of which one must pass."""


class Unusable(ValueError):
    """The policy cannot be carried out as it is written; the text says why."""


def parse(text: str, scope: str = SCOPE) -> Policy:
    """The policy in `text`, for that scope; raises Unusable."""
    try:
        policy: Any = json_of(text)
    except ValueError as error:
        raise Unusable("FilterPolicy: failed to parse JSON.") from error
    if not isinstance(policy, dict):
        raise Unusable("FilterPolicy: must be a JSON object.")
    found: list[tuple[int, int]] = []
    made = _object(policy, scope, 1, found)
    if len(found) > MOST_KEYS:
        raise Unusable(f"FilterPolicy: Filter policy can not have more than {MOST_KEYS} keys")
    # values of an array count once for each level that it lies in
    if math.prod(values * depth for depth, values in found) > MOST_COMBINATIONS:
        raise Unusable("FilterPolicy: Filter policy is too complex")
    return made


def _object(policy: Doc, scope: str, depth: int, found: list[tuple[int, int]]) -> Policy:
    """What the object asks. Raises Unusable; adds the depth and number of values of each of its arrays."""
    made: dict[str, Any] = {}
    for name, wanted in policy.items():
        if name == _OR:
            if not isinstance(wanted, list) or not all(isinstance(w, dict) for w in wanted):
                raise Unusable('FilterPolicy: "$or" must be an array of objects')
            made[name] = [_object(each, scope, depth, found) for each in wanted]
        elif isinstance(wanted, dict) and scope == BODY:
            made[name] = _object(wanted, scope, depth + 1, found)
        elif isinstance(wanted, dict):
            raise Unusable(
                f"FilterPolicy: Filter policy scope {scope} does not support nested filter policy"
            )
        elif isinstance(wanted, list):
            made[name] = _field(name, wanted)
            found.append((depth, max(1, len(wanted))))
        else:
            raise Unusable(f'FilterPolicy: "{name}" must be an object or an array')
    return made


def _field(name: str, wanted: list[Any]) -> Field:
    keys: set[Hashable] = set()
    conditions: list[Condition] = []
    absent = False
    for each in wanted:
        if isinstance(each, list):
            raise Unusable(
                f'FilterPolicy: Match value must be String, number, true, false: "{name}"'
            )
        if not isinstance(each, dict):
            keys.add(_key(each))
            continue
        if len(each) != 1:
            raise Unusable(f'FilterPolicy: Only one key allowed in match expression: "{name}"')
        kind, value = next(iter(each.items()))
        if kind == "exists" and value is False:
            absent = True
        else:
            conditions.append(_condition(name, kind, value))
    return Field(frozenset(keys), tuple(conditions), absent)


def _condition(name: str, kind: str, value: Any) -> Condition:
    made: Condition | None = None
    if kind == "exists":
        made = Present() if value is True else None
    elif kind in _AFFIXES:
        made = _AFFIXES[kind](value) if isinstance(value, str) else None
    elif kind == "equals-ignore-case":
        made = IgnoreCase(value.lower()) if isinstance(value, str) else None
    elif kind == "anything-but":
        made = _but(value)
    elif kind == "numeric":
        made = _range(value)
    elif kind == "cidr":
        made = _network(value) if isinstance(value, str) else None
    else:
        raise Unusable(f"FilterPolicy: Sagebrush does not support the match type {kind} yet.")
    if made is None:
        raise Unusable(f'FilterPolicy: Value of {kind} is not as it must be: "{name}"')
    return made


def _but(value: Any) -> Not | None:
    if isinstance(value, dict):
        kind, text = next(iter(value.items())) if len(value) == 1 else ("", None)
        affix = _AFFIXES.get(kind)
        return Not(conditions=(affix(text),)) if affix and isinstance(text, str) else None
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | int | float) for each in listed):
        return None
    return Not(frozenset(map(_key, listed)))


def _network(text: str) -> Addresses | None:
    """The addresses of a CIDR block."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Addresses(found.version, int(found[0]), int(found[-1]))


def _range(value: Any) -> Numeric | None:
    """What `["=", 5]` or `[">=", 0, "<", 150]` asks."""
    if not isinstance(value, list) or len(value) not in (2, 4):
        return None
    bounds = [_bound(*pair) for pair in zip(value[::2], value[1::2], strict=True)]
    found = [each for each in bounds if each is not None]
    if len(found) < len(bounds):
        return None
    low, open_low = max((each.low, each.open_low) for each in found)
    high, shut_high = min((each.high, not each.open_high) for each in found)
    return Numeric(low, open_low, high, not shut_high)


def _bound(sign: Any, value: Any) -> Numeric | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number, end = millionths(_rounded(value)), LARGEST * MILLION
    if number is None:
        return None
    if sign == "=":
        return Numeric(number, False, number, False)
    if sign in ("<", "<="):
        return Numeric(-end, False, number, sign == "<")
    return Numeric(number, sign == ">", end, False) if sign in (">", ">=") else None


def accepts(policy: Policy, attributes: Doc) -> bool:
    """Whether a message with these attributes (name -> DataType and StringValue) passes: for each key
    of the policy, one of its conditions holds."""
    return _passes(policy, [{name: _values(given) for name, given in attributes.items()}])


def accepts_body(policy: Policy, text: str) -> bool:
    """Whether a message passes, by its body, which must be a JSON object."""
    try:
        body: Any = json_of(text)
    except ValueError:
        return False
    return isinstance(body, dict) and _passes(policy, [body])


def _passes(policy: Policy, found: list[Any]) -> bool:
    """Whether what lies at one place of a message passes: several values where it is within an array."""
    objects = [each for each in found if isinstance(each, dict)]
    for name, wanted in policy.items():
        if isinstance(wanted, Field):
            there = [_elements(each[name]) for each in objects if name in each]
            if not _holds(wanted, [value for each in there for value in each] if there else None):
                return False
        elif isinstance(wanted, Mapping):
            below = [value for each in objects if name in each for value in _elements(each[name])]
            if not _passes(wanted, below):
                return False
        elif not any(_passes(each, found) for each in wanted):
            return False
    return True


def _elements(value: Any) -> list[Any]:
    """The elements of an array, of arrays in it too; anything else alone."""
    if not isinstance(value, list):
        return [value]
    return [element for each in value for element in _elements(each)]


def _holds(asked: Field, values: list[Any] | None) -> bool:
    """Whether what is asked holds for one of the values; None where there is nothing."""
    if values is None:
        return asked.absent
    if Present() in asked.conditions:
        return True
    return any(asked.holds(_rounded(value)) for value in values if not isinstance(value, dict))


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


def _key(value: Any) -> Hashable:
    return key(_rounded(value))


def _rounded(value: Any) -> Any:
    """A number as exactly as numbers are compared; anything else as it is."""
    return round(value, _DIGITS) if isinstance(value, float) else value
