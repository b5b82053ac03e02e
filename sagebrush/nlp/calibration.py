"""Confidence that means what it says: a temperature for a head, and the error that is left.

Guo et al. 2017, "On Calibration of Modern Neural Networks": logits are divided by one number, found on
validation data, which changes no answer of a softmax.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy

BINS = 15
LEAST, MOST = 0.2, 5.0
"""Between these a temperature is sought."""


def softmax(logits: numpy.ndarray, temperature: float = 1.0) -> numpy.ndarray:
    """Probabilities over the last axis."""
    scaled = logits / temperature
    raised = numpy.exp(scaled - scaled.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def sigmoid(logits: numpy.ndarray, temperature: float = 1.0) -> numpy.ndarray:
    """The probability of each label by itself."""
    return 1 / (1 + numpy.exp(-numpy.clip(logits / temperature, -60, 60)))


def temperature(logits: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The temperature of least log loss; `truth` is the right class of each row of `logits`."""

    def loss(value: float) -> float:
        chances = softmax(logits.astype(numpy.float64), value)
        return -float(numpy.log(chances[numpy.arange(len(truth)), truth] + 1e-12).mean())

    return _least(loss)


def temperature_of_labels(
    logits: numpy.ndarray, truth: numpy.ndarray, known: numpy.ndarray
) -> float:
    """The same where each label holds or not: `truth` and `known` are 0 or 1, as large as `logits`."""

    def loss(value: float) -> float:
        chances = sigmoid(logits.astype(numpy.float64), value)
        losses = truth * numpy.log(chances + 1e-12) + (1 - truth) * numpy.log(1 - chances + 1e-12)
        return -float((losses * known).sum() / known.sum())

    return _least(loss)


def _least(loss: Callable[[float], float]) -> float:
    """Where a loss with one valley is least, by golden section on the logarithm."""
    ratio = (5**0.5 - 1) / 2
    low, high = float(numpy.log(LEAST)), float(numpy.log(MOST))
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(float(numpy.exp(left))) < loss(float(numpy.exp(right))):
            high = right
        else:
            low = left
    return float(numpy.exp((low + high) / 2))


def expected_error(confidence: numpy.ndarray, right: numpy.ndarray, bins: int = BINS) -> float:
    """The expected calibration error: over equally wide bins of confidence, the mean distance of
    confidence and accuracy, weighed by how many answers are in each."""
    places = numpy.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for place in range(bins):
        among = places == place
        if among.any():
            total += float(abs(confidence[among].sum() - right[among].sum()))
    return total / max(1, len(confidence))
