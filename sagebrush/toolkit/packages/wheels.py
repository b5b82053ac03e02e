"""Packages without a wheel for this Python that could not be compiled: which, and what helps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

BUILD = re.compile(r"Failed to (?:download and )?build `([^`=\s]+)==([^`\s]+)`")
"""uv's words for a source that could not be compiled; the first is what was wanted, the others
what its own build needs."""
ABSENT = re.compile(
    r"\b([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+) has no wheels with a matching (?:Python|platform)"
)
"""uv's words for a package that is not published as source."""


def sentence(explanation: str, nearest: Callable[[str, str], str]) -> str:
    """What the user has to know of uv's explanation; "" where it is about something else.

    `nearest` is given a name and a requirement: the oldest version for it that has a wheel, "" where
    none has.
    """
    words = " ".join(explanation.split())
    python = "Python {}.{}".format(*sys.version_info[:2])
    if built := BUILD.findall(words):
        name, version = built[0]
        needed = [f"{n} {v}" for n, v in built[1:] if (n, v) != built[0]]
        how = "could not be compiled"
        if needed:
            how += f" (its build needs {needed[-1]}, which could not be compiled either)"
    elif absent := ABSENT.search(words):
        (name, version), how = absent.groups(), "is not published as source"
    else:
        return ""
    found = nearest(name, f"{name}>={version}")
    if found == version:
        return ""  # it has one: compiling was asked for
    cure = f"pin a version that has one ({found} or newer), or use" if found else "use"
    return f"{name} {version} has no wheel for {python} and {how}; {cure} an image with an older Python"
