"""Patterns of policies: `*` for any text, `?` for one character. Pure.

Whoever may write a policy, or bring one with its session, chooses the pattern, and often the text
too: so the time is at most the product of their lengths. A regular expression of it would go back
over every star, and a pattern of 60 characters could hold up the server for ever.
Source: IAM user guide, "Use wildcards in policies" (Resource, Action, StringLike).
"""

from __future__ import annotations

import re
from functools import lru_cache

LITERAL = str.maketrans({"*": "\ue000", "?": "\ue001"})
PLAIN = str.maketrans({"\ue000": "*", "\ue001": "?"})
"""Stand-ins for a star and a question mark that are themselves: what variables hold is literal."""


def like(pattern: str, text: str) -> bool:
    """Whether all of `text` fits `pattern`."""
    if pattern == "*":
        return True
    pieces, sizes = _pieces(pattern)
    if len(pieces) == 1:
        return pieces[0].fullmatch(text) is not None
    end = len(text) - sizes[-1]
    if sum(sizes) > len(text) or not pieces[0].match(text) or not pieces[-1].match(text, end):
        return False
    at = sizes[0]
    for piece in pieces[1:-1]:  # each as early as it can be, which leaves most to the others
        found = piece.search(text, at, end)
        if found is None:
            return False
        at = found.end()
    return at <= end


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[tuple[re.Pattern[str], ...], tuple[int, ...]]:
    """What stands between the stars, each of a fixed length, and the lengths."""
    parts = pattern.split("*")
    found = (
        "".join("." if char == "?" else re.escape(char.translate(PLAIN)) for char in part)
        for part in parts
    )
    return tuple(re.compile(each, re.DOTALL) for each in found), tuple(map(len, parts))
