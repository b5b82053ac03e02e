"""One HTTP/1.1 connection of `net.http_client`: a request at a time, its whole answer or a stream.

RFC 9112.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import cast

from sagebrush.net import http_framing
from sagebrush.net.http_exchange import Answer, Body, Broken, Unread

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 256 * 1024 * 1024
"""Bytes of an answer that are taken whole into memory."""
HIGH = 1 << 20
"""Bytes of a stream that wait for its reader before the sender is held up."""
IDLE = 0.25
"""Seconds of idleness after which a connection is looked at before it is used: servers end idle
connections, and until the loop hears of that a request on one would be lost."""
KEPT = 1.0
"""Seconds of idleness after which a connection is not used again. A server that ends it at the very
moment of a request would cost that request, which must not be sent twice; servers end idle
connections after 2 seconds (gunicorn's default) or more, and a new one costs 0.2 ms."""
WHOLE = 4096
"""Bytes that a server reads at once or not at all: no buffer of a server is smaller."""
INTERIM = 16
"""Answers of 1xx before the real one, at most."""
TURN = 256
"""Chunks that are read before the loop serves others: a server that sends many tiny ones would keep
it for seconds."""
RESET = 0.01
"""Seconds until the answer to data for a closed connection is here: it is on this host."""

_ACKED = struct.Struct("120xQ")
"""The member of Linux's `struct tcp_info` that counts acknowledged bytes."""


def acknowledged(sock: socket.socket) -> int | None:
    """How many bytes the other side's system has acknowledged so far (tcpi_bytes_acked of Linux's
    linux/tcp.h); None where the system does not say."""
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
        return _ACKED.unpack(told)[0]
    except (AttributeError, OSError, struct.error):
        return None


class Connection(asyncio.Protocol):
    """One connection: at most one request at a time."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer | None] | None = None
        self._sink: Stream | None = None
        self._buffer = bytearray()
        self._length: int | None = -1
        """Bytes of the body; None: chunked; -1: until the connection ends."""
        self._in_head = True
        self._chunk = -1
        """Bytes left of the current chunk, -1 before its size line."""
        self._body = bytearray()
        self._trailers = self._interim = 0
        """Bytes of trailers, and heads, that have come of an answer."""
        self._held = False
        self._in_turns = False
        """Whether more is here than is read in one turn of the loop."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep = True
        self.closed = False
        self._full: asyncio.Future[None] | None = None
        """Set while the other side takes no more."""
        self._pouring: asyncio.Task[None] | None = None
        """Sends a body in pieces."""
        self.idle_since = 0.0
        """By the loop's time."""
        self._small = False
        """Whether the request has WHOLE bytes at most."""
        self._taken: int | None = None
        """Bytes that the other side's system had acknowledged before the request."""

    # ---- asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit it

    def data_received(self, data: bytes) -> None:
        if self._waiter is None and self._sink is None:
            self.close()  # bytes that nobody asked for: the framing is lost
            return
        self._buffer += data
        if not self._in_turns:
            self._read()

    def _read(self) -> None:
        """Takes what is here of the answer, in turns where that are many pieces."""
        try:
            if self._in_head and not self._read_head():
                return
            if self._read_body():
                self._finish()
            elif self._in_turns:
                self._hold_back()
                self._loop.call_soon(self._next_turn)
        except (ValueError, IndexError):
            self._fail(Broken("the model's answer is not HTTP/1.1"))
        except Broken as error:
            self._fail(error)

    def _next_turn(self) -> None:
        self._in_turns = False
        if self.closed or (self._waiter is None and self._sink is None):
            return
        self._hold_back()
        self._read()

    def eof_received(self) -> bool:
        """The other side has ended it: whether it had read the request shows in a moment."""
        waiting = self._waiter is not None and self._in_head and not self._buffer
        if waiting and self._small:
            self._loop.call_later(RESET, self._judge)
        return waiting and self._small

    def _judge(self) -> None:
        if self.closed or self._waiter is None:
            return
        reset = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # one that took the request, ended its side, and then threw the rest away looks alike
        if reset and self._taken is not None and acknowledged(self._sock) == self._taken:
            self._fail(Unread(late=True))
        else:
            self._fail(Broken("the model closed the connection before its answer was complete"))

    def pause_writing(self) -> None:
        self._full = self._loop.create_future()

    def resume_writing(self) -> None:
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.resume_writing()
        if self._waiter is None and self._sink is None:
            return
        unread = self._small and self._in_head and not self._buffer
        if not self._in_head and self._length == -1 and exc is None:
            self._finish()
        elif unread and isinstance(exc, ConnectionResetError | BrokenPipeError):
            self._fail(Unread(late=False))
        else:
            self._fail(Broken("the model closed the connection before its answer was complete"))

    # ---- the pool's calls

    def stale(self) -> bool:
        """Whether the other side has ended it, even if the loop has not heard so yet, or may be
        about to."""
        idle = self._loop.time() - self.idle_since
        if self.closed or idle < IDLE:
            return self.closed
        if idle >= KEPT:
            return True
        try:
            return self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) is not None
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, head: bytes, body: Body, sink: Stream | None) -> asyncio.Future[Answer | None]:
        """The future of the answer; with a `sink`, of None, once the head of the answer is here."""
        assert self._transport is not None
        self._waiter, self._sink = self._loop.create_future(), sink
        self._in_head, self._chunk = True, -1
        self._trailers = self._interim = 0
        if not isinstance(body, bytes):
            self._small = False
            self._transport.write(head)
            self._pouring = self._loop.create_task(self._pour(body.chunks()))
            return self._waiter
        self._small = len(head) + len(body) <= WHOLE
        self._taken = acknowledged(self._sock) if self._small else None
        if len(body) < 65536:
            self._transport.write(head + body)
        else:
            self._transport.writelines([head, body])
        return self._waiter

    async def _pour(self, pieces: Iterator[bytes]) -> None:
        """All pieces are sent, no faster than the other side takes them."""
        try:
            while not self.closed and self._transport is not None:
                piece = await self._loop.run_in_executor(None, next, pieces, None)
                if piece is None:
                    break
                if not self.closed:
                    self._transport.write(piece)
                while self._full is not None and not self.closed:
                    await self._full
        except OSError as error:
            self._fail(Broken(f"the request's body could not be read: {error}"))
        finally:
            self._pouring = None

    def close(self) -> None:
        """The connection is ended."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def hold(self, held: bool) -> None:
        """Reading is paused, or goes on."""
        self._held = held
        self._hold_back()

    def _hold_back(self) -> None:
        """Reading is paused while the reader is slow, or has not come to what is here."""
        if self._transport is not None and not self.closed:
            if self._held or self._in_turns:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # ---- reading

    def _read_head(self) -> bool:
        """Whether the head is complete; status, headers and the body's framing are known then."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_LIMIT:
                    raise Broken("the head of the model's answer is too long")
                return False
            head = http_framing.head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._interim += 1
            if head.status >= 200:
                break
            if self._interim > INTERIM:
                raise Broken("the model answers 1xx without an end")
        self.status, self.headers = head.status, head.headers
        self._length, self.keep = head.length, head.keep
        self._in_head = False
        self._body = bytearray()
        if self._sink is not None and self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            if not waiter.done():
                waiter.set_result(None)
        return True

    def _read_body(self) -> bool:
        """Takes what is here of the body; whether that was all of it."""
        if self._length is None:
            return self._read_chunks()
        if self._length < 0:
            self._take(len(self._buffer))
            return False
        if self._sink is None and len(self._buffer) < self._length:
            if self._length > BODY_LIMIT:
                raise Broken(f"the model's answer of {self._length} bytes is too large")
            return False  # taken in one piece when it is all here
        take = min(self._length, len(self._buffer))
        self._take(take)
        self._length -= take
        return self._length == 0

    def _read_chunks(self) -> bool:
        for _ in range(TURN):
            if self._chunk < 0:
                end = self._buffer.find(b"\r\n", 0, HEAD_LIMIT)
                if end < 0:
                    if len(self._buffer) >= HEAD_LIMIT:
                        raise Broken("a line between the chunks of the model's answer is too long")
                    return False
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                if self._chunk == -2:  # after the last chunk: trailers, until an empty line
                    if not line:
                        return True
                    self._trailers += end + 2
                    if self._trailers > HEAD_LIMIT:
                        raise Broken("the trailers of the model's answer are too long")
                    continue
                if self._chunk == -3:  # the line end after a chunk
                    if line:
                        raise ValueError("chunk")
                    self._chunk = -1
                    continue
                self._chunk = http_framing.chunk_size(line) or -2
                continue
            take = min(self._chunk, len(self._buffer))
            if not take:
                return False
            self._take(take)
            self._chunk -= take
            if not self._chunk:
                self._chunk = -3
        self._in_turns = True
        return False

    def _take(self, count: int) -> None:
        if not count:
            return
        if self._sink is not None:
            self._sink.feed(bytes(self._buffer[:count]))
        else:
            self._body += self._buffer[:count]
            if len(self._body) > BODY_LIMIT:
                raise Broken("the model's answer is too large")
        del self._buffer[:count]

    def _finish(self) -> None:
        waiter, self._waiter = self._waiter, None
        sink, self._sink = self._sink, None
        self.idle_since = self._loop.time()
        unsent = self._transport is not None and self._transport.get_write_buffer_size()
        if self._buffer or not self.keep or self._pouring is not None or unsent:
            self.close()  # where it answered before it had the whole request, too
        if sink is not None:
            sink.end(None)
        elif waiter is not None and not waiter.done():
            waiter.set_result(Answer(self.status, self.headers, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        sink, self._sink = self._sink, None
        self.close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif sink is not None:
            sink.end(error)

    def give_up(self, error: Exception) -> None:
        """Whoever waits for the answer gets `error`; the connection is ended."""
        self._fail(error)


class Stream:
    """An answer whose body is read piece by piece; iterate it, or `close` it.

    `status` and `headers` are those of the answer. Iterating raises Broken and TimeoutError.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = False
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._connection: Connection | None = None
        self._release: Callable[[], None] = lambda: None
        self._timer: asyncio.TimerHandle | None = None

    def begin(
        self, connection: Connection, timer: asyncio.TimerHandle, release: Callable[[], None]
    ) -> None:
        """The head is here; `release` is called once when the body has ended."""
        self._connection, self._timer, self._release = connection, timer, release
        self.status, self.headers = connection.status, connection.headers
        if self._ended:
            self._let_go()

    def feed(self, piece: bytes) -> None:
        """A piece has come."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH and not self._held and self._connection is not None:
            self._held = True
            self._connection.hold(True)
        self._wake()

    def end(self, error: Exception | None) -> None:
        """There is no more, or `error` instead of it."""
        self._ended, self._error = True, error
        if self._connection is not None:
            self._let_go()
        self._wake()

    def close(self) -> None:
        """The rest is not wanted: an unfinished answer's connection is ended."""
        if not self._ended and self._connection is not None:
            self._connection.give_up(Broken("the reader left"))

    def after(self, call: Callable[[], None]) -> None:
        """`call` is called once the body has ended, at once if it has."""
        if self._ended:
            call()
            return
        before = self._release

        def both() -> None:
            before()
            call()

        self._release = both

    async def read(self) -> bytes:
        """All of the body that has not been read yet."""
        return b"".join([piece async for piece in self])

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._reader = self._loop.create_future()
            await self._reader
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        if self._held and self._connection is not None:
            self._held = False
            self._connection.hold(False)
        return piece

    async def aclose(self) -> None:
        """Like `close`; whoever stops iterating early calls it."""
        self.close()

    def __del__(self) -> None:
        if not self._ended and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.close)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        release, self._release = self._release, lambda: None
        release()

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
