"""Marks in what a container writes: they come out where they were put in, after all that was before. Pure.

A mark is written to the same pipe as the container's own output, so that whoever reads the other end
of an engine's streams knows that nothing which came before it is still on its way.
"""

from __future__ import annotations

import re

EDGE = b"\0"


class Marks:
    """The marks of one container: `token` is what nobody else writes."""

    def __init__(self, token: str) -> None:
        self._head = EDGE + token.encode() + b":"
        self._whole = re.compile(re.escape(self._head) + rb"(\d+)" + re.escape(EDGE))
        self._longest = len(self._head) + 20

    def made(self, number: int) -> bytes:
        """The mark of that number, as it is written."""
        return self._head + str(number).encode() + EDGE

    def reader(self) -> Reader:
        """Finds the marks of one stream."""
        return Reader(self._head, self._whole, self._longest)


class Reader:
    """One stream, piece by piece."""

    def __init__(self, head: bytes, whole: re.Pattern[bytes], longest: int) -> None:
        self._head, self._whole, self._longest = head, whole, longest
        self._kept = b""

    def take(self, data: bytes) -> list[bytes | int]:
        """What has come, in order: the container's own bytes, and the numbers of marks. What may be the
        beginning of a mark is kept for the next call."""
        data, found, at = self._kept + data, [], 0
        for match in self._whole.finditer(data):
            if match.start() > at:
                found.append(data[at : match.start()])
            found.append(int(match[1]))
            at = match.end()
        rest = data[at:]
        cut = self._begun(rest)
        self._kept = rest[cut:]
        if rest[:cut]:
            found.append(rest[:cut])
        return found

    def rest(self) -> bytes:
        """What was kept, at the stream's end."""
        kept, self._kept = self._kept, b""
        return kept

    def _begun(self, data: bytes) -> int:
        """Where a mark begins that is not complete; the length of `data` where none does."""
        at = data.rfind(EDGE)
        while at >= 0 and len(data) - at <= self._longest:
            tail = data[at:]
            if self._head.startswith(tail[: len(self._head)]) and (
                tail[len(self._head) :] == b"" or tail[len(self._head) :].isdigit()
            ):
                return at
            at = data.rfind(EDGE, 0, at)
        return len(data)
