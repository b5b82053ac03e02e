"""A copy of a text that a WordPiece vocabulary knows better, with the way back to the text.

Emoji become the words of their Unicode names, web addresses become one word. The text itself stays as
it is: each character of the copy knows the code points that it stands for.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

URL = re.compile(r"""(?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?')\]}…]""", re.IGNORECASE)
_SYMBOLS = "\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff"
_RARE = re.compile(
    rf"(?P<url>{URL.pattern})|(?P<flag>[\U0001f1e6-\U0001f1ff]{{2}})|(?P<emoji>[{_SYMBOLS}])",
    re.IGNORECASE,
)
_SILENT = re.compile("[\U0001f3fb-\U0001f3ff]|[\U0001f1e6-\U0001f1ff]")
LONGEST_NAME = 5
"""Words of an emoji's name that are kept."""


@dataclass(frozen=True)
class Rewritten:
    """`text` is the copy; its character i stands for `[begins[i], ends[i])` of the original.

    Both are None where the copy is the original.
    """

    text: str
    begins: list[int] | None = None
    ends: list[int] | None = None
    emoji: frozenset[int] = frozenset()

    def original(self, begin: int, end: int) -> tuple[int, int]:
        """The offsets in the original of `text[begin:end]`, which is not empty."""
        if self.begins is None or self.ends is None:
            return begin, end
        return self.begins[begin], self.ends[end - 1]


def rewrite(text: str) -> Rewritten:
    """The copy: "Great 😂 see http://x.org" is read as "Great face with tears of joy see http"."""
    if text.isascii() and "://" not in text and "www." not in text.lower():
        return Rewritten(text)
    parts: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    emoji: set[int] = set()
    at = 0

    def keep(until: int) -> None:
        parts.append(text[at:until])
        begins.extend(range(at, until))
        ends.extend(range(at + 1, until + 1))

    for found in _RARE.finditer(text):
        word = _word(found)
        if word is None:
            continue
        keep(found.start())
        parts.append(word)
        begins.extend([found.start()] * len(word))
        ends.extend([found.end()] * len(word))
        if found.lastgroup != "url":
            emoji.add(found.start())
        at = found.end()
    if not parts:
        return Rewritten(text)
    keep(len(text))
    return Rewritten("".join(parts), begins, ends, frozenset(emoji))


def _word(found: re.Match[str]) -> str | None:
    """What is read instead, at least as long as a space; None where the character is read as it is."""
    if found["url"]:
        return "http"
    if found["flag"]:
        return " flag "
    symbol = found[0]
    if _SILENT.fullmatch(symbol):
        return " "
    name = unicodedata.name(symbol, "")
    if not name:
        return None
    words = [each for each in re.split(r"[ -]", name.lower()) if each not in _DULL]
    return f" {' '.join(words[:LONGEST_NAME])} "


_DULL = {"with", "sign", "symbol", "of", "black", "white", "heavy"}
