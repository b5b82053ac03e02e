"""Tasks: the names of their outputs, and how frequent labels lose their advantage."""

from __future__ import annotations

import math

import pytest

from sagebrush.nlp.training.tasks import Example, Kind, Task


def test_words_are_outside_or_begin_or_go_on() -> None:
    task = Task("names", Kind.TOKENS, ("A", "B"), [], [])
    assert task.classes == ("O", "B-A", "I-A", "B-B", "I-B")


def test_frequent_labels_are_lowered_and_the_rarest_is_left() -> None:
    train = [Example("x", (label,)) for label in "A" * 80 + "B" * 20 + "C" * 2]
    task = Task("some", Kind.SINGLE, ("A", "B", "C"), train, [], balance=0.5)
    a, b, c = task.adjustments()
    assert c == 0.0
    assert a + b == pytest.approx(0)
    assert b - a == pytest.approx(0.5 * math.log(4))
