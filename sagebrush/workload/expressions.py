"""Regular expressions that users write, of metrics and of log filters: bounded in time and memory.

`regex` lets a search end by a timeout and without the interpreter's lock, as `re` does not. But it
writes out what must be there several times: `(((a{1000}){1000}){1000}){1000}` would take all memory.
"""

from __future__ import annotations

import math
import re

import regex

Pattern = regex.Pattern[str]

SEARCH = 0.05
"""Seconds that one expression may take on one line; a hostile one could take without end, and
would block the whole server."""
PATIENT = 1.0
"""The same when it is tried again. The seconds are those of the whole server, which is busy when it
starts: by them alone a harmless expression was taken for a hostile one, and the value was lost."""
LARGEST = 200_000
"""Parts of an expression when what it repeats is written out."""
_COUNT = re.compile(r"\{(\d+)")
_RECURSION = re.compile(r"\(\?(?:R|\d|&|P>)")


def compiled(text: str) -> Pattern:
    """The expression; raises ValueError, whose text says what is wrong with it."""
    if len(text) * _repeats(text) > LARGEST:
        raise ValueError("it repeats too much")
    if _RECURSION.search(re.sub(r"\\.", "", text)):  # hundreds of MiB a second; Java has none
        raise ValueError("recursion is not supported")
    try:
        return regex.compile(text)
    except regex.error as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _repeats(text: str) -> int:
    """How often a part can be written out at most: all counts may be of groups in one another.

    White space and comments may stand within a count where the expression asks for verbose syntax.
    """
    bare = re.sub(r"#[^\n]*", "", text)
    forms = (text, re.sub(r"\s", "", text), re.sub(r"\s", "", bare))
    return max(math.prod(max(1, int(n[:9])) for n in _COUNT.findall(form)) for form in forms)


def search(pattern: Pattern, text: str) -> regex.Match[str] | None:
    """The first match; raises TimeoutError for an expression that takes too long twice."""
    try:
        return pattern.search(text, timeout=SEARCH, concurrent=True)
    except TimeoutError:
        return pattern.search(text, timeout=PATIENT, concurrent=True)
