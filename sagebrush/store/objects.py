"""Blobs on disk: bodies are spooled and hashed as they arrive, held while read, dropped when free.

A blob is a file with a random name that never changes once it is written; object keys are never
file names. Rows (`store.catalog`) record which object has which blobs; they are written after the blob
is on disk and before the answer. So a crash leaves at most blobs that no row names: `sweep`.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import stat
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sagebrush.store import checksums, disk
from sagebrush.store.checksums import Digest

log = logging.getLogger(__name__)

INLINE = 32 * 1024
"""Bodies up to so many bytes live in their row: one fsync, no file, no orphan."""
BATCH = 1 << 20
"""Bytes that are hashed and written at a time (isolation.md 8.4: a thread each per MiB)."""
AHEAD = 3
"""Batches that may wait for the hashes before the sender has to wait: memory stays flat."""
SYNCED = 8 << 20
"""Bytes after which they are synced to the disk, while the rest is still received and hashed."""


class Pin:
    """Keeps the blobs of one answer on disk until it is released or nothing refers to the answer."""

    def __init__(self, store: ObjectStore, blobs: Sequence[str]) -> None:
        self._store, self._blobs = store, blobs

    def release(self) -> None:
        """The blobs need not stay any longer. Repeatable."""
        blobs, self._blobs = self._blobs, ()
        self._store._release(blobs)

    def __del__(self) -> None:
        self.release()


@dataclass(frozen=True)
class Blob:
    """Bytes to be sent: `parts` in order if any; else `length` bytes of `path` from `offset`, or `data`.

    The files stay on disk until the Blob (or a slice of it) is released, or nothing refers to it.
    """

    length: int
    path: Path | None = None
    offset: int = 0
    data: bytes = b""
    parts: tuple[Blob, ...] = ()
    pin: Pin | None = field(default=None, repr=False, compare=False)
    arriving: Callable[[int], Future[None]] | None = field(default=None, repr=False, compare=False)
    """Of a file that is still written: set once it has so many bytes; whoever opens it waits."""

    def release(self) -> None:
        """The files need not stay on disk for this Blob, nor for what it is a slice of. Repeatable."""
        if self.pin is not None:
            self.pin.release()

    def read(self) -> bytes:
        """All of it, in memory."""
        return b"".join(self.chunks())

    def chunks(self, size: int = BATCH) -> Iterator[bytes]:
        """All of it, in pieces of at most `size` bytes. Raises OSError when a file is cut short."""
        if self.parts:
            for part in self.parts:
                yield from part.chunks(size)
        elif self.path is None:
            for at in range(0, self.length, size):
                yield self.data[at : min(at + size, self.length)]
        else:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(self.offset)
                left = self.length
                while left:
                    size = min(size, left)
                    if self.arriving is not None:
                        self.arriving(self.offset + self.length - left + size).result()
                    chunk = file.read(size)
                    if not chunk:
                        raise OSError(errno.EIO, f"blob is {left} bytes short", str(self.path))
                    left -= len(chunk)
                    yield chunk

    def slice(self, start: int, length: int) -> Blob:
        """`length` bytes from `start`, which must lie within."""
        if start == 0 and length == self.length:
            return self
        if self.parts:
            found, at = [], 0
            for part in self.parts:
                low, high = max(start, at), min(start + length, at + part.length)
                if low < high:
                    found.append(part.slice(low - at, high - low))
                at += part.length
            return Blob(length, parts=tuple(found), pin=self.pin)
        if self.path is None:
            return Blob(length, data=self.data[start : start + length])
        return Blob(length, self.path, self.offset + start, pin=self.pin, arriving=self.arriving)


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

    def __init__(self, store: ObjectStore, algorithms: Iterable[str]) -> None:
        self._store = store
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
            self._path = self._store.new_path()
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        quick = [self._digests[n] for n in self._names if n in checksums.FULL_OBJECT]
        slow = [self._digests[n] for n in ["MD5", *self._names] if n not in checksums.FULL_OBJECT]
        self._lanes = [_Lane(self._store.pool, partial(_add, [digest])) for digest in slow]
        self._lanes.append(_Lane(self._store.pool, partial(self._store_batch, quick)))

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
        _sync_folder(self._path.parent)


def _add(digests: list[Digest], pieces: list[bytes]) -> None:
    for digest in digests:
        for piece in pieces:
            digest.update(piece)


class ObjectStore:
    """The blobs in the directory `root`, which holds nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.pool = ThreadPoolExecutor(8, thread_name_prefix="spool")
        self._pins: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._lock = threading.RLock()
        # By the clock of the file system, which is coarser than `time.time` and may be another
        # machine's: this run's blobs are not older, and what a killed server was writing is.
        os.utime(root)
        self._opened = root.stat().st_mtime_ns
        self._closed = False

    def spool(self, algorithms: Iterable[str] = ()) -> SpoolWriter:
        """A writer for one body; MD5 and `algorithms` (upper case) are computed as it arrives."""
        return SpoolWriter(self, algorithms)

    def spool_bytes(self, data: bytes, algorithms: Iterable[str] = ("CRC64NVME",)) -> Spooled:
        """`data` as a received body (for Sagebrush's own small writes)."""
        writer = self.spool(algorithms)
        writer.write(data)
        return writer.finish()

    def spool_file(
        self, file: int, size: int, algorithms: Iterable[str] = ("CRC64NVME",)
    ) -> Spooled:
        """The first `size` bytes of the open descriptor `file` as a received body.

        Shorter when the file ends earlier. Raises what `SpoolWriter.finish` raises.
        """
        writer, at = self.spool(algorithms), 0
        try:
            while at < size and (chunk := os.pread(file, min(size - at, BATCH), at)):
                if (wait := writer.write(chunk)) is not None:
                    wait.result()
                at += len(chunk)
            return writer.finish()
        except BaseException:
            writer.abort()
            raise

    def open(self, segments: Sequence[Segment]) -> Blob:
        """The bytes of `segments` in order, kept on disk while the Blob lives.

        Raises FileNotFoundError when a blob is gone, or is no longer the file it was: the rows that
        named it have changed, read them again. (A fault of the disk is thus found before anything is
        sent; opening a pipe would block without end.)
        """
        names = [s.blob for s in segments if s.blob is not None]
        pin = self.pin(names)
        found = []
        for segment in segments:
            if segment.blob is None:
                found.append(Blob(segment.size, data=segment.data))
                continue
            path = self._path(segment.blob)
            there = os.lstat(path)
            if not stat.S_ISREG(there.st_mode) or there.st_size < segment.offset + segment.size:
                raise FileNotFoundError(errno.ENOENT, "the blob is damaged", str(path))
            found.append(Blob(segment.size, path, segment.offset, pin=pin))
        if len(found) == 1:
            return found[0]
        return Blob(sum(b.length for b in found), parts=tuple(found), pin=pin)

    def pin(self, names: Sequence[str]) -> Pin:
        """The blobs stay on disk while the Pin lives."""
        with self._lock:
            self._pins.update(names)
        return Pin(self, names)

    def drop(self, spooled: Spooled) -> None:
        """The file of a body that no row took is gone."""
        if spooled.path is not None:
            self.discard([spooled.path.name])

    def discard(self, blobs: Iterable[str]) -> None:
        """The blobs, which no row names any more, are gone, or go when the last reader ends."""
        with self._lock:
            for name in blobs:
                if self._pins[name] > 0:
                    self._doomed.add(name)
                else:
                    del self._pins[name]
                    _remove(self._path(name))

    def sweep(self, live: Callable[[Sequence[str]], set[str]]) -> int:
        """Blobs older than this store's opening that no row names are gone; how many.

        `live` returns those of the given names that some row still has. May run concurrently with
        requests: a younger blob may not have its row yet.
        """
        removed = 0
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            names = os.listdir(folder)
            for at in range(0, len(names), 500):
                if self._closed:
                    return removed
                some = names[at : at + 500]
                for name in set(some) - live(some):
                    removed += self._sweep_one(folder / name)
        return removed

    def _sweep_one(self, path: Path) -> bool:
        try:
            return path.lstat().st_mtime_ns < self._opened and _remove(path)
        except FileNotFoundError:
            return False

    def new_path(self) -> Path:
        """A path for a new blob, which does not exist yet; its folder does, and outlasts a crash."""
        path = self._path(secrets.token_hex(16))
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            _sync_folder(self.root)
        return path

    def close(self) -> None:
        """The threads have ended, and a sweep ends soon."""
        self._closed = True
        self.pool.shutdown()

    def _path(self, blob: str) -> Path:
        return self.root / blob[:2] / blob

    def _release(self, blobs: Sequence[str]) -> None:
        with self._lock:
            for name in blobs:
                self._pins[name] -= 1
                if self._pins[name] <= 0:
                    del self._pins[name]
                    if name in self._doomed:
                        self._doomed.discard(name)
                        _remove(self._path(name))


def _remove(path: Path) -> bool:
    """Whether the blob was removed. One that cannot be (something else is in its place, the disk
    is read-only) is left to a later sweep: no row names it, so the request has succeeded."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("a blob that nothing names cannot be removed: %s", error)
        return False
    return True


class _refused:
    """Turns "no space" and "read-only" into an answer that a client shows and does not repeat."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and (refusal := disk.refusal(error)):
            raise refusal from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
