"""Hostile texts take time that grows no faster than they do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagebrush.nlp.grammar import dates, quantities
from sagebrush.nlp.spans import Span
from tests.nlp.effort import effort

PIECES = (
    "1", ",", "1 ", "1 a ", "one ", "a ", "the last ", "half a ", "$", "$1 ", "1/", "1-", "1.", "1st ", "may ", "'", "in 1",
    "twenty-", "about over ", "hundred and ", "first of ", " ", "\n", "é", "1,000", "the early late ", "of the end of ",
    "$1b", "01/1", "f(1, ", "return 1 ", "1, 10115 A",
)  # fmt: skip


@pytest.mark.parametrize("find", [dates, quantities], ids=["dates", "quantities"])
@pytest.mark.parametrize("piece", PIECES)
def test_time_is_linear(find: Callable[[str], list[Span]], piece: str) -> None:
    short = piece * (1_500 // len(piece))
    # Eight times the text: eight times the time, and not the 64 times of a quadratic search.
    assert effort(find, short * 8) < 24 * effort(find, short) + 0.01
