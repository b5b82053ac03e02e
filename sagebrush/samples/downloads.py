"""Objects of AWS's public buckets on their way into the store: fetched once, read while they come, kept whole.

A row is written once all bytes are on the disk and are those that AWS announced; what ends earlier
leaves nothing behind.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sagebrush.errors import AwsError
from sagebrush.samples import stock, table
from sagebrush.samples.remote import Found, Remote, Unreached
from sagebrush.samples.stock import Stock
from sagebrush.samples.table import PublicBucket
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket, Checksum, Object, Outside
from sagebrush.store.db import Db, Tx
from sagebrush.store.objects import Blob, ObjectStore
from sagebrush.store.spool import BATCH, Spooled

log = logging.getLogger(__name__)
T = TypeVar("T")

AT_ONCE = 16
"""Downloads at once, and questions beside them; more wait."""
LARGE = 4 * BATCH
"""Bytes from which an object is read while it arrives; a smaller one is kept first."""


class Download:
    """One object on its way. Its futures fail with Unreached, or with AwsError as AWS refuses."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self.readable: Future[Found | None] = _promise()
        """Set once its bytes can be read while more arrive (`blob`); None: it is kept by now."""
        self.kept: Future[None] = _promise()
        """Set once it is an object of this store."""
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._path: Path | None = None
        self._size = 0
        self._awaited: list[tuple[int, Future[None]]] = []

    def arriving(self, size: int) -> Future[None]:
        """Set once its file has `size` bytes; fails with OSError, as reading a file does."""
        told: Future[None] = _promise()
        with self._lock:
            if size > self._size and not self.kept.done():
                self._awaited.append((size, told))
                return told
        if size > self._size and (error := self.kept.exception()) is not None:
            told.set_exception(_broken(error))
        else:
            told.set_result(None)
        return told

    def blob(self) -> Blob:
        """Its bytes, of which some have arrived. Raises FileNotFoundError where it was given up."""
        assert self._path is not None
        assert self._found is not None
        pin = self._objects.pin([self._path.name])
        if not self._path.exists():
            raise FileNotFoundError(errno.ENOENT, "the download was given up", str(self._path))
        return Blob(self._found.size, self._path, pin=pin, arriving=self.arriving)

    def begun(self, found: Found) -> None:
        """AWS has described it."""
        self._found = found

    def grown(self, path: Path, size: int) -> None:
        """The file `path` has `size` bytes of it. The last byte is given out once it is kept: until
        then nobody knows whether the bytes are right."""
        found = self._found
        assert found is not None
        with self._lock:
            self._path, self._size = path, min(size, found.size - 1)
            ready = [told for wanted, told in self._awaited if wanted <= self._size]
            self._awaited = [each for each in self._awaited if each[0] > self._size]
        for told in ready:
            told.set_result(None)
        if found.size >= LARGE and not self.readable.done():
            self.readable.set_result(found)

    def end(self, error: BaseException | None = None) -> None:
        """It is kept, or it will not be."""
        with self._lock:
            if error is None:
                self.kept.set_result(None)
            else:
                self.kept.set_exception(error)
            awaited, self._awaited = self._awaited, []
        for _, told in awaited:
            if error is None:
                told.set_result(None)
            else:
                told.set_exception(_broken(error))
        if not self.readable.done():
            if error is None:
                self.readable.set_result(None)
            else:
                self.readable.set_exception(error)


def _broken(error: BaseException) -> OSError:
    return OSError(errno.EIO, f"AWS's public sample bucket: {error}")


def _promise() -> Future[Any]:
    """A future that those who wait for it cannot cancel, since others wait for it too."""
    made: Future[Any] = Future()
    made.set_running_or_notify_cancel()
    return made


