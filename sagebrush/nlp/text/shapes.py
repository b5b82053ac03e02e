"""The shape of a word: what an uncased vocabulary loses of it, and what it looks like as a whole.

A model learns a vector for each shape, added to that of the token. Names are written with capitals;
codes mix digits with letters; a part glued to the part before it has no space between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SPECIAL = 0
LOWER = 1
TITLE = 2
UPPER = 3
INITIAL = 4
MIXED = 5
DIGITS = 6
CODE = 7
PUNCTUATION = 8
SYMBOL = 9
MENTION = 10
HASHTAG = 11
URL = 12
EMOJI = 13
UNCASED = 14
TITLE_HASHTAG = 15
GLUED = 16
"""Added where no space stands before."""
COUNT = 32
"""Rows of the table of vectors."""

_GROUP = re.compile(r"[@#][\w]+")


def shape(word: str) -> int:
    """The shape of a word by itself: a run of letters and digits, or one other character."""
    if word.isalpha():
        if word.islower():
            return LOWER
        if word.isupper():
            return UPPER if len(word) > 1 else INITIAL
        if word.istitle():
            return TITLE
        return MIXED if word.lower() != word else UNCASED
    if word.isdigit():
        return DIGITS
    if any(each.isdigit() for each in word) and any(each.isalpha() for each in word):
        return CODE
    if any(each.isalpha() for each in word):
        return TITLE if word[0].isupper() and word[1:].islower() else MIXED
    return SYMBOL if word in _SYMBOLS else PUNCTUATION


_SYMBOLS = frozenset("$€£¥%+=<>|~^°©®™&*/\\_")


def shapes(text: str, words: Sequence[tuple[int, int]]) -> list[int]:
    """The shape of each word `[begin, end)` of the text, in its surroundings."""
    groups: dict[int, int] = {}
    if "@" in text or "#" in text:
        for found in _GROUP.finditer(text):
            if found.start() and (text[found.start() - 1].isalnum()):
                continue  # an e-mail address
            kind = MENTION if text[found.start()] == "@" else HASHTAG
            for at in range(found.start(), found.end()):
                groups[at] = kind
    told: list[int] = []
    for begin, end in words:
        kind = groups.get(begin) or shape(text[begin:end])
        if kind == HASHTAG and text[begin].isupper():
            kind = TITLE_HASHTAG
        glued = begin > 0 and not text[begin - 1].isspace()
        told.append(kind + GLUED if glued else kind)
    return told
