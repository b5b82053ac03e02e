"""A server's callers as its master sees them: who waits, who has left, what the master tells them.

The sockets do not block.
"""

from __future__ import annotations

import contextlib
import socket
from typing import NamedTuple

from sagebrush.toolkit.serving import backlog
from sagebrush.toolkit.serving.connection import short


class Waiting(NamedTuple):
    """A connection with a request for which no worker is free."""

    client: socket.socket
    start: bytes
    """How the request begins."""
    since: float
    alone: bool = False
    """It was in a batch that killed its worker: it gets the next one for itself."""


def reply(client: socket.socket, status: int, body: bytes, headers: str = "") -> bool:
    """A short answer is sent to the request that waits on `client`; whether it may be kept."""
    try:
        keep = _taken_whole(client.recv(65536))
        client.send(short(status, body, keep, headers))
        if not keep:
            # What is unread would reset the connection, and the answer with it.
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 20):
                pass
    except OSError:
        return False
    return keep


def turn_away(listener: socket.socket, waiting: int) -> None:
    """The next caller, for whom no descriptor is left but one, is told so."""
    with contextlib.suppress(OSError):
        client, _ = listener.accept()
        with client:
            client.setblocking(False)
            client.send(short(503, backlog.refusal(waiting, 1), False, "Retry-After: 1\r\n"))
            client.recv(65536)  # what is unread would reset the connection


def part(client: socket.socket, status: int, message: str) -> None:
    """The caller whose worker is gone is told so (`status` 0: its answer had begun, which only ends),
    and the connection ends, also where a child of the worker's holds it open."""
    with client, contextlib.suppress(OSError):
        if status:
            client.send(short(status, backlog.problem(status, message), False))
        client.shutdown(socket.SHUT_RDWR)


def _taken_whole(data: bytes) -> bool:
    """Whether `data` is one whole request whose connection may be kept."""
    end = data.find(b"\r\n\r\n")
    head = data[:end].lower()
    if end < 0 or b"connection: close" in head or b"transfer-encoding" in head:
        return False
    _, found, rest = head.partition(b"\r\ncontent-length:")
    length = rest.split(b"\r\n", 1)[0].strip() if found else b"0"
    return length.isdigit() and len(data) == end + 4 + int(length)


def untouched(client: socket.socket, start: bytes) -> bool:
    """Whether the request is still unread: the connection is shared, so reading would have taken
    its bytes."""
    try:
        return client.recv(len(start), socket.MSG_PEEK | socket.MSG_DONTWAIT) == start
    except OSError:
        return False


def left(client: socket.socket) -> bool:
    """Whether the caller has closed its end."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
