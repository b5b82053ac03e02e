"""What a token looks like, as numbers: hashes of the word, its beginnings and endings, and its shape."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy

ROWS = 1 << 15
"""Rows of the table of vectors that the hashes name."""
COUNT = 12
"""Numbers of a token."""
_LONGEST = 40


def features(text: str, tokens: Sequence[tuple[int, int]]) -> numpy.ndarray:
    """int32 [tokens, COUNT], each below ROWS."""
    told = numpy.zeros((len(tokens), COUNT), numpy.int32)
    known: dict[tuple[str, bool, bool], list[int]] = {}
    for at, (begin, end) in enumerate(tokens):
        glued = begin > 0 and not text[begin - 1].isspace()
        glues = end < len(text) and not text[end].isspace()
        key = text[begin : min(end, begin + _LONGEST)], glued, glues
        found = known.get(key)
        if found is None:
            found = known[key] = _numbers(*key)
        told[at] = found
    return told


def _numbers(word: str, glued: bool, glues: bool) -> list[int]:
    small = word.lower()
    plain = "".join("0" if each.isdigit() else each for each in small)
    shape = _shape(word)
    parts = (
        f"w{small}", f"W{word}", f"1{plain[:1]}", f"2{plain[:2]}", f"3{plain[:3]}",
        f"a{plain[-1:]}", f"b{plain[-2:]}", f"c{plain[-3:]}", f"d{plain[-4:]}",
        f"s{shape}", f"g{glued:d}{glues:d}{shape[:2]}", f"n{min(len(word), 12)}{plain[-2:]}",
    )  # fmt: skip
    return [zlib.crc32(each.encode("utf-8", "surrogatepass")) % ROWS for each in parts]


def _shape(word: str) -> str:
    """The word with X for capitals, x for other letters, 0 for digits, each run of one kind once."""
    told: list[str] = []
    for each in word:
        kind = "X" if each.isupper() else "x" if each.isalpha() else "0" if each.isdigit() else each
        if not told or told[-1] != kind:
            told.append(kind)
    return "".join(told[:12])
