"""A lower-case copy of a text in which every character keeps its place."""

from __future__ import annotations

import re


def lowered(text: str) -> str:
    """Return the text in lower case, of equal length, so that offsets hold in both.

    A character whose lower case is longer (İ) stays as it is. A non-breaking or other single space
    becomes a plain one, and a typographic apostrophe a straight one: rules name one of each.
    """
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return with_plain_signs(lower)


def with_plain_signs(text: str) -> str:
    """Return the text with a plain space, hyphen and apostrophe for each other kind of them."""
    return text.translate(_PLAIN)


_PLAIN = {
    ord("\u00a0"): " ",
    ord("\u2007"): " ",
    ord("\u2009"): " ",
    ord("\u202f"): " ",
    ord("’"): "'",
    ord("‘"): "'",
    ord("\u2011"): "-",
    ord("\u2012"): "–",
    ord("\u2212"): "-",
}

# Words, whole numbers and the signs that begin an amount or a decade. It begins with one set of characters, by
# which the search passes over all others at once.
TOKENS = re.compile(r"[0-9a-z$£€¥₹₩₽₪฿₿₺₴₫'+-](?:(?<=[a-z])[a-z]*+|(?<=[0-9])[0-9]*+|)")


def inside_a_word(lower: str, begin: int) -> bool:
    """Return whether what begins here goes on from a letter, a digit or an underscore before."""
    return begin > 0 and (lower[begin - 1].isalnum() or lower[begin - 1] == "_")
