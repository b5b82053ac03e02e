"""A job's documents: the objects of its input, within AWS's limits, in batches that are read ahead."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from . import documents, failures
from .documents import Document
from .failures import JobFailed
from .storage import Found, Storage
from .told import Told

BATCH, BYTES = 64, 256 << 10
"""Documents, and characters, that are analysed together at most: a larger document is alone."""
THREADS, HELD = 4, 8 << 20
"""Files that are read at once, and bytes that they have together at most: a larger one is alone."""
AHEAD = 2
"""Batches that are read while one is analysed."""
T = TypeVar("T")


def check(storage: Storage, told: Told) -> None:
    """Returns for an input within the limits; raises JobFailed. Objects are listed twice, so that a
    million of them take no memory."""
    count, total = 0, 0
    for found in _objects(storage, told):
        count, total = count + 1, total + found.size
    if not count:
        raise JobFailed(failures.NOTHING)
    if total > told.limits.total:
        raise failures.too_much("bytes", told.limits.total)
    if not told.by_line and count > told.limits.files:
        raise failures.too_much("files", told.limits.files)
    if total < told.limits.least:
        words = f"INPUT_TOO_SMALL: The input has less than {told.limits.least} bytes."
        raise JobFailed(words)


def read(storage: Storage, told: Told) -> Iterator[Document]:
    """Every document, in the order of keys and lines. Raises JobFailed."""
    if not told.by_line:
        yield from _files(storage, told)
        return
    lines = 0
    for found in _objects(storage, told):
        blocks = storage.blocks(told.bucket, found)
        for document in documents.of_lines(told.name(found.key), blocks, told.limits.document):
            lines += 1
            if told.limits.lines is not None and lines > told.limits.lines:
                raise failures.too_much("lines", told.limits.lines)
            yield document


def _files(storage: Storage, told: Told) -> Iterator[Document]:
    """Each object as a document, or its pages where a custom model reads them; several asked for at once: for small ones that takes most of the time."""

    def one(found: Found) -> list[Document]:
        blocks = storage.blocks(told.bucket, found)
        name, limit = told.name(found.key), told.limits.document
        if told.model:
            return documents.of_pages(name, blocks, limit)
        return [documents.of_file(name, blocks, limit)]

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
    asked: deque[tuple[Future[list[Document]], int]] = deque()
    held = 0
    try:
        for found in _objects(storage, told):
            while asked and (len(asked) == 2 * THREADS or held + found.size > HELD):
                done, size = asked.popleft()
                held -= size
                yield from done.result()
            asked.append((pool.submit(one, found), found.size))
            held += found.size
        while asked:
            yield from asked.popleft()[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _objects(storage: Storage, told: Told) -> Iterator[Found]:
    return storage.listed(told.bucket, told.prefix, told.own)


def batches(found: Iterable[Document]) -> Iterator[list[Document]]:
    """The documents in batches, in their order."""
    batch: list[Document] = []
    size = 0
    for document in found:
        if batch and (len(batch) == BATCH or size + len(document.text) > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.text)
    if batch:
        yield batch


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None


def ahead(found: Iterable[T], stopping: Callable[[], bool], depth: int = AHEAD) -> Iterator[T]:
    """The same, which a thread takes while its last is used: `depth` of them at most. Ends early once
    `stopping()`; raises what taking one raises."""
    ready: queue.Queue[T | _Ended] = queue.Queue(depth)
    left = threading.Event()

    def give(one: T | _Ended) -> bool:
        while not (left.is_set() or stopping()):
            try:
                ready.put(one, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def take() -> None:
        try:
            for one in found:
                if not give(one):
                    return
        except BaseException as error:
            give(_Ended(error))
        else:
            give(_Ended(None))

    thread = threading.Thread(target=take, name="read-ahead", daemon=True)
    thread.start()
    try:
        while not stopping():
            try:
                one = ready.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(one, _Ended):
                if one.error is not None:
                    raise one.error
                return
            yield one
    finally:
        left.set()
