"""fastText's supervised training in NumPy, one epoch at a time: for early stopping.

The updates are those of fastText (Joulin et al. 2016): the mean of the feature rows, a softmax, one
step of gradient descent per sentence, a rate that falls linearly to zero over all epochs. Only rows
of n-grams that occur are held in memory; in the file the others are zeros.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse  # pyright: ignore[reportMissingImports]

from . import fasttext_model, ngrams
from .fasttext_model import Arguments, Matrix, Model
from .ngrams import Ints
from .parameters import ClientError, Parameters


@dataclass(frozen=True)
class Samples:
    """Sentences as feature rows. `hashed` are buckets, not rows, of n-grams."""

    words: Ints
    word_ends: Ints
    hashed: Ints
    hashed_ends: Ints
    labels: Sequence[Ints]


class Vocabulary:
    """Words and labels of a training text, most frequent first, as fastText numbers them."""

    def __init__(self, text: Path, min_count: int) -> None:
        words: collections.Counter[bytes] = collections.Counter()
        labels: collections.Counter[bytes] = collections.Counter()
        for sentence, named in ngrams.sentences(text):
            words.update(sentence)
            labels.update(named)
        self.tokens = words.total() + labels.total()
        kept = [(word, count) for word, count in words.most_common() if count >= min_count]
        if not kept:
            raise ClientError(f"No word occurs at least min_count={min_count} times")
        self.words, self.word_counts = zip(*kept, strict=True)
        self.labels, self.label_counts = zip(*labels.most_common(), strict=True)
        self._word_ids = {word: i for i, word in enumerate(self.words)}
        self._label_ids = {label: i for i, label in enumerate(self.labels)}

    def samples(self, text: Path, parameters: Parameters) -> Samples:
        """The sentences of `text` in terms of this vocabulary; labels it lacks are left out."""
        seen: dict[bytes, int] = {}
        tokens: list[int] = []
        ends: list[int] = [0]
        labels: list[Ints] = []
        for sentence, named in ngrams.sentences(text):
            known = [self._label_ids[label] for label in named if label in self._label_ids]
            labels.append(np.array(known, np.int64))
            tokens.extend(seen.setdefault(word, len(seen)) for word in sentence)
            ends.append(len(tokens))
        ids = np.array([self._word_ids.get(word, -1) for word in seen], np.int64)[tokens]
        kept = ids >= 0
        word_ends = np.concatenate(([0], np.cumsum(kept)))[ends]
        hashes = np.array([fasttext_model.token_hash(word) for word in seen], np.int64)[tokens]
        found, found_ends = ngrams.hashed(
            hashes, np.array(ends), parameters.word_ngrams, parameters.buckets
        )
        return Samples(ids[kept], word_ends, found, found_ends, labels)


class Trainer:
    """A model in training: `epoch` after `epoch`, `accuracy` in between, `model` at the end."""

    def __init__(self, text: Path, parameters: Parameters, seed: int = 0) -> None:
        self.parameters = parameters
        self.vocabulary = Vocabulary(text, parameters.min_count)
        samples = self.vocabulary.samples(text, parameters)
        self._labels = samples.labels
        self._buckets = np.unique(samples.hashed)
        self._features = self._matrix(samples)
        self._random = np.random.default_rng(seed)
        dim = parameters.vector_dim
        shape = (len(self.vocabulary.words) + len(self._buckets), dim)
        self.input: Matrix = self._random.uniform(-1 / dim, 1 / dim, shape).astype(np.float32)
        self.output: Matrix = np.zeros((len(self.vocabulary.labels), dim), np.float32)
        self._done = 0

    def _matrix(self, samples: Samples) -> scipy.sparse.csr_array:
        """(sentences, rows): each feature's share of its sentence; unseen n-grams are no rows."""
        words = len(self.vocabulary.words)
        counts = np.diff(samples.word_ends) + np.diff(samples.hashed_ends)
        at = np.searchsorted(self._buckets, samples.hashed)
        at[at == len(self._buckets)] = 0
        known = self._buckets[at] == samples.hashed if len(self._buckets) else at < 0
        sentences = np.arange(len(counts))
        rows = np.concatenate(
            (
                np.repeat(sentences, np.diff(samples.word_ends)),
                np.repeat(sentences, np.diff(samples.hashed_ends))[known],
            )
        )
        columns = np.concatenate((samples.words, words + at[known]))
        shares = (1 / np.maximum(counts, 1)).astype(np.float32)[rows]
        shape = (len(counts), words + len(self._buckets))
        # Converting adds up a feature that occurs more than once in a sentence.
        return scipy.sparse.coo_array((shares, (rows, columns)), shape=shape).tocsr()

    def epoch(self) -> None:
        """One more epoch has been trained, with the sentences in a new order."""
        count = len(self._labels)
        total = count * self.parameters.epochs
        for sentence in self._random.permutation(count).tolist():
            rate = self.parameters.learning_rate * (1 - self._done / total)
            self._done += 1
            self._step(sentence, np.float32(rate))
        if not np.isfinite(self.output).all():
            raise ClientError(
                "Training diverged (NaN): lower learning_rate "
                f"(it is {self.parameters.learning_rate})"
            )

    def _step(self, sentence: int, rate: np.float32) -> None:
        labels = self._labels[sentence]
        start, end = self._features.indptr[sentence], self._features.indptr[sentence + 1]
        if not len(labels) or start == end:
            return
        rows, shares = self._features.indices[start:end], self._features.data[start:end]
        vectors = self.input[rows]
        hidden = shares @ vectors
        scores = self.output @ hidden
        scores -= scores.max()
        np.exp(scores, out=scores)
        scores *= -rate / np.add.reduce(scores)
        # Of several labels fastText takes one at random each time.
        label = labels[0] if len(labels) == 1 else self._random.choice(labels)
        scores[label] += rate
        gradient = scores @ self.output
        self.output += np.multiply.outer(scores, hidden)
        vectors += np.multiply.outer(shares, gradient)
        self.input[rows] = vectors

    def accuracy(self, text: Path | None = None) -> float:
        """The share of sentences whose most probable label is theirs; None: of the training text."""
        if text is None:
            features, labels = self._features, self._labels
        else:
            samples = self.vocabulary.samples(text, self.parameters)
            features, labels = self._matrix(samples), samples.labels
        best = ((features @ self.input) @ self.output.T).argmax(1)
        return sum(int(b in own) for b, own in zip(best, labels, strict=True)) / len(labels)

    def weights(self) -> tuple[Matrix, Matrix]:
        """A copy of what has been learnt."""
        return self.input.copy(), self.output.copy()

    def model(self) -> Model:
        """The model, in fastText's terms."""
        parameters, vocabulary = self.parameters, self.vocabulary
        bucket = parameters.buckets if parameters.word_ngrams > 1 else 0
        words = len(vocabulary.words)
        full = np.zeros((words + bucket, parameters.vector_dim), np.float32)
        full[:words] = self.input[:words]
        full[words + self._buckets] = self.input[words:]
        args = Arguments(
            dim=parameters.vector_dim,
            epoch=parameters.epochs,
            min_count=parameters.min_count,
            word_ngrams=parameters.word_ngrams,
            bucket=bucket,
        )
        return Model(
            args,
            [word.decode() for word in vocabulary.words],
            [label.decode() for label in vocabulary.labels],
            vocabulary.word_counts,
            vocabulary.label_counts,
            vocabulary.tokens,
            full,
            self.output,
        )
