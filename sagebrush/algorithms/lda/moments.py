"""The moments of a corpus that determine LDA's parameters, whitened so that they are small.

For a document with word counts c and length n, words drawn without putting them back give unbiased
estimates of the chances of one, two and three words: c/n, (cc' - diag c)/(n(n-1)) and so on. Less the
parts that the concentration alpha0 explains, they are sums over topics of beta, beta*beta and
beta*beta*beta. Neither the matrix (words, words) nor the tensor (words, words, words) is ever formed: the
matrix acts on blocks of vectors, and the tensor is made in the whitened space (topics, topics, topics).

Sources: Anandkumar, Ge, Hsu, Kakade, Telgarsky, "Tensor Decompositions for Learning Latent Variable
Models", JMLR 15 (2014), sections 3.2 and 4.3; Halko, Martinsson, Tropp, "Finding Structure with
Randomness" (2011), for the eigenvectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags  # pyright: ignore[reportMissingImports]

Floats = npt.NDArray[np.float64]
LEAST_WORDS = 3
"""Of a document that tells something of triples."""
SPARE = 10
"""Vectors beside those that are asked for, which make those exact."""
ROUNDS = 12
"""Of the subspace iteration, at most."""
SETTLED = 1e-3
"""Relative change of the eigenvalues at which it ends."""
SMALLEST = 1e-9
"""Eigenvalues below this share of the largest are none."""
BLOCK = 8_000_000
"""Numbers of a temporary array."""


@dataclass(frozen=True)
class Corpus:
    """The documents with at least three words, and what their moments need."""

    counts: Any
    """csr_matrix (documents, words) of float64."""
    lengths: Floats

    @property
    def pairs(self) -> Floats:
        """The weight of each document in the second moment."""
        return 1 / (self.lengths * (self.lengths - 1))

    @property
    def triples(self) -> Floats:
        """The weight of each document in the third moment."""
        return self.pairs / (self.lengths - 2)

    def mean(self) -> Floats:
        """(words,): the first moment, the chance of each word in a document."""
        return self.weighed(1 / self.lengths) / len(self.lengths)

    def weighed(self, weights: Floats) -> Floats:
        """(words,): the counts, summed with a weight for each document."""
        return np.asarray(self.counts.T @ weights).ravel()


@dataclass(frozen=True)
class Whitening:
    """The leading eigenpairs of the second moment, largest first."""

    values: Floats
    vectors: Floats
    """(words, topics)."""

    @property
    def forward(self) -> Floats:
        """(words, topics): takes the second moment to the identity."""
        return self.vectors / np.sqrt(self.values)

    @property
    def back(self) -> Floats:
        """(words, topics): its inverse, transposed."""
        return self.vectors * np.sqrt(self.values)


def corpus(documents: csr_matrix) -> Corpus:
    """The documents that moments are made of."""
    lengths = np.asarray(documents.sum(1), np.float64).ravel()
    long = lengths >= LEAST_WORDS
    return Corpus(csr_matrix(documents[long], dtype=np.float64), lengths[long])


def whitening(of: Corpus, topics: int, alpha0: float) -> Whitening:
    """At most `topics` eigenpairs of the second moment: fewer, where the documents have fewer."""
    size = of.counts.shape[1]
    act = _second(of, alpha0)
    if size <= 4 * (topics + SPARE):
        values, vectors = np.linalg.eigh(act(np.eye(size)))
    else:
        values, vectors = _leading(act, size, topics + SPARE)
    order = np.argsort(-values)[:topics]
    order = order[values[order] > SMALLEST * max(values.max(), 0)]
    return Whitening(values[order], vectors[:, order])


def _second(of: Corpus, alpha0: float) -> Callable[[Floats], Floats]:
    """What the second moment, less what alpha0 explains, does to a block of vectors."""
    scaled = diags(np.sqrt(of.pairs)) @ of.counts
    turned = scaled.T.tocsr()
    once, mean, count = of.weighed(of.pairs)[:, None], of.mean(), len(of.lengths)
    share = alpha0 / (alpha0 + 1)

    def act(block: Floats) -> Floats:
        seen = turned @ (scaled @ block) - once * block
        return seen / count - share * np.outer(mean, mean @ block)

    return act


def _leading(act: Callable[[Floats], Floats], size: int, width: int) -> tuple[Floats, Floats]:
    """(values, vectors) of the largest eigenvalues by subspace iteration from a fixed random start."""
    block = np.random.default_rng(1).standard_normal((size, width))
    before = None
    values, vectors = np.zeros(0), block
    for _ in range(ROUNDS):
        basis = np.linalg.qr(block)[0]
        block = act(basis)
        values, turn = np.linalg.eigh((basis.T @ block + block.T @ basis) / 2)
        vectors = basis @ turn
        if before is not None and np.abs(values - before).max() < SETTLED * values.max():
            break
        before = values
    return values, vectors


def third(of: Corpus, whitened: Whitening, alpha0: float) -> Floats:
    """(topics, topics, topics): the third moment in the whitened space, less what alpha0 explains."""
    forward, count = whitened.forward, len(of.lengths)
    size = forward.shape[1]
    seen = np.asarray(of.counts @ forward)
    triples = of.triples[:, None]
    tensor = _cubes(seen * triples, seen)
    # The same word drawn twice, and three times.
    twice = np.asarray(of.counts.T @ (seen * triples))
    same = _cubes(twice, forward)
    tensor -= same + same.transpose(1, 0, 2) + same.transpose(1, 2, 0)
    tensor += 2 * _cubes(forward * of.weighed(of.triples)[:, None], forward)
    tensor /= count
    mean = forward.T @ of.mean()
    pairs = of.pairs
    both = (seen * pairs[:, None]).T @ seen
    both = (both - (forward * of.weighed(pairs)[:, None]).T @ forward) / count
    mixed = both.reshape(size, size, 1) * mean
    tensor -= alpha0 / (alpha0 + 2) * (mixed + mixed.transpose(0, 2, 1) + mixed.transpose(2, 0, 1))
    share = 2 * alpha0**2 / ((alpha0 + 1) * (alpha0 + 2))
    return tensor + share * np.multiply.outer(np.outer(mean, mean), mean)


def _cubes(left: Floats, right: Floats) -> Floats:
    """The sum over rows of left * right * right (outer products), in blocks of rows."""
    size = right.shape[1]
    rows = max(1, BLOCK // size**2)
    total = np.zeros((size, size * size))
    for start in range(0, len(right), rows):
        part = right[start : start + rows]
        squares = (part[:, :, None] * part[:, None, :]).reshape(len(part), -1)
        total += left[start : start + rows].T @ squares
    return total.reshape(size, size, size)
