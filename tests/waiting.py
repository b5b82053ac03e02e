"""Waiting for what comes about by itself, without keeping a core busy with asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LONGEST = 0.1
"""Seconds between two looks; the first are closer."""


def until(condition: Callable[[], Any], what: str = "", patience: float = 60.0) -> Any:
    """What `condition` returns once it is true; an AssertionError naming `what` after `patience`."""
    limit, pause = time.monotonic() + patience, 0.01
    while not (found := condition()):
        assert time.monotonic() < limit, f"not within {patience:g} s: {what or condition}"
        time.sleep(pause)
        pause = min(LONGEST, 1.3 * pause)
    return found
