"""The texts of a classifier's channels, as numbers: sentences as rows of a matrix, and their labels."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import data
from .fasttext_model import EOS, Ints
from .parameters import ClientError, Parameters

Rows = npt.NDArray[np.int32]
BOM = b"\xef\xbb\xbf"
BLOCK = 16 << 20
"""Bytes that are looked at at a time."""


@dataclass(frozen=True)
class Sentences:
    """Sentences of the training text, `learnt` of them, and behind them those of the validation text.

    Bounds have one more entry than there are sentences.
    """

    rows: Rows
    """The rows of the sentences' words and n-grams; those that training never saw are left out."""
    bounds: Ints
    sizes: Rows
    """How many rows each sentence has, with those left out."""
    named: Rows
    """The sentences' labels; -1 for one that the training text lacks."""
    named_bounds: Ints
    learnt: int
    rows_known: int
    words: list[bytes]
    """Names of the first rows, most frequent first, those that never come last; n-grams' rows follow."""
    word_counts: list[int]
    labels: list[bytes]
    label_counts: list[int]
    buckets: Ints
    """Of each n-grams' row its bucket."""
    read: int
    """Words of the training text."""
    tokens: int
    """The same with the ends of sentences and labels, as fastText counts."""

    @property
    def count(self) -> int:
        return len(self.sizes)


def content(files: Iterable[Path]) -> bytearray:
    """The files' samples as lines, one file after the other; an augmented manifest's as `__label__`
    lines. Raises ClientError, with file and line, for what is malformed or not UTF-8."""
    text = bytearray()
    for file in files:
        if data.is_manifest(file):
            with file.open("rb") as source:
                for line in data.samples(source, file):
                    text += line + b"\n"
            continue
        start = len(text)
        with file.open("rb") as source:
            while block := source.read(BLOCK):
                text += block
        if text.startswith(BOM, start):
            text[start : start + len(BOM)] = b" " * len(BOM)
        if not text.isascii():
            _check(text, start, file)
        text += b"\n"
    return text


def _check(text: bytearray, start: int, file: Path) -> None:
    """Raises ClientError, with the line, where the text from `start` on is not UTF-8."""
    reader = codecs.getincrementaldecoder("utf-8")()
    for first in range(start, len(text), BLOCK):
        block = bytes(text[first : first + BLOCK])
        try:
            reader.decode(block, first + BLOCK >= len(text))
        except UnicodeDecodeError as error:
            held = len(error.object) - len(block)  # what the block before left
            line = text.count(b"\n", start, first - held + error.start) + 1
            raise ClientError(f"{file.name}, line {line}: not UTF-8 ({error})") from None


def sentences(
    train: bytearray,
    validation: bytearray | None,
    parameters: Parameters,
    known_words: Collection[bytes] = (),
) -> Sentences:
    """Both texts as numbers; `train` then holds both. `known_words` have a row each, however rare they
    are or whether they come at all, as in fastText. Raises ClientError for a text without labels, and
    where no word is left."""
    from .kernels import labelled

    whole = train
    whole[:0] = EOS.encode() + b"\n"
    boundary = len(whole)
    whole += validation or b""
    text = np.frombuffer(whole, np.uint8)
    words, bounds, named, named_bounds, starts, lengths, hashes, counts, learnt, left_out = (
        labelled.encoded(text, boundary, *labelled.sizes(text))
    )
    _told("train", learnt, left_out[0])
    if validation is not None:
        _told("validation", len(bounds) - 1 - learnt, left_out[1])
    places = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
    names = [bytes(whole[start:end]) for start, end in places]
    is_label = np.array([name.startswith(data.PREFIX) for name in names])
    word_ids, others = _words(names, counts, is_label, parameters.min_count, known_words)
    label_ids = _ranked(counts, is_label & (counts > 0))
    row, label = np.full(len(names), -1, np.int32), np.full(len(names), -1, np.int32)
    row[word_ids] = np.arange(len(word_ids))
    label[label_ids] = np.arange(len(label_ids))
    word_rows = len(word_ids) + len(others)
    many = parameters.word_ngrams > 1
    known = np.zeros(parameters.buckets if many else 1, np.int32)
    rows, row_bounds, sizes, rows_known = labelled.features(
        words, bounds, hashes, row, parameters.word_ngrams, len(known), known, word_rows, learnt
    )
    found = np.flatnonzero(known)
    buckets = np.empty(rows_known - word_rows, np.int64)
    buckets[known[found] - 1 - word_rows] = found
    read = int(bounds[learnt])
    return Sentences(
        rows=rows,
        bounds=row_bounds,
        sizes=sizes,
        named=label[named],
        named_bounds=named_bounds,
        learnt=learnt,
        rows_known=rows_known,
        words=[names[i] for i in word_ids] + others,
        word_counts=counts[word_ids].tolist() + [0] * len(others),
        labels=[names[i] for i in label_ids],
        label_counts=counts[label_ids].tolist(),
        buckets=buckets,
        read=read - learnt,
        tokens=read + int(named_bounds[learnt]),
    )


def _words(
    names: Sequence[bytes],
    counts: Ints,
    is_label: npt.NDArray[np.bool_],
    least: int,
    known_words: Collection[bytes],
) -> tuple[Ints, list[bytes]]:
    """(numbers of the text's words that have a row, the other words that have one). Raises ClientError
    where no word of the text has."""
    wanted = counts >= max(least, 1)
    if known_words:
        wanted |= np.array([name in known_words for name in names])
    found = _ranked(counts, ~is_label & wanted)
    if not len(found):
        raise ClientError(f"No word occurs at least min_count={least} times")
    others = sorted(set(known_words).difference(names)) if known_words else []
    return found, [word for word in others if not word.startswith(data.PREFIX)]


def _told(channel: str, kept: int, left_out: int) -> None:
    """The log says how many lines were left out; raises ClientError where none is left."""
    if not kept:
        raise ClientError(
            f"The channel {channel!r} has no line with a label and text: each line must hold the "
            'sentence and its labels, words that start with "__label__", or be a JSON object with '
            '"source" and "label"'
        )
    if left_out:
        print(f"{channel}: {left_out} lines without a label or without text were left out")


def _ranked(counts: Ints, wanted: npt.NDArray[np.bool_]) -> Ints:
    """The numbers that are wanted, those with the highest counts first."""
    found = np.flatnonzero(wanted)
    return found[np.argsort(-counts[found], kind="stable")]
