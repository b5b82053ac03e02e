"""Sentences: where they end, and that together they hold the text."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from sagebrush.nlp.text.sentences import parts, sentences

AWKWARD = [
    "", " ", "\n\n", "a", ".", "...", "Hi.\r\nThere.", "No\x00 end", "e\u0301. E\u0301t\u00e9!",
    "\u200bzero. \u200bwidth.", "\u202eRTL. \u05e9\u05dc\u05d5\u05dd. \u0645\u0631\u062d\u0628\u0627!",
    "👍🏽 yes. 👨‍👩‍👧 no!", "这是一句。这是另一句！", "x" * 5000,
]  # fmt: skip


def told(text: str) -> list[str]:
    return [text[begin:end] for begin, end in sentences(text)]


def test_marks_end_sentences_and_quotes_close_them() -> None:
    assert told('He left. "Why?" she asked. Nobody knew…  Then: silence!') == [
        "He left.",
        '"Why?" she asked.',
        "Nobody knew…",
        "Then: silence!",
    ]


def test_abbreviations_and_initials_end_none() -> None:
    text = "Dr. J. Smith of Acme Inc. met Mrs. Jones, e.g. at 5 p.m. on Sep. 3. They ate."
    assert told(text) == [text[:-10], "They ate."]


def test_empty_lines_and_lists_end_them() -> None:
    assert told("A title\n\nA text\r\n\r\nMore\n- one\n- two") == [
        "A title", "A text", "More", "- one", "- two",
    ]  # fmt: skip


def test_wide_marks_need_no_space() -> None:
    assert told("这是一句。这是另一句！") == ["这是一句。", "这是另一句！"]


@pytest.mark.parametrize("text", AWKWARD)
def test_together_they_hold_all_but_spaces(text: str) -> None:
    held = "".join("".join(piece.split()) for piece in told(text))
    assert held == "".join(text.split())


def test_random_texts_are_held_whole_and_in_order() -> None:
    chance = random.Random(5)
    alphabet = [*"aB1.!?…\"') \n\r\t-。", "\u0301", "\u200d", "👍", "\x00", "é", "ש"]
    for _ in range(300):
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(60)))
        places = sentences(text)
        assert all(0 <= begin < end <= len(text) for begin, end in places)
        assert all(a[1] <= b[0] for a, b in pairwise(places))
        assert "".join("".join(p.split()) for p in told(text)) == "".join(text.split())


def test_long_texts_take_linear_time() -> None:
    text = "A sentence with seven words is here. " * 3000
    assert len(sentences(text)) == 3000


@pytest.mark.parametrize("piece", [".", "?!", '."', "\n ", "\r\n", "。", "a.", " .", "- ", "\n-"])
def test_long_runs_of_marks_take_linear_time(piece: str) -> None:
    sentences(piece * 40_000)
    sentences(piece * 40_000 + "x")


@pytest.mark.parametrize("most", [5, 17, 60])
def test_parts_are_the_text_and_none_is_longer(most: int) -> None:
    chance = random.Random(7)
    alphabet = [*"aaabbb.!  \n", "é", "👍"]
    for _ in range(200):
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(120)))
        places = parts(text, most)
        assert "".join(text[begin:end] for begin, end in places) == text
        assert all(end - begin <= most for begin, end in places)
        assert all(begin < end for begin, end in places[:-1])


def test_parts_end_with_sentences_or_words() -> None:
    text = "One two. Three four. Five."
    assert [text[b:e] for b, e in parts(text, 20)] == ["One two. Three four.", " Five."]
    words = "alpha beta gamma"
    assert [words[b:e] for b, e in parts(words, 12)] == ["alpha beta", " gamma"]
    assert parts("x" * 25, 10) == [(0, 10), (10, 20), (20, 25)]
    assert parts("", 10) == [(0, 0)]
