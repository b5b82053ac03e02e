"""What `net.http_client` exchanges with a server, a body and an answer, and how that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Unreachable(Exception):
    """No connection could be made, or the server ended without having read the request: it may be
    sent elsewhere."""


class Broken(Exception):
    """The connection ended, or was no HTTP, before the answer was complete."""


class Unread(Broken):
    """The connection was reset before a byte of the answer, and the request had WHOLE bytes at most.

    A system resets a connection that ends with unread data in it, and closes one whose data were
    all read (RFC 1122, 4.2.2.13; RFC 2525, 2.17). `late`: it was closed first and reset for what
    came then, and its system has acknowledged nothing of the request, so that no process can have
    had it.
    """

    def __init__(self, late: bool) -> None:
        super().__init__("the model ended before it read the request")
        self.late = late


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Pieces(Protocol):
    """A body too large for memory: `chunks` reads it, and may wait for the disk."""

    def chunks(self) -> Iterator[bytes]:
        """All of it, in pieces."""
        ...


Body = bytes | Pieces
"""What a request carries."""
