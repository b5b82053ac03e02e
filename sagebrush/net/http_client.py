"""A small HTTP/1.1 client over dialled sockets: kept-alive connections, whole answers or streams.

Only what the data path of an endpoint needs, because general clients cost several times more CPU
(httpx forty times) than the whole of a small prediction. RFC 9112.

**When a request is sent again.** A prediction may not be repeatable, so a request that a process may
have read is never sent twice: its caller hears that the model failed (`Broken`, `TimeoutError`). It
is sent again by three rules, each of which needs proof that no process has read a byte of it:

1. *Not sent.* No connection could be made, so nothing was sent: `Unreachable`, and `routing.forward`
   asks another replica.
2. *Reset unread.* The connection was reset before a byte of the answer, and the request has WHOLE
   bytes (4096) at most, which a process reads at once or not at all. Systems reset a connection that
   ends with unread data in it, so the data were unread; but a process may also reset one by its own
   decision after it has read. So the server is asked for another connection: if it makes none for
   ENDING (1 s), or ends each at once until it makes none, it has ended, which is why it reset:
   `Unreachable`, as in rule 1. If it lives, the request has failed.
3. *Closed and reset.* The server closed the connection before a byte of the answer, as servers do
   with idle ones, while the request (again of WHOLE bytes at most) was on its way: within RESET
   (10 ms) a reset has come for it, and the server's system has acknowledged none of its bytes
   (`tcpi_bytes_acked`; Linux alone tells), so that no process can have had them. It is sent once
   more to the same server, on a new connection.

A body that is sent in pieces, a larger request, an answer that has begun, a timeout and a connection
that just closes (a process closes it so after it has read all) fall under none of them. So that the
rules are seldom needed, a connection that was idle for IDLE (0.25 s) is looked at before it is used,
and one that was for KEPT (1 s) is not used again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from sagebrush.net import dial
from sagebrush.net.http_connection import Connection, Stream
from sagebrush.net.http_exchange import Answer, Body, Broken, Pieces, Unreachable, Unread

__all__ = ["Answer", "Body", "Broken", "Pieces", "Pool", "Stream", "Unreachable"]

ENDING, ALIVE = 1.0, 0.25
"""Seconds for which a server's end is looked for; for which one that lives keeps a connection."""

Connect = Callable[[str], Awaitable[socket.socket]]


class Pool:
    """The connections to one server at `address`; all calls from one event loop."""

    def __init__(self, address: str, connect: Connect = dial.connect) -> None:
        self.address = address
        self.busy = 0
        """Requests that are being answered now."""
        self._connect = connect
        self._idle: list[Connection] = []
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no connection is kept any more."""
        return self._closed

    async def ask(self, head: bytes, body: Body, timeout: float) -> Answer:
        """The whole answer to one request; `head` is complete, with its empty line.

        A request that something may have read is sent once. Raises Unreachable (no server has read
        it), Broken, and TimeoutError after `timeout` seconds.
        """
        self.busy += 1
        try:
            try:
                return await self._ask(head, body, timeout)
            except Unread as error:
                await self._again(error)
            return await self._ask(head, body, timeout, fresh=True)
        finally:
            self.busy -= 1

    async def _ask(self, head: bytes, body: Body, timeout: float, fresh: bool = False) -> Answer:
        loop = asyncio.get_running_loop()
        connection = await self._connection(loop, timeout, fresh)
        waiter = connection.send(head, body, None)
        timer = loop.call_later(timeout, connection.give_up, TimeoutError())
        try:
            answer = await waiter
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            timer.cancel()
        assert answer is not None
        self._put_back(connection)
        return answer

    async def open(self, head: bytes, body: Body, timeout: float) -> Stream:
        """The answer to one request as soon as its head is here; raises as `ask` does."""
        self.busy += 1
        try:
            try:
                return await self._open(head, body, timeout)
            except Unread as error:
                await self._again(error)
            return await self._open(head, body, timeout, fresh=True)
        except BaseException:
            self.busy -= 1
            raise

    async def _open(self, head: bytes, body: Body, timeout: float, fresh: bool = False) -> Stream:
        loop = asyncio.get_running_loop()
        stream = Stream(loop)
        connection = await self._connection(loop, timeout, fresh)
        waiter = connection.send(head, body, stream)
        timer = loop.call_later(timeout, connection.give_up, TimeoutError())
        try:
            await waiter
        except BaseException:
            timer.cancel()
            connection.close()
            stream.end(None)
            raise

        def release() -> None:
            self.busy -= 1
            self._put_back(connection)

        stream.begin(connection, timer, release)
        return stream

    def close(self) -> None:
        """Idle connections are ended, and those in use once they are done."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _put_back(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
        elif not connection.closed:
            self._idle.append(connection)

    async def _again(self, error: Unread) -> None:
        """Nothing has read the request: it may be sent here again. Raises Unreachable if the server
        has ended, and the error where it lives and reset the connection, maybe by a decision of its
        own after it had read the request.

        While the last of its processes end, a connection is still made, and ended at once.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + ENDING
        while not error.late:
            try:
                async with asyncio.timeout(ENDING):
                    sock = await self._connect(self.address)
            except (OSError, TimeoutError):
                raise Unreachable(str(error)) from error
            try:
                async with asyncio.timeout(ALIVE):
                    await loop.sock_recv(sock, 1)
            except TimeoutError:
                raise error from None
            except OSError:
                pass
            finally:
                sock.close()
            if loop.time() > until:
                raise error

    async def _connection(
        self, loop: asyncio.AbstractEventLoop, timeout: float, fresh: bool
    ) -> Connection:
        """An idle connection that still stands, else a new one; a new one if it is to be `fresh`."""
        while self._idle and not fresh:
            connection = self._idle.pop()
            if not connection.stale():
                return connection
            connection.close()
        try:
            async with asyncio.timeout(timeout):
                sock = await self._connect(self.address)
                connection = Connection(sock, loop)
                await loop.create_connection(lambda: connection, sock=sock)
        except (OSError, TimeoutError) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        return connection
