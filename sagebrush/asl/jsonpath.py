"""JSONPath as Step Functions understands it: Jayway's dialect, read once and applied often.

A path is *definite* if it can name one value only; it yields that value, or nothing (`MISSING`).
An indefinite path (`*`, `..`, slices, filters, several names) yields a list. Sources: Jayway's
README (github.com/json-path/JsonPath), Step Functions developer guide, "Paths", and the
specification at states-language.net, "Reference Paths".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sagebrush.asl.filters import Filter, read_filter
from sagebrush.asl.searches import Left, Search
from sagebrush.asl.values import MISSING, is_number


class BadPath(ValueError):
    """A text is no path."""


@dataclass(frozen=True)
class Names:
    names: tuple[str, ...]


@dataclass(frozen=True)
class Indexes:
    indexes: tuple[int, ...]


@dataclass(frozen=True)
class Slice:
    first: int | None
    last: int | None


@dataclass(frozen=True)
class Every:
    """`*`: all values of an object or array."""


@dataclass(frozen=True)
class Deep:
    """`..`: a value and all beneath it."""


@dataclass(frozen=True)
class Where:
    filter: Filter


@dataclass(frozen=True)
class Call:
    """A function at the end of a path, such as `.length()`."""

    function: Callable[[Any], Any]


Part = Names | Indexes | Slice | Every | Deep | Where | Call


@dataclass(frozen=True)
class Path:
    """`root`: "$", "$$" (the context object) or a variable's name."""

    text: str
    root: str
    parts: tuple[Part, ...]
    keys: tuple[str | int, ...] | None
    """The steps of a reference path; None for other paths."""
    definite: bool

    def of(self, document: Any) -> Any:
        """The value in the document, the list of values, or MISSING. Raises StateError where a search
        does not end in reasonable time."""
        return self.within(document, None)

    def within(self, document: Any, around: Search | None) -> Any:
        """As `of`, as part of another search."""
        if self.keys is None:
            left = Left(self.text) if around is None else around.left
            return self._search(document, Search(document, left))
        for key in self.keys:
            if isinstance(key, str):
                if not isinstance(document, dict) or key not in document:
                    return MISSING
                document = document[key]
            elif isinstance(document, list) and -len(document) <= key < len(document):
                document = document[key]
            else:
                return MISSING
        return document

    def _search(self, document: Any, search: Search) -> Any:
        found, many = [document], False
        for part in self.parts:
            if isinstance(part, Call):
                value = found if many else found[0]
                found, many = [part.function(value)], False
                continue
            if not many and isinstance(part, Every | Slice | Where | Names | Indexes):
                only = found[0]
                fits = isinstance(only, dict | list)
                fits = fits and (isinstance(only, list) or not isinstance(part, Slice | Indexes))
                if not fits:
                    return MISSING
            found = list(search.counted(v for one in found for v in _step(part, one, search)))
            many = many or not (isinstance(part, Names | Indexes) and _count(part) == 1)
            if not many and not found:
                return MISSING
        return found if many else found[0]

    def put(self, document: Any, value: Any) -> Any:
        """The document with the value at this reference path, which is made where it is missing; the
        given document stays as it is. Raises LookupError where it cannot be."""
        assert self.keys is not None
        return _put(document, self.keys, value)


def _count(part: Names | Indexes) -> int:
    return len(part.names if isinstance(part, Names) else part.indexes)


def _put(document: Any, keys: tuple[str | int, ...], value: Any) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(key, int):
        if not isinstance(document, list) or not -len(document) <= key < len(document):
            raise LookupError(key)
        changed = list(document)
        changed[key] = _put(document[key], rest, value)
        return changed
    if document is None and rest != ():
        document = {}
    if not isinstance(document, dict):
        raise LookupError(key)
    return {**document, key: _put(document.get(key, {}), rest, value)}


def _step(part: Part, value: Any, search: Search) -> Iterator[Any]:
    if isinstance(part, Names):
        if isinstance(value, dict):
            if len(part.names) == 1:
                yield from (value[n] for n in part.names if n in value)
            else:
                picked = {n: value[n] for n in part.names if n in value}
                yield picked
        elif isinstance(value, list) and len(part.names) == 1:
            return
    elif isinstance(part, Indexes) and isinstance(value, list):
        yield from (value[i] for i in part.indexes if -len(value) <= i < len(value))
    elif isinstance(part, Slice) and isinstance(value, list):
        yield from value[part.first : part.last]
    elif isinstance(part, Every):
        yield from _children(value)
    elif isinstance(part, Deep):
        yield from _descend(value, search)
    elif isinstance(part, Where):
        candidates = value if isinstance(value, list) else [value]
        yield from (one for one in candidates if part.filter(one, search))


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any, search: Search) -> Iterator[Any]:
    """The value and all objects and arrays beneath it, each before what is in it."""
    left = [value]
    while left:
        one = left.pop()
        yield one
        children = list(_children(one))
        search.spend(len(children))
        left += [child for child in reversed(children) if isinstance(child, dict | list)]


def _numbers(value: Any) -> list[float]:
    return [one for one in value if is_number(one)] if isinstance(value, list) else []


def _or_missing(function: Callable[[list[float]], Any]) -> Callable[[Any], Any]:
    return lambda value: function(numbers) if (numbers := _numbers(value)) else MISSING


def _deviation(numbers: list[float]) -> float:
    mean = sum(numbers) / len(numbers)
    return (sum((n - mean) ** 2 for n in numbers) / len(numbers)) ** 0.5


