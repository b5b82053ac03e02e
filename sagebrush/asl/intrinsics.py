"""Intrinsic functions of JSONPath states, `States.Format(...)` and the others.

Source: Step Functions developer guide, "Intrinsic functions for JSONPath states", with its limits.
The sum of 9, 44, 6 and a 4.3 is 63 there (recorded), so numbers are rounded to the nearest integer.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sagebrush.asl.failures import RUNTIME, StateError
from sagebrush.asl.jsonpath import read_path
from sagebrush.asl.scope import Scope, new_uuid
from sagebrush.asl.values import LARGEST, MISSING, is_number, read, same, write

Evaluate = Callable[[Scope], Any]
NESTED = 10
"""How many functions may be nested in one field."""
CHARACTERS = 10_000
"""The longest text that can be encoded, decoded or hashed."""
ELEMENTS = 1_000
"""The most elements of States.ArrayRange."""
HASHES = {
    "MD5": "md5",
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
}
"""AWS's names of digests, which both query languages know, and hashlib's."""


class BadIntrinsic(ValueError):
    """A text is no invocation of an intrinsic function."""


class _Refused(ValueError):
    """A function's arguments are not what it takes."""


def read_value(text: str) -> Evaluate:
    """What a path or an invocation evaluates to, in a field that may hold either. Raises ValueError.

    Evaluation raises StateError where a path finds nothing.
    """
    return read_invocation(text) if text.startswith("States.") else read_reference(text)


def root_of(root: str, scope: Scope) -> Any:
    """The document that a path of this root searches; MISSING for a variable without a value."""
    if root == "$":
        return scope.input
    return scope.context() if root == "$$" else scope.variables().get(root, MISSING)


def read_reference(text: str) -> Evaluate:
    path = read_path(text)

    def evaluate(scope: Scope) -> Any:
        document = root_of(path.root, scope)
        found = MISSING if document is MISSING else path.of(document)
        if found is MISSING:
            raise LookupError(text)
        return found

    return evaluate


