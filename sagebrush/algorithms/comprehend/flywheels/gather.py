"""All data of a model version in its folder of the data lake: `training/` and `test/`.

Run as `python -m comprehend.flywheels.gather ARGUMENTS`. A classifier has `documents.csv` in each, labels and
document; a recognizer `documents/documents.txt`, a document a line, and `annotations.csv`. These are what
CreateDocumentClassifier and CreateEntityRecognizer read. `test/documents.jsonl` is for the evaluation.

Where no data set is for tests, a part of the documents is (`pool.HeldOut`).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..failures import JobFailed
from . import pool, task
from .pool import HeldOut, Labelled
from .task import Task

CLASSIFIER = "document-classifier"
DELIMITERS = "|~!@#$%^*-_+=\\:;>? \t"
"""Of labels, as AWS has them (API reference, LabelDelimiter; `/` is left out, which occurs in labels most),
in the order in which they are tried."""
HEADER = ("File", "Line", "Begin Offset", "End Offset", "Type")
LINES = "documents.txt"
FEW = "INSUFFICIENT_DATA: The datasets of the flywheel have too few documents to train and to test with."


def work(given: Task) -> Mapping[str, Any]:
    """The data are in the lake. The result is their numbers, the delimiter between labels, and whether training
    takes the test data: a classifier's must have the labels of the training data, all and no other. Raises
    JobFailed."""
    told = given.told
    train = _fetched(given, told["Train"], "train")
    test = _fetched(given, told["Test"], "test")

    held = None if test else HeldOut.of(_read(train))

    def training() -> Iterator[Labelled]:
        return (each for each in _read(train) if held is None or each not in held)

    def testing() -> Iterator[Labelled]:
        return _read(test) if held is None else (each for each in _read(train) if each in held)

    delimiter = _delimiter(_read([*train, *test])) if told["Mode"] == "MULTI_LABEL" else ""
    numbers = {}
    for part, documents in (("training", training), ("test", testing)):
        to = f"{told['To']}{part}/"
        if told["Kind"] == CLASSIFIER:
            numbers[part] = _labelled(given, documents, to, delimiter)
        else:
            numbers[part] = _annotated(given, documents, to)
    tested = given.folder / "tested"
    pool.write(testing(), tested)
    given.put(f"{told['To']}test/{pool.NAME}", tested)
    if not numbers["test"] or (train and not numbers["training"]):
        raise JobFailed(FEW)
    return {
        "Training": numbers["training"],
        "Test": numbers["test"],
        "LabelDelimiter": delimiter or DELIMITERS[0],
        "Tests": told["Kind"] != CLASSIFIER or _about(training()) == _about(testing()),
    }


def _about(documents: Iterable[Labelled]) -> set[str]:
    return {name for each in documents for name in each.about}


def _fetched(given: Task, uris: Sequence[str], part: str) -> list[Path]:
    """The documents of the data sets at the URIs, as files."""
    return [given.fetch(f"{uri}{pool.NAME}", f"{part}-{number}") for number, uri in enumerate(uris)]


def _read(files: Iterable[Path]) -> Iterator[Labelled]:
    for file in files:
        yield from pool.read(file)


def _delimiter(documents: Iterable[Labelled]) -> str:
    """A delimiter that is in no label. Raises JobFailed where there is none."""
    left = list(DELIMITERS)
    for each in documents:
        left = [sign for sign in left if not any(sign in label for label in each.labels)]
    if not left:
        raise JobFailed("INVALID_LABELS: Every delimiter that there may be is in some label.")
    return left[0]


def _labelled(
    given: Task, documents: Callable[[], Iterator[Labelled]], to: str, delimiter: str
) -> int:
    file, count = given.folder / "labelled", 0
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        for each in documents():
            rows.writerow((delimiter.join(each.labels), each.line))
            count += 1
    given.put(f"{to}documents.csv", file)
    return count


def _annotated(given: Task, documents: Callable[[], Iterator[Labelled]], to: str) -> int:
    lines, annotations = given.folder / "lines", given.folder / "annotations"
    with (
        lines.open("w", encoding="utf-8", newline="") as text,
        annotations.open("w", encoding="utf-8", newline="") as table,
    ):
        count = _write(documents(), text, table)
    given.put(f"{to}documents/{LINES}", lines)
    given.put(f"{to}annotations.csv", annotations)
    return count


def _write(documents: Iterable[Labelled], text: IO[str], table: IO[str]) -> int:
    rows, count = csv.writer(table, lineterminator="\n"), 0
    rows.writerow(HEADER)
    for number, each in enumerate(documents):
        text.write(each.line + "\n")
        rows.writerows((LINES, number, m.begin, m.end, m.type) for m in each.mentions)
        count = number + 1
    return count


if __name__ == "__main__":
    task.run(work, sys.argv[1:])
