"""Takes connections from a listening socket while there is room for them; others wait in its backlog."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sagebrush.protocol.connections import Held, Share

log = logging.getLogger(__name__)

HELLO = 30.0
"""Seconds for the first byte, where it decides between TLS and plain HTTP, and for TLS's handshake."""
LOOK = 0.25
"""Seconds after which an acceptor that waits for room looks by itself."""
BURST = 32
"""Connections that are accepted in a row, before others have their turn."""
TLS = b"\x16"
"""The first byte of a client hello (RFC 8446, 5.1)."""
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True)
class Way:
    """How a listener's connections are counted and served."""

    protocol: Callable[[Held], asyncio.BaseProtocol]
    share: Share
    """The share that counts the connections."""
    context: ssl.SSLContext | None = None
    """With one they speak TLS, or, if `mixed`, TLS or plain HTTP."""
    mixed: bool = False
    each: Callable[[str], Share] | None = None
    """The share of a peer's address, where several reach one listener. There is no backlog of each:
    beyond its share a peer's connection is closed."""


class Acceptor:
    """One listening socket, which is closed with it. Used in its loop's thread alone."""

    def __init__(self, sock: socket.socket, way: Way) -> None:
        sock.setblocking(False)
        self._sock, self._way = sock, way
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading = self._closed = False

    def begin(self) -> None:
        """Accepts connections from now on."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if not self._closed and not self._reading:
            self._reading = True
            self._loop.add_reader(self._sock.fileno(), self._ready)

    def close(self) -> None:
        """Accepts no more, and closes connections that have no protocol yet."""
        if self._closed:
            return
        self._pause()
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._sock.close()

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._sock.fileno())

    def _wait(self) -> None:
        """Pauses until a connection of its share has ended, or for a while."""
        self._pause()
        self._way.share.wait(self.begin)
        self._later = self._loop.call_later(LOOK, self.begin)

    def _ready(self) -> None:
        for _ in range(BURST):
            if not self._way.share.room(self._sock.fileno()):
                return self._wait()
            try:
                connection, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return None
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in SCARCE:
                    return self._wait()
                return self.close()  # the sandbox has ended
            self._take(connection, str(peer[0]) if isinstance(peer, tuple) and peer else "")
        return None

    def _take(self, connection: socket.socket, peer: str) -> None:
        share = self._way.share
        if self._way.each is not None:
            share = self._way.each(peer)
            if not share.room(connection.fileno()):
                connection.close()
                return
        connection.setblocking(False)
        held = share.take()
        task = self._loop.create_task(self._connect(connection, held))
        held.cut = task.cancel
        self._tasks.add(task)
        task.add_done_callback(partial(self._connected, connection, held))

    def _connected(self, connection: socket.socket, held: Held, task: asyncio.Task[None]) -> None:
        """The connection has its protocol, which reports its end; otherwise it is closed now.

        Both ways of cancelling the task end here: one cancelled before its first step runs none of
        its own code, and uvloop reports no end to a protocol whose task was cancelled while the
        connection was given to it.
        """
        self._tasks.discard(task)
        if held.transport is None:
            connection.close()
            held.end()
        elif task.cancelled():
            held.transport.abort()
            held.end()

    async def _connect(self, connection: socket.socket, held: Held) -> None:
        """The connection has its protocol, unless it fails before."""
        context = self._way.context
        try:
            if context is not None and self._way.mixed:
                first = await _first_byte(connection)
                context = context if first == TLS else None
            if context is None:
                held.cut = None  # until it has its protocol, which is soon
            await self._loop.connect_accepted_socket(
                lambda: self._way.protocol(held),
                connection,
                ssl=context,
                ssl_handshake_timeout=HELLO if context is not None else None,
            )
        except OSError as error:
            log.debug("a connection failed before it spoke: %s", error)


async def _first_byte(connection: socket.socket) -> bytes:
    """The first byte that the peer sent, left in the socket; raises TimeoutError."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        async with asyncio.timeout(HELLO):
            await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv(1, socket.MSG_PEEK)
