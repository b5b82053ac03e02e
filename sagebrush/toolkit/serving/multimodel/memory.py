"""Whether another model fits into the instance. Pure, but for `own`, which reads Linux's /proc.

How much a process holds alone takes milliseconds to find out, since the kernel walks all its pages:
so each finds it out for itself (`Scale`), and the server, for which all models' callers would wait,
reads it in the memory that they share. A resident size, which costs nothing, does not say it: what a
fork writes to was resident before, as its parent's.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOM = 0.8
"""Part of the instance's memory that the server and its models may fill."""
AGAIN = 30.0
"""Seconds until a model that works weighs itself again."""
TOLD = 8
"""Bytes at the end of the memory that a model's process shares with the server: its size."""
LEAST = 1 << 20
"""Bytes that a process holds at least."""
COUNTED = ("Private_Clean:", "Private_Dirty:", "VmPTE:")
"""Lines of /proc, in KiB: pages of its own, and the tables of all its pages."""
MOST = "SAGEBRUSH_LOADED_MODELS"
"""Variable: models that may be loaded at a time, where memory is not to be the only bound."""


def own(pid: int) -> int:
    """Bytes that the process alone holds: what it shares with the one that it was forked from is
    not its own. LEAST where that cannot be known."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        text += Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return LEAST
    lines = (line.split() for line in text.splitlines())
    found = sum(int(line[1]) for line in lines if line and line[0] in COUNTED)
    return max(LEAST, found << 10)


class Scale:
    """What a model's process tells the server of its size, in the last bytes of `progress`."""

    def __init__(self, progress: mmap.mmap) -> None:
        self._progress = progress
        self._due = 0.0

    def tell(self, now: float, again: float = AGAIN) -> None:
        """The server knows the process's size; `again`: seconds until that may be done anew."""
        if now >= self._due:
            self._due = now + again
            self._progress[-TOLD:] = own(os.getpid()).to_bytes(TOLD, "little")


def told(progress: mmap.mmap) -> int:
    """The size that a model's process has told; LEAST before."""
    return max(LEAST, int.from_bytes(progress[-TOLD:], "little"))


def expendable() -> None:
    """Should the instance run out of memory nevertheless, the system ends this process, a model's,
    rather than the server. Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("900")


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
