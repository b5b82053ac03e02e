"""The shapes of words, by themselves and in their surroundings."""

from __future__ import annotations

import re

import pytest

from sagebrush.nlp.text import shapes


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("word", shapes.LOWER),
        ("Word", shapes.TITLE),
        ("Été", shapes.TITLE),
        ("WORD", shapes.UPPER),
        ("I", shapes.INITIAL),
        ("iPhone", shapes.MIXED),
        ("McDonald", shapes.MIXED),
        ("2024", shapes.DIGITS),
        ("A320", shapes.CODE),
        (",", shapes.PUNCTUATION),
        ("€", shapes.SYMBOL),
        ("שלום", shapes.UNCASED),
    ],
)
def test_a_word_by_itself(word: str, kind: int) -> None:
    assert shapes.shape(word) == kind


def told(text: str) -> list[int]:
    return shapes.shapes(text, [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)])


def test_mentions_and_hashtags_are_told_with_their_marks() -> None:
    glued = shapes.GLUED
    assert told("@Ann likes #BigData #fun") == [
        shapes.MENTION, shapes.MENTION + glued, shapes.LOWER,
        shapes.HASHTAG, shapes.TITLE_HASHTAG + glued, shapes.HASHTAG, shapes.HASHTAG + glued,
    ]  # fmt: skip


def test_an_address_is_no_mention() -> None:
    assert [each % shapes.GLUED for each in told("ann@x.org")] == [
        shapes.LOWER, shapes.PUNCTUATION, shapes.LOWER, shapes.PUNCTUATION, shapes.LOWER,
    ]  # fmt: skip


def test_shapes_stay_within_the_table() -> None:
    assert max(told("@a #B http://x a1 €5, 😂 שלום")) < shapes.COUNT
