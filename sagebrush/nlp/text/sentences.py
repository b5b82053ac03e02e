"""Sentences of a text, by rules: where one ends, so that windows are cut there.

English abbreviations and initials end no sentence; line breaks do where a line is empty or a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(
    r"""(?P<mark>(?<![.!?…])[.!?…]++["'”’)\]»]*+)(?=\s)|(?P<wide>[。！？｡]+["'”’)\]」』]*)|(?P<line>\n\s*\n|\r\n\s*\r\n|\n(?=\s*[-*•\d]))"""
)
_ABBREVIATIONS = frozenset((
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "rev", "gen", "col", "sgt", "capt", "lt",
    "maj", "hon", "gov", "sen", "rep", "pres", "vs", "etc", "inc", "ltd", "co", "corp", "no",
    "vol", "fig", "eq", "sec", "ch", "pp", "approx", "dept", "est", "e.g", "i.e", "cf", "al",
    "a.m", "p.m", "u.s", "u.k", "d.c", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
    "sept", "oct", "nov", "dec", "mt", "ft", "ave", "blvd", "rd",
))  # fmt: skip


def sentences(text: str) -> list[tuple[int, int]]:
    """The offsets `[begin, end)` of the sentences, in order, without the spaces between them.

    Together they hold every character of the text that is no space.
    """
    told = []
    begin = 0
    for end in _ends(text):
        told += _trimmed(text, begin, end)
        begin = end
    return told + _trimmed(text, begin, len(text))


def parts(text: str, most: int) -> list[tuple[int, int]]:
    """The offsets of parts of at most so many characters, which together are the text: whole sentences
    where they fit, and words."""
    ends = [end for _, end in sentences(text)]
    told: list[tuple[int, int]] = []
    begin, at = 0, 0
    while len(text) - begin > most:
        last = begin
        while at < len(ends) and ends[at] <= begin + most:
            last, at = ends[at], at + 1
        if last == begin:  # one sentence alone is longer
            space = text.rfind(" ", begin + 1, begin + most)
            last = space if space > 0 else begin + most
        told.append((begin, last))
        begin = last
    return [*told, (begin, len(text))]


def _trimmed(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    piece = text[begin:end]
    left = begin + len(piece) - len(piece.lstrip())
    right = begin + len(piece.rstrip())
    return [(left, right)] if left < right else []


def _ends(text: str) -> Iterator[int]:
    for found in _END.finditer(text):
        if found["mark"] is None or not _goes_on(text, found):
            yield found.end()


def _goes_on(text: str, found: re.Match[str]) -> bool:
    """Whether the sentence goes on after its mark."""
    after = re.compile(r"\s*(\S?)").match(text, found.end())
    following = after[1] if after else ""
    if following.islower():
        return True
    if found["mark"] != ".":
        return False
    word = re.search(r"[^\s(\[\"'“‘]*$", text[max(0, found.start() - 20) : found.start()])
    before = word[0] if word else ""
    return before.lower() in _ABBREVIATIONS or (len(before) == 1 and before.isupper())
