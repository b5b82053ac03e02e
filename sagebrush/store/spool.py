"""Bodies as they arrive: spooled, hashed and synced, not yet objects.

A body becomes one blob, or stays in memory where it is small. Which rows name it is decided after it
is complete (`store.catalog`).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sagebrush.store import checksums, disk
from sagebrush.store.checksums import Digest

INLINE = 32 * 1024
"""Bodies up to so many bytes live in their row: one fsync, no file, no orphan."""
BATCH = 1 << 20
"""Bytes that are hashed and written at a time (isolation.md 8.4: a thread each per MiB)."""
AHEAD = 3
"""Batches that may wait for the hashes before the sender has to wait: memory stays flat."""
SYNCED = 8 << 20
"""Bytes after which they are synced to the disk, while the rest is still received and hashed."""


@dataclass(frozen=True)
class Segment:
    """A piece of an object: `size` bytes from `offset` of a blob, or `data` itself."""

    size: int
    blob: str | None = None
    offset: int = 0
    data: bytes = b""


@dataclass(frozen=True)
class Spooled:
    """A received body, complete, hashed and on disk, not yet an object: in the file `path` or in `data`.

    `md5` is hexadecimal. `checksums` maps upper-case algorithm names (`checksums.ALGORITHMS`) to
    the base64 text of what was computed. Who gets one and does not store it in a row calls
    `ObjectStore.drop`.
    """

    size: int
    md5: str
    path: Path | None = None
    data: bytes = b""
    checksums: dict[str, str] = field(default_factory=dict)

    def read(self) -> bytes:
        """All of it, in memory."""
        return self.data if self.path is None else self.path.read_bytes()

    def segment(self) -> Segment:
        """The whole body as a piece of an object."""
        if self.path is None:
            return Segment(self.size, data=self.data)
        return Segment(self.size, self.path.name)


class _Batch:
    """Bytes on their way through every lane; `done` when all have taken them."""

    def __init__(self, pieces: list[bytes], lanes: int) -> None:
        self.pieces = pieces
        self.done: Future[None] = Future()
        self._left, self._lock = lanes, threading.Lock()

    def taken(self) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self.pieces = []
            self.done.set_result(None)


class _Lane:
    """Feeds batches, in order, to `take`, in a thread of the pool; at most one thread at a time."""

    def __init__(self, pool: ThreadPoolExecutor, take: Callable[[list[bytes]], object]) -> None:
        self._pool, self._take = pool, take
        self._waiting: deque[_Batch] = deque()
        self._busy, self._lock = False, threading.Lock()
        self.error: Exception | None = None

    def put(self, batch: _Batch) -> None:
        with self._lock:
            self._waiting.append(batch)
            start, self._busy = not self._busy, True
        if start:
            self._pool.submit(self._run)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                batch = self._waiting.popleft()
            try:
                if self.error is None:
                    self._take(batch.pieces)
            except Exception as error:
                self.error = error
            finally:
                batch.taken()


class SpoolWriter:
    """Takes one body as it arrives. One caller at a time; any thread."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        new_path: Callable[[], Path],
        algorithms: Iterable[str],
    ) -> None:
        """A body of more than INLINE bytes is written to the file that `new_path` names, and hashed
        in threads of the pool."""
        self._pool, self._new_path = pool, new_path
        self.size = 0
        """Bytes taken so far."""
        self.grown: Callable[[Path, int], object] = lambda _path, _size: None
        """Told of the file, and of how many bytes it has, after each batch; in any thread."""
        self._names = sorted(set(algorithms) - {"MD5"})
        self._digests = {name: checksums.new(name) for name in ["MD5", *self._names]}
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._path: Path | None = None
        self._file = -1
        self._unsynced = 0
        self._lanes: list[_Lane] = []
        self._ahead: deque[_Batch] = deque()

    def write(self, chunk: bytes) -> Future[None] | None:
        """`chunk` is taken; never blocks.

        Answers a future when enough is in flight: wait for it (`asyncio.wrap_future`) before the
        next write. Raises AwsError (507, `disk.refusal`) or OSError once the disk has refused bytes.
        """
        self.size += len(chunk)
        self._buffer.append(chunk)
        self._buffered += len(chunk)
        if self._buffered < BATCH:
            return None
        return self._dispatch()

    def finish(self) -> Spooled:
        """The body, hashed and on disk. Waits for the disk when `size > INLINE`: call in a thread.

        Raises what `write` raises; nothing is left behind then.
        """
        if self._path is None and self.size <= INLINE:
            data = b"".join(self._buffer)
            for digest in self._digests.values():
                digest.update(data)
            return self._spooled(data, None)
        try:
            if self._buffered:
                self._dispatch()
            while self._ahead:
                self._ahead.popleft().done.result()
            self._raise()
            self._sync()
        except BaseException:
            self.abort()
            raise
        path, self._path = self._path, None
        return self._spooled(b"", path)

    def abort(self) -> None:
        """Nothing of the body is left. May be called at any time, and again."""
        self._buffer.clear()
        while self._ahead:
            self._ahead.popleft().done.result()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _spooled(self, data: bytes, path: Path | None) -> Spooled:
        found = {name: digest.digest() for name, digest in self._digests.items()}
        texts = {name: checksums.text(value) for name, value in found.items()}
        return Spooled(self.size, found["MD5"].hex(), path, data, texts)

    def _dispatch(self) -> Future[None] | None:
        self._raise()
        if not self._lanes:
            self._open()
        batch = _Batch(self._buffer, len(self._lanes))
        self._buffer = []
        self._buffered = 0
        for lane in self._lanes:
            lane.put(batch)
        self._ahead.append(batch)
        while self._ahead and self._ahead[0].done.done():
            self._ahead.popleft()
        return self._ahead[-AHEAD].done if len(self._ahead) >= AHEAD else None

    def _open(self) -> None:
        """The file is there and each slow hash has a lane; the quick ones ride with the disk's."""
        with _refused():
            self._path = self._new_path()
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        quick = [self._digests[n] for n in self._names if n in checksums.FULL_OBJECT]
        slow = [self._digests[n] for n in ["MD5", *self._names] if n not in checksums.FULL_OBJECT]
        self._lanes = [_Lane(self._pool, partial(_add, [digest])) for digest in slow]
        self._lanes.append(_Lane(self._pool, partial(self._store_batch, quick)))

    def _store_batch(self, quick: list[Digest], pieces: list[bytes]) -> None:
        _add(quick, pieces)
        with _refused():
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._file, view) :]
            self._unsynced += sum(map(len, pieces))
            if self._unsynced >= SYNCED:
                os.fdatasync(self._file)
                self._unsynced = 0
        if self._path is not None:
            self.grown(self._path, os.lseek(self._file, 0, os.SEEK_CUR))

    def _raise(self) -> None:
        for lane in self._lanes:
            if lane.error is not None:
                raise lane.error

    def _sync(self) -> None:
        """The bytes and the file's name are on disk."""
        assert self._path is not None
        with _refused():
            os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        sync_folder(self._path.parent)


def _add(digests: list[Digest], pieces: list[bytes]) -> None:
    for digest in digests:
        for piece in pieces:
            digest.update(piece)


class _refused:
    """Turns "no space" and "read-only" into an answer that a client shows and does not repeat."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and (refusal := disk.refusal(error)):
            raise refusal from error


def sync_folder(folder: Path) -> None:
    """The names of the files in the folder are on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
