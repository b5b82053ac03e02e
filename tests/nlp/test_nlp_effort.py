"""Hostile texts take time that grows no faster than they do, in rules outside of `pii` and `grammar`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.nlp.entities import merged
from sagebrush.nlp.language.letters import kinds_of_unicode, letters
from sagebrush.nlp.syntax.tokens import tokens
from tests.nlp.effort import effort

KINDS = kinds_of_unicode()
READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "format characters after a letter": (tokens, "\u200d"),
    "letters without an address": (lambda text: letters(f"@ {text}", KINDS), "a"),
    "dates": (lambda text: merged(text, []), "5/5/2020 x "),
    "addresses": (lambda text: merged(text, []), "a@b.cc x "),
    "amounts": (lambda text: merged(text, []), "$5 x "),
}


@pytest.mark.parametrize("name", READERS)
def test_time_is_linear(name: str) -> None:
    read, piece = READERS[name]
    short = piece * (4_000 // len(piece))
    # Eight times the text: eight times the time, and not the 64 times of a quadratic search.
    assert effort(read, f"a{short * 8}") < 24 * effort(read, f"a{short}") + 0.01
