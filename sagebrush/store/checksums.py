"""The checksums that S3 knows: computed as bytes arrive, encoded as base64, combined over parts."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from awscrt import checksums as crt

ALGORITHMS = (
    "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5",
    "XXHASH64", "XXHASH3", "XXHASH128",
)  # fmt: skip
"""Names as in `x-amz-checksum-algorithm` (S3 user guide, "Checking object integrity")."""

FULL_OBJECT = ("CRC64NVME", "CRC32", "CRC32C")
"""Those that S3 can compute for a whole multipart object, because CRCs of parts combine."""

COMBINE = {
    "CRC32": (crt.combine_crc32, 4),
    "CRC32C": (crt.combine_crc32c, 4),
    "CRC64NVME": (crt.combine_crc64nvme, 8),
}


class Digest(Protocol):
    """A running checksum."""

    def update(self, data: bytes, /) -> object:
        """`data` has been added."""
        ...

    def digest(self) -> bytes:
        """The checksum of all that was added; called once, at the end."""
        ...


class _Crc:
    """A cyclic checksum, from a function (data, previous value) -> value."""

    def __init__(self, function: Callable[[bytes, int], int], width: int) -> None:
        self._function, self._width, self._value = function, width, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


class _XxHash:
    """awscrt's xxHash under hashlib's method names."""

    def __init__(self, make: Callable[[], crt.XXHash]) -> None:
        self._hash = make()

    def update(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.finalize()


_MAKE: dict[str, Callable[[], Digest]] = {
    "CRC32": partial(_Crc, zlib.crc32, 4),
    "CRC32C": partial(_Crc, crt.crc32c, 4),
    "CRC64NVME": partial(_Crc, crt.crc64nvme, 8),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": partial(hashlib.md5, usedforsecurity=False),
    "XXHASH64": partial(_XxHash, crt.XXHash.new_xxhash64),
    "XXHASH3": partial(_XxHash, crt.XXHash.new_xxhash3_64),
    "XXHASH128": partial(_XxHash, crt.XXHash.new_xxhash3_128),
}


def new(algorithm: str) -> Digest:
    """A fresh running checksum. Raises KeyError for a name that is not in ALGORITHMS."""
    return _MAKE[algorithm]()


def text(digest: bytes) -> str:
    """The digest as S3's headers carry it: base64 of its big-endian bytes."""
    return base64.b64encode(digest).decode()


def of(algorithm: str, chunks: Iterable[bytes]) -> str:
    """The base64 checksum of all `chunks` in order."""
    running = new(algorithm)
    for chunk in chunks:
        running.update(chunk)
    return text(running.digest())


def valid(algorithm: str, value: str) -> bool:
    """Whether `value` is base64 of as many bytes as the algorithm gives."""
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return False
    return len(raw) == len(new(algorithm).digest())


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """The checksum of the parts' checksums, `-N` appended (S3 user guide, "composite checksums")."""
    raw = [base64.b64decode(part) for part in parts]
    return f"{text(_digest(algorithm, b''.join(raw)))}-{len(raw)}"


def combined(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of the whole from (checksum, size) of its parts in order, unread.

    Raises KeyError for an algorithm that is not in FULL_OBJECT.
    """
    combine, width = COMBINE[algorithm]
    value = 0
    for part, size in parts:
        value = combine(value, int.from_bytes(base64.b64decode(part), "big"), size)
    return text(value.to_bytes(width, "big"))


def _digest(algorithm: str, data: bytes) -> bytes:
    running = new(algorithm)
    running.update(data)
    return running.digest()
