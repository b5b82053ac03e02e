"""A server's callers as its master sees them: who waits, who has left, what the master tells them.

The sockets do not block.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import NamedTuple

from sagebrush.toolkit.serving import backlog
from sagebrush.toolkit.serving.connection import BadRequest, Head, short

GONE = getattr(select, "POLLRDHUP", 0)
"""The event of a caller's end that is closed, where the system has one (Linux)."""


class Waiting(NamedTuple):
    """A connection with a request for which no worker is free."""

    client: socket.socket
    start: bytes
    """How the request begins."""
    since: float
    alone: bool = False
    """It was in a batch that killed its worker: it gets the next one for itself."""


def reply(client: socket.socket, status: int, body: bytes, headers: str = "") -> bool | None:
    """A short answer is sent to the request that waits on `client`; whether the connection may be
    kept. None: what the caller still sends has to be thrown away until it ends, or it would not read
    the answer: bytes that are unread when a connection is closed reset it."""
    try:
        data = client.recv(65536)
        keep = _taken_whole(data)
        client.send(short(status, body, keep, headers))
        if not keep:
            client.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True if keep else None


def drained(client: socket.socket) -> bool:
    """What has come is thrown away; whether the caller has ended the connection."""
    try:
        while client.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


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
    try:
        head = Head(data[:end]) if end >= 0 else None
    except BadRequest:
        return False
    if head is None or not head.keep or head.length is None:
        return False
    return len(data) == end + 4 + head.length


def untouched(client: socket.socket, start: bytes) -> bool:
    """Whether the request is still unread: the connection is shared, so reading would have taken
    its bytes."""
    try:
        return client.recv(len(start), socket.MSG_PEEK | socket.MSG_DONTWAIT) == start
    except OSError:
        return False


def left(client: socket.socket) -> bool:
    """Whether the caller has closed its end, whatever it sent before."""
    if GONE:
        poll = select.poll()
        poll.register(client, GONE)
        return bool(poll.poll(0))
    try:  # seen only where nothing unread lies before it
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
