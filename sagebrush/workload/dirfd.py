"""File work beneath a directory descriptor that no link can lead out of.

Jobs own what lies there: they may have put links, FIFOs and devices anywhere. Nothing here opens a
path by more than one component at a time, and never through a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the directory `path`, which must not be a link itself."""
    fd = os.open(path, DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def directory(root: int, parts: tuple[str, ...], make: bool = False) -> Iterator[int]:
    """A descriptor of the directory `parts` beneath `root`, made where it is missing if `make`.

    Raises OSError where a part is a link, is no directory, or is missing.
    """
    fd = os.dup(root)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=fd)
            deeper = os.open(part, DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)


@contextmanager
def created(root: int, parts: tuple[str, ...], mode: int = 0o644) -> Iterator[int]:
    """A descriptor, for writing, of the new file `parts` beneath `root`; its directories are made.

    Raises FileExistsError when something is there, and OSError as `directory` does.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with directory(root, parts[:-1], make=True) as parent:
        fd = os.open(parts[-1], flags, mode, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def read_small(root: int, parts: tuple[str, ...], limit: int) -> bytes | None:
    """The first `limit` bytes of the regular file `parts`; None where there is none.

    A link, FIFO, device or directory of that name counts as none, and is never waited for.
    """
    try:
        with directory(root, parts[:-1]) as parent:
            fd = open_regular(parent, parts[-1])
    except OSError:
        return None
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def open_regular(parent: int, name: str) -> int:
    """A descriptor, for reading, of the regular file `name` in `parent`; else raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise OSError(f"{name} is not a regular file")
    fd = os.open(name, flags, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{name} is not a regular file")
    return fd


@dataclass(frozen=True)
class Found:
    """Something beneath a directory: its parts, its stat, and its parent while it is looked at."""

    parts: tuple[str, ...]
    stat: os.stat_result
    parent: int

    @property
    def path(self) -> str:
        return "/".join(self.parts)


def walk(root: int, parts: tuple[str, ...] = ()) -> Iterator[Found]:
    """All that lies beneath `root`, a directory before what is in it, names in order; no link is
    followed. A name that vanishes meanwhile is left out."""
    for name in sorted(os.listdir(root)):
        try:
            info = os.stat(name, dir_fd=root, follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield Found((*parts, name), info, root)
        if stat.S_ISDIR(info.st_mode):
            fd = os.open(name, DIRECTORY, dir_fd=root)
            try:
                yield from walk(fd, (*parts, name))
            finally:
                os.close(fd)


def merged(roots: Sequence[int]) -> Iterator[Found]:
    """What lies beneath any of `roots`, each as `walk` tells it; of two of one path the earlier root's
    alone, and nothing beneath a path that is no directory in an earlier one."""
    if len(roots) == 1:
        yield from walk(roots[0])
        return
    seen: dict[tuple[str, ...], bool] = {}
    for root in roots:
        for found in walk(root):
            if found.parts in seen or not seen.get(found.parts[:-1], True):
                continue
            seen[found.parts] = stat.S_ISDIR(found.stat.st_mode)
            yield found


def copy(source: int, offset: int, length: int, target: int) -> Iterator[int]:
    """Copies `length` bytes of `source` from `offset` to the end of `target`, yielding each step's
    size (at most 64 MiB), by `copy_file_range` where the system can. Never a link to the source:
    what a job writes must not reach it. Raises OSError when the source is shorter.
    """
    ranged = getattr(os, "copy_file_range", None)
    while length > 0:
        done = 0
        if ranged is not None:
            try:
                done = ranged(source, target, min(length, 64 << 20), offset)
            except OSError as error:
                if error.errno == 28:  # ENOSPC: no other way would help
                    raise
                ranged = None
                continue
        else:
            chunk = os.pread(source, min(length, 1 << 20), offset)
            done = len(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(target, view) :]
        if done == 0:
            raise OSError("the source ended early")
        offset, length = offset + done, length - done
        yield done
