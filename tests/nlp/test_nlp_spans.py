"""Spans that do not overlap, and what stands in their place."""

from __future__ import annotations

import random

from sagebrush.nlp.spans import Apart, Span


def meet(one: Span, other: Span) -> bool:
    return one.begin < other.end and other.begin < one.end


def test_spans_are_found_and_replaced_as_by_a_look_at_all() -> None:
    chance = random.Random(1)
    for _ in range(200):
        apart, plain = Apart([]), list[Span]()
        for _ in range(30):
            begin = chance.randrange(60)
            span = Span(begin, begin + chance.randrange(1, 9), "A")
            others = [each for each in plain if meet(span, each)]
            assert apart.over(span) == others
            if chance.random() < 0.7:
                apart.put(span)
                plain = sorted([*(each for each in plain if each not in others), span])
        assert apart.all() == plain
