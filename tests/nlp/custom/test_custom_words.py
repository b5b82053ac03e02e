"""Words of custom recognizers and what they look like."""

from __future__ import annotations

import pytest

from sagebrush.nlp.custom.attributes import attributes, shape
from sagebrush.nlp.custom.words import words


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in words(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" \t\r\n\u3000", []),
        ("Smith's A4-B_7.", ["Smith", "'", "s", "A4", "-", "B", "_", "7", "."]),
        ("Zoe\u0301 cafe\u0301s", ["Zoe\u0301", "cafe\u0301s"]),
        ("👩🏽‍💻Ann", ["👩🏽‍💻", "Ann"]),
        ("日本のSony社", ["日", "本", "の", "Sony", "社"]),
        ("서울에서", ["서", "울", "에", "서"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("a\u200bb", ["a\u200bb"]),
        ("a\x00b", ["a", "\x00", "b"]),
    ],
)
def test_words_of_many_writings(text: str, wanted: list[str]) -> None:
    assert cut(text) == wanted


def test_words_leave_out_spaces_alone() -> None:
    text = "👍🏿 e\u0301\u0323 \ufeff日\u3099本 x\u200d 🇩🇪 ½ ﬁ\r\n"
    assert "".join(cut(text)) == "".join(text.split())


def test_attributes_hold_no_line_break() -> None:
    text = "a\x85b\u2028c\x0bd\x1ce\nf\rg"
    assert not any("\n" in name for each in attributes(text, words(text)) for name in each)


def test_a_word_knows_its_look_and_its_neighbours() -> None:
    text = "In 1999 SONY."
    found = attributes(text, words(text))
    assert {
        "w=sony",
        "W=SONY",
        "s=XX",
        "p=so",
        "q=ny",
        "g=01",
        "-1w=0000",
        "-2w=in",
        "1w=.",
    } <= set(found[2])
    assert {"-1end", "1w=0000"} <= set(found[0])
    assert "1end" in found[3]
    assert len(set(found[2])) == len(found[2])


def test_shapes_keep_what_writing_tells() -> None:
    assert [shape(each) for each in ("McDonald", "USA", "A4", "1999", "'")] == [
        "XxXxx",
        "XX",
        "X0",
        "00",
        "'",
    ]
