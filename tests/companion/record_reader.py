"""A reader of RecordIO, written from the format's description alone."""

from __future__ import annotations

import struct


def records(data: bytes) -> list[bytes]:
    """The records of a stream. Raises ValueError where it is none."""
    found: list[bytes] = []
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        magic, length = struct.unpack_from("<II", data, at)
        if magic != 0xCED7230A:
            raise ValueError(f"no record begins at {at}")
        kind, size = length >> 29, length & 0x1FFFFFFF
        parts.append(data[at + 8 : at + 8 + size])
        if len(parts[-1]) != size:
            raise ValueError("it ends early")
        at += 8 + (size + 3) // 4 * 4
        if (kind in (0, 1)) != (len(parts) == 1):
            raise ValueError("a part is missing")
        if kind in (0, 3):
            found.append(struct.pack("<I", 0xCED7230A).join(parts))
            parts = []
    if parts or at != len(data):
        raise ValueError("it ends early")
    return found
