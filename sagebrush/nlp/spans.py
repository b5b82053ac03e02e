"""A span of a text with its label: what every analysis of parts of a text returns."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
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


class Apart:
    """Spans in order of which none overlaps another; a look at those in a place takes logarithmic time."""

    def __init__(self, spans: Iterable[Span]) -> None:
        """Of spans that do not overlap."""
        self._spans = sorted(spans)
        self._begins = [each.begin for each in self._spans]

    def over(self, span: Span) -> list[Span]:
        """Those that overlap the span."""
        return self._spans[slice(*self._place(span))]

    def put(self, span: Span) -> None:
        """The span is one of them, in the place of those that overlap it."""
        first, last = self._place(span)
        self._spans[first:last] = [span]
        self._begins[first:last] = [span.begin]

    def all(self) -> list[Span]:
        """All, in order."""
        return list(self._spans)

    def _place(self, span: Span) -> tuple[int, int]:
        first = bisect_right(self._begins, span.begin)
        if first and self._spans[first - 1].end > span.begin:
            first -= 1
        return first, max(first, bisect_left(self._begins, span.end))
