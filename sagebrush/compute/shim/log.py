"""A job's log: raw segments, and a sparse index of times for each. Standard library only.

`log.<offset>` holds bytes from that offset on; `idx.<offset>` holds (offset, ms) pairs of 8-byte
little-endian numbers, one for each block that arrived. Offsets count from the log's first byte and
stay true when old segments go.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import struct

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import BinaryIO

BLOCK = 1 << 20
_PAIR = struct.Struct("<QQ")
_WIDTH = 20


class Writer:
    """Appends to the log in `directory`; keeps at most about `limit` bytes.

    With `resume` it goes on where the log that is there ends; else there must be none.
    """

    def __init__(self, directory: str, limit: int, resume: bool = False) -> None:
        self.directory = directory
        self.limit = max(limit, 1 << 16)
        self.segment = max(1 << 13, min(32 << 20, self.limit // 8))
        self.offset = 0
        self.lost = 0
        found = segments(directory) if resume else []
        self._segments = found[:-1]
        self.offset = found[-1] if found else 0
        self._last_ms = 0
        self._log = self._index = -1
        self._open()
        self.offset += os.fstat(self._log).st_size

    def _path(self, kind: str, offset: int) -> str:
        return os.path.join(self.directory, f"{kind}.{offset:0{_WIDTH}d}")

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(self._path("log", self.offset), flags, 0o600)
        index = os.open(self._path("idx", self.offset), flags, 0o600)
        for fd in (self._log, self._index):
            if fd >= 0:
                os.close(fd)
        self._log, self._index = log, index
        self._segments.append(self.offset)
        while len(self._segments) > 1 and self.offset - self._segments[1] >= self.limit:
            self._drop(self._segments.pop(0))

    def _drop(self, offset: int) -> None:
        for kind in ("log", "idx"):
            with contextlib.suppress(OSError):
                os.unlink(self._path(kind, offset))

    def write(self, data: bytes, ms: int) -> None:
        """`data`, which arrived at `ms`, is in the log; on a full disk it is counted as lost."""
        ms = self._last_ms = max(ms, self._last_ms)
        try:
            while data:
                room = self.segment - (self.offset - self._segments[-1])
                if len(data) < room:
                    self._append(data, ms)
                    return
                cut = data.find(b"\n", max(room - 1, 0)) + 1
                if not cut:
                    if len(data) < room + BLOCK:
                        self._append(data, ms)
                        return
                    cut = room
                self._append(data[:cut], ms)
                data = data[cut:]
                self._open()
        except OSError:
            self.lost += len(data)

    def _append(self, data: bytes, ms: int) -> None:
        os.write(self._index, _PAIR.pack(self.offset, ms))
        view = memoryview(data)
        while view:
            written = os.write(self._log, view)
            self.offset += written
            view = view[written:]

    def close(self) -> None:
        """The files are closed."""
        os.close(self._log)
        os.close(self._index)


def append(directory: str, limit: int, text: bytes, ms: int) -> None:
    """`text`, whole lines, is at the end of the log that is there, beginning on a line of its own.

    Nobody else may write it any more. Raises OSError.
    """
    found = segments(directory)
    if not found or not text:
        return
    with open(os.path.join(directory, f"log.{found[-1]:0{_WIDTH}d}"), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        begun = file.read(1) not in (b"", b"\n")
    writer = Writer(directory, limit, resume=True)
    try:
        writer.write(b"\n" + text if begun else text, ms)
    finally:
        writer.close()


def segments(directory: str) -> list[int]:
    """The offsets at which the log's segments start, oldest first."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(int(name[4:]) for name in names if name.startswith("log.") and name[4:].isdigit())


def end(directory: str) -> int:
    """The offset after the log's last byte; 0 where there is none."""
    found = segments(directory)
    if not found:
        return 0
    path = os.path.join(directory, f"log.{found[-1]:0{_WIDTH}d}")
    try:
        return found[-1] + os.stat(path).st_size
    except FileNotFoundError:
        return found[-1]  # removed since it was listed


def read_bytes(directory: str, offset: int) -> bytes:
    """What the log holds from byte `offset` on."""
    found = b""
    for start in segments(directory):
        try:
            with open(os.path.join(directory, f"log.{start:0{_WIDTH}d}"), "rb") as file:
                size = file.seek(0, os.SEEK_END)
                if start + size > offset:
                    file.seek(max(0, offset - start))
                    found += file.read()
        except FileNotFoundError:
            continue  # dropped since it was listed
    return found


def read(directory: str, offset: int, limit: int, ended: bool) -> list[tuple[int, int, int, bytes]]:
    """Up to `limit` lines that start at or after byte `offset`: (offset, end, ms, line without its
    newline).

    A last line without newline counts only when `ended`. `end` is the offset to go on from.
    """
    starts = segments(directory)
    if not starts or limit <= 0:
        return []
    offset = max(offset, starts[0])
    first = bisect.bisect_right(starts, offset) - 1
    lines: list[tuple[int, int, int, bytes]] = []
    for number, start in enumerate(starts[first:], first):
        last = number == len(starts) - 1
        found = _lines(directory, start, max(offset, start), limit - len(lines), ended or not last)
        lines += found
        if len(lines) >= limit:
            break
    return lines


def _lines(
    directory: str, start: int, offset: int, limit: int, whole: bool
) -> list[tuple[int, int, int, bytes]]:
    """Lines of one segment; its unfinished last line too if `whole`."""
    name = f"{start:0{_WIDTH}d}"
    try:
        index = _times(os.path.join(directory, "idx." + name))
        file = open(os.path.join(directory, "log." + name), "rb")  # noqa: SIM115
    except FileNotFoundError:
        return []  # dropped since it was listed
    found: list[tuple[int, int, int, bytes]] = []
    with file:
        offset = start + _line_start(file, offset - start)
        file.seek(offset - start)
        while len(found) < limit:
            line = file.readline(BLOCK)
            if not line or not (whole or line.endswith(b"\n") or len(line) >= BLOCK):
                break
            end = offset + len(line)
            found.append((offset, end, _time(index, offset), line.rstrip(b"\r\n")))
            offset = end
    return found


def _line_start(file: BinaryIO, at: int) -> int:
    """The first position from `at` on where a line of `_lines` starts (long ones are cut in pieces)."""
    begin, look = at, b""
    while begin > 0 and b"\n" not in look:
        begin = max(0, begin - BLOCK)
        file.seek(begin)
        look = file.read(min(BLOCK, at - begin))
    begin += look.rfind(b"\n") + 1
    if begin == at:
        return at
    piece = begin - (begin - at) // BLOCK * BLOCK
    file.seek(at)
    rest = file.read(piece - at)
    return at + rest.find(b"\n") + 1 if b"\n" in rest else min(piece, at + len(rest))


def _times(path: str) -> tuple[list[int], list[int]]:
    with open(path, "rb") as file:
        data = file.read()
    pairs = list(_PAIR.iter_unpack(data[: len(data) - len(data) % _PAIR.size]))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _time(index: tuple[list[int], list[int]], offset: int) -> int:
    """When the byte at `offset` arrived."""
    at = bisect.bisect_right(index[0], offset) - 1
    return index[1][at] if at >= 0 else 0
