"""Scores made probabilities, and the thresholds above which labels are used, by documents that a model was
not trained on."""

from __future__ import annotations

import numpy

from .linear import sigmoid_loss, softmax_loss

TEMPERATURES = numpy.exp(numpy.linspace(numpy.log(0.2), numpy.log(4), 49))


def temperature(scores: numpy.ndarray, truth: numpy.ndarray, several: bool) -> tuple[float, float]:
    """What the scores are to be divided by so that the documents are the least surprising, and the loss
    that is left (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""
    loss = sigmoid_loss if several else softmax_loss
    found = [loss(scores / each, truth)[0] for each in TEMPERATURES]
    least = int(numpy.argmin(found))
    return float(TEMPERATURES[least]), found[least]


def best(scores: numpy.ndarray, truth: numpy.ndarray) -> numpy.ndarray:
    """For each label the score from which on it is used, for the best F1: of a label without any document
    the one that all labels could share. Both are [documents, labels]."""
    everywhere = _best(scores.ravel(), truth.ravel())
    own = numpy.array([_best(scores[:, at], truth[:, at]) for at in range(truth.shape[1])])
    return numpy.where(truth.any(0), own, everywhere)


def _best(scores: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The middle between the last score that is used and the next, where F1 is best."""
    order = numpy.argsort(-scores, kind="stable")
    right = numpy.cumsum(truth[order])
    score = 2 * right / (numpy.arange(1, len(order) + 1) + truth.sum())
    last = int(score.argmax())
    ordered = scores[order]
    return float((ordered[last] + ordered[min(last + 1, len(order) - 1)]) / 2)
