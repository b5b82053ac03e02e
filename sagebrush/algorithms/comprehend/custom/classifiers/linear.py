"""Logistic regression over dense and sparse features together, by L-BFGS (Liu & Nocedal 1989)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from ...program import Stopped

HISTORY = 5
"""Steps that L-BFGS remembers, each two arrays of the weights' size in double precision."""


@dataclass(frozen=True)
class Penalty:
    """How much is added to the sum of losses over documents: half of the squares of the weights, of dense
    and of sparse features each, times this."""

    dense: float
    sparse: float


@dataclass(frozen=True)
class Documents:
    """What is learned from: features and truth, each with a row for each document."""

    dense: numpy.ndarray
    """[documents, features], in single precision."""
    sparse: Any
    """The same of n-grams, a scipy.sparse matrix."""
    truth: numpy.ndarray
    """[documents, labels], 1 or 0, in single precision."""
    several: bool
    """Whether several labels may be true of a document; else one is."""

    def part(self, rows: slice) -> Documents:
        """Those of some rows."""
        return Documents(self.dense[rows], self.sparse[rows], self.truth[rows], self.several)


@dataclass(frozen=True)
class Weights:
    """scores = dense @ `dense` + sparse @ `sparse` + `bias`; a column for each label."""

    dense: numpy.ndarray
    sparse: numpy.ndarray
    bias: numpy.ndarray

    def scores(self, given: Documents) -> numpy.ndarray:
        """[documents, labels]."""
        return given.dense @ self.dense + given.sparse @ self.sparse + self.bias


def softmax_loss(scores: numpy.ndarray, truth: numpy.ndarray) -> tuple[float, numpy.ndarray]:
    """The cross entropy of exactly one label for each document, summed, and its gradient, which is in
    `scores`. Both arrays are [documents, labels]."""
    scores -= scores.max(1, keepdims=True)
    right = float((scores * truth).sum())
    numpy.exp(scores, scores)
    total = scores.sum(1, keepdims=True)
    loss = float(numpy.log(total).sum()) - right
    scores /= total
    scores -= truth
    return loss, scores


def sigmoid_loss(scores: numpy.ndarray, truth: numpy.ndarray) -> tuple[float, numpy.ndarray]:
    """The same of each label by itself."""
    loss = float(numpy.logaddexp(0, scores).sum() - (scores * truth).sum())
    chance = 1 / (1 + numpy.exp(-numpy.clip(scores, -30, 30)))
    return loss, chance - truth


def fit(
    given: Documents,
    penalty: Penalty,
    steps: int,
    start: Weights | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Weights:
    """The weights with the least loss and penalty, as far as so many steps from `start` lead. Raises
    Stopped."""
    # it takes a while to load, and is absent where other modules of these are tested by themselves
    from scipy.optimize import minimize  # pyright: ignore[reportMissingImports]

    problem = _Problem(given, penalty)

    def checked(_flat: numpy.ndarray) -> None:
        if stopping():
            raise Stopped

    found = minimize(
        problem.measured,
        problem.flat(start),
        jac=True,
        method="L-BFGS-B",
        callback=checked,
        options={"maxiter": steps, "maxcor": HISTORY, "ftol": 1e-6, "gtol": 1e-6},
    )
    return problem.parts(found.x)


class _Problem:
    """What is minimised, over all weights in one array: the mean over the documents."""

    def __init__(self, given: Documents, penalty: Penalty) -> None:
        self.given = given
        self.loss = sigmoid_loss if given.several else softmax_loss
        self.turned = given.sparse.T.tocsr()
        count, self.labels = given.truth.shape
        self.penalty = (penalty.dense / count, penalty.sparse / count)
        first = given.dense.shape[1] * self.labels
        second = first + given.sparse.shape[1] * self.labels
        self.places = (slice(0, first), slice(first, second), slice(second, None))
        self.size = second + self.labels

    def flat(self, weights: Weights | None) -> numpy.ndarray:
        """The weights in one array; zeros where there are none."""
        if weights is None:
            return numpy.zeros(self.size)
        parts = (weights.dense, weights.sparse, weights.bias)
        return numpy.concatenate([each.ravel() for each in parts]).astype(float)

    def parts(self, flat: numpy.ndarray) -> Weights:
        """The weights that the array holds."""
        near = flat.astype(numpy.float32)
        dense, sparse, bias = (near[place] for place in self.places)
        return Weights(dense.reshape(-1, self.labels), sparse.reshape(-1, self.labels), bias)

    def measured(self, flat: numpy.ndarray) -> tuple[float, numpy.ndarray]:
        """The value and its gradient."""
        truth = self.given.truth
        value, slope = self.loss(self.parts(flat).scores(self.given), truth)
        parts = [(self.given.dense.T @ slope).ravel(), (self.turned @ slope).ravel(), slope.sum(0)]
        gradient = numpy.concatenate(parts).astype(float)
        gradient /= len(truth)
        value /= len(truth)
        for place, each in zip(self.places, self.penalty, strict=False):
            gradient[place] += each * flat[place]
            value += each / 2 * float(flat[place] @ flat[place])
        return value, gradient
