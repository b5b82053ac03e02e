"""The JSONata functions that Step Functions adds, and those of the language that are replaced here.

AWS's are $partition, $range, $hash, $random with a seed, $uuid and $parse (developer guide, "JSONata
functions provided by Step Functions"; limits and what is undefined as the service answers). $now,
$millis and $shuffle take time and randomness from the caller; $distinct is linear; $pad, $join and $replace look at the
size of what they would make before they make it; $string writes whole numbers in full below 1e21.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.signature import Signature
from jsonata.utils import Utils

from sagebrush.asl.intrinsics import HASHES
from sagebrush.asl.scope import Scope, new_uuid
from sagebrush.asl.values import is_number, read

RANGE = 360_145
"""The most elements that $range makes."""
TEXT = 6_990_256
"""The longest text that a function makes."""


class TooLarge(JException):
    """A function would make more than an expression may hold."""

    def __init__(self) -> None:
        super().__init__("D3137", 0, "Expression evaluation memory limit exceeded")


class _Function(Jsonata.JFunction):
    """A function of ours in the library's form: missing arguments are undefined."""

    def __init__(self, signature: Signature, function: Callable[..., Any]) -> None:
        super().__init__(None, None)
        self.signature = signature
        self.implementation = function
        self.arguments = function.__code__.co_argcount

    def call(self, input: Any, args: Any) -> Any:
        given = list(args or ())[: self.arguments]
        return self.implementation(*given, *[None] * (self.arguments - len(given)))

    def get_number_of_args(self) -> int:
        return self.arguments


def _whole(number: Any) -> int:
    """A number rounded towards zero, as AWS does where an integer is needed."""
    return int(number)


def partition(array: Any, size: Any) -> Any:
    if array is None or size is None or _whole(size) < 1 or len(array) == 0:
        return None
    step = _whole(size)
    return [
        [array[i] for i in range(at, min(at + step, len(array)))]
        for at in range(0, len(array), step)
    ]


def number_range(first: Any, last: Any, step: Any) -> Any:
    if first is None or last is None or step is None or _whole(step) == 0:
        return None
    by = _whole(step)
    numbers = range(_whole(first), _whole(last) + (1 if by > 0 else -1), by)
    if len(numbers) > RANGE:
        raise TooLarge
    if len(numbers) < 2:
        return numbers[0] if numbers else None
    return list(numbers)


def digest(text: Any, algorithm: Any) -> Any:
    if text is None or algorithm is None:
        return None
    if algorithm not in HASHES:
        raise JException("D3137", 0, f"Invalid hash algorithm: {algorithm}")
    return hashlib.new(HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def parse(text: Any) -> Any:
    if text is None:
        return None
    try:
        value = read(text)
    except ValueError as error:
        raise JException("D3137", 0, f"Invalid JSON: {error}") from None
    return Utils.NULL_VALUE if value is None else value


def _random(scope: Scope, seed: Any) -> float:
    if seed is None:
        return scope.random.random()
    if not is_number(seed):
        raise JException("T0410", 0, 1, "random")
    return random.Random(_whole(seed)).random()


def _now(scope: Scope, picture: Any, zone: Any) -> Any:
    return Functions.datetime_from_millis(int(scope.now * 1000), picture, zone)


def _shuffled(scope: Scope, array: Any) -> Any:
    if array is None:
        return None
    mixed = [array[at] for at in range(len(array))]
    scope.random.shuffle(mixed)
    return mixed


def pad(text: Any, width: Any, char: Any) -> Any:
    if width is not None and abs(width) > TEXT:
        raise TooLarge
    return Functions.pad(text, width, char)


def join(texts: Any, separator: Any) -> Any:
    if texts is not None and separator and len(texts) * len(separator) > TEXT:
        raise TooLarge
    return Functions.join(texts, separator)


def replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    if isinstance(text, str) and isinstance(replacement, str):
        times = text.count(pattern) if isinstance(pattern, str) and pattern else len(text)
        if limit is not None:
            times = min(times, int(limit))
        if times * len(replacement) > TEXT:
            raise TooLarge
    return Functions.replace(text, pattern, replacement, limit)


def distinct(values: Any) -> Any:
    """Each value once, where it was first; unlike the library's, in linear time, and true is not 1."""
    if not isinstance(values, list) or len(values) < 2:
        return values
    found: Any = Utils.create_sequence() if isinstance(values, Utils.JList) else []
    seen: set[Any] = set()
    for at in range(len(values)):
        key = _key(values[at])
        if key not in seen:
            seen.add(key)
            found.append(values[at])
    return found


def _key(value: Any) -> Any:
    """What is equal for equal values alone."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return frozenset((name, _key(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(_key(value[at]) for at in range(len(value)))
    return value if isinstance(value, str | int | float) else ("other", id(value))


def whole_text(value: Any) -> Any:
    """An integer as JavaScript writes it, in full below 1e21; other values as they are."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole and abs(value) < 10**21 else value


def string(value: Any, pretty: Any) -> Any:
    return Functions.string(whole_text(value), pretty)


STATELESS: dict[str, _Function | None] = {
    "partition": _Function(Signature("<a-n?:a>", "partition"), partition),
    "range": _Function(Signature("<n?n?n?:a>", "range"), number_range),
    "hash": _Function(Signature("<s-s?:s>", "hash"), digest),
    "parse": _Function(Signature("<s-:x>", "parse"), parse),
    "string": _Function(Signature("<x-b?:s>", "string"), string),
    "eval": None,
    "distinct": _Function(Signature("<x:x>", "distinct"), distinct),
    "pad": _Function(Signature("<s-ns?:s>", "pad"), pad),
    "join": _Function(Signature("<a<s>s?:s>", "join"), join),
    "replace": _Function(Signature("<s-(sf)(sf)n?:s>", "replace"), replace),
}
SIGNATURES = {
    "random": Signature("<n?:n>", "random"),
    "uuid": Signature("<:s>", "uuid"),
    "now": Signature("<s?s?:s>", "now"),
    "millis": Signature("<:n>", "millis"),
    "shuffle": Signature("<a:a>", "shuffle"),
}


def functions(scope: Scope, text: str) -> dict[str, Any]:
    """Name -> function, for one evaluation of an expression with this text."""
    of_scope: dict[str, Callable[..., Any]] = {
        "random": lambda seed: _random(scope, seed),
        "uuid": lambda: new_uuid(scope.random),
        "now": lambda picture, zone: _now(scope, picture, zone),
        "millis": lambda: int(scope.now * 1000),
        "shuffle": lambda array: _shuffled(scope, array),
    }
    used = {
        name: _Function(SIGNATURES[name], function)
        for name, function in of_scope.items()
        if name in text
    }
    return {**STATELESS, **used}
