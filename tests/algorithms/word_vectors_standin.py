"""A stand-in for the trainer of word vectors, for tests of what surrounds it: plain NumPy, and slow."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sagebrush.algorithms.blazingtext import word_model
from sagebrush.algorithms.blazingtext.parameters import ClientError

PARTS = 4


@dataclasses.dataclass(frozen=True)
class Corpus:
    ids: np.ndarray
    ends: np.ndarray
    words: list[bytes]
    counts: np.ndarray
    read: int = 0


@dataclasses.dataclass(frozen=True)
class Settings:
    mode: str
    vector_dim: int
    window_size: int
    negative_samples: int
    sampling_threshold: float
    learning_rate: float
    epochs: int
    batch_size: int
    subwords: bool
    min_char: int
    max_char: int
    buckets: int
    threads: int
    seed: int


def vocabulary_and_corpus(files: Sequence[Path], min_count: int) -> Corpus:
    """The text of all files; most frequent words first."""
    lines = [line.split() for file in files for line in file.read_bytes().splitlines()]
    found = Counter(word for line in lines for word in line)
    kept = [(word, count) for word, count in found.most_common() if count >= min_count]
    numbers = {word: number for number, (word, _) in enumerate(kept)}
    ids, ends = [], []
    for line in lines:
        ids += [numbers[word] for word in line if word in numbers]
        ends.append(len(ids))
    if not kept:
        raise ClientError(f"No word occurs at least min_count={min_count} times")
    counts = np.array([count for _, count in kept], np.int64)
    words, read = [word for word, _ in kept], sum(found.values())
    return Corpus(np.array(ids, np.int32), np.unique(ends), words, counts, read)


class Trainer:
    """Skip-gram with the full softmax's gradient over a few words; enough to tell topics apart."""

    def __init__(self, corpus: Corpus, settings: Settings) -> None:
        self._corpus, self._settings = corpus, settings
        chance = np.random.default_rng(settings.seed)
        rows = len(corpus.words) + settings.buckets
        self.input = chance.normal(0, 0.1, (rows, settings.vector_dim)).astype(np.float32)
        self.output = np.zeros((len(corpus.words), settings.vector_dim), np.float32)
        self._average: Callable[[np.ndarray], None] | None = None

    def share(self, average: Callable[[np.ndarray], None]) -> None:
        self._average = average

    def epoch(self) -> float:
        sentences = np.split(self._corpus.ids, self._corpus.ends[:-1])
        for part in range(PARTS):
            for ids in sentences[part::PARTS]:
                self._learn(ids)
            if self._average:
                self._average(self.input)
                self._average(self.output)
        return float(len(self._corpus.ids))

    def _learn(self, ids: np.ndarray) -> None:
        rate = self._settings.learning_rate
        for word in ids:
            scores = self.output @ self.input[word]
            chances = np.exp(scores - scores.max())
            error = -chances / chances.sum()
            np.add.at(error, ids, 1 / len(ids))
            step = error @ self.output
            self.output += rate * np.outer(error, self.input[word])
            self.input[word] += rate * step

    def vectors(self) -> np.ndarray:
        settings, words = self._settings, self._corpus.words
        if not settings.subwords:
            return self.input[: len(words)]
        sizes = (settings.min_char, settings.max_char, settings.buckets)
        return np.stack(
            [
                self.input[[row, *(len(words) + n for n in word_model.ngrams(word, *sizes))]].mean(
                    0
                )
                for row, word in enumerate(words)
            ]
        )
