"""Whether another model fits into the instance. Pure, but for `own`, which reads Linux's /proc.

How much a process holds alone takes milliseconds to find out, since the kernel walks all its pages:
it is done once, when the model is loaded, and `upkeep.private`, which costs nothing, says how much it
has grown since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

ROOM = 0.8
"""Part of the instance's memory that the server and its models may fill."""
LEAST = 1 << 20
"""Bytes that a process holds at least."""
MOST = "SAGEBRUSH_LOADED_MODELS"
"""Variable: models that may be loaded at a time, where memory is not to be the only bound."""


def own(pid: int) -> int:
    """Bytes that the process alone holds: what it shares with the one that it was forked from is
    not its own. LEAST where that cannot be known."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return LEAST
    lines = (line.split() for line in text.splitlines())
    found = sum(int(line[1]) for line in lines if line[0] in ("Private_Clean:", "Private_Dirty:"))
    return max(LEAST, found << 10)


def most(environ: Mapping[str, str]) -> int | None:
    """The user's bound on loaded models, None without one. Raises ValueError."""
    text = environ.get(MOST, "")
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{MOST} must be a whole number of 1 or more, not {text!r}")
    return int(text)


def fits(sizes: Iterable[int], base: int, whole: int, count: int | None) -> bool:
    """Whether one more model fits beside loaded ones of `sizes` bytes and a server of `base` bytes
    into an instance of `whole` (0: not known); `count`: the most models. What it will take is not known
    before it is loaded: the mean of the others is assumed."""
    held = list(sizes)
    if count is not None and len(held) >= count:
        return False
    if not whole or not held:
        return True
    return base + sum(held) + sum(held) / len(held) <= whole * ROOM


def exceeds(sizes: Iterable[int], base: int, whole: int) -> bool:
    """Whether loaded models fill more than their part of the instance."""
    return bool(whole) and base + sum(sizes) > whole * ROOM
