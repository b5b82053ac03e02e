"""How sure a span is: the probability that it is right, from the probabilities of its words.

A tagger misses rare names more often than it invents some, and its probabilities are too near to 0 and 1.
Three numbers, fitted on validation data, mend both (`training/confidence.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy

from . import decoding
from .spans import Span


@dataclass(frozen=True)
class Confidence:
    """`outside` is added to the logit of O: below 0 more spans are found, and more of them are wrong.

    A span's score is the logistic function of `intercept + slope * logit(p)`, where p is the least
    probability of its label over its words (Platt 1999).
    """

    outside: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0

    def score(self, probability: float) -> float:
        """The probability that a span is right."""
        return 1 / (1 + math.exp(-(self.intercept + self.slope * logit(probability))))


def logit(probability: float) -> float:
    """The logarithm of the odds, within ±12."""
    kept = min(max(probability, 1e-9), 1 - 1e-9)
    return min(max(math.log(kept / (1 - kept)), -12.0), 12.0)


def tagged(
    logits: numpy.ndarray,
    words: Sequence[tuple[int, int]],
    labels: Sequence[str],
    confidence: Confidence,
) -> list[Span]:
    """The spans of a tagger: `logits` is [words, 1 + 2 * labels], `words` are offsets in the text."""
    moved = logits.astype(numpy.float64)
    moved[:, 0] += confidence.outside
    found = decoding.spans(moved, words, labels)
    return [replace(each, score=confidence.score(each.score)) for each in found]
