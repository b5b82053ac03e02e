"""A long text in pieces of a request's bytes, cut where people would."""

from __future__ import annotations

import pytest

from sagebrush.commands.analysis.pieces import pieces


@pytest.mark.parametrize(
    "text", ["one two three", "é" * 50, "👩‍👩‍👧" * 9, "x" * 301, "a\n\nb" * 40]
)
@pytest.mark.parametrize("most", [16, 100])
def test_every_piece_fits_and_together_they_are_the_text(text: str, most: int) -> None:
    found = list(pieces(text, most))
    assert "".join(piece for _, piece in found) == text
    assert all(len(piece.encode()) <= most for _, piece in found)
    assert all(text[start : start + len(piece)] == piece for start, piece in found)


def test_paragraphs_come_before_lines_sentences_and_words() -> None:
    assert [piece for _, piece in pieces("One. Two.\n\nThree\nfour five", 16)] == [
        "One. Two.\n\n",
        "Three\nfour five",
    ]
    assert [piece for _, piece in pieces("One two. Three four", 14)] == ["One two. ", "Three four"]
    assert [piece for _, piece in pieces("alpha beta gamma", 12)] == ["alpha beta ", "gamma"]


def test_a_piece_of_spaces_alone_is_left_out() -> None:
    assert list(pieces("ab" + " " * 6 + "cd", 4)) == [(0, "ab  "), (8, "cd")]
