"""Filter policies of subscriptions: which messages are delivered, by attributes or body. Pure.

Source: Amazon SNS Developer Guide, "Amazon SNS message filtering" and "Filter policy constraints".
"""

from __future__ import annotations

import ipaddress
import math
import operator
from typing import Any

from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc

SCOPE, BODY = "MessageAttributes", "MessageBody"
"""What policies may be about (FilterPolicyScope), the default first."""
MOST_KEYS, MOST_COMBINATIONS = 5, 150
_OR = "$or"
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


def parse(text: str, scope: str = SCOPE) -> Doc:
    """The policy in `text`, for that scope; raises Unusable."""
    try:
        policy: Any = json_of(text)
    except ValueError as error:
        raise Unusable("FilterPolicy: failed to parse JSON.") from error
    if not isinstance(policy, dict):
        raise Unusable("FilterPolicy: must be a JSON object.")
    found: list[tuple[int, int]] = []
    _check_object(policy, scope, 1, found)
    if len(found) > MOST_KEYS:
        raise Unusable(f"FilterPolicy: Filter policy can not have more than {MOST_KEYS} keys")
    # values of an array count once for each level that it lies in
    if math.prod(values * depth for depth, values in found) > MOST_COMBINATIONS:
        raise Unusable("FilterPolicy: Filter policy is too complex")
    return policy


def _check_object(policy: Doc, scope: str, depth: int, found: list[tuple[int, int]]) -> None:
    """Raises Unusable; adds the depth and number of values of each of the policy's arrays."""
    for key, wanted in policy.items():
        if key == _OR:
            if not isinstance(wanted, list) or not all(isinstance(w, dict) for w in wanted):
                raise Unusable('FilterPolicy: "$or" must be an array of objects')
            for each in wanted:
                _check_object(each, scope, depth, found)
        elif isinstance(wanted, dict) and scope == BODY:
            _check_object(wanted, scope, depth + 1, found)
        elif isinstance(wanted, dict):
            raise Unusable(
                f"FilterPolicy: Filter policy scope {scope} does not support nested filter policy"
            )
        elif isinstance(wanted, list):
            for condition in wanted:
                _check(key, condition)
            found.append((depth, max(1, len(wanted))))
        else:
            raise Unusable(f'FilterPolicy: "{key}" must be an object or an array')


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
    elif name == "cidr":
        good = isinstance(value, str) and _network(value) is not None
    else:
        raise Unusable(f"FilterPolicy: Sagebrush does not support the match type {name} yet.")
    if not good:
        raise Unusable(f'FilterPolicy: Value of {name} is not as it must be: "{key}"')


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The addresses of a CIDR block."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


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
        any(accepts(each, attributes) for each in wanted)
        if key == _OR
        else _holds(wanted, _values(attributes[key]) if key in attributes else None)
        for key, wanted in policy.items()
    )


def accepts_body(policy: Doc, text: str) -> bool:
    """Whether a message passes, by its body, which must be a JSON object."""
    try:
        body: Any = json_of(text)
    except ValueError:
        return False
    return isinstance(body, dict) and _accepts_object(policy, [body])


def _accepts_object(policy: Doc, found: list[Any]) -> bool:
    """Whether what lies at one place of a body passes: several values where it is within an array."""
    objects = [each for each in found if isinstance(each, dict)]
    for key, wanted in policy.items():
        if key == _OR:
            if not any(_accepts_object(each, found) for each in wanted):
                return False
            continue
        below = [value for each in objects if key in each for value in _elements(each[key])]
        there = any(key in each for each in objects)
        if isinstance(wanted, dict):
            if not _accepts_object(wanted, below):
                return False
        elif not _holds(wanted, below if there else None):
            return False
    return True


def _elements(value: Any) -> list[Any]:
    """The elements of an array, of arrays in it too; anything else alone."""
    if not isinstance(value, list):
        return [value]
    return [element for each in value for element in _elements(each)]


def _holds(wanted: list[Any], values: list[Any] | None) -> bool:
    """Whether one of the conditions holds for one of the values; None where there is nothing."""
    for condition in wanted:
        if isinstance(condition, dict) and "exists" in condition:
            if condition["exists"] == (values is not None):
                return True
        elif values is not None and any(_matches(condition, value) for value in values):
            return True
    return False


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
    if name == "cidr":
        network, address = _network(wanted), _address(value)
        return network is not None and address is not None and address in network
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
