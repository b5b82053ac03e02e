"""A linear chain: the best sequence of tags, and how likely a span of it is.

Tags are O, then B- and I- of each type: O is 0, type k has 2k + 1 where a span begins and 2k + 2 where it
goes on. A conditional random field (Lafferty et al. 2001) gives each sequence the score of its words' tags
and of its transitions; one in which a span goes on that has not begun is impossible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

IMPOSSIBLE = -1e6


def tags(types: Sequence[str]) -> list[str]:
    """The names of all tags, in their order."""
    return ["O", *(f"{kind}-{each}" for each in types for kind in "BI")]


def tagged(count: int, spans: Sequence[tuple[int, int, int]]) -> list[int]:
    """The tags of `count` words with these spans: (first word, last word, type)."""
    told = [0] * count
    for first, last, kind in spans:
        told[first : last + 1] = [2 * kind + 2] * (last + 1 - first)
        told[first] = 2 * kind + 1
    return told


def spans_of(sequence: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first word, last word, type) of the spans of a possible sequence of tags."""
    told: list[tuple[int, int, int]] = []
    for at, tag in enumerate(sequence):
        if tag % 2:
            told.append((at, at, tag // 2))
        elif tag:
            told[-1] = (told[-1][0], at, told[-1][2])
    return told


def allowed(count: int) -> numpy.ndarray:
    """bool [tags, tags]: whether a tag (column) may follow another (row), for `count` types."""
    told = numpy.ones((2 * count + 1, 2 * count + 1), bool)
    told[:, 2::2] = False
    for kind in range(count):
        told[2 * kind + 1 : 2 * kind + 3, 2 * kind + 2] = True
    return told


class Chain:
    """A chain with its transitions, [tags, tags] from row to column."""

    def __init__(self, transitions: numpy.ndarray) -> None:
        may = allowed(len(transitions) // 2)
        self._moves = numpy.where(may, transitions, IMPOSSIBLE).astype(numpy.float64)
        self._starts = numpy.where(may[0], 0.0, IMPOSSIBLE)

    def spans(self, scores: numpy.ndarray) -> list[tuple[int, int, int, float]]:
        """(first word, last word, type, probability) of each span of the best sequence; `scores` is
        [words, tags]. The probability is that of this very span, over all sequences."""
        if not len(scores):
            return []
        scores = scores.astype(numpy.float64)
        best = self.best(scores)
        if not any(best):
            return []
        forward, backward = self._forward(scores), self._backward(scores)
        total = float(_logsum(forward[-1]))
        told = []
        for first, last, kind in spans_of(best):
            path = forward[first, best[first]]
            for at in range(first + 1, last + 1):
                path += self._moves[best[at - 1], best[at]] + scores[at, best[at]]
            if last + 1 < len(scores):
                after = self._moves[best[last]] + scores[last + 1] + backward[last + 1]
                after[2 * kind + 2] = IMPOSSIBLE  # the span would go on
                path += float(_logsum(after))
            told.append((first, last, kind, min(1.0, float(numpy.exp(path - total)))))
        return told

    def best(self, scores: numpy.ndarray) -> list[int]:
        """The best sequence (Viterbi 1967)."""
        came = numpy.zeros(scores.shape, numpy.int64)
        value = scores[0] + self._starts
        for at in range(1, len(scores)):
            paths = value[:, None] + self._moves
            came[at] = paths.argmax(0)
            value = paths.max(0) + scores[at]
        told = [int(value.argmax())]
        for at in range(len(scores) - 1, 0, -1):
            told.append(int(came[at, told[-1]]))
        return told[::-1]

    def _forward(self, scores: numpy.ndarray) -> numpy.ndarray:
        told = numpy.empty(scores.shape)
        told[0] = scores[0] + self._starts
        for at in range(1, len(scores)):
            told[at] = _logsum(told[at - 1][:, None] + self._moves) + scores[at]
        return told

    def _backward(self, scores: numpy.ndarray) -> numpy.ndarray:
        told = numpy.zeros(scores.shape)
        for at in range(len(scores) - 2, -1, -1):
            told[at] = _logsum((self._moves + scores[at + 1] + told[at + 1]).T)
        return told


def _logsum(values: numpy.ndarray) -> numpy.ndarray:
    """The logarithm of the sum of the exponentials, over the first axis."""
    most = values.max(0)
    return most + numpy.log(numpy.exp(values - most).sum(0))
