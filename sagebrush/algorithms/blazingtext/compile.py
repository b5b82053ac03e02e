"""`python -m blazingtext.compile DIR`: the machine code of all algorithms' kernels is in DIR.

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
from pathlib import Path
from typing import Any

from .kernels import compiled, machine_code

STALE = 30 * 86400.0
"""Seconds after which machine code of other sources, and what killed runs left, is removed."""


def kernels() -> list[Any]:
    """Every kernel of every algorithm."""
    found: dict[str, Any] = {}
    for file in compiled.sources():
        names = file.relative_to(compiled.ALGORITHMS).with_suffix("").parts
        module = importlib.import_module(".".join(names).removesuffix(".__init__"))
        for value in vars(module).values():
            cache = getattr(value, "_cache", None)
            if isinstance(cache, machine_code.Ready):
                found[cache.name] = value
    return list(found.values())


def complete(place: Path) -> None:
    """`place` holds a folder with the machine code of the kernels as they are now, and none that is
    stale."""
    target = place / compiled.identity()
    place.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        staging = Path(tempfile.mkdtemp(prefix=".", dir=place))
        try:
            for kernel in kernels():
                kernel._cache = machine_code.Writing(kernel._cache, staging)
                for signature in kernel._cache.signatures:
                    kernel.compile(signature)
            staging.chmod(0o755)  # jobs have users of their own
            with contextlib.suppress(OSError):  # another was faster
                staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    for other in place.iterdir():
        with contextlib.suppress(OSError):
            if other != target and time.time() - other.stat().st_mtime > STALE:
                shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    complete(Path(sys.argv[1]))
