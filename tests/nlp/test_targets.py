"""Nouns with their types, and what a text may hold an opinion of."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.nlp import nouns, targets
from sagebrush.nlp.nouns import Nouns
from sagebrush.nlp.spans import Span
from sagebrush.nlp.syntax.analysis import Analysis, Token

KNOWN = Nouns(
    {"pizza": "COMMERCIAL_ITEM", "waiter": "PERSON", "battery": "COMMERCIAL_ITEM", "glass": "ATTRIBUTE"}
)  # fmt: skip


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pizza", "COMMERCIAL_ITEM"),
        ("Pizzas", "COMMERCIAL_ITEM"),
        ("BATTERIES", "COMMERCIAL_ITEM"),
        ("glasses", "ATTRIBUTE"),
        ("waiters", "PERSON"),
        ("s", ""),
        ("", ""),
        ("pizzass", ""),
        ("👍🏽", ""),
    ],
)
def test_types_of_nouns(word: str, expected: str):
    assert KNOWN.type_of(word) == expected


def test_nouns_are_kept(tmp_path: Path):
    nouns.save(tmp_path / nouns.FILE, KNOWN)
    assert nouns.load(tmp_path / nouns.FILE) == KNOWN


def read(text: str, *words: tuple[str, str], phrases: tuple[str, ...] = ()) -> Analysis:
    """An analysis with these words and their tags, and with these phrases."""
    tokens, at = list[Token](), 0
    for word, tag in words:
        begin = text.index(word, at)
        at = begin + len(word)
        tokens.append(Token(begin, at, tag, 0.9))
    places = [(text.index(phrase), phrase) for phrase in phrases]
    spans = [Span(begin, begin + len(phrase), "NP", 0.8) for begin, phrase in places]
    return Analysis(tuple(tokens), tuple(spans))


def test_the_last_noun_of_a_phrase_is_a_target():
    text = "The frozen pizza of Anna, and it, was good for the waiter"
    analysis = read(
        text,
        ("The", "DET"), ("frozen", "ADJ"), ("pizza", "NOUN"), ("Anna", "PROPN"), ("it", "PRON"),
        ("the", "DET"), ("waiter", "NOUN"),
        phrases=("The frozen pizza", "Anna", "it", "the waiter"),
    )  # fmt: skip
    found = targets.targets(text, [Span(20, 24, "PERSON", 0.95)], analysis, KNOWN)
    assert [(text[each.begin : each.end], each.label, each.score) for each in found] == [
        ("pizza", "COMMERCIAL_ITEM", 0.8),
        ("Anna", "PERSON", 0.95),
        ("waiter", "PERSON", 0.8),
    ]


def test_a_noun_within_a_name_is_none_of_its_own():
    text = "Pizza pizza Hut"
    analysis = read(text, ("pizza", "NOUN"), phrases=("pizza",))
    named = [Span(0, 15, "TITLE", 0.7)]
    assert targets.targets(text, named, analysis, KNOWN) == [Span(0, 15, "OTHER", 0.7)]


@pytest.mark.parametrize(
    ("text", "words", "phrase", "expected"),
    [
        (
            "the pizza average",
            [("the", "DET"), ("pizza", "NOUN"), ("average", "NOUN")],
            "the pizza average",
            [("pizza", "COMMERCIAL_ITEM")],
        ),
        ("a nightmare", [("nightmare", "NOUN")], "a nightmare", []),
        (
            "the coffee makers",
            [("coffee", "NOUN"), ("makers", "NOUN")],
            "the coffee makers",
            [("coffee makers", "COMMERCIAL_ITEM")],
        ),
        (
            "the film waiter",
            [("film", "NOUN"), ("waiter", "NOUN")],
            "the film waiter",
            [("waiter", "PERSON")],
        ),
    ],
)
def test_opinions_are_no_targets_and_devices_are_no_people(
    text: str, words: list[tuple[str, str]], phrase: str, expected: list[tuple[str, str]]
):
    known = Nouns({**KNOWN.types, "maker": "PERSON", "nightmare": "OTHER", "average": "ATTRIBUTE"})
    found = targets.targets(text, [], read(text, *words, phrases=(phrase,)), known)
    assert [(text[each.begin : each.end], each.label) for each in found] == expected
