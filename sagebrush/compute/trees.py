"""Directory trees that jobs wrote: of any depth, with constant memory for it and two descriptors.

A job may nest directories as deep as it likes and leave millions of files. Nothing here recurses or
holds a descriptor for each level, and no link is followed. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CLOCKED = 256
"""Entries between two looks at the clock."""


class Moved(OSError):
    """A directory was moved elsewhere while what is in it was looked at."""


def parent(directory: int, known: os.stat_result) -> int:
    """A descriptor of the directory above `directory`, which must be the one that `known` is of.

    `..` leads wherever its directory is by now; so it is compared. Raises Moved.
    """
    above = os.open("..", DIRECTORY, dir_fd=directory)
    if os.path.samestat(os.fstat(above), known):
        return above
    os.close(above)
    raise Moved(errno.ESTALE, "a directory was moved while it was read")


def give(directory: int, uid: int) -> None:
    """Everything under the open `directory` belongs to `uid`; no link is followed.

    Files with several names are left alone: another of their names may be somebody else's. Nobody
    may change the tree meanwhile. Raises OSError.
    """
    os.fchown(directory, uid, uid)
    above: list[tuple[os.stat_result, list[str]]] = []
    here, below = os.dup(directory), _given(directory, uid)
    try:
        while True:
            if below:
                child = os.open(below.pop(), DIRECTORY, dir_fd=here)
                above.append((os.fstat(here), below))
                os.close(here)
                here = child
                os.fchown(here, uid, uid)
                below = _given(here, uid)
            elif above:
                known, below = above.pop()
                up = parent(here, known)
                os.close(here)
                here = up
            else:
                return
    finally:
        os.close(here)


def _given(directory: int, uid: int) -> list[str]:
    """The files in `directory` belong to `uid`; the names of its directories."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                found.append(entry.name)
            elif info.st_nlink == 1:
                os.chown(entry.name, uid, uid, dir_fd=directory, follow_symlinks=False)
    return found


def remove(path: str, until: float = float("inf")) -> bool:
    """Whether nothing is left at `path`: all is gone, or `time.monotonic()` passed `until` before.

    A tree is taken apart from its top: the directories of a directory are moved up to its level, so
    that it can go, however deep they are. Directories that their job closed to everyone are opened.
    The job has ended: it changes nothing meanwhile. May be called again. Raises OSError for what
    cannot be removed.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return True
        top = os.open(path, DIRECTORY)
    except FileNotFoundError:
        return True
    except PermissionError:
        os.chmod(path, 0o700)
        top = os.open(path, DIRECTORY)
    try:
        removal = _Removal(top, until)
        while removal.done():
            try:
                os.rmdir(path)
                return True
            except FileNotFoundError:
                return True
            except OSError as error:  # somebody else removes it too, and has moved one up
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
        return False
    finally:
        os.close(top)


class _Removal:
    """Empties the directory `top`."""

    def __init__(self, top: int, until: float) -> None:
        self.top = top
        self.until = until
        self.count = 0
        self.moved = 0

    def done(self) -> bool:
        """Whether it is empty; not, when time was over before."""
        _opened_up(self.top)
        try:
            while self._empty(self.top, self._take_apart):
                pass
        except TimeoutError:
            return False
        return True

    def _empty(self, directory: int, take: Callable[[str], None]) -> bool:
        """Whether `directory` had entries, all of which are gone: files by unlink, directories by
        `take`."""
        count = 0
        with os.scandir(directory) as entries:
            for entry in entries:
                self._tick()
                count += 1
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False):
                        take(entry.name)
                    else:
                        os.unlink(entry.name, dir_fd=directory)
        return count > 0

    def _take_apart(self, name: str) -> None:
        """The directory `name` of the top is gone; those that were in it are in the top instead."""
        directory = self._open(name)
        try:
            _opened_up(directory)
            # what changes while it is listed may be listed in part only
            while self._empty(directory, lambda child: self._move_up(directory, child)):
                pass
        finally:
            os.close(directory)
        os.rmdir(name, dir_fd=self.top)

    def _move_up(self, directory: int, name: str) -> None:
        """The directory `name` of `directory` is in the top, under another name."""
        shut = True
        while True:
            self.moved += 1
            try:
                # An empty directory that has this name gives way, which is as well.
                os.rename(name, f"{self.moved:x}", src_dir_fd=directory, dst_dir_fd=self.top)
                return
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    continue
                if error.errno not in (errno.EACCES, errno.EPERM) or not shut:
                    raise
                shut = False  # it is changed itself (its `..`), so it must be writable too
                os.chmod(name, 0o700, dir_fd=directory)

    def _open(self, name: str) -> int:
        """The directory `name` of the top, made accessible where it is not."""
        try:
            return os.open(name, DIRECTORY, dir_fd=self.top)
        except PermissionError:
            os.chmod(name, 0o700, dir_fd=self.top)
            return os.open(name, DIRECTORY, dir_fd=self.top)

    def _tick(self) -> None:
        self.count += 1
        if self.count % CLOCKED == 0 and time.monotonic() >= self.until:
            raise TimeoutError


def _opened_up(directory: int) -> None:
    """Its owner may list and change the directory."""
    mode = stat.S_IMODE(os.fstat(directory).st_mode)
    if mode & 0o700 != 0o700:
        os.fchmod(directory, 0o700)
