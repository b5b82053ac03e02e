"""Key phrases out of a text's syntax."""

from __future__ import annotations

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
