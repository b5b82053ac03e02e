"""Fits how sure spans are: on validation data, for the F1 of spans and for calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from sagebrush.nlp.confidence import Confidence, logit, tagged
from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import figures
from sagebrush.nlp.training.encoding import Encoded, first_pieces

TRIED = tuple(step / 4 for step in range(4, -13, -1))
"""What may be added to the logit of O: 1 to -3."""


def words_of(example: Encoded) -> list[tuple[int, int]]:
    """The offsets of the words whose logits a tagger tells."""
    tokens = example.tokens
    starts = first_pieces(tokens)
    lasts = numpy.append(starts[1:] - 1, len(tokens) - 1)
    return list(zip(tokens.begins[starts].tolist(), tokens.ends[lasts].tolist(), strict=True))


def found(
    examples: Sequence[Encoded],
    logits: Sequence[numpy.ndarray],
    labels: Sequence[str],
    confidence: Confidence,
) -> list[list[Span]]:
    """The spans of each example, of labels that its set annotates."""
    told = []
    for example, each in zip(examples, logits, strict=True):
        known = example.example.known
        spans = tagged(each, words_of(example), labels, confidence)
        told.append([span for span in spans if known is None or span.label in known])
    return told


def fit(
    examples: Sequence[Encoded], logits: Sequence[numpy.ndarray], labels: Sequence[str]
) -> Confidence:
    """The numbers that give the best mean F1 over the sets, and scores that are probabilities."""
    sources = sorted({each.example.source for each in examples})

    def value(outside: float) -> float:
        told = found(examples, logits, labels, Confidence(outside))
        return sum(_f1(examples, told, source) for source in sources) / len(sources)

    outside = max(TRIED, key=value)
    told = found(examples, logits, labels, Confidence(outside))
    chances, right = outcomes(examples, told)
    slope, intercept = platt(chances, right)
    return Confidence(outside, slope, intercept)


def _f1(examples: Sequence[Encoded], told: Sequence[Sequence[Span]], source: str) -> float:
    pairs = [
        (each.example.spans, spans)
        for each, spans in zip(examples, told, strict=True)
        if each.example.source == source
    ]
    return figures.span_f1([truth for truth, _ in pairs], [spans for _, spans in pairs]).get("all", 0.0)


def outcomes(
    examples: Sequence[Encoded], told: Sequence[Sequence[Span]]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The score of each span that was found, and whether it is right (1) or not (0)."""
    scores: list[float] = []
    right: list[float] = []
    for example, spans in zip(examples, told, strict=True):
        truth = {(each.begin, each.end, each.label) for each in example.example.spans}
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
    weights = numpy.array([1.0, 0.0])
    for _ in range(50):
        p = 1 / (1 + numpy.exp(-x @ weights))
        gradient = x.T @ (right - p) - 1e-3 * weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * numpy.eye(2)
        weights = weights + numpy.linalg.solve(hessian, gradient)
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
