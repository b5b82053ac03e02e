"""Emoticons and emoji with their sentiment."""

from __future__ import annotations

from pathlib import Path

from sagebrush.nlp.text.rewriting import rewrite
from sagebrush.nlp.training import emoticons
from tests.nlp.training import small_lexicons

PLAIN = [f"The number is {number}." for number in range(30)]


def test_marks_are_alone_and_after_statements(tmp_path: Path) -> None:
    small_lexicons.write(tmp_path)
    assert emoticons.emoticons(tmp_path) == {
        ":)": "POSITIVE",
        ":(": "NEGATIVE",
        "(-;": "POSITIVE",
    }
    told = emoticons.examples(tmp_path, PLAIN)
    of_smile = [each for each in told if ":)" in each.text]
    assert {each.labels[0] for each in of_smile} == {"POSITIVE"}
    assert {each.text for each in of_smile} > {":)"}
    assert sum(each.text.startswith("The number") for each in of_smile) == emoticons.OFTEN
    assert {each.labels[0] for each in told if "😡" in each.text} == {"NEGATIVE"}
    assert {each.labels[0] for each in told if "📅" in each.text} == {"NEUTRAL"}


def test_each_emoji_has_one_label_and_a_name_that_is_read() -> None:
    marks = "".join(emoticons.EMOJI.values())
    assert len(marks) == len(set(marks))
    for mark in marks:
        assert rewrite(mark).text.strip(), mark
        assert rewrite(mark).text != mark, mark
