"""Work on several texts at once, on the processors that a process may use.

ONNX Runtime's own threads share each small multiplication of one text, and wait for each other in a loop:
on two processors that took twice as long as one thread did. Here each thread reads texts of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """So many threads, begun when they are first needed; may be used by several threads itself."""

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._here = threading.local()

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """What the function makes of each item, in their order; raises what it raises. Within one of these
        threads, and of one item, the caller's own thread does it."""
        if self._count < 2 or len(items) < 2 or getattr(self._here, "works", False):
            return [function(each) for each in items]
        return list(self._pool.map(function, items))

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, "texts", self._enter)

    def _enter(self) -> None:
        self._here.works = True


ALONE = Threads()
"""The caller's own thread."""


def allowed() -> Threads:
    """As many as this process may use processors: its replica's or job's share (OMP_NUM_THREADS)."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return Threads(int(given) if given.isdigit() and int(given) else 1)
