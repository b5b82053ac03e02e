"""Hostile texts take time that grows no faster than they do."""

from __future__ import annotations

import pytest

from sagebrush.nlp.pii import find
from tests.nlp.effort import effort

PIECES = (
    "1", ",", "1 ", "12 34 ", "A ", "Ab ", "a.", "a@", "@", "www.", "http://", "1-", "1.", "1:", "::", "(1) ", "+1 ", "X ", "*",
    "pin ", "card ", "password: ", "Mr ", "My name is A", "5 Main ", "1 Ab Cd Street, ", "\n", "live at 5 Ab ", "À ", "111-",
    "visa ending ", "1/1 ", "PO Box 1 Ab, ", "GB82 WEST ", "4111 1111 1111 1111 ",
    "user a ", "user pass", "password a1", "password a", "passport A1234567 ", "Calle Mayor 5, A ", "arn:aws:", "Customer: ", "user a/pw ",
)  # fmt: skip


def found(text: str) -> object:
    return find([text])


@pytest.mark.parametrize("piece", PIECES)
def test_time_is_linear(piece: str) -> None:
    short = piece * (1_000 // len(piece))
    # Eight times the text: eight times the time, and not the 64 times of a quadratic search.
    assert effort(found, short * 8) < 24 * effort(found, short) + 0.01


@pytest.mark.parametrize("word", ["Unit", "PSC 1", "5 Main St", "12 A", "PO Box 1", "Calle A", "lives at A 1"])  # fmt: skip
@pytest.mark.parametrize("gap", [" ", "\t", "\n"])
def test_rows_of_spaces_behind_a_word_are_read_once(word: str, gap: str) -> None:
    short, long = (f"{word}{gap * count}Price" for count in (250, 2_000))
    assert effort(found, long) < 24 * effort(found, short) + 0.01
