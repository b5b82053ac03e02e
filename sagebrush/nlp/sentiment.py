"""The sentiment of texts: a probability of POSITIVE, NEGATIVE, NEUTRAL and MIXED for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from .calibration import softmax
from .encoder import Reading

HEAD = "sentiment"
LABELS = ("POSITIVE", "NEGATIVE", "NEUTRAL", "MIXED")
QUIET = 0.2
"""How much a window that is surely neutral counts beside one that is surely not."""


def scores(readings: Sequence[Reading]) -> list[dict[str, float]]:
    """For each text the probabilities of LABELS, which sum to 1.

    A long text's are the mean of its windows', weighed by their lengths; what holds no opinion weighs
    less (QUIET). A text without words is NEUTRAL.
    """
    return [_scores(reading) for reading in readings]


def _scores(reading: Reading) -> dict[str, float]:
    if not reading.windows:
        return {label: float(label == "NEUTRAL") for label in LABELS}
    head = reading.heads[HEAD]
    logits = numpy.stack([each.logits[HEAD] for each in reading.windows])
    chances = softmax(logits, head.temperature)
    neutral = chances[:, head.classes.index("NEUTRAL")]
    lengths = numpy.array([len(each.tokens) for each in reading.windows])
    weights = lengths * (1 - (1 - QUIET) * neutral)
    mean = (weights[:, None] * chances).sum(0) / weights.sum()
    return {label: float(mean[head.classes.index(label)]) for label in LABELS}
