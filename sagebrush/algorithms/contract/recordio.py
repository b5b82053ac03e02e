"""MXNet's RecordIO: a magic number, the length, the data and padding to four bytes.

Source: dmlc-core, recordio.h; Amazon SageMaker AI Developer Guide, "Common data formats for training".
Where the magic number stands in the data, on a multiple of four, MXNet cuts the record there; three
bits of the length say which part it is. `companion/recordio.py`, which algorithms cannot import, writes
what Pipe mode streams.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from .errors import ClientError

MAGIC = struct.pack("<I", 0xCED7230A)
LARGEST = (1 << 29) - 1
"""Bytes of a part."""
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEAD = struct.Struct("<4sI")


def records(source: BinaryIO) -> Iterator[bytes]:
    """The records of a stream, one after another; raises ClientError where it is no RecordIO."""
    parts: list[bytes] = []
    read, unpack = source.read, _HEAD.unpack
    number = 0
    while head := read(8):
        if len(head) < 8 or not head.startswith(MAGIC):
            raise ClientError(f"record {number}: the stream is not RecordIO")
        length = unpack(head)[1]
        kind, size = length >> 29, length & LARGEST
        body = read(size + -size % 4)
        if len(body) < size:
            raise ClientError(f"record {number}: the RecordIO stream ends early")
        body = body[:size] if size % 4 else body
        if kind == _WHOLE and not parts:
            number += 1
            yield body
            continue
        if (kind == _FIRST) == bool(parts) or kind not in (_FIRST, _MIDDLE, _LAST):
            raise ClientError(f"record {number}: a part of a RecordIO record is out of order")
        parts.append(body)
        if kind == _LAST:
            number += 1
            yield MAGIC.join(parts)
            parts = []
    if parts:
        raise ClientError(f"record {number}: the RecordIO stream ends within a record")


def write(out: BinaryIO, payload: bytes) -> None:
    """The payload is one record at the end of `out`; raises ValueError for one of 512 MiB or more."""
    parts = _cut(payload)
    for place, part in enumerate(parts):
        if len(part) > LARGEST:
            raise ValueError(f"a RecordIO record holds at most {LARGEST} bytes")
        kind = _WHOLE
        if len(parts) > 1:
            kind = _FIRST if place == 0 else _LAST if place == len(parts) - 1 else _MIDDLE
        out.write(_HEAD.pack(MAGIC, kind << 29 | len(part)) + part + bytes(-len(part) % 4))


def _cut(data: bytes) -> list[bytes]:
    """`data` cut at each magic number that stands on a multiple of four."""
    parts, begun, at = [], 0, data.find(MAGIC)
    while at >= 0:
        if at % 4:
            at = data.find(MAGIC, at + 1)
            continue
        parts.append(data[begun:at])
        begun = at + 4
        at = data.find(MAGIC, begun)
    return [*parts, data[begun:]] if parts else [data]
