"""Words of texts in any writing, by their offsets: the units that custom entities begin and end with.

A word is a run of letters and digits with the marks that combine with them, or one other character.
Writing without spaces between words (Han, kana, Hangul with its particles, Thai, Lao, Khmer, Burmese) is
cut into characters, so that an entity may end anywhere in it.
"""

from __future__ import annotations

import re
import unicodedata

_RUN = re.compile(r"[^\W_]+|[^\s]")
_ALONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Characters that are words by themselves."""
_JOINER = "\u200d"


def words(text: str) -> list[tuple[int, int]]:
    """The offsets `[begin, end)` of the words, in order, without the spaces between them."""
    told: list[tuple[int, int]] = []
    for found in _RUN.finditer(text):
        begin, end = found.span()
        if told and told[-1][1] == begin and _goes_on(text, begin):
            told[-1] = (told[-1][0], end)
        elif text[begin:end].isascii() or _ALONE.search(text, begin, end) is None:
            told.append((begin, end))
        else:
            told += _cut(text, begin, end)
    return told


def _goes_on(text: str, place: int) -> bool:
    """Whether the character belongs to the word before it: marks, joiners, tones of skin, and what
    follows a mark or a joiner within a word."""
    character, before = text[place], text[place - 1]
    if character.isascii() and before.isascii():
        return False
    if _combines(character) or before == _JOINER:
        return True
    return character.isalnum() and _combines(before) and _ALONE.match(character) is None


def _combines(character: str) -> bool:
    return not character.isascii() and (
        unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")
        or 0x1F3FB <= ord(character) <= 0x1F3FF
    )


def _cut(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """A run of letters with characters in it that are words by themselves."""
    told: list[tuple[int, int]] = []
    at = begin
    while at < end:
        stop = at + 1
        if _ALONE.match(text[at]) is None:
            while stop < end and _ALONE.match(text[stop]) is None:
                stop += 1
        told.append((at, stop))
        at = stop
    return told
