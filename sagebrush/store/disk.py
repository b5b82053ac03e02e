"""What clients are told where nothing can be stored: the disk is full or read-only, or the database is
in another program's hands."""

from __future__ import annotations

import errno
import sqlite3

from sagebrush.errors import AwsError


def refusal(problem: BaseException | None) -> AwsError | None:
    """The answer to a request that `problem` ended, where the storage is its cause; None where it is not.

    507, which SDKs do not repeat, for the disk: AWS has no code for it, its disks are neither full nor
    read-only. 503, which they do repeat, for a database that another program holds.
    """
    while problem is not None:
        if is_full(problem):
            words = "The disk of the Sagebrush data directory is full."
            return AwsError("StorageFull", words, 507)
        if _is_read_only(problem):
            words = "The disk of the Sagebrush data directory is read-only."
            return AwsError("StorageReadOnly", words, 507)
        if isinstance(problem, sqlite3.Error) and _code(problem) & 0xFF == sqlite3.SQLITE_BUSY:
            words = "Another program holds the database of the Sagebrush data directory."
            return AwsError("ServiceUnavailable", words, 503)
        problem = problem.__cause__ or problem.__context__
    return None


def is_full(problem: BaseException) -> bool:
    """Whether the system, or the database, says that the disk is full."""
    if isinstance(problem, sqlite3.Error):
        return _code(problem) == sqlite3.SQLITE_FULL or "disk is full" in str(problem)
    return isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT)


def _is_read_only(problem: BaseException) -> bool:
    if isinstance(problem, sqlite3.Error):
        return _code(problem) & 0xFF == sqlite3.SQLITE_READONLY  # the rest of a code says why
    return isinstance(problem, OSError) and problem.errno == errno.EROFS


def _code(problem: sqlite3.Error) -> int:
    """SQLite's extended result code; 0 where another raised the error."""
    return getattr(problem, "sqlite_errorcode", 0)
