"""Letters of texts and their n-grams: what stays of a text, and what is hashed."""

from __future__ import annotations

import numpy
import pytest

from sagebrush.nlp.language.letters import BREAK, kinds_of_unicode, letters
from sagebrush.nlp.language.ngrams import ngrams

KINDS = kinds_of_unicode()


def told(text: str) -> str:
    return "".join(chr(each) for each in letters(text, KINDS).codes)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ärger  im\tZoo", " ärger im zoo "),
        ("a1b-c", " a b c "),
        ("It’s l'eau", " it's l'eau "),
        ("One. Two!\r\nthree", " one\ntwo\nthree "),
        ("می\u200cخواهم", " میخواهم "),
        ("e\u0301te\u0301", " été "),
        ("हिन्दी।", " हिन्दी\n"),
        ("👍🏽 ok ❤\ufe0f", " ok "),
        ("see https://example.org/page or a.b@example.org, @name", " see or "),
        ("", " "),
        ("\x00 \u200b", " "),
        ("𠀀字", " 𠀀字 "),
    ],
)
def test_of_a_text_stay_its_letters_with_one_gap_between_words(text: str, kept: str) -> None:
    assert told(text) == kept


@pytest.mark.parametrize(("text", "count"), [("ab c", 3), ("12 !", 0), ("\u0301", 0), ("हिन्दी", 3)])
def test_marks_are_no_letters_by_themselves(text: str, count: int) -> None:
    assert letters(text, KINDS).count == count


def test_a_lone_surrogate_is_read_over() -> None:
    assert told("a\ud800b") == " a b "


def test_ngrams_hold_no_gap_inside() -> None:
    codes = letters("ab cd", KINDS).codes
    place, _ = ngrams(codes, 20)
    alone, _ = ngrams(letters("ab", KINDS).codes, 20)
    assert len(place) == 2 * len(alone)


def test_a_word_has_the_same_ngrams_wherever_it_stands() -> None:
    word = set(ngrams(letters("straße", KINDS).codes, 30)[1].tolist())
    assert word <= set(ngrams(letters("die straße hier", KINDS).codes, 30)[1].tolist())
    assert not word & set(ngrams(letters("xyz", KINDS).codes, 30)[1].tolist())


def test_texts_one_after_the_other_have_the_ngrams_of_each() -> None:
    one, two = letters("guten tag", KINDS).codes, letters("good day", KINDS).codes
    both = ngrams(numpy.concatenate((one, two)), 30)[1]
    apart = numpy.concatenate((ngrams(one, 30)[1], ngrams(two, 30)[1]))
    assert sorted(both.tolist()) == sorted(apart.tolist())


def test_a_break_parts_sentences_and_is_hashed_as_a_space() -> None:
    broken, spaced = letters("ab. cd", KINDS).codes, letters("ab cd", KINDS).codes
    assert BREAK in broken
    assert ngrams(broken, 30)[1].tolist() == ngrams(spaced, 30)[1].tolist()
