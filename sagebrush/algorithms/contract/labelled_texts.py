"""Labelled texts: `data.csv` of a channel, without a header, a label and a text in each row.

Sources: Amazon SageMaker AI Developer Guide, Input and output interface for the Text Classification -
TensorFlow algorithm; AWS's notebook Amazon_JumpStart_HuggingFace_Text_Classification.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from . import errors, log
from .channels import Channel
from .errors import ClientError

FILE = "data.csv"
LONGEST = 1 << 30
"""Characters that a field may have; the csv module's own limit is 131,072."""
HEADERS = ("label", "labels", "class", "target")
"""What the first column of a header is called, which the file must not have."""

Label = TypeVar("Label", str, int)


@dataclass(frozen=True)
class Samples(Generic[Label]):
    """Texts and the label of each, in the same order."""

    labels: tuple[Label, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, rows: Sequence[int]) -> Samples[Label]:
        """The samples at those places, in that order."""
        return Samples(tuple(self.labels[n] for n in rows), tuple(self.texts[n] for n in rows))


def read(channel: Channel, label: Callable[[str], Label]) -> Samples[Label]:
    """The samples of the channel's data.csv, which lies at any depth; `label` is called with a row's
    first column, and raises ValueError that says what is wrong with it. Where every row has more than
    two columns the first two count. Raises ClientError, which names the line of a fault."""
    file = _file(channel)
    labels: list[Label] = []
    texts: list[str] = []
    width = 0
    try:
        for line, row in _rows(file):
            width = width or len(row)
            try:
                found, text = _sample(row, width, label, first=not texts)
            except ValueError as error:
                raise _unreadable(channel, f"{FILE}, line {line}: {error}") from None
            labels.append(found)
            texts.append(text)
    except csv.Error as error:
        raise _unreadable(channel, f"{FILE}: {error}") from None
    except UnicodeDecodeError as error:
        raise _unreadable(channel, f"{FILE} is not UTF-8: {error.reason}") from None
    if not texts:
        raise errors.empty(channel.name, f"{FILE} holds no row")
    if width > 2:
        log.info(f"{FILE} of the channel '{channel.name}' has {width} columns: the first two count")
    return Samples(tuple(labels), tuple(texts))


def classes(samples: Samples[Label]) -> tuple[Label, ...]:
    """The labels that occur, ascending; raises ClientError where there is only one."""
    found = sorted(set(samples.labels))
    if len(found) < 2:
        raise ClientError(
            f"{FILE} has one class only, {found[0]!r}: classification needs at least two classes."
        )
    return tuple(found)


def known(samples: Samples[Label], labels: Collection[Label], channel: str, of: str) -> None:
    """Raises ClientError for a sample whose label is not among `labels`, which are those `of`
    ("the training data")."""
    if extra := sorted(set(samples.labels) - set(labels)):
        shown = ", ".join(map(str, extra[:10]))
        raise ClientError(
            f"The channel '{channel}' has labels that {of} does not have: {shown}. The set of classes"
            " must be the same."
        )


def split(samples: Samples[Label], held: int, seed: int) -> tuple[Samples[Label], Samples[Label]]:
    """(training, validation): `held` of the samples, drawn at random, are held back."""
    order = list(range(len(samples)))
    random.Random(seed).shuffle(order)
    return samples.pick(sorted(order[held:])), samples.pick(sorted(order[:held]))


def _file(channel: Channel) -> Path:
    """The one data.csv of the channel, at any depth; raises ClientError."""
    there = [path for path in channel.folder.rglob("*") if path.is_file()]
    there.sort(key=lambda path: (len(path.parts), str(path)))
    found = [path for path in there if path.name == FILE]
    names = ", ".join(str(path.relative_to(channel.folder)) for path in (found or there)[:5])
    if len(found) > 1:
        raise ClientError(f"The channel '{channel.name}' has {len(found)} files {FILE}: {names}")
    if not found:
        held = (
            f"it holds {names}{', ...' if len(there) > 5 else ''}" if there else "it holds no file"
        )
        raise errors.empty(channel.name, f"the channel has no file {FILE}: {held}")
    return found[0]


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line where it ends, columns) of each row that is not blank."""
    csv.field_size_limit(LONGEST)
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.reader(source)
        for row in reader:
            if row:
                yield reader.line_num, row


def _sample(
    row: Sequence[str], width: int, label: Callable[[str], Label], first: bool
) -> tuple[Label, str]:
    """(label, text) of a row; raises ValueError that says what is wrong."""
    if len(row) < 2:
        raise ValueError("expected a label and a text, separated by a comma")
    if len(row) != width:
        raise ValueError(
            f"expected {width} columns, saw {len(row)}: a text with a comma must be in double quotes"
        )
    if first and row[0].strip().lower() in HEADERS:
        raise ValueError(f"the file must not have a header line: leave out {row[:2]}")
    if not row[1].strip():
        raise ValueError("the text is empty")
    try:
        return label(row[0]), row[1]
    except ValueError as error:
        hint = " (the file must not have a header line)" if first and row[0].strip() else ""
        raise ValueError(f"{error}{hint}") from None


def _unreadable(channel: Channel, cause: str) -> ClientError:
    return errors.unreadable(channel.name, "text/csv", cause)
