"""File work under a directory descriptor that no link can lead out of.

Jobs own what lies there: they may have put links, FIFOs and devices anywhere. Nothing here opens a
path by more than one component at a time, and never through a link.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sagebrush.compute import trees
from sagebrush.compute.trees import DIRECTORY

SHOWN = 120
"""Characters of a path in a message."""
ELSEWHERE = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO, errno.ENOENT})
"""What opening says of a name that is no file, or no directory, any more: gone, or now a link."""


class TooMuch(ValueError):
    """A job left more than is looked at; the text says what, and where."""


class Changed(OSError):
    """What was found as a regular file is none (any more)."""


@dataclass(frozen=True)
class Bounds:
    """The most that a walk looks at."""

    depth: int = 256
    """Directories within one another."""
    path: int = 4096
    """Bytes of a path (Linux's PATH_MAX): no program could open a longer one by its name."""
    entries: int = 1_000_000


BOUNDS = Bounds()


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
    """A descriptor of the directory `parts` under `root`, made where it is missing if `make`.

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
    """A descriptor, for writing, of the new file `parts` under `root`; its directories are made.

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


def read_text(root: int, parts: tuple[str, ...], limit: int) -> str:
    """The first `limit` characters of the regular file `parts`, without NULs and the space around
    them; "" where there is no such file. What is no UTF-8 becomes U+FFFD, and no character is cut."""
    most = 4 * limit + 4  # of UTF-8
    data = read_small(root, parts, most) or b""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(data, len(data) < most).replace("\0", "").strip()[:limit]


def open_regular(parent: int, name: str) -> int:
    """A descriptor, for reading, of the regular file `name` in `parent`.

    Raises Changed for anything else, also when the job puts it there between two looks, and OSError.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # never waits for a FIFO
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise Changed(errno.EINVAL, f"{name} is not a regular file")
        fd = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno in ELSEWHERE:
            raise Changed(error.errno, f"{name} is not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Changed(errno.EINVAL, f"{name} is not a regular file")
    return fd


@dataclass(frozen=True)
class Found:
    """Something under a directory: its parts, its stat, and its parent while it is looked at."""

    parts: tuple[str, ...]
    stat: os.stat_result
    parent: int

    @property
    def path(self) -> str:
        return "/".join(self.parts)

    @property
    def shown(self) -> str:
        """Its path for a message: at most SHOWN characters, none of which a terminal would obey."""
        text = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def walk(root: int, bounds: Bounds = BOUNDS) -> Iterator[Found]:
    """All that lies under `root`, a directory before what is in it, names in order; no link is
    followed. A name that vanishes meanwhile is left out, and so is what lies under a directory that
    becomes something else.

    Two descriptors are open at most, however deep it goes. Raises TooMuch beyond `bounds`, and
    trees.Moved where a live job moves the directory that is looked at.
    """
    here, parts, size, left = os.dup(root), (), 0, bounds.entries
    above: list[tuple[os.stat_result, list[str], int]] = []
    try:
        names = _listed(here, left, bounds)
        left -= len(names)
        while names or above:
            if not names:
                known, names, size = above.pop()
                up = trees.parent(here, known)
                os.close(here)
                here, parts = up, parts[:-1]
                continue
            name = names.pop()
            length = size + len(os.fsencode(name))
            try:
                info = os.stat(name, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                continue
            found = Found((*parts, name), info, here)
            if length > bounds.path or len(found.parts) > bounds.depth:
                raise TooMuch(_too_deep(found, bounds))
            yield found
            if not stat.S_ISDIR(info.st_mode) or (child := _entered(here, name)) is None:
                continue
            above.append((os.fstat(here), names, size))
            os.close(here)
            here, parts, size = child, found.parts, length + 1
            names = _listed(here, left, bounds)
            left -= len(names)
    finally:
        os.close(here)


def _entered(parent: int, name: str) -> int | None:
    """A descriptor of the directory `name`; None where it is none any more."""
    try:
        return os.open(name, DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno in ELSEWHERE:
            return None
        raise


def _listed(directory: int, left: int, bounds: Bounds) -> list[str]:
    """The names in `directory`, the last one first; raises TooMuch for more than `left`."""
    names: list[str] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > left:
                raise TooMuch(f"there are more than {bounds.entries} files and directories")
    names.sort(reverse=True)
    return names


def _too_deep(found: Found, bounds: Bounds) -> str:
    if len(found.parts) > bounds.depth:
        return f"{found.shown} is more than {bounds.depth} directories deep"
    return f"the path {found.shown} is longer than {bounds.path} bytes"


def merged(roots: Sequence[int]) -> Iterator[Found]:
    """What lies under any of `roots`, each as `walk` yields it; of two of one path the earlier root's
    alone, and nothing under a path that is no directory in an earlier one. Raises as `walk`."""
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
