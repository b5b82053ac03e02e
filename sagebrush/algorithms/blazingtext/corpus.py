"""A text as word vectors are learnt of it: its words by how often they occur, and their sequence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Union

import numpy as np
import numpy.typing as npt

from .kernels import reading
from .parameters import ClientError

BLOCK = 8 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Corpus:
    """`ids` is the whole text as numbers of `words`; sentence number s ends before `ids[ends[s]]`.

    Words are bytes, the most frequent first; `read` is how many words the text had before rare ones
    were left out.
    """

    ids: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    words: list[bytes]
    counts: npt.NDArray[np.int64]
    read: int = 0


def vocabulary_and_corpus(files: Iterable[Union[Path, BinaryIO]], min_count: int) -> Corpus:
    """The text of `files`, one sentence a line, without words that occur less than `min_count` times.

    A line may be the whole file; bytes that are no UTF-8 are parts of words. Raises ClientError
    where no word is left.
    """
    book = _Book()
    for file in files:
        book.add(file)
    counts = book.entries[1, : book.words]
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= max(1, min_count)]
    if not len(order):
        if not book.words:
            raise ClientError(
                "The training data has no words: the files of channel train are empty"
            )
        raise ClientError(
            f"No word occurs at least min_count={min_count} times: lower it, or give more text"
        )
    numbers = np.full(book.words, -1, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    ids, ends = book.renumbered(numbers)
    return Corpus(ids, ends, book.spelt(order), counts[order].copy(), book.read)


class _Book:
    """The words seen so far and the text as their numbers, in arrays that grow."""

    def __init__(self) -> None:
        self.kept = np.empty(1 << 20, np.uint8)
        self.entries = np.zeros((2, (1 << 16) + 1), np.int64)
        self.table = np.full(1 << 17, -1, np.int32)
        self.ends = np.empty(1 << 16, np.int64)
        self.parts: list[npt.NDArray[np.int32]] = []
        self.words = self.sentences = self.read = 0

    def add(self, file: Union[Path, BinaryIO]) -> None:
        """The words of `file` follow; its last line ends with it."""
        opened = file.open("rb") if isinstance(file, Path) else contextlib.nullcontext(file)
        with opened as source:
            for text, size in _blocks(source):
                self._split(text, size)
        if self.read > (self.ends[self.sentences - 1] if self.sentences else 0):
            self._room_for_sentences()
            self.ends[self.sentences] = self.read
            self.sentences += 1

    def _split(self, text: npt.NDArray[np.uint8], size: int) -> None:
        tokens = np.empty(size // 2 + 1, np.int32)
        state = np.array([0, size, 0, self.sentences, self.words, self.read], np.int64)
        while not reading.split(
            text, self.kept, self.entries, self.table, tokens, self.ends, state
        ):
            self.sentences, self.words = int(state[3]), int(state[4])
            self._grow(size - int(state[0]))
        self.sentences, self.words = int(state[3]), int(state[4])
        self.parts.append(tokens[: state[2]].copy())
        self.read += int(state[2])

    def _grow(self, most: int) -> None:
        """There is room for one word of `most` bytes more, and for one sentence."""
        used = int(self.entries[0, self.words])
        if used + most > len(self.kept):
            self.kept = np.concatenate([self.kept, np.empty(max(most, used), np.uint8)])
        if self.words >= self.entries.shape[1] - 1:
            more = np.zeros_like(self.entries)
            self.entries = np.concatenate([self.entries, more], axis=1)
        if self.words >= len(self.table) // 2:
            self.table = np.full(2 * len(self.table), -1, np.int32)
            reading.rehash(self.kept, np.ascontiguousarray(self.entries[0]), self.words, self.table)
        self._room_for_sentences()

    def _room_for_sentences(self) -> None:
        if self.sentences == len(self.ends):
            self.ends = np.concatenate([self.ends, np.empty_like(self.ends)])

    def renumbered(
        self, numbers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The text by the numbers of those of its words whose number is not negative, and where its
        sentences end."""
        ends = self.ends[: self.sentences].copy()
        read, left, sentence = 0, 0, 0
        parts = []
        for n, part in enumerate(self.parts):
            self.parts[n] = np.empty(0, np.int32)  # not the whole text twice in memory
            mapped = numbers[part]
            there = mapped >= 0
            before = np.concatenate([[0], np.cumsum(there)])
            last = int(np.searchsorted(ends[sentence:], read + len(part), "right")) + sentence
            own = slice(sentence, last)
            ends[own] = before[self.ends[own] - read] + left
            read, left, sentence = read + len(part), left + int(before[-1]), last
            parts.append(mapped[there])
        whole = np.concatenate(parts) if parts else np.empty(0, np.int32)
        return whole, np.unique(ends[ends > 0])

    def spelt(self, order: npt.NDArray[np.int64]) -> list[bytes]:
        """The words of those numbers."""
        text, starts = self.kept.tobytes(), self.entries[0].tolist()
        return [text[starts[n] : starts[n + 1]] for n in order.tolist()]


def _blocks(source: BinaryIO) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """The file in blocks that end with whole words, but for the last: the bytes, and how many."""
    buffer, held = bytearray(BLOCK), 0
    while True:
        count = source.readinto(memoryview(buffer)[held:])  # pyright: ignore[reportAttributeAccessIssue]
        text, held = np.frombuffer(buffer, np.uint8), held + count
        if not count:
            if held:
                yield text, held
            return
        cut = max(buffer.rfind(separator, 0, held) for separator in (b" ", b"\n", b"\t")) + 1
        if cut:
            yield text, cut
            rest = bytes(memoryview(buffer)[cut:held])
            buffer, held = bytearray(max(BLOCK, 2 * len(rest))), len(rest)
            buffer[:held] = rest
        elif held == len(buffer):  # a word that fills the block
            buffer = buffer + bytearray(len(buffer))
