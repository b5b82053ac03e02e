"""Counts of the n-grams of a text, of words and of characters inside words, hashed into buckets.

No list of words is kept, so a model's size does not grow with its texts. Texts in any script have these
features, also those that the encoder was never taught.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy

CHARACTERS = (2, 3, 4, 5)
"""Lengths of the runs of characters, the spaces around a word included."""
READ = 20_000
"""Characters of a text that are read; of a training document no more are kept."""
_WORD = re.compile(r"\w+")
_SPACE = 32
_PRIME = numpy.uint64(0x100000001B3)
_GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Rows:
    """A sparse matrix by rows (compressed sparse row): row r has `values[starts[r]:starts[r + 1]]` in the
    columns `columns[starts[r]:starts[r + 1]]`."""

    starts: numpy.ndarray
    columns: numpy.ndarray
    values: numpy.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1


def counted(texts: Iterable[str], bits: int) -> Rows:
    """How often each text has what falls into each of 2 * 2**bits buckets, as 1 + log(count): words and
    pairs of words in the first half, runs of characters in the second."""
    columns: list[numpy.ndarray] = []
    values: list[numpy.ndarray] = []
    starts = [0]
    for text in texts:
        found, counts = numpy.unique(_buckets(text, bits), return_counts=True)
        columns.append(found.astype(numpy.int32))
        values.append(1 + numpy.log(counts).astype(numpy.float32))
        starts.append(starts[-1] + len(found))
    return Rows(
        numpy.array(starts, numpy.int64),
        numpy.concatenate(columns or [numpy.zeros(0, numpy.int32)]),
        numpy.concatenate(values or [numpy.zeros(0, numpy.float32)]),
    )


def weighed(rows: Rows, rarity: numpy.ndarray) -> Rows:
    """The counts times each bucket's rarity; each row's two halves have the length 1 each, or 0."""
    values = rows.values * rarity[rows.columns]
    half = rows.columns >= len(rarity) // 2
    row = numpy.repeat(numpy.arange(len(rows)), numpy.diff(rows.starts))
    group = 2 * row + half
    length = numpy.sqrt(numpy.bincount(group, values**2, 2 * len(rows)))
    return Rows(rows.starts, rows.columns, (values / length[group]).astype(numpy.float32))


def rarity(rows: Rows, bits: int) -> numpy.ndarray:
    """The inverse document frequency of each bucket, smoothed: log((1 + rows) / (1 + rows with it)) + 1."""
    frequency = numpy.bincount(rows.columns, minlength=2 << bits)
    return (numpy.log((1 + len(rows)) / (1 + frequency)) + 1).astype(numpy.float32)


def _buckets(text: str, bits: int) -> numpy.ndarray:
    plain = unicodedata.normalize("NFKC", text[:READ]).lower()
    words = [zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(plain)]
    single = numpy.array(words, numpy.uint64)
    pairs = (single[:-1] * _PRIME + single[1:]) * _PRIME
    first = _mixed(numpy.concatenate([single, pairs]), bits)
    second = _mixed(_runs(" ".join(["", *plain.split(), ""])), bits)
    return numpy.concatenate([first, second + numpy.uint64(1 << bits)])


def _runs(text: str) -> numpy.ndarray:
    """A hash of each run of characters that has a space at its ends at most."""
    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    codes = codes.astype(numpy.uint64)
    space = codes == _SPACE
    found, running, inner = [], codes, numpy.zeros(len(codes), bool)
    for size in range(2, max(CHARACTERS) + 1):
        if len(codes) < size:
            break
        # spaces between the first and the last character of each run
        inner = inner[:-1] | space[size - 2 : -1] if size > 2 else inner[:-1]
        running = running[:-1] * _PRIME + codes[size - 1 :]
        if size in CHARACTERS:
            found.append(running[~inner] * _PRIME + numpy.uint64(size))
    return numpy.concatenate(found or [codes[:0]])


def _mixed(hashes: numpy.ndarray, bits: int) -> numpy.ndarray:
    return (hashes * _GOLDEN) >> numpy.uint64(64 - bits)
