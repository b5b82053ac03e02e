"""What syntax tells of a text."""

from __future__ import annotations

from dataclasses import dataclass

from ..spans import Span


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
