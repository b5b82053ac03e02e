"""Labelled sentences: `data.csv` of a channel, without a header, a label and a text in each row.

Source: AWS's notebook Amazon_JumpStart_HuggingFace_Text_Classification, and the guide's page "Text
Classification - TensorFlow" (training data input format).
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.channels import Channel
from contract.errors import ClientError

FILE = "data.csv"
LONGEST = 1 << 24
"""Characters that a field may have; the csv module's own limit is 131,072."""
HEADERS = ("label", "labels", "class", "target")


@dataclass(frozen=True)
class Samples:
    """Texts, and for each the name of its label."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


def read(channel: Channel) -> Samples:
    """The samples of the channel's data.csv; raises ClientError with file and line."""
    file = _file(channel)
    labels: list[str] = []
    texts: list[str] = []
    for where, row in _rows(file):
        if len(row) < 2:
            raise ClientError(
                f"{where}: a row has a label and a text, this one has {len(row)} column(s)"
            )
        if len(row) > 2:
            raise ClientError(
                f"{where}: a row has a label and a text, this one has {len(row)} columns: a text that"
                ' has commas is to be in quotes (0,"bad , very bad")'
            )
        label, text = row[0].strip(), row[1].strip()
        if not label:
            raise ClientError(f"{where}: the label (first column) is missing")
        if not text:
            raise ClientError(f"{where}: the text (second column) is missing")
        if not texts and not labels and label.lower() in HEADERS:
            raise ClientError(f"{where}: {file.name} is to have no header: leave out {row}")
        labels.append(label)
        texts.append(text)
    if not texts:
        raise ClientError(f"{file.name} of the channel '{channel.name}' holds no row")
    return Samples(tuple(labels), tuple(texts))


def classes(samples: Samples) -> tuple[str, ...]:
    """The labels that occur, whole numbers by value; raises ClientError where there is but one."""
    found = set(samples.labels)
    if len(found) < 2:
        raise ClientError(
            f"{FILE} has one label, {next(iter(found))!r}: a classifier needs two or more"
        )
    if all(_number(label) is not None for label in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def shown(label: str) -> str:
    """The label as predictions name it: `LABEL_3` for the number 3, as Transformers does; others as
    they are in the data."""
    return f"LABEL_{int(label)}" if _number(label) is not None else label


def split(samples: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """(training, validation): `share` of the samples, drawn at random, are held back."""
    order = list(range(len(samples)))
    random.Random(seed).shuffle(order)
    held = min(max(1, round(share * len(order))), len(order) - 1) if share else 0
    return _some(samples, sorted(order[held:])), _some(samples, sorted(order[:held]))


def known(samples: Samples, labels: Sequence[str], channel: str) -> None:
    """Raises ClientError where a label of the samples is none of `labels`."""
    if others := sorted(set(samples.labels) - set(labels)):
        raise ClientError(
            f"The label {others[0]!r} of the channel '{channel}' is none of the model's: "
            f"{', '.join(labels[:20])}{', ...' if len(labels) > 20 else ''}"
        )


def _some(samples: Samples, numbers: Sequence[int]) -> Samples:
    return Samples(
        tuple(samples.labels[n] for n in numbers), tuple(samples.texts[n] for n in numbers)
    )


def _file(channel: Channel) -> Path:
    """data.csv at any depth of the channel; raises ClientError."""
    there = channel.paths()
    found = [path for path in there if path.name == FILE]
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(path.relative_to(channel.folder)) for path in there[:5])
    if found:
        raise ClientError(f"The channel '{channel.name}' has {len(found)} files {FILE}: {names}")
    raise ClientError(
        f"The channel '{channel.name}' has no {FILE} with content. It has: {names}"
        f"{', ...' if len(there) > 5 else ''}"
    )


def _rows(file: Path) -> Iterator[tuple[str, list[str]]]:
    """(where, columns) of each row that is not empty; raises ClientError where it is no CSV."""
    csv.field_size_limit(LONGEST)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        while True:
            try:
                row = next(reader, None)
            except UnicodeDecodeError as error:
                raise ClientError(f"{file.name} is not UTF-8: {error}") from None
            except csv.Error as error:
                raise ClientError(f"{file.name}, line {reader.line_num}: {error}") from None
            if row is None:
                return
            if row:
                yield f"{file.name}, line {reader.line_num}", row


def _number(label: str) -> int | None:
    """The whole number that the label is, written plainly; else None."""
    return int(label) if label.isascii() and label.isdigit() and str(int(label)) == label else None
