"""Directories nested deeper than Python recurses, which are gone after a test however it ends: pytest's
own cleaning raises RecursionError at them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sagebrush.compute import trees

DEEP = 1500


@contextmanager
def deep_tree(top: Path) -> Iterator[None]:
    """Within, `top` is a directory with a tree of directories in one another, a file in the last."""
    try:
        top.mkdir()
        nest(top)
        yield
    finally:
        trees.remove(str(top))


def nest(top: Path) -> None:
    """`top` has directories in one another, a file in the last: whoever calls it removes them."""
    here = os.open(top, trees.DIRECTORY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", trees.DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("last", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
