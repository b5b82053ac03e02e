"""Records each request: one JSON line, and Prometheus counts; never a secret."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

KEEP = 64 * 1024 * 1024
"""Bytes of an access log before it becomes `.1` and the older `.1` goes."""
_SECRETS = re.compile(
    r"(?i)((?:x-amz-(?:signature|security-token|credential)|signature|secret_?access_?key"
    r"|(?:session|auth|authorization|access)_?token|authorization|password|secret)[\"']?\s*[=:]\s*"
    r"[\"']?(?:AWS4-HMAC-SHA256 |bearer )?)[^\s&\"',;)}]+"
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def redact(text: str) -> str:
    """`text` without signatures, tokens, secrets and passwords."""
    return _SECRETS.sub(r"\1[redacted]", text)


class Redacting(logging.Formatter):
    """Formats log records, tracebacks too, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


@dataclass
class Entry:
    """One request, filled in as it becomes known."""

    id: str
    started: float
    service: str = ""
    operation: str = ""
    caller: str = ""
    status: int = 0
    code: str = ""
    seconds: float = 0.0
    """Time to answer; known when it is written."""


def _line(entry: Entry, ended: float) -> str:
    """The request's line, and its end; `ended` is in seconds since the epoch."""
    told = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ended)),
        "id": entry.id,
        "service": entry.service,
        "operation": entry.operation,
        "caller": entry.caller,
        "status": entry.status,
        "code": entry.code,
        "ms": round(entry.seconds * 1000, 2),
    }
    return json.dumps(told) + "\n"


class AccessLog:
    """Appends one line a request to a file, a few at a time, and counts it.

    `write` is for one thread: the event loop's. What was not flushed when the server was killed is
    lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open()
        self._waiting: deque[tuple[Entry, float]] = deque()
        self._flushing = threading.Lock()
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sagebrush_requests", "Requests answered", ["service", "operation", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "sagebrush_request_seconds", "Time to answer", ["service"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, entry: Entry) -> bool:
        """Queues the entry for `flush`; returns True if it is the first one queued."""
        entry.seconds = time.perf_counter() - entry.started
        self._waiting.append((entry, time.time()))
        return len(self._waiting) == 1

    def flush(self) -> None:
        """What waits is in the file and in the counts. A full disk loses lines, never an answer.

        Done for many requests in one go, because each then costs a third of what it would alone.
        """
        with self._flushing:
            lines: list[str] = []
            while self._waiting:
                entry, ended = self._waiting.popleft()
                self._count(entry)
                lines.append(_line(entry, ended))
            if lines:
                self._append("".join(lines).encode())

    def _append(self, text: bytes) -> None:
        try:
            self._size += os.write(self._file, text)
            if self._size > KEEP:
                os.replace(self._path, self._path.with_suffix(self._path.suffix + ".1"))
                os.close(self._file)
                self._open()
        except OSError:
            pass

    def _count(self, entry: Entry) -> None:
        key = (entry.service, entry.operation, entry.status)
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = (
                self._requests.labels(entry.service, entry.operation, str(entry.status)),
                self._seconds.labels(entry.service),
            )
        children[0].inc()
        children[1].observe(entry.seconds)

    def metrics(self) -> bytes:
        """The counts in Prometheus's text format; from any thread."""
        self.flush()
        return generate_latest(self.registry)

    def close(self) -> None:
        """All lines are in the file, which is closed."""
        self.flush()
        os.close(self._file)
