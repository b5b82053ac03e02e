"""Made-up personal data."""

from __future__ import annotations

import random

from sagebrush.nlp.training import fictions, pii


def texts(count: int, seed: int = 5) -> list[tuple[str, list[tuple[str, str]]]]:
    drawer = fictions.Drawer(random.Random(seed), ["Ada", "Grace"])
    made = [drawer.text() for _ in range(count)]
    return [
        (text, [(text[each.begin : each.end], each.label) for each in spans])
        for text, spans in made
    ]


def test_fields_lie_where_the_spans_say() -> None:
    for text, fields in texts(500):
        assert "{" not in text
        for value, label in fields:
            assert value == value.strip() != ""
            assert label in pii.LABELS


def test_the_same_seed_makes_the_same_texts() -> None:
    assert texts(50) == texts(50) != texts(50, seed=6)


def test_all_kinds_are_made() -> None:
    kinds = {label for _, fields in texts(3000) for _, label in fields}
    assert kinds == set(pii.LABELS)


def test_some_texts_hold_nothing() -> None:
    assert any(not fields for _, fields in texts(300))
