"""Key phrases out of a text's syntax."""

from __future__ import annotations

import time

import pytest

from sagebrush.nlp.key_phrases import LABEL, key_phrases, ranked
from sagebrush.nlp.spans import Span
from sagebrush.nlp.syntax.analysis import Analysis, Token
from sagebrush.nlp.syntax.phrases import PHRASE
from sagebrush.nlp.syntax.tokens import tokens

TEXT = "The red engine drives a pump. An old engine stops: the red engine, it fails."
TAGS = "DET ADJ NOUN VERB DET NOUN PUNCT DET ADJ NOUN VERB PUNCT DET ADJ NOUN PUNCT PRON VERB PUNCT"


def analysis(*phrases: tuple[str, float]) -> Analysis:
    """TEXT with the given phrases, each where it stands next."""
    places = tokens(TEXT)
    spans = []
    at = 0
    for string, score in phrases:
        at = TEXT.index(string, at)
        spans.append(Span(at, at + len(string), PHRASE, score))
        at += len(string)
    return Analysis(
        tuple(
            Token(begin, end, tag, 0.9)
            for (begin, end), tag in zip(places, TAGS.split(), strict=True)
        ),
        tuple(spans),
    )


FOUND = analysis(
    ("The red engine", 0.9),
    ("a pump", 0.8),
    ("An old engine", 0.9),
    ("the red engine", 0.95),
    ("it", 0.05),
)


def test_key_phrases_are_noun_phrases_with_their_determiners_in_the_text_s_order() -> None:
    found = key_phrases(TEXT, FOUND)
    assert [TEXT[each.begin : each.end] for each in found] == [
        "The red engine", "a pump", "An old engine", "the red engine",
    ]  # fmt: skip
    assert [each.score for each in found] == [0.9, 0.8, 0.9, 0.95]
    assert {each.label for each in found} == {LABEL}


def test_what_is_said_often_and_early_ranks_first_without_determiners_and_once() -> None:
    found = ranked(TEXT, FOUND)
    assert [string for string, _ in found] == ["red engine", "old engine", "pump"]
    assert [weight for _, weight in found] == sorted((weight for _, weight in found), reverse=True)


def test_without_phrases_there_is_nothing_to_rank() -> None:
    assert ranked("", Analysis((), ())) == []
    assert key_phrases("", Analysis((), ())) == []


def test_a_phrase_ends_before_a_bracket_that_does_not_close_in_it() -> None:
    text = "gauge cooling [8] (SL(N) gas) fails]"
    places = tokens(text)
    tags = "NOUN NOUN PUNCT NUM PUNCT PUNCT PROPN PUNCT PROPN PUNCT NOUN PUNCT VERB PUNCT".split()  # noqa: SIM905
    words = tuple(
        Token(begin, end, tag, 1.0) for (begin, end), tag in zip(places, tags, strict=True)
    )
    spans = [(0, 16), (16, 17), (19, 28), (30, 36)]
    found = key_phrases(text, Analysis(words, tuple(Span(*each, PHRASE, 0.9) for each in spans)))
    assert [text[each.begin : each.end] for each in found] == [
        "gauge cooling", "SL(N) gas", "fails",
    ]  # fmt: skip


def by_words(text: str, *phrases: str) -> Analysis:
    """The text's tokens, all nouns, and these phrases, each where it stands next."""
    spans, at = [], 0
    for phrase in phrases:
        at = text.index(phrase, at)
        spans.append(Span(at, at + len(phrase), PHRASE, 0.9))
        at += len(phrase)
    nouns = tuple(Token(begin, end, "NOUN", 0.9) for begin, end in tokens(text))
    return Analysis(nouns, tuple(spans))


