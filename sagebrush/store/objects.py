"""Blobs on disk: held while read, dropped when free. How they arrive: `store.spool`.

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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.store.spool import BATCH, Segment, Spooled, SpoolWriter, sync_folder

log = logging.getLogger(__name__)


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
        return SpoolWriter(self.pool, self.new_path, algorithms)

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
            sync_folder(self.root)
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
