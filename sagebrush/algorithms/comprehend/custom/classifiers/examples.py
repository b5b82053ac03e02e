"""Labelled texts in the files of a user: CSV and augmented manifests, read as streams.

Sources: Amazon Comprehend Developer Guide, "Classifier training file formats", "Multi-class mode",
"Multi-label mode". No message has anything of a text.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ... import documents
from ...failures import JobFailed

LONGEST = 10 << 20
"""Bytes of a document at most (guide, "Guidelines and quotas": one file, one document)."""
LABEL = 5000
"""Characters of a label at most."""
PIPE = "|"


@dataclass(frozen=True)
class Example:
    """A text and its labels; just one where they exclude each other."""

    labels: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Place:
    """A line of a CSV file of native documents: the labels, the name of a file and a page from 1, or
    None for the whole file."""

    labels: tuple[str, ...]
    file: str
    page: int | None


def invalid(file: str, line: int, why: str) -> JobFailed:
    """Of a line that is no example."""
    return JobFailed(f"INVALID_TRAINING_DATA: Line {line} of {file} {why}.")


def of_csv(file: str, blocks: Iterable[bytes], delimiter: str | None) -> Iterator[Example]:
    """Each row as an example: labels, parted by the delimiter where there is one, and a text. Raises
    JobFailed."""
    for line, row in _rows(file, blocks):
        if len(row) != 2:
            columns = "1 column" if len(row) == 1 else f"{len(row)} columns"
            why = (
                f"has {columns}: a label, a comma and a text are expected, the text in quotes where"
            )
            raise invalid(file, line, f"{why} it has commas")
        if not row[1].strip():
            raise invalid(file, line, "has no text")
        yield Example(_labels(file, line, row[0], delimiter), row[1])


def places_of_csv(file: str, blocks: Iterable[bytes], delimiter: str | None) -> Iterator[Place]:
    """Each row as a place: labels, a file's name and, where there is a third column, a page. Raises
    JobFailed."""
    for line, row in _rows(file, blocks):
        if len(row) not in (2, 3) or not row[1].strip():
            raise invalid(file, line, "is no label, document name and page number")
        page = row[2].strip() if len(row) == 3 else ""
        if page and (not page.isascii() or not page.isdigit() or int(page[:9]) < 1):
            raise invalid(file, line, "has a page number that is none")
        labels = _labels(file, line, row[0], delimiter)
        yield Place(labels, row[1].strip(), int(page[:9]) if page else None)


def _labels(file: str, line: int, cell: str, delimiter: str | None) -> tuple[str, ...]:
    parts = cell.split(delimiter) if delimiter else [cell]
    found = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        raise invalid(file, line, "has no label")
    if any(len(label) > LABEL for label in found):
        raise invalid(file, line, f"has a label of more than {LABEL} characters")
    return found


def _rows(file: str, blocks: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of the line on which it ends."""
    # the limit is the module's, and this program's alone
    csv.field_size_limit(LONGEST)
    reader = csv.reader(_lines(file, blocks), skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error:  # its text may quote the file
        raise invalid(file, reader.line_num, "is not CSV, or holds too large a document") from None


def _lines(file: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """The file's lines in UTF-8, with their ends. Raises JobFailed."""
    for count, line in enumerate(documents.lines(blocks, LONGEST), 1):
        if line.body is None:
            raise invalid(file, count, f"has more than {LONGEST} bytes")
        try:
            body = line.body.decode()
        except UnicodeDecodeError:
            raise invalid(file, count, "is not in UTF-8") from None
        # spreadsheets begin their files with a byte order mark
        yield (body.removeprefix("\ufeff") if count == 1 else body) + line.ending.decode()


def of_manifest(
    file: str, blocks: Iterable[bytes], names: Sequence[str], several: bool
) -> Iterator[Example]:
    """Each line that Ground Truth labelled as an example: the classes that its attributes `names` tell,
    of which one is kept unless there may be `several`. Raises JobFailed."""
    for number, line in enumerate(_lines(file, blocks), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            raise invalid(file, number, "is not JSON") from None
        text = told.get("source") if isinstance(told, dict) else None
        if not isinstance(text, str):
            raise invalid(file, number, 'has no text in "source"')
        found = tuple(dict.fromkeys(_classes(told, names)))
        if not found or not text.strip():  # workers may have labelled nothing
            continue
        if any(len(label) > LABEL for label in found):
            raise invalid(file, number, f"has a label of more than {LABEL} characters")
        yield Example(found if several else found[:1], documents.whole(text))


def _classes(told: dict[str, Any], names: Sequence[str]) -> Iterator[str]:
    """The names of a line's classes, by the metadata of its attributes."""
    for name in names:
        metadata = told.get(f"{name}-metadata")
        if name not in told or not isinstance(metadata, dict):
            continue
        chosen, classes = told[name], metadata.get("class-map")
        if isinstance(metadata.get("class-name"), str):
            yield documents.whole(metadata["class-name"]).strip()
        elif isinstance(chosen, list) and isinstance(classes, dict):
            for each in chosen:
                if isinstance(classes.get(str(each)), str):
                    yield documents.whole(classes[str(each)]).strip()
