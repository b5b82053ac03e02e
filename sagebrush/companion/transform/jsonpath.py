"""The part of JSONPath by which a transform job's InputFilter and OutputFilter select: parsed, applied.

Source: developer guide, "Associate Prediction Results with Input Records", Supported JSONPath
Operators. A range includes its end there (`$[1:4]` is the second to the fifth column), and an index
that is not there is an error (API reference, DataProcessing). What AWS refuses besides, and its words,
are seen in aws/aws-sdk issue 184 (characters) and aws/sagemaker-python-sdk issue 1112 (ranges).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

OF_JSON = "$[]*. ,:-'"
"""The characters, besides letters and digits, of a path into JSON."""
OF_CSV = "$[]* ,:-"
"""Those of a path into a row of CSV, which has no names."""
_NAME = re.compile(r"[A-Za-z0-9-]+(?: +[A-Za-z0-9-]+)*")
_QUOTED = re.compile(r" *'([^']+)' *")
_INDEX = re.compile(r" *(-?[0-9]{1,9}) *")
_RANGE = re.compile(r" *(-?[0-9]{1,9})? *: *(-?[0-9]{1,9})? *")


class Invalid(Exception):
    """It is no path that AWS supports; the text says why, in AWS's words where they are known."""


class Missing(Exception):
    """The record has nothing there."""


@dataclass(frozen=True)
class Names:
    """The attributes of these names."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Every:
    """All attributes, or all elements."""


@dataclass(frozen=True)
class Elements:
    """Elements of an array: an index, or a range (first, last) that includes both ends."""

    parts: tuple[int | tuple[int | None, int | None], ...]

    @property
    def one(self) -> bool:
        """Whether it is a single index, so that what it selects is the element itself."""
        return len(self.parts) == 1 and isinstance(self.parts[0], int)


Step = Names | Every | Elements


@dataclass(frozen=True)
class Path:
    """A parsed path: its steps from the root."""

    text: str
    steps: tuple[Step, ...]

    @property
    def whole(self) -> bool:
        """Whether it selects all of a record."""
        return not self.steps

    def select(self, value: Any) -> Any:
        """What the path selects of a record: one value, an object of several names, or a list. Raises
        Missing."""
        found, several = [value], False
        for place, step in enumerate(self.steps):
            last = place == len(self.steps) - 1
            if isinstance(step, Names):
                if last and len(step.names) > 1:
                    found = [_some(each, step.names) for each in found]
                    continue
                several = several or len(step.names) > 1
                found = [_named(each, name) for each in found for name in step.names]
            elif isinstance(step, Every):
                several = True
                found = [inner for each in found for inner in _all(each)]
            else:
                several = several or not step.one
                found = [inner for each in found for inner in _elements(each, step)]
        return found if several else found[0]


def parse(text: str, csv: bool = False) -> Path:
    """The path that `text` is; `csv`: into rows, which have indexes alone. Raises Invalid."""
    if not text.startswith("$"):
        raise Invalid('JsonPath must begin with "$"')
    allowed = OF_CSV if csv else OF_JSON
    for character in text:
        if not (character.isascii() and character.isalnum()) and character not in allowed:
            kind = "text/csv" if csv else "application/jsonlines"
            raise Invalid(
                f'Unexpected "{character}" in JsonPath. Supported operators for "{kind}" are'
                f" [{', '.join(repr(c) if c != chr(39) else chr(39) * 3 for c in allowed)}]"
            )
    steps, at = [], 1
    while at < len(text):
        step, at = _step(text, at)
        steps.append(step)
    if csv and (len(steps) > 1 or any(isinstance(step, Names) for step in steps)):
        raise Invalid("only index based JsonPaths can be applied to CSV data (eg: $[0], $[1:])")
    return Path(text, tuple(steps))


def _step(text: str, at: int) -> tuple[Step, int]:
    """The step that begins at `at`, and where the next one does."""
    if text.startswith(".[", at):  # `$.field1.['child1','child2']` is supported
        at += 1
    if text[at] == "[":
        end = text.find("]", at)
        if end < 0:
            raise Invalid(f'"[" at position {at} is not closed')
        return _bracket(text[at + 1 : end]), end + 1
    if text[at] != ".":
        raise Invalid(f'Unexpected "{text[at]}" at position {at}')
    if text.startswith(".*", at):
        return Every(), at + 2
    found = _NAME.match(text, at + 1)
    if not found:
        raise Invalid(f'a name is expected after "." at position {at}')
    return Names((found[0],)), found.end()


def _bracket(inner: str) -> Step:
    if inner.strip() == "*":
        return Every()
    parts = inner.split(",")
    if names := [_QUOTED.fullmatch(part) for part in parts]:
        if all(names):
            return Names(tuple(found[1] for found in names if found))
        if any(names) or "'" in inner:
            raise Invalid(f"[{inner}] is neither a list of names nor of indexes")
    found: list[int | tuple[int | None, int | None]] = []
    for part in parts:
        if index := _INDEX.fullmatch(part):
            found.append(int(index[1]))
        elif ends := _RANGE.fullmatch(part):
            first, last = (None if end is None else int(end) for end in ends.groups())
            found.append((first, last))
        else:
            raise Invalid(f"[{inner}] is neither a list of names nor of indexes")
    if sum(isinstance(part, tuple) for part in found) > 1:
        raise Invalid(
            "only single range filters of format (eg: [1:5]) are supported. Format"
            f" [{inner}] is not supported"
        )
    return Elements(tuple(found))


def _named(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise Missing(f"the record has no attribute {name}")
    return value[name]


def _some(value: Any, names: Sequence[str]) -> dict[str, Any]:
    """Those of the names that there are, as the library does that AWS's page refers to."""
    if not isinstance(value, dict):
        raise Missing(f"the record has no attributes {', '.join(names)}: it is no object")
    return {name: value[name] for name in names if name in value}


def _all(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise Missing("the record has no elements there")


def _elements(value: Any, step: Elements) -> list[Any]:
    if not isinstance(value, list):
        raise Missing("the record has no array there")
    found: list[Any] = []
    for part in step.parts:
        if isinstance(part, int):
            found.append(value[_place(part, len(value))])
            continue
        first, last = part
        start = 0 if first is None else _place(first, len(value))
        end = len(value) - 1 if last is None else _place(last, len(value))
        found += value[start : end + 1]
    return found


def _place(index: int, size: int) -> int:
    """The index from 0. Raises Missing outside the array."""
    found = index + size if index < 0 else index
    if not 0 <= found < size:
        raise Missing(f"index {index} is not within the dimension size {size} of the record")
    return found
