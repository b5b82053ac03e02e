"""The data directory: private, held by one server at a time, of a format that this version knows."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path

from sagebrush.store.db import MIGRATIONS

DATABASE = "sagebrush.db"
FORMAT = max(int(script.name[:4]) for script in MIGRATIONS.glob("[0-9]*.sql"))
"""The format of a data directory is the number of its newest migration."""
FOLDERS = ("keys", "logs", "jobs")


class HomeError(RuntimeError):
    """The data directory cannot be used; the text says why and what to do."""


class Home:
    """The data directory `path`, held by this process until `release` (or its end, however)."""

    def __init__(self, path: Path) -> None:
        """It is there, 0700, locked and of this version's format.

        One of an older format was copied (`backup-<format>-<time>.db`) before anything changes it.
        Raises HomeError, naming the pid where another server holds it.
        """
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(path, 0o700)
            self._lock = _locked(path)
        except OSError as error:
            raise HomeError(
                f"the data directory {path} cannot be used: {error.strerror}; name another: --home, "
                "or SAGEBRUSH_HOME"
            ) from error
        try:
            _check_format(path)
            for folder in FOLDERS:
                (path / folder).mkdir(mode=0o700, exist_ok=True)
        except BaseException:
            self.release()
            raise

    @property
    def database(self) -> Path:
        """The file of the rows."""
        return self.path / DATABASE

    def release(self) -> None:
        """Another server may take it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def holder(path: Path) -> int | None:
    """The pid of the server that holds the data directory `path`, None when none does."""
    try:
        fd = os.open(path / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        text = os.read(fd, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock; its file says who."""
    fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        text = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise HomeError(
            f"the data directory {path} is in use by another server (pid {text})"
        ) from error
    except OSError:
        os.close(fd)
        raise
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _check_format(path: Path) -> None:
    """FORMAT says this version's number; raises HomeError for a newer or unreadable one."""
    file, database = path / "FORMAT", path / DATABASE
    if file.exists():
        text = file.read_text(errors="replace").strip()
        if not text.isdigit():
            raise HomeError(f"{file} does not hold a number: {text[:40]!r}")
        found = int(text)
    else:
        found = 0 if database.exists() else FORMAT
    if found > FORMAT:
        raise HomeError(
            f"the data directory {path} has format {found}; this version of Sagebrush knows"
            f" {FORMAT} at most: use the newer version that wrote it"
        )
    if found < FORMAT and database.exists():
        _back_up(database, path / f"backup-{found}-{time.strftime('%Y%m%dT%H%M%S')}.db")
    if not file.exists() or found < FORMAT:
        _replace(file, f"{FORMAT}\n")


def _back_up(database: Path, copy: Path) -> None:
    """`copy` holds the rows as they are; raises HomeError when that cannot be done."""
    connection = sqlite3.connect(database)
    try:
        connection.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise HomeError(
            f"{database} is of an older format and could not be copied before migrating: {error}"
        ) from error
    finally:
        connection.close()


def _replace(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    with open(part, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
