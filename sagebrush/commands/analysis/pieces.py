"""A long text in pieces that one request may have."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?]\s"), re.compile(r"\s"))
"""Where a piece ends best, from the best on: paragraphs, lines, sentences, words."""


def pieces(text: str, most: int) -> Iterator[tuple[int, str]]:
    """(its first character's index, the piece) of the whole text, in order: each has at most `most`
    bytes of UTF-8, and something to read."""
    start = 0
    while start < len(text):
        end = start + _fitting(text[start : start + most], most)
        if end < len(text):
            end = start + _cut(text[start:end])
        if text[start:end].strip():
            yield start, text[start:end]
        start = end


def _fitting(text: str, most: int) -> int:
    """How many of its first characters have at most that many bytes."""
    return len(text.encode("utf-8", "surrogatepass")[:most].decode("utf-8", "ignore"))


def _cut(text: str) -> int:
    """Where the text is cut: at the last good end in its second half, else at its own end."""
    for ends in _ENDS:
        found = [match.end() for match in ends.finditer(text, len(text) // 2)]
        if found:
            return found[-1]
    return len(text)