@lru_cache(maxsize=1024)
def read_invocation(text: str) -> Evaluate:
    """The function call that a text is. Raises BadIntrinsic or BadPath."""
    reader = _Reader(text)
    evaluate = reader.call(1)
    reader.space()
    if reader.at != len(text):
        raise BadIntrinsic(f"Unexpected text after the invocation: {text[reader.at :]}")
    return evaluate


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def space(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def call(self, depth: int) -> Evaluate:
        if depth > NESTED:
            raise BadIntrinsic(f"At most {NESTED} intrinsic functions can be nested")
        start, opening = self.at, self.text.find("(", self.at)
        name = self.text[self.at : opening].strip()
        if opening < 0 or name not in FUNCTIONS:
            raise BadIntrinsic(f"Unknown intrinsic function: {name or self.text}")
        self.at = opening + 1
        arguments: list[Evaluate] = []
        kinds: list[str] = []
        self.space()
        while not self.text.startswith(")", self.at):
            kind, argument = self._argument(depth)
            arguments.append(argument)
            kinds.append(kind)
            self.space()
            if self.text.startswith(",", self.at):
                self.at += 1
                self.space()
            elif not self.text.startswith(")", self.at):
                raise BadIntrinsic("Arguments must be separated by ',' and end with ')'")
        self.at += 1
        return _calling(name, arguments, kinds, self.text[start : self.at])

    def _argument(self, depth: int) -> tuple[str, Evaluate]:
        char = self.text[self.at : self.at + 1]
        if char == "'":
            value = self._string()
            return "string", lambda scope: value
        if self.text.startswith("States.", self.at):
            return "call", self.call(depth + 1)
        if char == "$":
            start = self.at
            self._skip_path()
            return "path", read_reference(self.text[start : self.at].strip())
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ",)":
            self.at += 1
        word = self.text[start : self.at].strip()
        try:
            constant = read(word)
        except ValueError:
            raise BadIntrinsic(f"Invalid argument: {word or 'nothing'}") from None
        if isinstance(constant, list | dict | str):
            raise BadIntrinsic(f"Invalid argument: {word}")
        return "constant", lambda scope: constant

    def _string(self) -> str:
        """A quoted string; escaped braces stay escaped, for States.Format to see them."""
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "'":
                self.at += 1
                return "".join(out)
            if char == "\\":
                self.at += 1
                char = self.text[self.at : self.at + 1]
                if char not in ("'", "{", "}", "\\"):
                    raise BadIntrinsic("A backslash may stand before ', {, } and \\ only")
                char = ESCAPED.get(char, char)
            out.append(char)
            self.at += 1
        raise BadIntrinsic("A string is not closed")

    def _skip_path(self) -> None:
        depth, quote = 0, ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            elif char in "[(":
                depth += 1
            elif char in "])" and depth:
                depth -= 1
            elif char in ",)" and not depth:
                return
            self.at += 1


ESCAPED = {"{": "\ue000", "}": "\ue001"}
"""Braces that were written with a backslash, until States.Format has replaced the others."""
_UNESCAPE = str.maketrans({"\ue000": "{", "\ue001": "}"})


def _plain(value: Any) -> Any:
    return value.translate(_UNESCAPE) if isinstance(value, str) else value


def _calling(name: str, arguments: list[Evaluate], kinds: list[str], text: str) -> Evaluate:
    function, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise BadIntrinsic(f"Invalid number of arguments for {name}")
    if name in ("States.MathAdd", "States.MathRandom") and "string" in kinds:
        raise BadIntrinsic(f"Arguments of {name} must be numbers")

    def evaluate(scope: Scope) -> Any:
        values = [argument(scope) for argument in arguments]
        if name != "States.Format":
            values = [_plain(value) for value in values]
        try:
            return function(scope.random, *values)
        except (_Refused, ArithmeticError, RecursionError) as error:
            cause = f"The function '{text}' had the following error: {error}"
            raise StateError(RUNTIME, cause) from None

    return evaluate


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Refused("The argument must be an array")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Refused("The argument must be a string")
    return value


def _whole(value: Any) -> int:
    if not is_number(value) or not math.isfinite(value):
        raise _Refused("The argument must be a number")
    return math.floor(value + 0.5)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else write(value)
    if len(text) > CHARACTERS:
        raise _Refused(f"The argument must have at most {CHARACTERS} characters")
    return text


def format_text(source: random.Random, template: Any, *values: Any) -> str:
    parts = _text(template).split("{}")
    if len(parts) - 1 != len(values):
        raise _Refused("There must be as many arguments as occurrences of {}")
    texts, size = [], 0
    for value in values:
        texts.append(value if isinstance(value, str) else write(value))
        size += len(texts[-1])
        if size > LARGEST:
            raise _Refused(f"The result must have at most {LARGEST} characters")
    joined = parts[0] + "".join(text + part for text, part in zip(texts, parts[1:], strict=True))
    return joined.translate(_UNESCAPE)


def string_to_json(source: random.Random, text: Any) -> Any:
    try:
        return read(_text(text))
    except ValueError as error:
        raise _Refused(f"The argument is not valid JSON: {error}") from None


def partition(source: random.Random, array: Any, size: Any) -> list[list[Any]]:
    values, step = _array(array), _whole(size)
    if step < 1:
        raise _Refused("The chunk size must be a positive integer")
    return [values[at : at + step] for at in range(0, len(values), step)]


def array_range(source: random.Random, first: Any, last: Any, step: Any) -> list[int]:
    start, end, by = _whole(first), _whole(last), _whole(step)
    if by == 0:
        raise _Refused("The step must not be zero")
    numbers = range(start, end + (1 if by > 0 else -1), by)
    if (end - start) // by >= ELEMENTS:
        raise _Refused(f"The array must have at most {ELEMENTS} elements")
    return list(numbers)


def get_item(source: random.Random, array: Any, index: Any) -> Any:
    values, at = _array(array), _whole(index)
    if not 0 <= at < len(values):
        raise _Refused(f"The index {at} is out of range for an array of {len(values)} elements")
    return values[at]


def unique(source: random.Random, array: Any) -> list[Any]:
    found: list[Any] = []
    seen: set[tuple[str, str]] = set()
    for value in _array(array):
        key = (type(value).__name__, write(value))
        if key not in seen:
            seen.add(key)
            found.append(value)
    return found


def decode(source: random.Random, text: Any) -> str:
    try:
        return base64.b64decode(_short(_text(text)), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _Refused("The argument is not Base64 of text") from None


def digest(source: random.Random, data: Any, algorithm: Any) -> str:
    if algorithm not in HASHES:
        raise _Refused(f"The algorithm must be one of {', '.join(HASHES)}")
    return hashlib.new(
        HASHES[algorithm], _short(data).encode(errors="replace"), usedforsecurity=False
    ).hexdigest()


def merge(source: random.Random, one: Any, other: Any, deep: Any) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(other, dict):
        raise _Refused("The first two arguments must be JSON objects")
    if deep is not False:
        raise _Refused(
            "Only the shallow merging mode is supported: the third argument must be false"
        )
    return {**one, **other}


def math_random(source: random.Random, start: Any, end: Any, seed: Any = None) -> int:
    first, last = _whole(start), _whole(end)
    if first >= last:
        raise _Refused("The end must be greater than the start")
    chosen = source if seed is None else random.Random(_whole(seed))
    return chosen.randrange(first, last)


def split(source: random.Random, text: Any, splitters: Any) -> list[str]:
    """Each character of the second argument splits (guide: ".+,="); what is empty is left out."""
    parts, breaks = [""], set(_text(splitters))
    for char in _text(text):
        if char in breaks:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]


MANY = 10_000
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "States.Format": (format_text, 1, MANY),
    "States.StringToJson": (string_to_json, 1, 1),
    "States.JsonToString": (lambda source, value: write(value), 1, 1),
    "States.Array": (lambda source, *values: list(values), 0, MANY),
    "States.ArrayPartition": (partition, 2, 2),
    "States.ArrayContains": (
        lambda source, array, value: any(same(one, value) for one in _array(array)),
        2,
        2,
    ),
    "States.ArrayRange": (array_range, 3, 3),
    "States.ArrayGetItem": (get_item, 2, 2),
    "States.ArrayLength": (lambda source, array: len(_array(array)), 1, 1),
    "States.ArrayUnique": (unique, 1, 1),
    "States.Base64Encode": (
        lambda source, text: base64.b64encode(
            _short(_text(text)).encode(errors="replace")
        ).decode(),
        1,
        1,
    ),
    "States.Base64Decode": (decode, 1, 1),
    "States.Hash": (digest, 2, 2),
    "States.JsonMerge": (merge, 3, 3),
    "States.MathRandom": (math_random, 2, 3),
    "States.MathAdd": (lambda source, one, other: _whole(one) + _whole(other), 2, 2),
    "States.StringSplit": (split, 2, 2),
    "States.UUID": (lambda source: new_uuid(source), 0, 0),
}
"""Name -> the function and how many arguments it takes, at least and at most."""