@pytest.mark.parametrize(
    ("text", "pieces", "whole"),
    [
        ("SSN 123-45-6789", ["123", "45-6789"], ["123-45-6789"]),
        ("at 3pm, Tom", ["3", "pm", "Tom"], ["3pm", "Tom"]),
        ("at 10:45 AM from JFK", ["10:45", "AM", "JFK"], ["10:45 AM", "JFK"]),
        ("for 2024-03-15T14", ["2024", "03", "15T14"], ["2024-03-15T14"]),
        ("card 1111-0000 is", ["card 1111-", "0000"], ["card 1111-0000"]),
        ("in 2020. 2021 was", ["2020", "2021"], ["2020", "2021"]),
        ("tea/coffee", ["tea", "coffee"], ["tea", "coffee"]),
        ("on 14 Feb we", ["14", "Feb"], ["14 Feb"]),
        ("in last September, Tom", ["September", "Tom"], ["last September", "Tom"]),
        ("call (206) 555-0199 now", ["206"], ["(206) 555-0199"]),
        ("May 5 and Tom on May 6", ["May", "Tom"], ["May 5", "Tom"]),
        ("today at 10 a.m. we", ["today", "10", "a.m."], ["today", "10 a.m."]),
        ("on Tuesday May 5 we", ["Tuesday", "May 5"], ["Tuesday", "May 5"]),
        ("04/26/2001 07:17 AM", ["04/26/2001", "07:17 AM"], ["04/26/2001", "07:17 AM"]),
        ("on Tuesday morning", ["Tuesday", "morning"], ["Tuesday morning"]),
        ("later that night", ["that night"], ["that night"]),
        ("Several years ago", ["Several years"], ["Several years"]),
        ("on Disney+.", ["Disney"], ["Disney+"]),
        ("C++ and C#, x+y", ["C", "C", "x", "y"], ["C++", "C#", "x", "y"]),
        ("The", ["The"], []),
        ("A pump", ["A pump"], ["A pump"]),
    ],
)
def test_pieces_of_one_number_are_one_phrase(
    text: str, pieces: list[str], whole: list[str]
) -> None:
    found = key_phrases(text, by_words(text, *pieces))
    assert [text[each.begin : each.end] for each in found] == whole


def test_long_texts_take_linear_time() -> None:
    def cost(length: int) -> float:
        nouns = tuple(Token(2 * at, 2 * at + 1, "NOUN", 0.9) for at in range(length))
        phrases = tuple(Span(each.begin, each.end, PHRASE, 0.9) for each in nouns)
        began = time.process_time()
        assert len(key_phrases("x " * length, Analysis(nouns, phrases))) == length
        return time.process_time() - began

    short, long = min(cost(1_000) for _ in range(3)), min(cost(8_000) for _ in range(3))
    assert long < 0.05 + 24 * short, "8 times the text, 8 times the time"


@pytest.mark.parametrize(
    ("text", "tags", "phrase", "expected"),
    [
        ("see Breaking Bad with", "VERB PROPN ADJ ADP", "Breaking", "Breaking Bad"),
        ("see Breaking Bad", "VERB PROPN ADJ", "Breaking", "Breaking Bad"),
        ("see Breaking bad news", "VERB PROPN ADJ NOUN", "Breaking", "Breaking"),
        ("see Breaking, Bad", "VERB PROPN PUNCT ADJ", "Breaking", "Breaking"),
        ("see Ada Run home", "VERB PROPN VERB NOUN", "Ada", "Ada"),
        ("Ada Here is", "PROPN ADV AUX", "Ada", "Ada"),
        ("New York Only Opens", "ADJ PROPN ADV VERB", "New York", "New York"),
    ],
)
def test_a_name_is_told_to_its_end(text: str, tags: str, phrase: str, expected: str) -> None:
    words = [
        Token(begin, end, tag, 0.9)
        for (begin, end), tag in zip(tokens(text), tags.split(), strict=True)
    ]
    begin = text.index(phrase)
    spans = (Span(begin, begin + len(phrase), PHRASE, 0.9),)
    found = key_phrases(text, Analysis(tuple(words), spans))
    assert [text[each.begin : each.end] for each in found] == [expected]
