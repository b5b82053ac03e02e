"""Noun phrases out of the chances of tokens to begin one, to go on with one, or to be outside."""

from __future__ import annotations

import numpy

PHRASE = "PHRASE"
OUTSIDE, BEGINS, INSIDE = range(3)


def phrases(chances: numpy.ndarray) -> list[tuple[int, int, float]]:
    """(first, last, score) of each: its tokens are `[first, last)`.

    The likeliest sequence in which no phrase goes on that has not begun; `chances` is [tokens, 3].
    The score is the chance that the phrase begins there, goes on, and ends there.
    """
    if not len(chances):
        return []
    kinds = _likeliest(numpy.log(numpy.maximum(chances, 1e-12)))
    told = []
    at = 0
    while at < len(kinds):
        if kinds[at] != BEGINS:
            at += 1
            continue
        last = at + 1
        while last < len(kinds) and kinds[last] == INSIDE:
            last += 1
        score = float(chances[at, BEGINS] * chances[at + 1 : last, INSIDE].prod())
        if last < len(kinds):
            score *= float(1 - chances[last, INSIDE])
        told.append((at, last, score))
        at = last
    return told


def _likeliest(scores: numpy.ndarray) -> list[int]:
    """The best sequence by Viterbi's algorithm; INSIDE never follows OUTSIDE, nor comes first."""
    back = numpy.zeros(scores.shape, numpy.int8)
    sums = scores[0].tolist()
    sums[INSIDE] = -numpy.inf
    rows = scores.tolist()
    for at in range(1, len(rows)):
        outside, begins, inside = sums
        free = max((outside, OUTSIDE), (begins, BEGINS), (inside, INSIDE))
        within = max((begins, BEGINS), (inside, INSIDE))
        back[at] = free[1], free[1], within[1]
        sums = [free[0] + rows[at][0], free[0] + rows[at][1], within[0] + rows[at][2]]
    kind = int(numpy.argmax(sums))
    told = [kind]
    for at in range(len(rows) - 1, 0, -1):
        kind = int(back[at, kind])
        told.append(kind)
    return told[::-1]
