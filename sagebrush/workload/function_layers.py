"""Layers of a function laid over each other, and what its /tmp holds: trees that users made.

Nothing here follows a link: a layer's links mean what they mean inside the function's sandbox.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from sagebrush.compute.trees import DIRECTORY

DEEPEST = 256
"""Directories within one another in /tmp that are looked into; what nests deeper counts as endless."""
MOST = 1 << 17
"""Files and directories in /tmp, at most: what has more counts as endless too."""
ENDLESS = 1 << 62
_BLOCK = 512


def lay_over(layers: Sequence[Path], into: Path) -> None:
    """The directory `into` has what all layers have; where several have a name, the last one's. Files are
    links to the layers' own where the file system lets them. Raises OSError."""
    into.chmod(0o755)
    for layer in layers:
        for folder, names, files in os.walk(layer):
            here = into / Path(folder).relative_to(layer)
            for name in names:
                source, target = Path(folder, name), here / name
                if source.is_symlink():
                    _replace(source, target)
                    continue
                if (
                    target.is_symlink() or not target.is_dir()
                ):  # never through an earlier one's link
                    target.unlink(missing_ok=True)
                    target.mkdir()
                    target.chmod(0o755)  # whatever the server's umask: the function's user reads it
            for name in files:
                _replace(Path(folder, name), here / name)


def _replace(source: Path, target: Path) -> None:
    """`target` is the file or link that `source` is, in place of what an earlier layer had there."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def held(directory: Path) -> int:
    """Bytes on disk of all that is under `directory`, which changes meanwhile; ENDLESS for what nests
    too deep to be looked at, or is too many."""
    total, count, stack = 0, 0, list[tuple[int, list[str]]]()
    try:
        with contextlib.suppress(OSError):
            _enter(os.open(directory, DIRECTORY), stack)
        while stack:
            here, below = stack[-1]
            if below:
                found = _looked(here, below.pop(), stack)
                count += 1
                if found is None or count > MOST:
                    return ENDLESS
                total += found
            else:
                os.close(here)
                stack.pop()
    finally:
        for here, _ in stack:
            os.close(here)
    return total


def _enter(directory: int, stack: list[tuple[int, list[str]]]) -> None:
    stack.append((directory, []))
    stack[-1][1].extend(os.listdir(directory))


def _looked(here: int, name: str, stack: list[tuple[int, list[str]]]) -> int | None:
    """Bytes of the file; a directory comes onto the stack. None where that is too deep."""
    with contextlib.suppress(OSError):
        info = os.stat(name, dir_fd=here, follow_symlinks=False)
        if not stat.S_ISDIR(info.st_mode):
            return info.st_blocks * _BLOCK
        if len(stack) > DEEPEST:
            return None
        _enter(os.open(name, DIRECTORY, dir_fd=here), stack)
    return 0
