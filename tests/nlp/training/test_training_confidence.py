"""Fitting how sure spans are."""

from __future__ import annotations

import random

import numpy
import pytest

from sagebrush.nlp.confidence import Confidence
from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import confidence
from sagebrush.nlp.training.tasks import Example


def answers(shift: float) -> list[confidence.Answer]:
    """One word each; the tagger's logit of B-NAME says the truth, moved by `shift`, and is too sure."""
    chance = random.Random(0)
    told = []
    for _ in range(300):
        odds = chance.gauss(0, 1.5)
        real = chance.random() < 1 / (1 + numpy.exp(-odds))
        spans = (Span(0, 1, "NAME"),) if real else ()
        logits = numpy.array([[0.0, 3 * odds + shift, -50.0]])
        told.append(confidence.Answer(Example("x", spans=spans, source="made"), [(0, 1)], logits))
    return told


def test_a_timid_tagger_is_encouraged() -> None:
    timid = answers(-2)
    fitted = confidence.fit(timid, ["NAME"])
    assert fitted.outside < 0

    def score(chosen: Confidence) -> float:
        told = confidence.found(timid, ["NAME"], chosen)
        return confidence.by_set(timid, told)["made"]["all"]

    assert score(fitted) > score(Confidence())


def test_scores_are_probabilities_after_the_fit() -> None:
    sure = answers(0)
    before = confidence.outcomes(sure, confidence.found(sure, ["NAME"], Confidence()))
    after = confidence.outcomes(
        sure, confidence.found(sure, ["NAME"], confidence.fit(sure, ["NAME"]))
    )
    assert confidence.calibration_error(*before) > 0.1
    assert confidence.calibration_error(*after) < 0.08


def test_calibration_error_is_the_mean_gap() -> None:
    scores = numpy.array([0.9, 0.9, 0.1, 0.1])
    right = numpy.array([1.0, 0.0, 0.0, 0.0])
    assert confidence.calibration_error(scores, right) == pytest.approx(0.5 * 0.4 + 0.5 * 0.1)
    assert confidence.calibration_error(scores[:0], right[:0]) == 0


def test_labels_that_a_set_does_not_annotate_are_not_counted() -> None:
    example = Example("x", known=frozenset(("PERSON",)), source="made")
    answer = confidence.Answer(example, [(0, 1)], numpy.array([[0.0, -9, -9, 9, -9]]))
    assert confidence.found([answer], ["PERSON", "TITLE"], Confidence()) == [[]]


def test_one_outcome_leaves_the_scores() -> None:
    assert confidence.platt(numpy.array([0.9, 0.8]), numpy.array([1.0, 1.0])) == (1.0, 0.0)
