"""Word vectors: a text's words -> rows of numbers, near each other where words are used alike.

`Trainer` learns epoch by epoch with the kernels of `kernels/windows.py`, on as many threads as it is
told. With one thread and the same seed two runs are equal; more of them update the matrices at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

import numpy as np
import numpy.typing as npt

from .corpus import Corpus, vocabulary_and_corpus
from .kernels import reading, simd, windows

__all__ = ["Corpus", "Settings", "Trainer", "vocabulary_and_corpus"]

Matrix = npt.NDArray[np.float32]

TABLE = 1 << 22
"""Negative samples in the table that is read in circles."""
POWER = 0.75
"""The power of its count by which a word is a negative sample, as in word2vec.c."""
PARTS = 64
"""Parts of an epoch, between which the matrices of several instances are averaged."""


@dataclass(frozen=True)
class Settings:
    """BlazingText's hyperparameters of word vectors, with the guide's defaults; `threads` and `seed`
    are this host's."""

    mode: str = "batch_skipgram"
    vector_dim: int = 100
    window_size: int = 5
    negative_samples: int = 5
    sampling_threshold: float = 1e-4
    learning_rate: float = 0.05
    epochs: int = 5
    batch_size: int = 11
    subwords: bool = False
    min_char: int = 3
    max_char: int = 6
    buckets: int = 2_000_000
    threads: int = 1
    seed: int = 1


