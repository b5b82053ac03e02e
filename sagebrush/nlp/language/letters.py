"""Texts as arrays of letters: small ones, in NFC, with spaces for all that is no letter.

Whatever a script writes within a word stays: letters, marks (vowel signs, accents), apostrophes. Signs
that nobody sees (joiners, variation selectors, soft hyphens) go. Web and mail addresses say nothing of
a language.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy

SPACE = 32
BREAK = 10
"""Where a sentence or a line ends."""
APOSTROPHE = 39

GAP, LETTER, MARK, QUOTE, UNSEEN, END = range(6)
"""Kinds of code points."""
_IDEOGRAPHS = 0x20000
"""From here on there are only ideographs, and then planes without letters."""

_ADDRESS = re.compile(
    r"(?:https?://|www\.)\S+|(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.-]+|(?<!\w)@\w+", re.IGNORECASE
)
_QUOTES = "'’ʼ‘ʻ`"
_ENDS = ".!?…\n\r\v\f\x85\u2028\u2029。！？｡।॥؟۔։።"


@dataclass(frozen=True)
class Letters:
    """The letters of one text.

    `codes`: code points, with SPACE between words, BREAK between sentences, and one of them at either
    end; never two of them side by side. `count`: how many of them are letters, marks not counted.
    """

    codes: numpy.ndarray
    count: int


def kinds_of_unicode() -> numpy.ndarray:
    """The kind of each code point below the ideographic planes, by this Python's Unicode."""
    table = numpy.zeros(_IDEOGRAPHS, numpy.uint8)
    for point in range(_IDEOGRAPHS):
        category = unicodedata.category(chr(point))
        if category[0] == "L":
            table[point] = LETTER
        elif category in ("Mn", "Mc"):
            table[point] = MARK
        elif category in ("Cf", "Me"):
            table[point] = UNSEEN
    table[0xFE00:0xFE10] = UNSEEN  # variation selectors
    for each in _QUOTES:
        table[ord(each)] = QUOTE
    for each in _ENDS:
        table[ord(each)] = END
    return table


def letters(text: str, kinds: numpy.ndarray) -> Letters:
    """The letters of a text; `kinds` as `kinds_of_unicode` made it for the model."""
    if "@" in text or "://" in text or "www." in text:
        text = _ADDRESS.sub(" ", text)
    text = unicodedata.normalize("NFC", text.lower())
    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), numpy.uint32)
    kind = kinds[numpy.minimum(codes, _IDEOGRAPHS - 1)]
    kind = numpy.where((codes >= _IDEOGRAPHS) & (codes < 0x40000), LETTER, kind)
    seen = kind != UNSEEN
    if not seen.all():
        codes, kind = codes[seen], kind[seen]
    count = int((kind == LETTER).sum())
    word = (kind == LETTER) | (kind == MARK)
    codes = numpy.where(word, codes, _GAPS[kind])
    return Letters(_single_gaps(codes), count)


_GAPS = numpy.array([SPACE, 0, 0, APOSTROPHE, SPACE, BREAK], numpy.uint32)


def _single_gaps(codes: numpy.ndarray) -> numpy.ndarray:
    """With one gap at either end and one for each run of them: a break, where one is among them."""
    codes = numpy.concatenate(([SPACE], codes, [SPACE])).astype(numpy.uint32)
    gap = (codes == SPACE) | (codes == BREAK)
    first = gap.copy()
    first[1:] &= ~gap[:-1]
    starts = numpy.flatnonzero(first)
    broken = numpy.bincount(
        numpy.cumsum(first)[gap & (codes == BREAK)] - 1, minlength=len(starts)
    ).astype(bool)
    codes[starts] = numpy.where(broken, BREAK, SPACE)
    return codes[first | ~gap]
