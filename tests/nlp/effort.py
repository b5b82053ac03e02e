"""What a call costs, for tests that compare the effort for a text with that for a longer one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def effort(read: Callable[[str], Any], text: str) -> float:
    """Return the processor time of one call, the least of three."""
    times = []
    for _ in range(3):
        before = time.process_time()
        read(text)
        times.append(time.process_time() - before)
    return min(times)