class Trainer:
    """Two matrices that learn from a text: rows of words and their n-grams, and rows of predictions."""

    def __init__(self, corpus: Corpus, settings: Settings) -> None:
        self.settings, self._words = settings, len(corpus.words)
        self._ids, self._ends = corpus.ids, corpus.ends
        random = np.random.default_rng(settings.seed)
        self._width = -(-settings.vector_dim // simd.LANES) * simd.LANES
        self._buckets, self._pieces = _pieces(corpus, settings)
        rows = self._words + len(self._buckets)
        self._input = _aligned(rows, self._width)
        for first in range(0, rows, 1 << 16):  # in blocks: no second matrix of their size
            block = self._input[first : first + (1 << 16), : settings.vector_dim]
            block[:] = (random.random(block.shape, np.float32) * 2 - 1) / settings.vector_dim
        self._output = _aligned(self._words + settings.threads, self._width)
        self._keep = _keep(corpus.counts, settings.sampling_threshold)
        self._negatives = _negatives(corpus.counts, random)
        self._progress = np.zeros(settings.threads * windows.APART, np.int64)
        places = random.integers(0, len(self._negatives), settings.threads)
        self._random = [
            np.array([seed, place], np.uint64)
            for seed, place in zip(random.integers(1, 2**63, settings.threads), places)
        ]
        self._average: Optional[Callable[[Matrix], None]] = None

    @property
    def input(self) -> Matrix:
        """The rows of words, then (with sub-words) one for each bucket, as fastText has them; those of
        buckets that no word uses are zero. Made anew at each call, of memory only where not zero."""
        dim = self.settings.vector_dim
        if not self.settings.subwords:
            return self._input[:, :dim]
        whole = np.zeros((self._words + self.settings.buckets, dim), np.float32)
        whole[: self._words] = self._input[: self._words, :dim]
        whole[self._buckets] = self._input[self._words :, :dim]
        return whole

    @property
    def output(self) -> Matrix:
        """The rows by which words are predicted."""
        return self._output[: self._words, : self.settings.vector_dim]

    def vectors(self) -> Matrix:
        """A row for each word: its own, or the mean of its own and its n-grams' rows, as fastText
        writes it."""
        dim = self.settings.vector_dim
        if not self.settings.subwords:
            return self._input[:, :dim].copy()
        own, starts = self._pieces
        found = np.empty((self._words, dim), np.float32)
        for first in range(0, self._words, 4096):
            last = min(first + 4096, self._words)
            gathered = self._input[own[starts[first] : starts[last]], :dim]
            sums = np.add.reduceat(gathered, starts[first:last] - starts[first], axis=0)
            found[first:last] = sums / np.diff(starts[first : last + 1])[:, None]
        return found

    def share(self, average: Callable[[Matrix], None]) -> None:
        """`average` is called with each matrix several times an epoch, and replaces its content by the
        mean over all instances. Each instance has its share of the text and the same words; rows are
        padded with zeros."""
        self._average = average

    def epoch(self) -> float:
        """The matrices have learnt from the whole text once; words a second."""
        started = time.perf_counter()
        parts = PARTS if self._average else 1
        bounds = np.linspace(0, len(self._ids), parts + 1).astype(np.int64)
        for first, last in zip(bounds, bounds[1:]):
            self._learn(int(first), int(last))
            if self._average:
                self._average(self._input)
                self._average(self._output)
        return len(self._ids) / max(1e-9, time.perf_counter() - started)

    def _learn(self, first: int, last: int) -> None:
        """The matrices have learnt from those words, a part by each thread."""
        threads = self.settings.threads
        bounds = np.linspace(first, last, threads + 1).astype(np.int64)
        failures: list[BaseException] = []

        def work(thread: int) -> None:
            try:
                self._run(thread, int(bounds[thread]), int(bounds[thread + 1]))
            except BaseException as error:
                failures.append(error)

        others = [threading.Thread(target=work, args=(n,)) for n in range(1, threads)]
        for other in others:
            other.start()
        work(0)
        for other in others:
            other.join()
        if failures:
            raise failures[0]

    def _run(self, thread: int, start: int, stop: int) -> None:
        wanted, numbers = self.settings, np.zeros(11, np.int64)
        numbers[windows.WIDTH], numbers[windows.WINDOW] = self._width, wanted.window_size
        import os

        N = int(os.environ.get("DRAWN", "8"))
        B = int(os.environ.get("BB", "8"))
        numbers[windows.SHARE] = wanted.negative_samples
        numbers[windows.NEGATIVE] = wanted.negative_samples * (1 if wanted.mode == "cbow" else N)
        numbers[windows.BATCH] = B
        numbers[windows.START], numbers[windows.STOP] = start, stop
        numbers[windows.SENTENCE] = np.searchsorted(self._ends, start, "right")
        numbers[windows.SPARE], numbers[windows.THREAD] = self._words + thread, thread
        numbers[windows.ALL] = max(1, len(self._ids) * wanted.epochs)
        kernel = windows.cbow if wanted.mode == "cbow" else windows.skipgram
        kernel(
            (self._ids, self._ends, self._keep, self._negatives),
            self._pieces,
            (self._input.reshape(-1), self._output.reshape(-1)),
            numbers,
            self._random[thread],
            self._progress,
            float(wanted.learning_rate),
        )


def _aligned(rows: int, width: int) -> Matrix:
    """Zeros, with each row on cache lines of its own."""
    raw = np.zeros(rows * width * 4 + 64, np.uint8)
    first = -raw.ctypes.data % 64
    return raw[first : first + rows * width * 4].view(np.float32).reshape(rows, width)


def _keep(counts: npt.NDArray[np.int64], threshold: float) -> npt.NDArray[np.uint32]:
    """How likely each word is kept, of 2**32: word2vec.c's (sqrt(f/t) + 1) * t/f."""
    share = counts / counts.sum()
    if threshold <= 0:
        return np.full(len(counts), 2**32 - 1, np.uint32)
    likely = (np.sqrt(share / threshold) + 1) * threshold / share
    return (np.minimum(1.0, likely) * (2**32 - 1)).astype(np.uint32)


def _negatives(counts: npt.NDArray[np.int64], random: np.random.Generator) -> npt.NDArray[np.int32]:
    """Words in random order, each as often as it is to be a negative sample, at least once."""
    size = max(TABLE, 2 * len(counts))
    likely = counts.astype(np.float64) ** POWER
    times = np.maximum(1, np.rint(likely / likely.sum() * size)).astype(np.int64)
    table = np.repeat(np.arange(len(counts), dtype=np.int32), times)
    random.shuffle(table)
    return table


def _pieces(corpus: Corpus, wanted: Settings) -> tuple[npt.NDArray[np.int64], windows.Pieces]:
    """The rows of fastText's matrix that n-grams of the words use, the most used first, and each word's
    own row and its n-grams' as places in that order."""
    words = len(corpus.words)
    if not wanted.subwords:
        own = np.arange(words, dtype=np.int32)
        return np.empty(0, np.int64), (own, np.arange(words + 1, dtype=np.int64))
    kept = np.frombuffer(bytearray(b"".join(corpus.words)), np.uint8)
    starts = np.cumsum([0, *map(len, corpus.words)], dtype=np.int64)
    row_starts = np.empty(words + 1, np.int64)
    asked = (kept, starts, wanted.min_char, wanted.max_char, wanted.buckets)
    count = reading.pieces(*asked, np.empty(0, np.int32), row_starts)
    own = np.empty(count, np.int32)
    reading.pieces(*asked, own, row_starts)
    grams = own >= words
    used, places = np.unique(own[grams], return_inverse=True)
    often = np.repeat(corpus.counts, np.diff(row_starts))[grams]
    order = np.argsort(-np.bincount(places, often), kind="stable")
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    own[grams] = words + ranks[places]
    return used[order].astype(np.int64), (own, row_starts)
