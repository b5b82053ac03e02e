"""Captured requests on their way to S3 (`World.captures`): appended to a file here, uploaded as one
object by size and by minute.

A thread encodes and appends, so that an answer waits for neither. A file is appended to at once
after the answer, so a server that is killed loses the requests of the last milliseconds; the next
one uploads the files that it finds. A file whose upload fails is kept and tried again.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.errors import Doc
from sagebrush.routing.capture import record
from sagebrush.routing.capture.record import Exchange, Rule
from sagebrush.routing.endpoints import Name

log = logging.getLogger(__name__)

SECONDS = 60.0
"""From a file's first request to its upload."""
SIZE = 4 * 1024 * 1024
"""Bytes of a file after which it is uploaded at once."""
AGAIN = 60.0
"""Seconds until an upload that failed is tried again."""
TRIES = 30
"""Uploads that may fail before the file is given up: the bucket may be gone for good."""
KEPT = 1 << 30
"""Bytes of files whose upload failed that are kept: where the bucket is gone, the disk must not fill."""
WAITING = 64 * 1024 * 1024
"""Bytes that may wait to be appended; further requests are not captured ("stops capturing at high
levels of disk usage": ours at high load)."""
LOOK = 0.02
"""Seconds in which what comes together is appended together."""

Upload = Callable[[Doc, str, str, bytes], None]
"""(whose: account, region, role; destination; key; content): stores it in S3; raises what it likes."""


@dataclass
class _File:
    """A capture file that is being filled, or waits for its upload."""

    path: Path
    head: Doc
    """Whose it is: account, region, endpoint, variant, role, destination, and when it begins."""
    fd: int
    size: int = 0
    due: float = 0.0
    tries: int = 0


@dataclass
class _Counted:
    """Bytes that wait to be appended, and requests that were not taken because too many did."""

    waiting: int = 0
    dropped: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)


