"""Words with tags as texts with spans."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.nlp.spans import Span
from sagebrush.nlp.training import columns


def kept(label: str, _: str) -> str:
    return label


def test_sentences_are_parted_by_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "some.conll"
    file.write_text("I\tO\nam\tO\n\n\nAda\tB-PER\n", encoding="utf-8")
    assert columns.sentences(file) == [[("I", "O"), ("am", "O")], [("Ada", "B-PER")]]


def test_a_beginning_parts_names_and_a_loose_inside_is_one() -> None:
    words = [("Ada", "B-PER"), ("Bob", "B-PER"), ("Lee", "I-PER"), ("in", "O"), ("Oslo", "I-LOC")]
    assert columns.named(words) == [(0, 0, "PER"), (1, 2, "PER"), (4, 4, "LOC")]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("You 're here ( again ) .", "You're here (again)."),
        ('She said " no " !', 'She said "no"!'),
        ("I ' m from # Oslo , @ kim", "I'm from #Oslo, @kim"),
        ("🙂 100 % of $ 5", "🙂 100% of $5"),
        ("at 10 : 30 , 2 of 10 , 000", "at 10:30, 2 of 10,000"),
    ],
)
def test_spaces_stand_where_people_write_them(words: str, text: str) -> None:
    assert columns.written([(each, "O") for each in words.split()], kept)[0] == text


def test_spans_lie_on_their_words_in_both_ways() -> None:
    words = [("(", "O"), ("New", "B-LOC"), ("York", "I-LOC"), ("'s", "O"), ("Kim", "B-PER")]
    for text, spans in (columns.joined(words, kept), columns.written(words, kept)):
        assert [text[each.begin : each.end] for each in spans] == ["New York", "Kim"]
    assert columns.joined(words, kept)[1][0] == Span(2, 10, "LOC")
