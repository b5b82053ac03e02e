"""The filters of JSONPath, `[?(...)]`: comparisons of an element's values, with and, or and not.

Source: Jayway's README, "Operators" and "Filter Operators".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import regex

from sagebrush.asl.searches import Search
from sagebrush.asl.values import MISSING, is_number, same

Filter = Callable[[Any, Search], bool]
"""Whether an element stays: (the element, the search of the document) -> bool."""
Operand = Callable[[Any, Search], Any]

SYMBOLS = ("==", "!=", "<=", ">=", "=~", "&&", "||", "<", ">", "(", ")", "!", "[", "]", ",")
WORDS = ("in", "nin", "subsetof", "anyof", "noneof", "size", "empty")


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
        return lambda one, search: first(one, search) or second(one, search)

    def both(self) -> Filter:
        first = self.single()
        if not self._take("&&"):
            return first
        second = self.both()
        return lambda one, search: first(one, search) and second(one, search)

    def single(self) -> Filter:
        if self._take("!"):
            inner = self.single()
            return lambda one, search: not inner(one, search)
        if self._take("("):
            inner = self.either()
            if not self._take(")"):
                raise ValueError("A parenthesis in a filter is not closed")
            return inner
        left = self.operand()
        operator = self._take("==", "!=", "<=", ">=", "<", ">", "=~", *WORDS)
        if operator is None:
            return lambda one, search: left(one, search) is not MISSING
        right = self.operand()
        compare = COMPARISONS[operator]

        def compared(one: Any, search: Search) -> bool:
            a, b = left(one, search), right(one, search)
            if operator == "=~":
                return search.matches(b, a if isinstance(a, str) else "")
            if isinstance(b, list):
                search.spend(len(b) * (len(a) if isinstance(a, list) else 1))
            return compare(a, b)

        return compared

    def operand(self) -> Operand:
        if not self.tokens:
            raise ValueError("A filter ends too early")
        token = self.tokens.pop(0)
        if token[0] in "@$":
            path = self.read_path("$" + token[1:])
            if token[0] == "@":
                return lambda one, search: path.within(one, search)
            return lambda one, search: path.within(search.document, search)
        if token[0] == "/":
            pattern, _, flags = token[1:].rpartition("/")
            try:
                compiled = regex.compile(pattern, regex.IGNORECASE if "i" in flags else 0)
            except regex.error as error:
                raise ValueError(
                    f"A regular expression in a filter is not valid: {error}"
                ) from None
            return lambda one, search: compiled
        value = self._list() if token == "[" else _literal(token)
        return lambda one, search: value

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


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": same,
    "!=": lambda one, other: not same(one, other),
    "<": _ordered(lambda one, other: one < other),
    "<=": _ordered(lambda one, other: one <= other),
    ">": _ordered(lambda one, other: one > other),
    ">=": _ordered(lambda one, other: one >= other),
    "=~": lambda text, pattern: False,  # compared by `Search.matches`
    "in": _among,
    "nin": lambda one, values: not _among(one, values),
    "subsetof": lambda one, values: isinstance(one, list) and all(_among(v, values) for v in one),
    "anyof": lambda one, values: isinstance(one, list) and any(_among(v, values) for v in one),
    "noneof": lambda one, values: isinstance(one, list) and not any(_among(v, values) for v in one),
    "size": lambda one, size: isinstance(one, list | str) and len(one) == size,
    "empty": lambda one, yes: isinstance(one, list | str) and (len(one) == 0) == yes,
}