def _at(index: int) -> Callable[[Any], Any]:
    def pick(value: Any) -> Any:
        inside = isinstance(value, list) and -len(value) <= index < len(value)
        return value[index] if inside else MISSING

    return pick


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": lambda value: len(value) if isinstance(value, list | dict | str) else MISSING,
    "min": _or_missing(min),
    "max": _or_missing(max),
    "sum": _or_missing(sum),
    "avg": _or_missing(lambda numbers: sum(numbers) / len(numbers)),
    "stddev": _or_missing(_deviation),
    "keys": lambda value: list(value) if isinstance(value, dict) else MISSING,
    "first": _at(0),
    "last": _at(-1),
}


@lru_cache(maxsize=4096)
def read_path(text: str) -> Path:
    """The path that a text is. Raises BadPath."""
    return _Reader(text).path()


class _Reader:
    """Reads a path from left to right; `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def path(self) -> Path:
        root = self._root()
        parts: list[Part] = []
        while self.at < len(self.text):
            parts.append(self._part(parts))
        if parts and isinstance(parts[-1], Deep):
            raise BadPath("Path must not end with a '.' or '..'")
        if any(isinstance(part, Call) for part in parts[:-1]):
            raise BadPath("A function must be the last step of a path")
        keys = tuple(_key(part) for part in parts)
        reference = tuple(key for key in keys if key is not None)
        if len(reference) < len(keys):
            reference = None
        definite = all(
            isinstance(p, Call) or (isinstance(p, Names | Indexes) and _count(p) == 1)
            for p in parts
        )
        return Path(self.text, root, tuple(parts), reference, definite)

    def _root(self) -> str:
        if not self.text.startswith("$"):
            raise BadPath("Path must start with '$'")
        self.at = 2 if self.text.startswith("$$") else 1
        if self.at == 2:
            return "$$"
        name = self._word()
        if name and not name.isidentifier():
            raise BadPath(f"'{name}' is not the name of a variable")
        return name or "$"

    def _word(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ".[()]'\" ,":
            self.at += 1
        return self.text[start : self.at]

    def _part(self, parts: list[Part]) -> Part:
        after_deep = bool(parts) and isinstance(parts[-1], Deep)
        if self.text.startswith("[", self.at):
            return self._brackets()
        if self.text.startswith("..", self.at) and not after_deep:
            self.at += 2
            return Deep()
        if self.text.startswith(".", self.at) and not after_deep:
            self.at += 1
        elif not after_deep:
            raise BadPath(f"Unexpected character at position {self.at}")
        if self.text.startswith("*", self.at):
            self.at += 1
            return Every()
        if self.text.startswith("[", self.at):
            return self._brackets()
        name = self._word()
        if not name:
            raise BadPath("Path must not end with a '.' or '..'")
        if self.text.startswith("(", self.at):
            return self._call(name)
        return Names((name,))

    def _call(self, name: str) -> Call:
        end = self.text.find(")", self.at)
        argument = self.text[self.at + 1 : end].strip()
        if end != len(self.text) - 1:
            raise BadPath("A function must be the last step of a path")
        self.at = end + 1
        if name == "index" and argument.lstrip("-").isdigit():
            return Call(_at(int(argument)))
        if name not in FUNCTIONS or argument:
            raise BadPath(f"The function '{name}' is not supported")
        return Call(FUNCTIONS[name])

    def _brackets(self) -> Part:
        end = _closing(self.text, self.at)
        inside = self.text[self.at + 1 : end].strip()
        self.at = end + 1
        if inside == "*":
            return Every()
        if inside.startswith("?"):
            where = inside[1:].strip()
            if not (where.startswith("(") and where.endswith(")")):
                raise BadPath(f"A filter must be in parentheses: {where}")
            try:
                return Where(read_filter(where[1:-1], read_path))
            except ValueError as error:
                raise BadPath(str(error)) from None
        if inside[:1] in ("'", '"'):
            return Names(tuple(_quoted(inside)))
        return _numeric(inside)


def _key(part: Part) -> str | int | None:
    if isinstance(part, Names) and len(part.names) == 1:
        return part.names[0]
    if isinstance(part, Indexes) and len(part.indexes) == 1:
        return part.indexes[0]
    return None


def _closing(text: str, start: int) -> int:
    """Where the bracket closes that opens at `start`, quotes and inner brackets apart."""
    depth, quote, at = 0, "", start
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise BadPath("A bracket is not closed")


def _quoted(inside: str) -> Iterator[str]:
    at = 0
    while at < len(inside):
        quote = inside[at]
        if quote not in "'\"":
            raise BadPath(f"Names in brackets must be quoted: {inside}")
        name, at = [], at + 1
        while at < len(inside) and inside[at] != quote:
            if inside[at] == "\\":
                at += 1
            name.append(inside[at : at + 1])
            at += 1
        if at >= len(inside):
            raise BadPath("A quote is not closed")
        yield "".join(name)
        rest = inside[at + 1 :].lstrip()
        if rest and not rest.startswith(","):
            raise BadPath(f"Unexpected text after a name: {rest}")
        inside, at = rest[1:].lstrip() if rest else "", 0


def _numeric(inside: str) -> Part:
    try:
        if ":" in inside:
            first, last = inside.split(":")
            return Slice(int(first) if first.strip() else None, int(last) if last.strip() else None)
        return Indexes(tuple(int(number) for number in inside.split(",")))
    except ValueError:
        raise BadPath(f"Could not parse the step [{inside}]") from None
