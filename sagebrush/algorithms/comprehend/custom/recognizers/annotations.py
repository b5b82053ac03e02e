"""Documents annotated by a CSV file: File, Line, Begin Offset, End Offset, Type.

Lines count from 0, offsets are characters from the beginning of the line. Where a document is a file, the
column Line may be left out; offsets then count from the beginning of the file.

https://docs.aws.amazon.com/comprehend/latest/dg/cer-annotation-csv.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ...failures import JobFailed
from ...storage import Storage
from . import inputs, tables
from .annotated import Annotated, Mention, Place, Sets, annotated

DOCUMENT, CORPUS = 5_000, 200 << 20
"""Bytes of a document, and of all (guidelines and quotas)."""
COLUMNS = ("File", "Begin Offset", "End Offset", "Type")
LINE = "Line"
DIGITS = 18
"""Of a number at most."""
_BREAK = re.compile(r"\r\n|\r|\n")


def read(storage: Storage, data: Mapping[str, Any], types: Collection[str]) -> Sets:
    """The documents of an InputDataConfig with their annotations of these types. Raises JobFailed."""
    given, marks = data["Documents"], data["Annotations"]
    by_line = given.get("InputFormat", "ONE_DOC_PER_LINE") != "ONE_DOC_PER_FILE"
    train = _of(storage, (given["S3Uri"], marks["S3Uri"]), by_line, types)
    tests = given.get("TestS3Uri"), marks.get("TestS3Uri")
    if not all(tests):
        return Sets(train, None)
    return Sets(train, _of(storage, (str(tests[0]), str(tests[1])), by_line, types))


def _of(
    storage: Storage, uris: tuple[str, str], by_line: bool, types: Collection[str]
) -> list[Annotated]:
    texts = inputs.texts(storage, uris[0], by_line, (DOCUMENT, CORPUS))
    bucket, found = inputs.files(storage, uris[1])
    rows = []
    for each in found:
        file = inputs.name(uris[1], each.key)
        content = inputs.content(storage, bucket, each)
        rows += [(file, *row) for row in tables.rows(file, content, COLUMNS, (LINE,))]
    return joined(texts, rows, types)


def joined(
    texts: Iterable[tuple[Place, str]],
    rows: Iterable[tuple[str, int, Mapping[str, str]]],
    types: Collection[str],
) -> list[Annotated]:
    """The documents with their annotations of these types; `rows` are (file of annotations, its line,
    values by column). Raises JobFailed for an annotation without a document."""
    held = dict(texts)
    by_name = _names(held)
    mentions: dict[Place, list[Mention]] = {}
    for file, number, row in rows:
        what = f"An incorrect annotation is located in the file {file} on line {number}."
        name = by_name.get(row["File"])
        if name is None:
            raise JobFailed(f"{what} The documents have no file of that name.")
        line, begin, end = (_number(what, row.get(column)) for column in (LINE, *COLUMNS[1:3]))
        if begin is None or end is None:
            raise JobFailed(f"{what} It has no offsets.")
        place, moved = _placed(what, held, name, line)
        if row["Type"] in types:
            mention = Mention(begin + moved, end + moved, row["Type"])
            mentions.setdefault(place, []).append(mention)
    return [annotated(place, text, mentions.get(place, ())) for place, text in held.items()]


def _names(held: Iterable[Place]) -> dict[str, str]:
    """How annotations may name a file: as it is, or without its folder where no other one is named so."""
    names = dict.fromkeys(place.file for place in held)
    short: dict[str, str | None] = {}
    for each in names:
        base = each.rpartition("/")[2]
        short[base] = None if base in short else each
    return {base: each for base, each in short.items() if each} | {each: each for each in names}


def _number(what: str, value: str | None) -> int | None:
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > DIGITS:
        raise JobFailed(f"{what} Its line and its offsets must be whole numbers from 0.")
    return int(value)


def _placed(what: str, held: Mapping[Place, str], name: str, line: int | None) -> tuple[Place, int]:
    """The document, and where in it the line begins that offsets count from. Raises JobFailed."""
    whole = Place(name)
    if whole not in held:
        place = Place(name, line)
        if line is None or place not in held:
            raise JobFailed(f"{what} The documents have no such line.")
        return place, 0
    begins = [0]
    if line:
        begins += [found.end() for found in _BREAK.finditer(held[whole])]
    if line is not None and line >= len(begins):
        raise JobFailed(f"{what} The documents have no such line.")
    return whole, begins[line or 0]
