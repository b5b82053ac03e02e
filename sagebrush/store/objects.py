"""Blobs on disk: a body is spooled and hashed, then committed by rename; ranges; parts composed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Blob:
    """Bytes to be sent: `length` bytes of the file `path` from `offset`, or `data` itself."""

    length: int
    path: Path | None = None
    offset: int = 0
    data: bytes = b""

    def read(self) -> bytes:
        """All of it, in memory."""
        if self.path is None:
            return self.data
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


@dataclass(frozen=True)
class Spooled:
    """A received body, complete and hashed, not yet an object: in the file `path` or in `data`.

    `checksums` maps upper-case algorithm names (`CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`)
    to the base64 text of what was computed. An operation that takes the body (`objects.commit`)
    owns the file; else the server removes it.
    """

    size: int
    md5: str
    path: Path | None = None
    data: bytes = b""
    checksums: dict[str, str] = field(default_factory=dict)

    def read(self) -> bytes:
        """All of it, in memory."""
        return self.data if self.path is None else self.path.read_bytes()


class ObjectStore:
    """Files of object bodies beneath `root`, and the spool for those that arrive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool_dir = root / "spool"
        self.spool_dir.mkdir(parents=True, exist_ok=True)

    def spool_bytes(self, data: bytes) -> Spooled:
        """`data` as a received body (for Sagebrush's own small writes)."""
        return Spooled(len(data), hashlib.md5(data, usedforsecurity=False).hexdigest(), data=data)

    def spool_file(self, file: int, size: int) -> Spooled:
        """The first `size` bytes of the open descriptor `file` as a received body, on disk."""
        digest, handle = hashlib.md5(usedforsecurity=False), tempfile.mkstemp(dir=self.spool_dir)
        left = size
        with os.fdopen(handle[0], "wb") as out:
            while left > 0 and (chunk := os.pread(file, min(left, 1 << 20), size - left)):
                digest.update(chunk)
                out.write(chunk)
                left -= len(chunk)
        return Spooled(size - left, digest.hexdigest(), path=Path(handle[1]))