class Captures:
    """The captured requests of this process. `note` is called in the event loop's thread."""

    def __init__(self, folder: Path, clock: Callable[[], float], upload: Upload) -> None:
        self._folder = folder
        self._clock = clock
        self._upload = upload
        self._noted: deque[tuple[Name, str, Rule, Exchange]] = deque()
        self._some = threading.Event()
        """Set while something may be in `_noted`, or the thread is to end."""
        self._counted = _Counted()
        self._files: dict[tuple[Name, str, str], _File] = {}
        self._failed: list[_File] = []
        self._guard = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Files of an earlier server are uploaded, and requests are taken from now on."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="captures", daemon=True)
        self._thread.start()

    def note(self, name: Name, variant: str, rule: Rule, exchange: Exchange) -> None:
        """The exchange will be stored; returns at once."""
        size = len(exchange.asked) + len(exchange.answered)
        counted = self._counted
        with counted.guard:
            if counted.waiting + size > WAITING:
                counted.dropped += 1
                return
            counted.waiting += size
        self._noted.append((name, variant, rule, exchange))
        if not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """All that was noted before is in S3, or in a file that a later flush uploads."""
        with self._guard:
            self._drain()
            for key in list(self._files):
                self._close(key)
            self._retry(float("inf"))

    def drop(self) -> None:
        """Nothing captured is kept: what it is of was deleted."""
        with self._guard:
            self._take_all()
            for each in [*self._files.values(), *self._failed]:
                if each.fd >= 0:
                    os.close(each.fd)
                each.path.unlink(missing_ok=True)
            self._files.clear()
            self._failed.clear()

    def stop(self) -> None:
        """What was noted is flushed; nothing more is taken."""
        if self._thread is None:
            return
        self._stop.set()
        self._some.set()
        self._thread.join()
        self._thread = None
        self.flush()

    # ---- the thread

    def _run(self) -> None:
        self._adopt()
        while not self._stop.is_set():
            with self._guard:
                idle = not self._files and not self._failed
            # idle: until something is noted, without looking
            if self._some.wait(None if idle else 1.0):
                self._stop.wait(LOOK)
                self._some.clear()
            with self._guard:
                self._drain()
                self.flush_due()

    def flush_due(self) -> None:
        """Files whose minute has passed, and failed ones whose next try is due, are uploaded."""
        with self._guard:
            now = self._clock()
            for key in [k for k, each in self._files.items() if _due(each, now, SECONDS)]:
                self._close(key)
            self._retry(now)

    def _adopt(self) -> None:
        """The files that an earlier server left are uploaded."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                first = file.readline()
            try:
                head = json.loads(first)
            except ValueError:
                path.unlink()  # killed before its head was written: there is nothing in it
                continue
            with self._guard:
                if not any(each.path == path for each in self._files.values()):
                    self._send(_File(path, head, -1))

    def _drain(self) -> None:
        """All that was noted is in files. What goes into one file together is written at once: each
        write lets go of the interpreter, and takes it from the answers again."""
        texts: dict[tuple[Name, str, str, int], tuple[Rule, float, list[bytes]]] = {}
        for name, variant, rule, exchange in self._take_all():
            key = (name, variant, rule.destination, _hour(exchange.at))
            known = texts.setdefault(key, (rule, exchange.at, []))
            known[2].append(record.line(rule, exchange))
        for (name, variant, _, _), (rule, at, lines) in texts.items():
            self._append(name, variant, (rule, at), lines)
        counted = self._counted
        with counted.guard:
            dropped, counted.dropped = counted.dropped, 0
        if dropped:
            log.warning("%d requests were not captured: too many waited for the disk", dropped)

    def _take_all(self) -> list[tuple[Name, str, Rule, Exchange]]:
        found = []
        while self._noted:
            found.append(self._noted.popleft())
        with self._counted.guard:
            self._counted.waiting -= sum(len(e.asked) + len(e.answered) for *_, e in found)
        return found

    def _append(
        self, name: Name, variant: str, how: tuple[Rule, float], lines: list[bytes]
    ) -> None:
        """The lines, the first of which is of the time `how[1]`, are in the file of their hour."""
        rule, at = how
        key = (name, variant, rule.destination)
        while lines:
            try:
                known = self._files.get(key)
                if known is not None and _hour(known.head["began"]) != _hour(at):
                    self._close(key)
                    known = None
                if known is None:
                    known = self._files[key] = self._begin(name, variant, rule, at)
                count = fitting(lines, SIZE - known.size)
                text = b"".join(lines[:count])
                _write(known.fd, text)
                known.size += len(text)
                if known.size >= SIZE:
                    self._close(key)
            except OSError as error:  # a full disk: answers are worth more than their copies
                words = "%d requests of %s were not captured: %s"
                log.warning(words, len(lines), name[2], error.strerror)
                return
            lines = lines[count:]

    def _begin(self, name: Name, variant: str, rule: Rule, at: float) -> _File:
        account, region, endpoint = name
        head = {
            "account": account,
            "region": region,
            "endpoint": endpoint,
            "variant": variant,
            "role": rule.role,
            "destination": rule.destination,
            "began": at,
        }
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{uuid.uuid4().hex}.jsonl"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(fd, json.dumps(head).encode() + b"\n")
        except OSError:  # one descriptor for each look at a full disk would leave none for callers
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return _File(path, head, fd, due=self._clock() + SECONDS)

    def _close(self, key: tuple[Name, str, str]) -> None:
        self._send(self._files.pop(key))

    def _send(self, file: _File) -> None:
        """The file is in S3 and gone from here, or is kept for the next try."""
        if file.fd >= 0:
            os.close(file.fd)
            file.fd = -1
        try:
            _, _, content = file.path.read_bytes().partition(b"\n")
            file.size = len(content)
            whole = content[: content.rfind(b"\n") + 1]  # a killed server's last line may be torn
            if whole:
                head = file.head
                key = record.key(head["endpoint"], head["variant"], head["began"])
                self._upload(head, head["destination"], key, whole)
        except Exception as error:
            file.tries += 1
            held = sum(each.size for each in self._failed)
            words = "captured requests of %s cannot be stored at %s: %s"
            log.warning(words, file.head["endpoint"], file.head["destination"], error)
            if file.tries < TRIES and held + file.size <= KEPT:
                file.due = self._clock() + AGAIN
                self._failed.append(file)
                return
        file.path.unlink(missing_ok=True)

    def _retry(self, now: float) -> None:
        failed, self._failed = self._failed, []
        for each in failed:
            if _due(each, now, AGAIN):
                self._send(each)
            else:
                self._failed.append(each)


def _write(fd: int, data: bytes) -> None:
    """All of it is at the end of the file, or none. Raises OSError."""
    count = os.write(fd, data)
    if count < len(data):  # a part of a line would spoil the one after it
        os.ftruncate(fd, os.fstat(fd).st_size - count)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _due(file: _File, now: float, most: float) -> bool:
    """Whether its time has come, `most` seconds after it was set; also where the clock was set back
    since."""
    return not now < file.due <= now + most


def fitting(lines: Sequence[bytes], room: int) -> int:
    """How many of the lines a file takes that is closed once it has `room` bytes more: at least one."""
    size = 0
    for count, text in enumerate(lines, 1):
        size += len(text)
        if size >= room:
            return count
    return len(lines)


def _hour(at: float) -> int:
    return int(at // 3600)
