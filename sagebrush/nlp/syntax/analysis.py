"""What syntax tells of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..spans import Span

P = TypeVar("P", "Token", Span)


@dataclass(frozen=True)
class Token:
    """`text[begin:end]` is a word, number or sign with its part of speech; `score`: 0 to 1."""

    begin: int
    end: int
    tag: str
    score: float


@dataclass(frozen=True)
class Analysis:
    """The syntax of a text: all its tokens in order, and its noun phrases (label PHRASE)."""

    tokens: tuple[Token, ...]
    phrases: tuple[Span, ...]

    def after(self, characters: int) -> Analysis:
        """The same, of a text with so many characters before."""
        if not characters:
            return self
        return Analysis(
            tuple(_moved(each, characters) for each in self.tokens),
            tuple(_moved(each, characters) for each in self.phrases),
        )


def joined(parts: Sequence[Analysis]) -> Analysis:
    """The syntax of a text, of that of its parts in order."""
    if len(parts) == 1:
        return parts[0]
    return Analysis(
        tuple(token for each in parts for token in each.tokens),
        tuple(phrase for each in parts for phrase in each.phrases),
    )


def _moved(place: P, characters: int) -> P:
    return replace(place, begin=place.begin + characters, end=place.end + characters)
