"""Converts Java regular expressions of AWS's models to Python ones."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

_POSIX = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Punct": "!-/:-@\\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": " \\t",
    "Cntrl": "\\x00-\\x1f\\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": " \\t\\n\\x0b\\f\\r",
    "ASCII": "\\x00-\\x7f",
}
"""The classes of java.util.regex.Pattern, as the inside of a bracket."""
_PROPERTY = re.compile(r"(?:Is)?([A-Z][a-z]?)")
_PLANES = ((0x40000, True), (0xE0000, False), (0xF0000, True), (sys.maxunicode + 1, False))
"""Ends of ranges of characters, and whether any character in them is assigned."""
_ANY = "[^\\n\\r\\u0085\\u2028\\u2029]"
"""The characters that Java's dot matches."""
_ASTRAL = "\\uD800\\uDC00-\\uDBFF\\uDFFF"
"""How Java writes the characters beyond U+FFFF in a class."""


LINEAR = {
    r"https://([.\-_a-zA-Z0-9]+/?){3,1016}": (
        r"https://(?=(?:/?[.\-_a-zA-Z0-9]){3})[.\-_a-zA-Z0-9]+(?:/[.\-_a-zA-Z0-9]+)*/?"
    ),
    r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?",
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"\t*[\x20-\x7E][\t\x20-\x7E]*",
    r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$": (
        r"\t*[^\x00-\x1F:\x7F][^\x00-\x08\x0A-\x1F:\x7F]*"
    ),
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*](?:[._\-/]?[a-z0-9*])*",
}
"""Patterns that take exponential time on some values -> ones that match the same in linear time."""


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """`pattern` for `fullmatch`, or None when Python cannot express it.

    As in Java, `\\w`, `\\d` and `\\s` are ASCII.
    """
    try:
        return re.compile(translate(LINEAR.get(pattern, pattern)), re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError):
        return None


def translate(pattern: str) -> str:
    r"""Java's syntax in Python's: `\p{…}`, `\z`, surrogate ranges, a dash after a class.

    Raises ValueError for a property that is not known and for set operations in a class.
    """
    pattern = pattern.replace(_ASTRAL, "\\U00010000-\\U0010FFFF")
    out: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            token, at = _escape(pattern, at, in_class)
            out.append(token)
            continue
        if in_class:
            if char == "[" or pattern.startswith("&&", at):
                raise ValueError("set operations in a class")
            in_class = char != "]" or out[-1] in ("[", "[^")
            follows_class = out[-1] in ("\\w", "\\d", "\\s")
            char = "\\-" if char == "-" and follows_class else char
        elif char == "[":
            in_class = True
            if pattern.startswith("^", at + 1):
                char = "[^"
        elif pattern.startswith(("(?<=", "(?<!"), at):
            pass
        elif pattern.startswith("(?<", at):
            out.append("(?P<")
            at += 3
            continue
        elif char == ".":
            out.append(_ANY)
            at += 1
            continue
        out.append(char)
        at += len(char) if char != "\\-" else 1
    return "".join(out)


def _escape(pattern: str, at: int, in_class: bool) -> tuple[str, int]:
    """The Python text of the escape at `at`, and where it ends."""
    kind = pattern[at + 1 : at + 2]
    if kind in ("p", "P"):
        found = re.compile(r"\{(\w+)\}|(\w)").match(pattern, at + 2)
        if not found:
            raise ValueError(f"unknown property in {pattern}")
        inside = _property(found[1] or found[2], kind == "P")
        return (inside if in_class else f"[{inside}]"), found.end()
    if kind == "z":
        return "\\Z", at + 2
    if kind == "Z":
        return "(?=\\n?\\Z)", at + 2
    if kind in ("h", "R", "X", "Q", "E", "G"):
        raise ValueError(f"\\{kind} has no counterpart")
    return pattern[at : at + 2], at + 2


@cache
def _property(name: str, negated: bool) -> str:
    """The inside of a bracket that holds a POSIX class or a Unicode category."""
    if name in _POSIX and not negated:
        return _POSIX[name]
    category = _PROPERTY.fullmatch(name)
    found = [
        f"\\U{first:08x}-\\U{last:08x}"
        for kind, first, last in _categories()
        if category and kind.startswith(category[1]) != negated
    ]
    if not category or len(found) in (0, len(_categories())):
        raise ValueError(f"unknown property {name}")
    return "".join(found)


@cache
def _categories() -> tuple[tuple[str, int, int], ...]:
    """Runs of characters of one Unicode category: (category, first, last).

    Beyond the ideographs only plane 14 holds assigned characters; what is left counts as `Cn`.
    """
    found: list[tuple[str, int, int]] = []
    at = 0
    for end, assigned in _PLANES:
        names = map(unicodedata.category, map(chr, range(at, end))) if assigned else ["Cn"]
        for kind, run in groupby(names):
            size = len(list(run)) if assigned else end - at
            found.append((kind, at, at + size - 1))
            at += size
    return tuple(found)
