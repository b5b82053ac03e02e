"""`python -m blazingtext.compile DIR [MODULE ...]`: the machine code of these modules' kernels is in DIR;
without MODULE that of all algorithms' kernels.

Run by the server's user once an environment is built, and when Sagebrush's kernels have changed
(`environments/machine_code.py`). Several may run at once, and be killed at any time.
"""

from __future__ import annotations

import contextlib
import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .kernels import compiled, machine_code

STALE = 30 * 86400.0
"""Seconds after which machine code of other sources, and what killed runs left, is removed."""


def kernels(module: str) -> list[Any]:
    """Every kernel of that module."""
    values = vars(importlib.import_module(module)).values()
    caches = [(value, getattr(value, "_cache", None)) for value in values]
    return [
        value
        for value, cache in caches
        if isinstance(cache, machine_code.Ready) and cache.module == module
    ]


def complete(place: Path, modules: Sequence[str]) -> None:
    """`place` holds, for each module, a folder with the machine code of its kernels as they are now, and
    no folder that is stale."""
    place.mkdir(parents=True, exist_ok=True)
    for module in modules:
        target = place / compiled.identity(module)
        if not target.is_dir():
            _compile(module, target)
    current = {compiled.identity(module) for module in compiled.modules()}
    for other in place.iterdir():
        with contextlib.suppress(OSError):
            if other.name not in current and time.time() - other.stat().st_mtime > STALE:
                shutil.rmtree(other, ignore_errors=True)


def _compile(module: str, target: Path) -> None:
    """The folder `target` is there, with the machine code of that module's kernels."""
    staging = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        for kernel in kernels(module):
            kernel._cache = machine_code.Writing(kernel._cache, staging)
            for signature in kernel._cache.signatures:
                kernel.compile(signature)
        staging.chmod(0o755)  # jobs have users of their own
        with contextlib.suppress(OSError):  # another was faster
            staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


if __name__ == "__main__":
    complete(Path(sys.argv[1]), sys.argv[2:] or compiled.modules())
