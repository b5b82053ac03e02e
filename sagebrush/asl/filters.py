"""The filters of JSONPath, `[?(...)]`: comparisons of an element's values, with and, or and not.

Source: Jayway's README, "Operators" and "Filter Operators".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import regex

from sagebrush.asl.values import MISSING, is_number, same

Filter = Callable[[Any, Any], bool]
"""Whether an element stays: (the element, the document) -> bool."""
Operand = Callable[[Any, Any], Any]

SYMBOLS = ("==", "!=", "<=", ">=", "=~", "&&", "||", "<", ">", "(", ")", "!", "[", "]", ",")
WORDS = ("in", "nin", "subsetof", "anyof", "noneof", "size", "empty")
PATTERN_SECONDS = 1.0
"""How long one regular expression may search one value."""


def read_filter(text: str, read_path: Callable[[str], Any]) -> Filter:
    """The filter that a text is; paths are read by `read_path`. Raises ValueError."""
    reader = _Reader(_tokens(text), read_path)
    found = reader.either()
    if reader.tokens:
        raise ValueError(f"Unexpected '{reader.tokens[0]}' in a filter")
    return found


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
            continue
        if char in "'\"/":
            end = at + 1
            while end < len(text) and text[end] != char:
                end += 2 if text[end] == "\\" else 1
            end += 1
            while char == "/" and end < len(text) and text[end].isalpha():
                end += 1
            if end > len(text):
                raise ValueError("A quote in a filter is not closed")
        elif char in "@$":
            end = _path_end(text, at)
        else:
            symbol = next((s for s in SYMBOLS if text.startswith(s, at)), None)
            end = at + len(symbol) if symbol else at + 1
            while not symbol and end < len(text) and (text[end].isalnum() or text[end] in "._+-"):
                end += 1
        tokens.append(text[at:end])
        at = end
    return tokens


def _path_end(text: str, at: int) -> int:
    depth, quote = 0, ""
    while at < len(text):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and depth:
            quote = char
        elif char in "[(":
            depth += 1
        elif char in "])":
            if not depth:
                break
            depth -= 1
        elif not depth and (char.isspace() or char in "=!<>&|,"):
            break
        at += 1
    return at


class _Reader:
    def __init__(self, tokens: list[str], read_path: Callable[[str], Any]) -> None:
        self.tokens, self.read_path = tokens, read_path

    def _take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def either(self) -> Filter:
        first = self.both()
        if not self._take("||"):
            return first
        second = self.either()
        return lambda one, root: first(one, root) or second(one, root)

    def both(self) -> Filter:
        first = self.single()
        if not self._take("&&"):
            return first
        second = self.both()
        return lambda one, root: first(one, root) and second(one, root)

    def single(self) -> Filter:
        if self._take("!"):
            inner = self.single()
            return lambda one, root: not inner(one, root)
        if self._take("("):
            inner = self.either()
            if not self._take(")"):
                raise ValueError("A parenthesis in a filter is not closed")
            return inner
        left = self.operand()
        operator = self._take("==", "!=", "<=", ">=", "<", ">", "=~", *WORDS)
        if operator is None:
            return lambda one, root: left(one, root) is not MISSING
        right = self.operand()
        compare = COMPARISONS[operator]
        return lambda one, root: compare(left(one, root), right(one, root))

    def operand(self) -> Operand:
        if not self.tokens:
            raise ValueError("A filter ends too early")
        token = self.tokens.pop(0)
        if token[0] in "@$":
            path = self.read_path("$" + token[1:])
            if token[0] == "@":
                return lambda one, root: path.of(one)
            return lambda one, root: path.of(root)
        if token[0] == "/":
            pattern, _, flags = token[1:].rpartition("/")
            compiled = regex.compile(pattern, regex.IGNORECASE if "i" in flags else 0)
            return lambda one, root: compiled
        value = self._list() if token == "[" else _literal(token)
        return lambda one, root: value

    def _list(self) -> list[Any]:
        values: list[Any] = []
        while not self._take("]"):
            if not self.tokens:
                raise ValueError("A list in a filter is not closed")
            values.append(_literal(self.tokens.pop(0)))
            self._take(",")
        return values


def _literal(token: str) -> Any:
    if token[0] in "'\"":
        return token[1:-1].replace("\\" + token[0], token[0])
    constants = {"true": True, "false": False, "null": None}
    if token in constants:
        return constants[token]
    try:
        return int(token) if token.lstrip("+-").isdigit() else float(token)
    except ValueError:
        raise ValueError(f"'{token}' in a filter is no value") from None


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def both(one: Any, other: Any) -> bool:
        alike = (is_number(one) and is_number(other)) or (
            isinstance(one, str) and isinstance(other, str)
        )
        return alike and compare(one, other)

    return both


def _among(one: Any, values: Any) -> bool:
    return isinstance(values, list) and any(same(one, value) for value in values)


def _found(value: Any, pattern: Any) -> bool:
    text = value if isinstance(value, str) else ""
    try:
        return pattern.fullmatch(text, timeout=PATTERN_SECONDS) is not None
    except TimeoutError:
        return False


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": same,
    "!=": lambda one, other: not same(one, other),
    "<": _ordered(lambda one, other: one < other),
    "<=": _ordered(lambda one, other: one <= other),
    ">": _ordered(lambda one, other: one > other),
    ">=": _ordered(lambda one, other: one >= other),
    "=~": _found,
    "in": _among,
    "nin": lambda one, values: not _among(one, values),
    "subsetof": lambda one, values: isinstance(one, list) and all(_among(v, values) for v in one),
    "anyof": lambda one, values: isinstance(one, list) and any(_among(v, values) for v in one),
    "noneof": lambda one, values: isinstance(one, list) and not any(_among(v, values) for v in one),
    "size": lambda one, size: isinstance(one, list | str) and len(one) == size,
    "empty": lambda one, yes: isinstance(one, list | str) and (len(one) == 0) == yes,
}
