"""What a word looks like and stands next to, as named attributes: what a linear chain gives weights to.

The usual ones of named entity recognition by conditional random fields (Finkel et al. 2005; Tkachenko and
Simanovsky 2012): the word, its shape, beginnings and endings, two neighbours on each side.
"""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 40
"""Characters of a word that are told apart."""
AROUND = 2
"""Neighbours on each side."""
AFFIX = 4


def attributes(text: str, words: Sequence[tuple[int, int]]) -> list[list[str]]:
    """The attributes of each word `[begin, end)` of a text; none holds a line break."""
    written = [text[begin : min(end, begin + LONGEST)] for begin, end in words]
    plain = [_plain(each) for each in written]
    shapes = [shape(each) for each in written]
    told = []
    for at, (begin, end) in enumerate(words):
        small = plain[at]
        own = ["bias", f"w={written[at].lower()}", f"W={written[at]}", f"s={shapes[at]}"]
        for size in range(1, min(AFFIX, len(small)) + 1):
            own += (f"p={small[:size]}", f"q={small[-size:]}")
        glued = begin > 0 and not text[begin - 1].isspace()
        glues = end < len(text) and not text[end].isspace()
        own.append(f"g={glued:d}{glues:d}")
        own += _neighbours(at, plain, shapes)
        told.append(own)
    return told


def _neighbours(at: int, plain: Sequence[str], shapes: Sequence[str]) -> list[str]:
    told = []
    for step in (*range(-AROUND, 0), *range(1, AROUND + 1)):
        place = at + step
        if 0 <= place < len(plain):
            told += (f"{step}w={plain[place]}", f"{step}s={shapes[place]}")
        elif place in (-1, len(plain)):
            told.append(f"{step}end")
    return told


def _plain(word: str) -> str:
    """The word in small letters, every digit as 0."""
    return "".join("0" if each.isdigit() else each for each in word.lower())


def shape(word: str) -> str:
    """X for capitals, x for other letters, 0 for digits; of a run of one kind the first two."""
    told: list[str] = []
    for each in word:
        kind = "X" if each.isupper() else "x" if each.isalpha() else "0" if each.isdigit() else each
        if told[-2:] != [kind, kind]:
            told.append(kind)
    return "".join(told[:10])
