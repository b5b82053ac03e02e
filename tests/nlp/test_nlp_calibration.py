"""Temperatures make confidence true, where it was made false before."""

from __future__ import annotations

import numpy
import pytest

from sagebrush.nlp import calibration


def drawn(factor: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Logits that are `factor` too sure, and classes that were drawn by the true ones."""
    chance = numpy.random.default_rng(1)
    logits = chance.normal(size=(6000, 3)) * 1.5
    noise = chance.gumbel(size=logits.shape)
    return logits * factor, (logits + noise).argmax(-1)


def test_the_temperature_is_found() -> None:
    logits, truth = drawn(2.0)
    assert calibration.temperature(logits, truth) == pytest.approx(2.0, rel=0.1)


def test_it_takes_the_error_away() -> None:
    logits, truth = drawn(2.5)

    def error(heat: float) -> float:
        chances = calibration.softmax(logits, heat)
        return calibration.expected_error(chances.max(-1), chances.argmax(-1) == truth)

    assert error(1.0) > 0.08
    assert error(calibration.temperature(logits, truth)) < 0.03


def test_labels_that_hold_or_not() -> None:
    chance = numpy.random.default_rng(2)
    logits = chance.normal(size=(4000, 2))
    truth = chance.random(logits.shape) < calibration.sigmoid(logits)
    known = numpy.ones_like(truth)
    assert calibration.temperature_of_labels(logits * 3, truth, known) == pytest.approx(3, rel=0.15)


def test_the_error_of_a_sure_and_wrong_model_is_its_confidence() -> None:
    assert calibration.expected_error(numpy.full(10, 0.9), numpy.zeros(10)) == pytest.approx(0.9)
    assert calibration.expected_error(numpy.array([1.0, 1.0]), numpy.array([1, 1])) == 0
