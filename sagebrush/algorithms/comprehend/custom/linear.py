"""Logistic regression over dense and sparse features together, by L-BFGS (Liu & Nocedal 1989)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from ..program import Stopped

HISTORY = 5
"""Steps that L-BFGS remembers, each two arrays of the weights' size in double precision."""


STEPS = 50
PENALTY = (0.01, 0.1)
"""Of weights of dense and of sparse features, beside a sum of losses over documents."""


@dataclass(frozen=True)
class Weights:
    """scores = dense @ `dense` + sparse @ `sparse` + `bias`; a column for each label."""

    dense: numpy.ndarray
    sparse: numpy.ndarray
    bias: numpy.ndarray

    def scores(self, dense: numpy.ndarray, sparse: Any) -> numpy.ndarray:
        """[documents, labels]."""
        return dense @ self.dense + sparse @ self.sparse + self.bias


Loss = Callable[[numpy.ndarray, numpy.ndarray], tuple[float, numpy.ndarray]]
"""(scores, truth), both [documents, labels] -> the loss, and its gradient, which may be in `scores`."""


def softmax_loss(scores: numpy.ndarray, truth: numpy.ndarray) -> tuple[float, numpy.ndarray]:
    """The cross entropy of exactly one label for each document."""
    scores -= scores.max(1, keepdims=True)
    right = float((scores * truth).sum())
    numpy.exp(scores, scores)
    total = scores.sum(1, keepdims=True)
    loss = float(numpy.log(total).sum()) - right
    scores /= total
    scores -= truth
    return loss, scores


def sigmoid_loss(scores: numpy.ndarray, truth: numpy.ndarray) -> tuple[float, numpy.ndarray]:
    """The cross entropy of each label by itself."""
    loss = float(numpy.logaddexp(0, scores).sum() - (scores * truth).sum())
    chance = 1 / (1 + numpy.exp(-numpy.clip(scores, -30, 30)))
    return loss, chance - truth


def fit(
    dense: numpy.ndarray,
    sparse: Any,
    truth: numpy.ndarray,
    several: bool,
    start: Weights | None = None,
    steps: int = STEPS,
    penalty: tuple[float, float] = PENALTY,
    stopping: Callable[[], bool] = lambda: False,
) -> Weights:
    """The weights with the least sum of losses plus squares of the weights times half the penalty.

    `dense` and `truth` are [documents, features] and [documents, labels] in single precision, `sparse` a
    scipy.sparse matrix; `several` labels may be true of a document, else one is. `start` is where the
    search begins. Raises Stopped.
    """
    # it takes a while to load, and is absent where other modules of these are tested by themselves
    from scipy.optimize import minimize  # pyright: ignore[reportMissingImports]

    problem = _Problem(dense, sparse, truth, sigmoid_loss if several else softmax_loss, penalty)

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

    def __init__(
        self,
        dense: numpy.ndarray,
        sparse: Any,
        truth: numpy.ndarray,
        loss: Loss,
        penalty: tuple[float, float],
    ) -> None:
        self.dense, self.sparse, self.truth, self.loss = dense, sparse, truth, loss
        self.turned = sparse.T.tocsr()
        self.penalty = [each / len(truth) for each in penalty]
        self.labels = truth.shape[1]
        first = dense.shape[1] * self.labels
        second = first + sparse.shape[1] * self.labels
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
        value, slope = self.loss(self.parts(flat).scores(self.dense, self.sparse), self.truth)
        count = len(self.truth)
        gradient = numpy.concatenate(
            [(self.dense.T @ slope).ravel(), (self.turned @ slope).ravel(), slope.sum(0)]
        ).astype(float)
        gradient /= count
        value /= count
        for place, each in zip(self.places, self.penalty, strict=False):
            gradient[place] += each * flat[place]
            value += each / 2 * float(flat[place] @ flat[place])
        return value, gradient