class Samples:
    """The public sample buckets as this server has them: kept objects, and AWS behind them."""

    def __init__(
        self, db: Db, objects: ObjectStore, remote: Remote | None, clock: Callable[[], float]
    ) -> None:
        """`remote` is None where the setting `sample_data` is off."""
        self.remote = remote
        self._db, self._objects, self._clock = db, objects, clock
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="samples")
        self._questions = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="samples-asked")
        self._lock = threading.Lock()
        self._on_their_way: dict[tuple[str, str], Download] = {}
        self._closed = False
        self._told = 0.0
        self._stock = Stock(db, objects, clock, self._made)

    def close(self) -> None:
        """Nothing is fetched any more; what was on its way has left nothing behind."""
        self._closed = True
        for pool in (self._pool, self._questions):
            pool.shutdown(cancel_futures=True)
        if self.remote is not None:
            self.remote.close()

    def bucket(self, name: str) -> Bucket | None:
        """The sample bucket of that name, before anything of it is kept; None where the name is of
        no sample bucket or the setting is off."""
        known = table.find(name) if self.remote is not None else None
        return Bucket(0, table.OWNER, name, known.region, 0.0, {}) if known else None

    def made(self, name: str) -> Bucket:
        """The sample bucket of that name, with a row of its own. Raises LookupError for a name of
        none."""
        known = table.find(name)
        if known is None:
            raise LookupError(name)
        return self._db.write(lambda tx: self._made(tx, known))

    def _made(self, tx: Tx, known: PublicBucket) -> Bucket:
        found = catalog.bucket(tx, known.name)
        if found is None:
            new = Bucket(0, table.OWNER, known.name, known.region, self._clock(), {})
            catalog.add_bucket(tx, new)
            found = catalog.bucket(tx, known.name)
        assert found is not None
        return found

    def stocked(self, name: str, row: Bucket | None) -> Bucket | None:
        """The bucket, whose `row` there may be, with what Sagebrush itself has in it."""
        return self._stock.ensure(name, row)

    def changed(self, name: str) -> None:
        """What is in the bucket may have been changed by who has this server."""
        self._stock.forget(name)

    # ---- reading

    def ask(self, question: Callable[[], T]) -> Future[T]:
        """The answer to a question to AWS, which is asked in a thread of this object's own; downloads,
        which may take hours, do not hold it up."""
        return self._questions.submit(question)

    def fetch(self, bucket: str, key: str) -> Download:
        """The object's download, begun by whoever asks first."""
        with self._lock:
            found = self._on_their_way.get((bucket, key))
            if found is None:
                found = Download(self._objects)
                self._on_their_way[bucket, key] = found
                self._pool.submit(self._run, bucket, key, found)
            return found

    def _run(self, name: str, key: str, download: Download) -> None:
        error: BaseException | None = None
        try:
            known = table.find(name)
            if known is None or self.remote is None or self._closed:
                raise Unreached("the setting sample_data is off")
            if not self._kept(name, key):
                found, pieces = self.remote.get(known, key)
                self._keep(known, key, found, self._spooled(found, pieces, download))
        except BaseException as caught:
            error = None if self._stands_in(name, key, caught) else caught
            if error is not None and not isinstance(caught, Unreached | AwsError):
                log.error("s3://%s/%s cannot be kept", name, key, exc_info=caught)
                error = Unreached(f"it cannot be kept: {caught}")
        with self._lock:  # from here on its row is found, or it is fetched again
            self._on_their_way.pop((name, key), None)
        download.end(error)

    def _kept(self, name: str, key: str) -> bool:
        """Whether another download has kept it since it was looked for."""
        tables = Outside(self._db)
        bucket = catalog.bucket(tables, name)
        found = catalog.find(tables, bucket.id, key) if bucket is not None else None
        return found is not None and stock.source(found) != stock.REFERENCE

    def _stands_in(self, name: str, key: str, error: BaseException) -> bool:
        """Whether a reference of ours is read in place of what AWS did not give."""
        tables = Outside(self._db)
        bucket = catalog.bucket(tables, name)
        found = catalog.find(tables, bucket.id, key) if bucket is not None else None
        if stock.source(found) != stock.REFERENCE or not isinstance(error, Unreached | AwsError):
            return False
        log.info(
            "s3://%s/%s: Sagebrush's reference to the model, not AWS's file: %s", name, key, error
        )
        return True

    def _spooled(self, found: Found, pieces: Iterator[bytes], download: Download) -> Spooled:
        """All bytes, on the disk. Raises Unreached where they are not those that were announced."""
        writer = self._objects.spool(("CRC64NVME",))
        writer.grown = download.grown
        download.begun(found)
        try:
            for piece in pieces:
                if (wait := writer.write(piece)) is not None:
                    wait.result()
                if self._closed:
                    raise Unreached("this server stops")
            if writer.size != found.size:
                raise Unreached(f"{writer.size} of {found.size} bytes came")
            body = writer.finish()
        except BaseException:
            writer.abort()
            raise
        if found.md5 and body.md5 != found.etag:
            self._objects.drop(body)
            raise Unreached("the bytes that came are not those of its ETag")
        return body

    def _keep(self, known: PublicBucket, key: str, found: Found, body: Spooled) -> None:
        checksum = Checksum("CRC64NVME", body.checksums["CRC64NVME"])

        def change(tx: Tx) -> list[str]:
            bucket = self._made(tx, known)
            if bucket.account != table.OWNER:  # a user made a bucket of the name meanwhile
                raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)
            new = Object(
                bucket.id, key, body.size, found.etag, found.modified, found.storage, checksum,
                found.doc, data=body.data,
            )  # fmt: skip
            return catalog.put(tx, new, [body.segment()] if body.path is not None else [])

        try:
            self._objects.discard(self._db.write(change))
        except BaseException:
            self._objects.drop(body)
            raise
        log.info("s3://%s/%s is kept, as AWS has it: %s bytes", known.name, key, f"{body.size:,}")

    # ---- telling

    def warn(self, what: str, why: str) -> None:
        """Says in the server's log, at most once a minute, that a sample could not be read."""
        now = time.monotonic()
        if now >= self._told:
            self._told = now + 60
            log.warning("%s could not be read from AWS: %s (docs/samples.md)", what, why)
