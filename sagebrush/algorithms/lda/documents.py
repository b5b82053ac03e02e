"""Documents on all processors: the kernels over parts of a corpus with equally many words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

from . import kernels
from .model import Model

SMOOTHING = 0.1
"""Pseudo-counts of every word in a topic, less where the corpus is small: words that a topic never had in
training keep a chance."""
PSEUDO = 0.05
"""The largest share of all counts that pseudo-counts may be."""
FLOOR = 1e-6
"""Chance that a word is given before the first sweep in a topic that the decomposition denied it."""
GAIN = 1e-4
"""Improvement of the log-likelihood of a word at which sweeps end."""
FIRST = 10
"""Steps of each document in the first sweep, which begins without mixtures."""
STEPS = 100
"""Of variational inference, at most."""
TOLERANCE = 1e-3
"""Mean change of the posterior at which inference of a document ends."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parts:
    """A corpus as the kernels take it."""

    ends: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]
    counts: Floats
    bounds: tuple[int, ...]
    """The first document of each part, and the end of the last."""

    @property
    def text(self) -> kernels.Text:
        return self.ends, self.words, self.counts

    @property
    def documents(self) -> int:
        return len(self.ends) - 1

    def run(self, one: Callable[[int, int, int], None]) -> None:
        """`one(part, first, last)` has run for each part, on threads of their own."""
        places = list(zip(range(len(self.bounds)), self.bounds, self.bounds[1:]))
        if len(places) == 1:
            one(*places[0])
            return
        with ThreadPoolExecutor(len(places)) as pool:
            for done in [pool.submit(one, *place) for place in places]:
                done.result()


def parts(documents: csr_matrix, threads: int) -> Parts:
    """The documents, cut into at most one part for each thread."""
    ends = np.ascontiguousarray(documents.indptr, np.int64)
    count = max(1, min(threads, len(ends) - 1, 1 + int(ends[-1]) // 2000))
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], count + 1)[1:-1])
    bounds = (0, *(int(cut) for cut in cuts), len(ends) - 1)
    return Parts(
        ends,
        np.ascontiguousarray(documents.indices, np.int32),
        np.ascontiguousarray(documents.data, np.float32),
        bounds,
    )


@dataclass(frozen=True)
class Refined:
    """The model after the sweeps."""

    model: Model
    shares: npt.NDArray[np.float64]
    """The share of each topic in all words."""
    sweeps: int
    likelihood: float
    """Per word of the training documents, with the documents' mixtures as they are."""


def refine(
    corpus: Parts,
    model: Model,
    sweeps: int,
    report: Callable[[int, float], None] = lambda _sweep, _likelihood: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Refined:
    """The model after expectation maximisation from where it stands: a local maximum of the posterior of
    its topics, or the model after so many sweeps. alpha keeps its sum; its shares become the documents'.

    Sources: Asuncion, Welling, Smyth, Teh, "On Smoothing and Inference for Topic Models" (2009), MAP;
    Zhang, Chen, Zhou, Jordan, "Spectral Methods Meet EM" (2014), for beginning at the moments.
    """
    topics, size = model.beta.shape
    mixtures = np.full((corpus.documents, topics), 1 / topics, np.float32)
    chances = np.ascontiguousarray((model.beta + FLOOR / size).T, np.float32)
    prior = model.alpha.astype(np.float32)
    eta = min(SMOOTHING, PSEUDO * float(corpus.counts.sum()) / (topics * size))
    gathered = np.zeros((len(corpus.bounds) - 1, size, topics), np.float32)
    before, likelihood, done = -np.inf, -np.inf, 0
    for sweep in range(sweeps):
        gathered[:] = 0
        steps = FIRST if sweep == 0 else 1
        likelihood = _sweep(corpus, mixtures, chances, prior, gathered, steps)
        counted = gathered.sum(0, dtype=np.float64) + eta
        chances = np.ascontiguousarray(counted / counted.sum(0), np.float32)
        done = sweep + 1
        report(done, likelihood)
        if likelihood - before < GAIN or stopped():
            break
        before = likelihood
    beta = chances.T.astype(np.float64)
    shares = gathered.sum((0, 1), dtype=np.float64)
    alpha = mixtures.mean(0, dtype=np.float64) * model.alpha.sum()
    refined = Model(alpha, beta / beta.sum(1, keepdims=True))
    return Refined(refined, shares / shares.sum(), done, likelihood)


def _sweep(
    corpus: Parts,
    mixtures: Floats,
    chances: Floats,
    prior: Floats,
    gathered: Floats,
    steps: int,
) -> float:
    """The log-likelihood of a word; `mixtures` are better, `gathered` has each part's expected counts."""
    results = np.zeros((len(gathered), 2))

    def one(part: int, first: int, last: int) -> None:
        sums = (gathered[part], results[part])
        kernels.expect(corpus.text, (first, last), mixtures, chances, prior, steps, sums)

    corpus.run(one)
    return float(results[:, 0].sum() / max(results[:, 1].sum(), 1))


def infer(documents: Any, model: Model, threads: int) -> tuple[Floats, float]:
    """((documents, topics) mixtures, bound of the log-likelihood of a word). A document without words
    has the prior's mixture. `documents` is a csr_matrix or an array."""
    corpus = parts(csr_matrix(documents), threads)
    chances = np.ascontiguousarray(model.beta.T, np.float32)
    alpha = np.ascontiguousarray(model.alpha, np.float64)
    mixtures = np.zeros((corpus.documents, model.num_topics), np.float32)
    results = np.zeros((len(corpus.bounds) - 1, 2))

    def one(part: int, first: int, last: int) -> None:
        sums = (mixtures, results[part])
        kernels.infer(corpus.text, (first, last), chances, alpha, (STEPS, TOLERANCE), sums)

    corpus.run(one)
    return mixtures, float(results[:, 0].sum() / max(results[:, 1].sum(), 1))
