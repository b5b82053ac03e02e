"""MXNet's RecordIO: a record is a magic number, its length, its data and padding to four bytes.

Source: dmlc-core, recordio.h. Where the magic number stands in the data, on a multiple of four, the
record is cut there: the parts leave it out and say by three bits of their length what they are.

`algorithms/contract/recordio.py` is not used: algorithms are a folder of their own in jobs, whose
modules import `typing`, at 4 ms of each start of the companion, and it hands its pieces on uncopied.
"""

from __future__ import annotations

import struct

MAGIC = struct.pack("<I", 0xCED7230A)
LARGEST = (1 << 29) - 1
"""Bytes of a part."""
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class TooLarge(Exception):
    """The data has no place in one record."""


def record(data: bytes) -> list[bytes]:
    """The pieces that together are `data` as one record. Raises TooLarge."""
    parts = _cut(data)
    found: list[bytes] = []
    for number, part in enumerate(parts):
        if len(part) > LARGEST:
            raise TooLarge(f"a RecordIO record holds at most {LARGEST} bytes")
        if len(parts) == 1:
            kind = _WHOLE
        elif number == 0:
            kind = _FIRST
        else:
            kind = _LAST if number == len(parts) - 1 else _MIDDLE
        found += [MAGIC + struct.pack("<I", kind << 29 | len(part)), part]
        if len(part) % 4:
            found.append(bytes(4 - len(part) % 4))
    return found


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
