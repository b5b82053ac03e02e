"""Noun phrases out of chances, states of tokens, and features."""

from __future__ import annotations

from types import SimpleNamespace

import numpy
import pytest

from sagebrush.nlp.syntax.features import COUNT, ROWS, features
from sagebrush.nlp.syntax.phrases import phrases
from sagebrush.nlp.syntax.states import States, of_reading, of_tokens


def chances(*rows: tuple[float, float, float]) -> numpy.ndarray:
    return numpy.array(rows)


def test_a_phrase_is_what_begins_and_goes_on() -> None:
    found = phrases(chances((0.9, 0.1, 0), (0.1, 0.8, 0.1), (0.1, 0.2, 0.7), (0.9, 0.1, 0)))
    assert [(first, last) for first, last, _ in found] == [(1, 3)]
    assert found[0][2] == pytest.approx(0.8 * 0.7 * 1.0)


def test_two_phrases_may_touch() -> None:
    found = phrases(chances((0, 1, 0), (0, 0, 1), (0, 1, 0)))
    assert [(first, last) for first, last, _ in found] == [(0, 2), (2, 3)]


def test_nothing_goes_on_that_has_not_begun() -> None:
    found = phrases(chances((0.5, 0.1, 0.4), (0.3, 0.1, 0.6), (0.2, 0.2, 0.6)))
    assert [(first, last) for first, last, _ in found] == [(0, 3)]
    outside = phrases(chances((0.9, 0.01, 0.09), (0.6, 0.05, 0.35)))
    assert outside == []


def test_of_no_token_there_is_no_phrase() -> None:
    assert phrases(numpy.zeros((0, 3))) == []


def test_a_token_has_the_mean_of_the_pieces_it_shares_a_character_with() -> None:
    states = States(
        numpy.array([0, 3, 6, 10]), numpy.array([3, 5, 9, 12]), numpy.arange(8.0).reshape(4, 2)
    )
    found = of_tokens(states, [(0, 5), (5, 6), (6, 9), (8, 11)], 2)
    assert found.tolist() == [[1, 2], [0, 0], [4, 5], [5, 6]]


def test_without_pieces_all_states_are_zero() -> None:
    none = States(numpy.zeros(0, int), numpy.zeros(0, int), numpy.zeros((0, 2)))
    assert of_tokens(none, [(0, 1)], 2).tolist() == [[0, 0]]
    assert of_tokens(none, [], 2).shape == (0, 2)


def test_features_tell_case_ending_and_what_is_glued() -> None:
    text = "Rain rain (rain)"
    found = features(text, [(0, 4), (5, 9), (11, 15)])
    assert found.shape == (3, COUNT)
    assert found.min() >= 0
    assert found.max() < ROWS
    assert found[0, 0] == found[1, 0] == found[2, 0]
    assert found[0, 1] != found[1, 1] == found[2, 1]
    assert found[1, 10] != found[2, 10]


def test_features_of_awkward_tokens_are_numbers() -> None:
    text = "a\ud800" + "x" * 100_000
    assert features(text, [(0, 1), (1, 2), (2, len(text))]).shape == (3, COUNT)


def test_states_are_those_of_all_windows_that_the_encoder_read() -> None:
    windows = [
        SimpleNamespace(
            tokens=SimpleNamespace(begins=numpy.array([at]), ends=numpy.array([at + 1])),
            logits={"hidden": numpy.full((1, 2), float(at))},
        )
        for at in (0, 5)
    ]
    found = of_reading(SimpleNamespace(windows=windows))
    assert found.begins.tolist() == [0, 5]
    assert found.ends.tolist() == [1, 6]
    assert found.values.tolist() == [[0, 0], [5, 5]]
    assert len(of_reading(SimpleNamespace(windows=[])).begins) == 0
