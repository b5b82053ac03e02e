"""Figures by their standard definitions."""

from __future__ import annotations

import pytest

from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import figures

TRUTH = ["a", "a", "a", "b"]
TOLD = ["a", "a", "b", "b"]


def test_accuracy_recall_and_f1() -> None:
    assert figures.accuracy(TRUTH, TOLD) == 0.75
    assert figures.recalls(TRUTH, TOLD) == {"a": pytest.approx(2 / 3), "b": 1.0}
    assert figures.macro_recall(TRUTH, TOLD) == pytest.approx(5 / 6)
    assert figures.macro_f1(TRUTH, TOLD) == pytest.approx((0.8 + 2 / 3) / 2)


def test_spans_count_where_offsets_and_labels_agree() -> None:
    truth = [[Span(0, 3, "A"), Span(5, 8, "B")]]
    told = [[Span(0, 3, "A", 0.4), Span(5, 7, "B")]]
    assert figures.span_f1(truth, told) == {"A": 1.0, "B": 0.0, "all": 0.5}


def test_nothing_is_nothing() -> None:
    assert figures.f1(0, 0, 0) == 0.0
    assert figures.span_f1([[]], [[]]) == {}
