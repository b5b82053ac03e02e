"""Samples out of CSV: no header, labels in the first columns, numbers in all.

Source: Amazon SageMaker AI Developer Guide, "Common data formats for training".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from .errors import ClientError
from .rows import Floats, Matrix, sparse

CELLS = 1 << 22
"""Numbers that are parsed at a time."""
SPARSE = 256, 0.1
"""Width from which, and share of values up to which, a part is kept as a sparse matrix."""


def parts(
    source: BinaryIO, label_size: int = 0
) -> Iterator[tuple[Matrix, Floats | None, list[int]]]:
    """(features, labels, numbers of the lines) of some lines after another.

    Empty lines are passed over. Raises ClientError, which names the line; NaN and infinite values are
    passed on."""
    lines = _lines(source)
    width = 0
    while True:
        batch = list(itertools.islice(lines, max(1, CELLS // width) if width else 16))
        if not batch:
            return
        numbers = [number for number, _ in batch]
        table = parse([text for _, text in batch], numbers, width)
        width = table.shape[1]
        if width <= label_size:
            raise ClientError(f"line {numbers[0]}: {width} values where {label_size} are labels")
        labels = table[:, :label_size]
        features = table[:, label_size:]
        least, share = SPARSE
        small = features.shape[1] >= least and np.count_nonzero(features) < share * features.size
        yield (
            sparse(features) if small else features,
            None if not label_size else labels[:, 0] if label_size == 1 else labels,
            numbers,
        )


def parse(lines: Sequence[str], numbers: Sequence[int], width: int = 0) -> Floats:
    """The lines as a matrix of that width (0: the first line's); raises ClientError for text, for a
    missing value and for another width, with the line's number."""
    try:
        # NumPy before 1.23 knows no quotes; a number holds no comma that they would hide.
        plain = [line.replace('"', "") for line in lines]
        table = np.loadtxt(plain, np.float32, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        raise ClientError(_fault(lines, numbers, width)) from None
    if width and table.shape[1] != width:
        raise ClientError(_fault(lines, numbers, width))
    return table


def _lines(source: BinaryIO) -> Iterator[tuple[int, str]]:
    """(number from 1 on, text) of the lines that are not empty."""
    for number, raw in enumerate(source, 1):
        line = raw.strip()
        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        if not line:
            continue
        if b"\r" in line:
            raise ClientError(f"line {number}: it holds a carriage return; lines must end in LF")
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            raise ClientError(f"line {number}: not UTF-8 ({error})") from None


def _fault(lines: Sequence[str], numbers: Sequence[int], width: int) -> str:
    """What is wrong with the first line that is not `width` numbers."""
    for number, line in zip(numbers, lines):
        cells = line.split(",")
        for place, cell in enumerate(cells, 1):
            text = cell.strip().strip('"')
            try:
                float(text)
            except ValueError:
                what = f"{text[:50]!r} is not a number" if text else "the value is missing"
                header = ": a file has no header" if number == 1 and text else ""
                return f"line {number}, column {place}: {what}{header}"
        width = width or len(cells)
        if len(cells) != width:
            return f"line {number}: {len(cells)} values where {width} are expected"
    return f"line {numbers[0]}: it cannot be read as numbers"
