"""What evaluating costs, which bounds it: the one clock of the interpreter, of which no value is made."""

from __future__ import annotations

import time


def seconds() -> float:
    """Of a processor, that this thread has taken so far."""
    return time.thread_time()
