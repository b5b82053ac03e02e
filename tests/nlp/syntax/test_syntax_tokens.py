"""English texts as tokens."""

from __future__ import annotations

import itertools

import pytest

from sagebrush.nlp.syntax.tokens import tokens


def told(text: str) -> list[str]:
    return [text[begin:end] for begin, end in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", "I|do|n't|know|."),
        ("He cannot; she’ll.", "He|can|not|;|she|’ll|."),
        ("It's John's, isnt it?", "It|'s|John|'s|,|is|nt|it|?"),
        ("a well-known e-mail", "a|well|-|known|e-mail"),
        ("Mr. J. Smith of the U.S. left", "Mr.|J.|Smith|of|the|U.S.|left"),
        ("see http://a.example/b?c=1, then", "see|http://a.example/b?c=1|,|then"),
        ("ask a.b@example.org.", "ask|a.b@example.org|."),
        ("read plan_2.doc (now)", "read|plan_2.doc|(|now|)"),
        ("@ann loves #rain :-) ;", "@ann|loves|#rain|:-)|;"),
        ("at 7:30PM, $24.53 or 1,200", "at|7:30|PM|,|$|24.53|or|1,200"),
        ("on 9/11 and 11/28/2000, 713-853-3989", "on|9/11|and|11/28/2000|,|713-853-3989"),
        ("wait... what?!", "wait|...|what|?!"),
        ("the 1990s, 3rd, 50%", "the|1990s|,|3rd|,|50|%"),
        ("f(x) [8] price:3 see:[1] :/ XD", "f|(|x|)|[|8|]|price|:|3|see|:|[|1|]|:/|XD"),
        ("rock 'n' roll", "rock|'|n|'|roll"),
        ("'s", "'s"),
        ("", ""),
        (" \r\n\t ", ""),
    ],
)
def test_words_are_cut_as_the_treebank_cuts_them(text: str, expected: str) -> None:
    assert "|".join(told(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ok 👍🏽!", ["ok", "👍🏽", "!"]),
        ("👨‍👩‍👧 here", ["👨‍👩‍👧", "here"]),
        ("cafe\u0301 au lait", ["cafe\u0301", "au", "lait"]),
        ("one\r\ntwo", ["one", "two"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("zero\u200bwidth", ["zero\u200bwidth"]),
        ("\u200bword\u200b, \ufeffnext", ["word", ",", "next"]),
        ("a \x00 b", ["a", "b"]),
        ("❤\ufe0f", ["❤\ufe0f"]),
    ],
)
def test_signs_that_modify_stay_with_what_they_modify(text: str, expected: list[str]) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        ".",
        "a.",
        "1,",
        "a@",
        "a-",
        "www.",
        "#",
        ":(",
        "'a",
        "\u0301",
        "a_.",
        "1:",
        "http://",
        "can't",
    ],
)
def test_a_word_of_100_kilobytes_is_cut_in_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    found = tokens(text)
    assert "".join(text[begin:end] for begin, end in found) == text


@pytest.mark.parametrize("text", ["  a  b ", "a\x00b", "\ud800 x", "don't\u2028can't", "(a)[b]{c}"])
def test_tokens_are_in_order_and_hold_all_that_is_seen(text: str) -> None:
    found = tokens(text)
    assert all(a < b for a, b in found)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(found))
    kept = "".join(text[begin:end] for begin, end in found)
    assert kept.replace("\x00", "") == "".join(text.split()).replace("\x00", "")
