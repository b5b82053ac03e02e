"""Fits how sure spans are: on validation data, for the F1 of spans and for calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from ..confidence import Confidence, logit
from ..spans import Span
from ..tagging import tagged, whole_words
from . import figures
from .tasks import Example

TRIED = tuple(step / 4 for step in range(4, -13, -1))
"""What may be added to the logit of O: 1 to -3."""

ALIKE = 0.004
"""Values of F1 that differ by no more than chance on validation data of this size."""


@dataclass(frozen=True)
class Answer:
    """What a tagger answers to an example: the logits, [words, classes], of words at these offsets."""

    example: Example
    words: Sequence[tuple[int, int]]
    logits: numpy.ndarray


def found(
    answers: Sequence[Answer], labels: Sequence[str], confidence: Confidence
) -> list[list[Span]]:
    """The spans of each answer, of labels that its set annotates."""
    told = []
    for each in answers:
        known = each.example.known
        spans = whole_words(each.example.text, tagged(each.logits, each.words, labels, confidence))
        told.append([span for span in spans if known is None or span.label in known])
    return told


def by_set(
    answers: Sequence[Answer], told: Sequence[Sequence[Span]]
) -> dict[str, dict[str, float]]:
    """F1 of spans by set, and in each by label and over "all"."""
    sources = sorted({each.example.source for each in answers})
    figured = {}
    for source in sources:
        at = [at for at, each in enumerate(answers) if each.example.source == source]
        truths = [answers[each].example.spans for each in at]
        figured[source] = figures.span_f1(truths, [told[each] for each in at])
    return figured


def fit(answers: Sequence[Answer], labels: Sequence[str]) -> Confidence:
    """The numbers that give the best mean F1 over the sets, and scores that are probabilities.

    Of what is nearly as good as the best (ALIKE), the one that finds most is taken: names in other texts
    are rarer than in these, and a tagger misses them.
    """

    def value(outside: float) -> float:
        figured = by_set(answers, found(answers, labels, Confidence(outside)))
        return sum(each.get("all", 0.0) for each in figured.values()) / max(1, len(figured))

    values = {outside: value(outside) for outside in TRIED}
    outside = min(each for each in TRIED if values[each] >= max(values.values()) - ALIKE)
    told = found(answers, labels, Confidence(outside))
    return Confidence(outside, *platt(*outcomes(answers, told)))


def outcomes(
    answers: Sequence[Answer], told: Sequence[Sequence[Span]]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The score of each span that was found, and whether it is right (1) or not (0)."""
    scores: list[float] = []
    right: list[float] = []
    for answer, spans in zip(answers, told, strict=True):
        truth = {(each.begin, each.end, each.label) for each in answer.example.spans}
        for span in spans:
            scores.append(span.score)
            right.append(float((span.begin, span.end, span.label) in truth))
    return numpy.array(scores), numpy.array(right)


def platt(chances: numpy.ndarray, right: numpy.ndarray) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `right` on the logits of `chances`; the slope
    is never below 0.05, so that a greater probability always means a greater score."""
    if len(set(right.tolist())) < 2:
        return 1.0, 0.0
    x = numpy.stack([[logit(each) for each in chances], numpy.ones(len(chances))], 1)
    signs = 2 * right - 1

    def loss(weights: numpy.ndarray) -> float:
        return float(numpy.logaddexp(0, -signs * (x @ weights)).mean())

    weights = numpy.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + numpy.exp(-numpy.clip(x @ weights, -30, 30)))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * numpy.eye(2)
        step = numpy.linalg.solve(hessian, x.T @ (right - p))
        while loss(weights + step) > loss(weights) and abs(step).max() > 1e-9:
            step = step / 2
        weights = weights + step
    return max(0.05, float(weights[0])), float(weights[1])


def calibration_error(scores: numpy.ndarray, right: numpy.ndarray, bins: int = 10) -> float:
    """The expected calibration error (Guo et al. 2017): the mean distance between score and part of
    right spans, over bins of equal width."""
    if not len(scores):
        return 0.0
    places = numpy.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(scores[places == at].mean() - right[places == at].mean()) * (places == at).mean()
        for at in range(bins)
        if (places == at).any()
    ]
    return float(sum(gaps))
