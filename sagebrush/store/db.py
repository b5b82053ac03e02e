"""The database: one writer that commits queued writes together, concurrent readers, migrations."""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sagebrush.store import disk
from sagebrush.store.generations import Generations

log = logging.getLogger(__name__)

T = TypeVar("T")
Params = Mapping[str, Any] | Sequence[Any]
MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = (
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", 2),
    ("foreign_keys", "ON", 1),
    ("fullfsync", "ON", 1),  # macOS: its plain fsync does not reach the disk
)
"""What every connection sets, and what SQLite then says; a file system may refuse WAL."""
GROUP = 256
"""Writes that share one commit at most."""
RESERVE = 8 << 20
"""Bytes of disk kept back for urgent writes: on a full disk a job's end can still be recorded."""
REFILL = 10.0
"""Seconds between tries to keep them back again."""

PATIENCE = 30.0
"""Seconds to wait for another program that holds the database (a backup)."""


class Conflict(Exception):
    """What is stored forbids the write: a name is taken, or what it refers to is gone."""


class Tx:
    """One write transaction. What it changes is seen by others when the group commits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.outdates = False
        """Whether it changes rows of which `Db.kept` may hold older ones; set by who changes them."""
        self.afterwards: list[Callable[[], object]] = []
        """What is called once all of it is on disk (`after`)."""

    def after(self, told: Callable[[], object]) -> None:
        """`told` is called once the transaction is on disk, in the thread of the only writer: it must
        return at once and raise nothing. It may be called though the write that asked was undone."""
        self.afterwards.append(told)

    def run(self, sql: str, params: Params = ()) -> int:
        """Executes `sql`; the number of rows it touched."""
        return self._connection.execute(sql, params).rowcount

    def all(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """All rows that `sql` answers (a SELECT, or a change with RETURNING)."""
        return self._connection.execute(sql, params).fetchall()

    def one(self, sql: str, params: Params = ()) -> sqlite3.Row | None:
        """The first row that `sql` answers, or None."""
        rows = self.all(sql, params)
        return rows[0] if rows else None


@dataclass
class _Write:
    """One queued write."""

    function: Callable[[Tx], Any]
    urgent: bool
    future: Future[Any] = field(default_factory=Future)


class _Reserve:
    """A file of RESERVE bytes that is given up when an urgent write finds the disk full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = path.exists()
        self._tried = float("-inf")

    def fill(self) -> None:
        """It is there, unless the disk is too full or it was tried a moment ago."""
        if self._held or time.monotonic() - self._tried < REFILL:
            return
        self._tried = time.monotonic()
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 4 * RESERVE or not hasattr(os, "posix_fallocate"):
            return
        try:
            with open(self._path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE)
            self._held = True
        except OSError:
            self._path.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Its space is free; whether there was any."""
        held, self._held = self._held, False
        self._path.unlink(missing_ok=True)
        self._tried = time.monotonic()
        return held


class Db:
    """SQLite in WAL mode with `synchronous=FULL`.

    `write` queues a function for the one writer thread, which runs all that wait in one
    transaction (a savepoint each, so one that raises undoes only itself) and commits once: a
    durable small write costs a share of one fsync. `read` runs on a connection of the calling
    thread and sees every write that has been answered.
    """

    def __init__(self, path: Path) -> None:
        """Raises RuntimeError where the file cannot be used."""
        self._path = path
        self.generations = Generations()
        self.kept: dict[str, Any] = {}
        """Rows that are asked for at every request and rarely change (`catalog.known_bucket`).

        Another dictionary takes its place between the commit of a change to such rows and the answer
        to it: whoever has read an older row fills the old one. So take it first, then read.
        """
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._reserve = _Reserve(path.with_name(path.name + "-reserve"))
        try:
            self._writer_connection = self._connect()
            self._migrate(self._writer_connection)
        except sqlite3.OperationalError as error:
            raise RuntimeError(f"cannot use the database in {path.parent}: {error}") from error
        self._closed = False
        self._closing = threading.Lock()
        self._writer = threading.Thread(target=self._write_loop, name="db-writer", daemon=True)
        self._writer.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        for name, value, said in PRAGMAS:
            connection.execute(f"PRAGMA {name}={value}")
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != said:
                connection.close()
                raise RuntimeError(f"{self._path}: {name} is {found!r}, not {value}")
        return connection

    @staticmethod
    def _migrate(connection: sqlite3.Connection) -> None:
        """Every script of `migrations/` that has not run here has run, in order, in one transaction."""
        connection.execute("CREATE TABLE IF NOT EXISTS migration(name TEXT PRIMARY KEY)")
        done = {row[0] for row in connection.execute("SELECT name FROM migration")}
        scripts = [each for each in sorted(MIGRATIONS.glob("*.sql")) if each.name not in done]
        steps = "\n".join(
            f"{each.read_text()}\nINSERT INTO migration VALUES('{each.name}');" for each in scripts
        )
        if steps:
            connection.executescript(f"BEGIN;\n{steps}\nCOMMIT;")

    def write(self, function: Callable[[Tx], T], urgent: bool = False) -> T:
        """The result of `function`, whose transaction is on disk when this returns.

        May block for a few milliseconds. What `function` raises is raised here and undoes it.
        `function` must not wait for anything else: it holds the only writer. Raises Conflict for what
        a constraint forbids, AwsError (507) when the disk is full or read-only; an `urgent` one has some
        disk kept back for it. Raises Outdated where it is part of what began before all was deleted.
        """
        return self.submit(function, urgent).result()

    def submit(self, function: Callable[[Tx], T], urgent: bool = False) -> Future[T]:
        """Like `write`, but answers at once with the future of the result."""
        item = _Write(self.generations.guarded(function), urgent)
        with self._closing:
            if self._closed:
                raise RuntimeError("the database is closed")
            self._queue.put(item)
        return item.future

    def read(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """All rows that the SELECT `sql` answers, as of now."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            with self._readers_lock:
                self._readers.append(connection)
        return connection.execute(sql, params).fetchall()

    def read_one(self, sql: str, params: Params = ()) -> sqlite3.Row | None:
        """The first row that the SELECT `sql` answers, or None."""
        rows = self.read(sql, params)
        return rows[0] if rows else None

    def close(self) -> None:
        """All writes that were queued are on disk and the files are closed."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._writer_connection.close()
        with self._readers_lock:
            for connection in self._readers:
                connection.close()

    def _write_loop(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, last = [first], False
            while not last and len(group) < GROUP:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                else:
                    group.append(item)
            self._run_group(group)
            if last:
                return

    def _run_group(self, group: list[_Write]) -> None:
        connection = self._writer_connection
        tx = Tx(connection)
        try:
            connection.execute("BEGIN IMMEDIATE")
            one = _only if len(group) == 1 else _one
            answers = [one(connection, tx, item) for item in group]
            connection.execute("COMMIT")
            if tx.outdates:
                self.kept = {}
        except BaseException as error:
            try:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            except sqlite3.Error:
                log.exception("a failed transaction could not be rolled back")
            if tx.outdates:  # a commit that failed may be on disk nevertheless
                self.kept = {}
            full = isinstance(error, sqlite3.OperationalError) and disk.is_full(error)
            if full and len(group) > 1:
                # one large write filled the disk: the small ones of its group may still fit
                for one in group:
                    self._run_group([one])
            elif full and group[0].urgent and self._reserve.give_up():
                self._run_group(group)
            else:
                for item in group:
                    _tell(item.future, None, error)
            return
        for told in tx.afterwards:
            told()
        for future, result, error in answers:
            _tell(future, result, error)
        self._reserve.fill()


class ReadOnly:
    """A database that another process may have open: it is read and never changed."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError where there is none."""
        uri = f"{path.resolve(strict=True).as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, timeout=10)
        self._connection.row_factory = sqlite3.Row

    def read(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """All rows that the SELECT `sql` answers, as of now."""
        return self._connection.execute(sql, params).fetchall()

    def close(self) -> None:
        """The file is closed."""
        self._connection.close()


_Answer = tuple[Future[Any], Any, BaseException | None]


def _only(_connection: sqlite3.Connection, tx: Tx, item: _Write) -> _Answer:
    """The only function of its group: what it raises undoes the transaction, which is all its own."""
    return item.future, item.function(tx), None


def _one(connection: sqlite3.Connection, tx: Tx, item: _Write) -> _Answer:
    """One function of the group, in a savepoint of its own. Raises when the transaction is lost."""
    connection.execute("SAVEPOINT one")
    try:
        answer = item.future, item.function(tx), None
    except BaseException as error:
        if not connection.in_transaction:  # SQLite undid it all (a full disk): no write is done
            raise
        connection.execute("ROLLBACK TO one")
        answer = item.future, None, error
    connection.execute("RELEASE one")
    return answer


def _tell(future: Future[Any], result: Any, error: BaseException | None) -> None:
    """The future has its answer; one that was cancelled or answered before does not matter."""
    if error is not None and (told := _told(error)) is not error:
        told.__cause__ = error
        error = told
    try:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    except InvalidStateError:
        log.warning("nobody waits for a write any more")


def _told(error: BaseException) -> BaseException:
    """The error in words that do not depend on SQLite, where there are any."""
    if isinstance(error, sqlite3.OperationalError) and (refusal := disk.refusal(error)):
        return refusal
    return Conflict(str(error)) if isinstance(error, sqlite3.IntegrityError) else error
