"""The chain beside all sequences that there are, each by itself."""

from __future__ import annotations

import itertools

import numpy
import pytest

from sagebrush.nlp.custom import chain
from sagebrush.nlp.custom.chain import Chain

TYPES = ("A", "B")


def possible(sequence: tuple[int, ...]) -> bool:
    before = 0
    for tag in sequence:
        if tag and tag % 2 == 0 and before not in (tag, tag - 1):
            return False
        before = tag
    return True


def every(scores: numpy.ndarray, moves: numpy.ndarray) -> dict[tuple[int, ...], float]:
    """The score of each possible sequence."""
    told = {}
    for sequence in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        if possible(sequence):
            value = sum(scores[at, tag] for at, tag in enumerate(sequence))
            value += sum(moves[a, b] for a, b in itertools.pairwise(sequence))
            told[sequence] = float(value)
    return told


@pytest.mark.parametrize("seed", range(20))
def test_best_sequence_and_probabilities_are_those_of_all_sequences(seed: int) -> None:
    generator = numpy.random.default_rng(seed)
    scores, moves = generator.normal(0, 2, (5, 5)), generator.normal(0, 1, (5, 5))
    told = every(scores, moves)
    best = max(told, key=lambda each: told[each])
    found = Chain(moves)
    assert found.best(scores) == list(best)
    total = sum(numpy.exp(each) for each in told.values())
    spans = found.spans(scores)
    assert [each[:3] for each in spans] == chain.spans_of(best)
    for first, last, kind, chance in spans:
        among = sum(
            numpy.exp(value)
            for sequence, value in told.items()
            if (first, last, kind) in chain.spans_of(sequence)
        )
        assert chance == pytest.approx(among / total)


def test_spans_become_tags_and_tags_spans() -> None:
    spans = [(0, 2, 1), (3, 3, 1), (5, 6, 0)]
    tags = chain.tagged(8, spans)
    assert [chain.tags(TYPES)[each] for each in tags] == [
        "B-B", "I-B", "I-B", "B-B", "O", "B-A", "I-A", "O",
    ]  # fmt: skip
    assert chain.spans_of(tags) == spans


def test_nothing_is_found_in_nothing() -> None:
    assert Chain(numpy.zeros((3, 3))).spans(numpy.zeros((0, 3))) == []


def test_a_long_text_does_not_overflow() -> None:
    scores = numpy.tile(numpy.array([[0.0, 900.0, 800.0]]), (3000, 1))
    spans = Chain(numpy.zeros((3, 3))).spans(scores)
    assert len(spans) == 3000
    assert all(each[3] == pytest.approx(1.0) for each in spans)
