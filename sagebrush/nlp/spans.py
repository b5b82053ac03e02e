"""A span of a text with its label: what every analysis of parts of a text returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """`text[begin:end]` is what the label is about: offsets count Unicode code points, as AWS's do.

    `score` is the confidence, 0 to 1.
    """

    begin: int
    end: int
    label: str
    score: float = 1.0
