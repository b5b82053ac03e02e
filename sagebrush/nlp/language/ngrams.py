"""Hashes of what a text's letters make: n-grams within words, words, and the blocks of their scripts.

An n-gram of 1 to 5 code points may begin or end with the space around a word, and holds none inside.
"""

from __future__ import annotations

import numpy

from .letters import BREAK, SPACE

LONGEST = 5
LONG_WORD = 4
"""Words from this many letters on are hashed whole; shorter ones are n-grams with their spaces."""
_POWERS_OF = 64
_FIRST_OTHER_BLOCK = 0x250 >> 7
"""Blocks of 128 code points from here on belong to one or few scripts."""

_STEP = numpy.uint64(0x100000001B3)
_SPREAD = numpy.uint64(0x9E3779B97F4A7C15)
_MIX = numpy.uint64(0xBF58476D1CE4E5B9)
_MIX_OF_WORDS = numpy.uint64(0x94D049BB133111EB)
_MIX_OF_BLOCKS = numpy.uint64(0xD6E8FEB86659FD93)
_POWERS = numpy.cumprod(numpy.full(_POWERS_OF, 0x5851F42D4C957F2D, numpy.uint64))


def ngrams(codes: numpy.ndarray, bits: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(place, hash) of each: where in `codes` it begins, and its hash below 2**bits.

    `codes` as `Letters.codes`, or several such one after the other: no n-gram reaches over a gap.
    """
    gap = (codes == SPACE) | (codes == BREAK)
    points = numpy.where(gap, numpy.uint64(SPACE), codes.astype(numpy.uint64))
    spread = (points + numpy.uint64(1)) * _SPREAD
    places, hashes = [], []
    for place, mixed in (
        *_short(gap, spread),
        _words(gap, spread),
        _blocks(points),
    ):
        places.append(place)
        hashes.append(mixed & numpy.uint64((1 << bits) - 1))
    return numpy.concatenate(places), numpy.concatenate(hashes).astype(numpy.int64)


def _short(gap: numpy.ndarray, spread: numpy.ndarray) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    told = []
    hashed = numpy.zeros(len(gap), numpy.uint64)
    inside = numpy.ones(len(gap), bool)  # no gap but at either end
    for size in range(1, LONGEST + 1):
        count = len(gap) - size + 1
        if count <= 0:
            break
        hashed = hashed[:count] * _STEP + spread[size - 1 :]
        if size == 1:
            place = numpy.flatnonzero(~gap)
        else:
            inside = inside[:count] if size == 2 else inside[:count] & ~gap[size - 2 : -1]
            place = numpy.flatnonzero(
                inside & ~(gap[:count] & gap[size - 1 :]) if size == 2 else inside
            )
        told.append((place, _mixed(hashed[place], _MIX)))
    return told


def _words(gap: numpy.ndarray, spread: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Whole words: the sum of their letters' hashes, each weighed by its place in the word."""
    begins = numpy.flatnonzero(gap[:-1] & ~gap[1:]) + 1
    ends = numpy.flatnonzero(~gap[:-1] & gap[1:]) + 1
    long = ends - begins >= LONG_WORD
    begins, ends = begins[long], ends[long]
    places = numpy.arange(len(gap))
    inside = places - numpy.maximum.accumulate(numpy.where(gap, places, 0))
    weighed = (spread ^ (spread >> numpy.uint64(31))) * _POWERS[
        numpy.minimum(inside, _POWERS_OF - 1)
    ]
    sums = numpy.concatenate((numpy.zeros(1, numpy.uint64), numpy.cumsum(weighed)))
    return begins, _mixed(sums[ends] - sums[begins], _MIX_OF_WORDS)


def _blocks(points: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    blocks = points >> numpy.uint64(7)
    place = numpy.flatnonzero(blocks >= _FIRST_OTHER_BLOCK)
    return place, _mixed(blocks[place] * _SPREAD, _MIX_OF_BLOCKS)


def _mixed(hashed: numpy.ndarray, factor: numpy.uint64) -> numpy.ndarray:
    mixed = (hashed ^ (hashed >> numpy.uint64(29))) * factor
    return mixed ^ (mixed >> numpy.uint64(32))
