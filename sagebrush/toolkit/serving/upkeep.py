"""Which workers a server keeps: how many fit into memory, and which one has grown too far. Pure,
but for `private`, which reads a process's memory from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FULL = 0.9
"""Part of the instance's memory above which a worker that has grown is replaced."""
ROOM = 0.8
"""Part of the instance's memory that workers may fill once they are loaded."""
GROWN = 1.5
"""A worker has grown when it holds this many times what it held once it was loaded."""


class Size(NamedTuple):
    """Bytes that a worker holds by itself: now, and when its model was loaded."""

    now: int
    loaded: int


def memory(environ: Mapping[str, str]) -> int:
    """Bytes of the instance (SAGEBRUSH_MEMORY, which the platform sets), 0 where it is not known."""
    text = environ.get("SAGEBRUSH_MEMORY", "")
    return int(text) if text.isdigit() else 0


def private(pid: int) -> int:
    """Bytes that only this process holds, 0 where that cannot be known."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def fitting(count: int, loaded: int, whole: int) -> int:
    """The workers of `count` for which there is room, at least one: each holds `loaded` of `whole`
    bytes."""
    if not loaded or not whole:
        return count
    return max(1, min(count, int(whole * ROOM / loaded)))


def leaking(sizes: Mapping[int, Size], whole: int) -> int | None:
    """The pid of the worker to replace, or None: where all together fill the instance, the one that
    has grown most, if it has grown by half."""
    if not whole or sum(each.now for each in sizes.values()) < whole * FULL:
        return None
    pid = max(sizes, key=lambda each: sizes[each].now - sizes[each].loaded)
    return pid if sizes[pid].now > sizes[pid].loaded * GROWN else None
