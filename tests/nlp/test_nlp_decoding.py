"""Logits of words become spans."""

from __future__ import annotations

import itertools

import numpy
import pytest

from sagebrush.nlp import decoding
from sagebrush.nlp.spans import Span

LABELS = ("A", "B")  # classes: O, B-A, I-A, B-B, I-B


def rows(*classes: int) -> numpy.ndarray:
    told = numpy.zeros((len(classes), 5))
    told[numpy.arange(len(classes)), classes] = 5
    return told


def words(count: int) -> list[tuple[int, int]]:
    return [(3 * at, 3 * at + 2) for at in range(count)]


def test_spans_go_from_begin_to_the_last_inside() -> None:
    found = decoding.spans(rows(1, 2, 0, 3, 1), words(5), LABELS)
    assert [(each.begin, each.end, each.label) for each in found] == [
        (0, 5, "A"), (9, 11, "B"), (12, 14, "A"),
    ]  # fmt: skip
    assert all(0.9 < each.score <= 1 for each in found)


def test_no_inside_without_its_begin() -> None:
    assert decoding.best(rows(0, 2, 4)).tolist() != [0, 2, 4]
    found = decoding.spans(rows(2, 2), words(2), LABELS)
    assert [each.label for each in found] in (["A"], [])


def test_nothing_of_nothing() -> None:
    assert decoding.spans(numpy.zeros((0, 5)), [], LABELS) == []


def test_the_sequence_is_the_best_allowed_one() -> None:
    chance = numpy.random.default_rng(4)
    for _ in range(20):
        logits = chance.normal(size=(4, 5)) * 2
        logs = logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True))

        def allowed(path: tuple[int, ...]) -> bool:
            before = (0, *path)
            return all(
                now not in (2, 4) or last in (now, now - 1)
                for last, now in zip(before, path, strict=False)
            )

        paths = [path for path in itertools.product(range(5), repeat=4) if allowed(path)]
        value = max(sum(logs[at, each] for at, each in enumerate(path)) for path in paths)
        told = decoding.best(logits)
        assert sum(logs[at, each] for at, each in enumerate(told)) == pytest.approx(value)


def test_spans_are_ordered_by_place() -> None:
    assert sorted([Span(5, 6, "A"), Span(1, 2, "B")])[0].begin == 1
