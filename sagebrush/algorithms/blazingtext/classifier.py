"""A text classifier in training: epoch after epoch, with its accuracy in between."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from . import fasttext_model
from .fasttext_model import Arguments, Ints, Matrix, Model
from .labelled_text import Sentences
from .parameters import ClientError, Parameters
from .pretrained import Vectors

ALONE = 128
"""Sentences, those of all threads together, after which threads exchange what they learnt of labels."""
CHUNK = 1024
"""Sentences that a thread learns at a time."""
WORTH = 2000
"""Sentences for which one more thread pays."""
FASTEST = 10
"""How many times as fast as the mean a row learns at most: a text of one word may have a rare one."""
DIVERGED = 1e8
"""What no number of a model that has learnt something comes near to."""


class Trainer:
    """A model in training: `epoch` after `epoch`, `accuracy` in between, `save` at the end."""

    def __init__(
        self,
        text: Sentences,
        parameters: Parameters,
        threads: int,
        vectors: Vectors | None = None,
        seed: int = 0,
    ) -> None:
        self.text, self.parameters = text, parameters
        self.threads = max(1, min(threads, text.learnt // WORTH))
        self._random = np.random.default_rng(seed)
        words, dim = len(text.words), parameters.vector_dim
        self.entry: Matrix = np.zeros((text.rows_known, dim), np.float32)
        # Rows of n-grams begin as zeros: noise in those that come once is never unlearnt.
        self._random.random(out=self.entry[:words], dtype=np.float32)
        self.entry[:words] = (self.entry[:words] * 2 - 1) / np.float32(dim)
        if vectors is not None:
            places = np.array([vectors.rows.get(word, -1) for word in text.words])
            self.entry[np.flatnonzero(places >= 0)] = vectors.matrix[places[places >= 0]]
        self.output: Matrix = np.zeros((len(text.labels), dim), np.float32)
        self._speeds = speeds(text)
        self._done = 0

    def epoch(self) -> None:
        """One more epoch has been learnt, the sentences in a new order; raises ClientError where that
        diverges."""
        count = self.text.learnt
        order = self._random.permutation(count)
        chunk = min(CHUNK, max(1, count // self.threads))
        starts = range(0, count, chunk)
        if self.threads == 1:
            for start in starts:
                self._learn(order[start : start + chunk], start)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                parts = (order[start : start + chunk] for start in starts)
                list(pool.map(self._learn, parts, starts))
        self._done += count
        if not np.abs(self.output).max() < DIVERGED:
            raise self._diverged()

    def _learn(self, order: Ints, start: int) -> None:
        from .kernels import supervised

        text, total = self.text, self.text.learnt * self.parameters.epochs
        rate, at = self.parameters.learning_rate, self._done + start
        supervised.learn(
            text.rows,
            text.bounds,
            text.named,
            text.named_bounds,
            order,
            self._speeds,
            self.entry,
            self.output,
            rate * (1 - at / total),
            -rate / total,
            at,
            max(1, ALONE // self.threads),
        )

    def _diverged(self) -> ClientError:
        return ClientError(
            f"Training diverged (NaN): lower learning_rate (it is {self.parameters.learning_rate})"
        )

    def accuracy(self, learnt: bool) -> float:
        """The share of sentences whose most probable label is theirs: of those learnt, or the others."""
        from .kernels import supervised

        text = self.text
        first, last = (0, text.learnt) if learnt else (text.learnt, text.count)
        edges = np.linspace(first, last, self.threads + 1).astype(np.int64).tolist()

        def part(start: int, end: int) -> int:
            return supervised.right(
                text.rows,
                text.bounds,
                text.sizes,
                text.named,
                text.named_bounds,
                start,
                end,
                self.entry,
                self.output,
            )

        pairs = list(itertools.pairwise(edges))
        if len(pairs) == 1:
            return part(*pairs[0]) / (last - first)
        with ThreadPoolExecutor(self.threads) as pool:
            return sum(pool.map(lambda pair: part(*pair), pairs)) / (last - first)

    def weights(self) -> tuple[Matrix, Matrix]:
        """A copy of what has been learnt."""
        return self.entry.copy(), self.output.copy()

    def save(self, file: Path) -> None:
        """`file` is the model.bin of what has been learnt, with zeros for n-grams that never came;
        raises ClientError where that has diverged."""
        if not np.isfinite(self.entry.sum()):
            raise self._diverged()
        parameters, text = self.parameters, self.text
        args = Arguments(
            dim=parameters.vector_dim,
            epoch=parameters.epochs,
            min_count=parameters.min_count,
            word_ngrams=parameters.word_ngrams,
            bucket=parameters.buckets if parameters.word_ngrams > 1 else 0,
        )
        words = [word.decode("utf-8", "surrogateescape") for word in text.words]
        labels = [label.decode() for label in text.labels]
        model = Model(
            args,
            words,
            labels,
            text.word_counts,
            text.label_counts,
            text.tokens,
            self.entry,
            self.output,
        )
        fasttext_model.save(file, model, text.buckets)


def speeds(text: Sentences) -> Matrix:
    """How fast each row learns: the square of its inverse document frequency, of which the mean over
    the text, before it is squared, is 1; at most FASTEST."""
    from .kernels import labelled

    counts = labelled.frequencies(text.rows, text.bounds, text.learnt, text.rows_known)
    idf = np.log1p(text.learnt / np.maximum(counts, 1))
    mean = float(idf @ counts) / max(int(counts.sum()), 1)
    return np.minimum(np.square(idf / mean), FASTEST).astype(np.float32)
