"""Reading data.csv (an integer label, then the text; no header), and splitting it.

Source: Amazon SageMaker AI Developer Guide, Input and output interface for the Text Classification -
TensorFlow algorithm.
"""

from __future__ import annotations

import csv
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract import errors, hyperparameters
from contract.channels import Channel
from contract.errors import ClientError

FILE = "data.csv"
SEED = 7
"""Of the split: the same data is split alike in every job."""
_LABEL = re.compile(r"\s*[+-]?\d{1,18}\s*")


@dataclass(frozen=True)
class Examples:
    """Texts and the class of each, in the same order."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: Sequence[int]) -> Examples:
        """The examples at those places, in that order."""
        return Examples(tuple(self.texts[i] for i in rows), tuple(self.labels[i] for i in rows))


def read(channel: Channel) -> Examples:
    """The channel's data.csv; raises ClientError that names the line of the fault."""
    file = channel.folder / FILE
    if not file.is_file():
        found = sorted(p.name for p in channel.folder.glob("*")) if channel.folder.is_dir() else []
        held = f"it holds {', '.join(found[:5])}" if found else "it holds no file"
        raise errors.empty(channel.name, f"the channel has no file {FILE}: {held}")
    csv.field_size_limit(sys.maxsize)
    texts: list[str] = []
    labels: list[int] = []
    width = 0
    try:
        for line, row in _rows(file):
            width = width or len(row)
            try:
                label, text = _example(row, width, first=not labels)
            except ValueError as error:
                raise _unreadable(channel, f"{FILE}, line {line}: {error}") from None
            texts.append(text)
            labels.append(label)
    except csv.Error as error:
        raise _unreadable(channel, f"{FILE}: {error}") from None
    except UnicodeDecodeError as error:
        raise _unreadable(channel, f"{FILE} is not UTF-8: {error.reason}") from None
    if not texts:
        raise errors.empty(channel.name, f"{FILE} is empty")
    return Examples(tuple(texts), tuple(labels))


def classes(examples: Examples) -> tuple[int, ...]:
    """The labels that occur, ascending; raises ClientError where there is only one."""
    found = sorted(set(examples.labels))
    if len(found) < 2:
        raise ClientError(
            f"{FILE} has one class only, {found[0]}: classification needs at least two classes."
        )
    return tuple(found)


def known(examples: Examples, labels: Sequence[int], channel: str, of: str) -> None:
    """Raises ClientError for an example whose label is not among `labels`, which are those `of`
    ("the training data")."""
    if extra := sorted(set(examples.labels) - set(labels)):
        shown = ", ".join(map(str, extra[:10]))
        raise ClientError(
            f"The channel '{channel}' has labels that {of} does not have: {shown}. The set of classes"
            " must be the same."
        )


def split(examples: Examples, ratio: float) -> tuple[Examples, Examples]:
    """(training, validation), split at random by a fixed seed; raises ClientError where nothing is
    left to train on. `ratio` 0 means no validation; otherwise it has one example at least."""
    if not ratio:
        return examples, Examples((), ())
    count = max(int(len(examples) * ratio), 1)
    if count >= len(examples):
        expects = f"a number that leaves some of the {len(examples)} examples for training"
        raise hyperparameters.invalid("validation_split_ratio", ratio, expects)
    order = list(range(len(examples)))
    random.Random(SEED).shuffle(order)
    return examples.pick(order[count:]), examples.pick(order[:count])


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line where it ends, cells) of each row that is not blank."""
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.reader(source)
        for row in reader:
            if row:
                yield reader.line_num, row


def _example(row: Sequence[str], width: int, first: bool) -> tuple[int, str]:
    """(label, text) of a row; raises ValueError that says what is wrong."""
    if len(row) < 2:
        raise ValueError("expected an integer label and a text, separated by a comma")
    if len(row) != width:
        raise ValueError(
            f"expected {width} columns, saw {len(row)}: a text with a comma must be in double quotes"
        )
    label, text = row[0], row[1]
    if not _LABEL.fullmatch(label):
        more = " (the file must not have a header line)" if first else ""
        raise ValueError(f"the label {label[:100]!r} is not an integer{more}")
    if int(label) < 0:
        raise ValueError(f"the label {int(label)} is negative: labels are integers from 0 on")
    if not text.strip():
        raise ValueError("the text is empty")
    return int(label), text


def _unreadable(channel: Channel, cause: str) -> ClientError:
    return errors.unreadable(channel.name, "text/csv", cause)
