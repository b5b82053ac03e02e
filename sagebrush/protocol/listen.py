"""The sockets that requests come in by: plain and TLS ports, and listeners out of sandboxes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sagebrush.protocol import connections
from sagebrush.protocol.accept import Acceptor, Way
from sagebrush.protocol.connections import Descriptors, Held, Limits, Share
from sagebrush.settings import Settings, SettingsError

log = logging.getLogger(__name__)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PORTS = ""
"""The key of the listeners that are no sandbox's."""
KEPT = 120.0
"""Seconds that a connection is kept without a request: for the first, and after each answer."""
LINGER = 60.0
"""Seconds that a peer has to read what was sent before its connection was closed."""
FLUSHED = 1.0
"""Seconds that the last answers have at the server's end to reach their peers."""
SMALL = 256 * 1024
"""Bytes of a body that wait in memory for each connection out of a sandbox, which may have many."""
LINE = 64 * 1024
"""Bytes of a request line or of one header: presigned URLs with session tokens are long."""
BACKLOG = 512


class _Told(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's words in our log: bytes that are no HTTP get one short line, not a traceback."""

    def exception(self, msg: object, *args: object, **more: Any) -> None:
        problem = more.get("exc_info")
        if isinstance(problem, HttpProcessingError):
            self.debug("malformed HTTP: %s", str(problem.message).strip()[:120])
        else:
            super().exception(msg, *args, **more)


class _Web(web.RequestHandler):
    """aiohttp's protocol of one connection, which its share knows of."""

    __slots__ = ("held",)

    def __init__(self, manager: web.Server, held: Held, **given: Any) -> None:
        super().__init__(manager, **given)
        self.held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.held.begin(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.held.end()
        super().connection_lost(exc)


class Web(web.Server):
    """Makes the protocols of HTTP connections."""

    def __init__(self, handler: Handler, **given: Any) -> None:
        super().__init__(_marked(handler), **given)
        self.share = Share(Descriptors(1 << 20), Limits())
        """Of connections without a limit."""

    def __call__(self) -> web.RequestHandler:
        return self.counted(self.share.take())

    def counted(self, held: Held) -> web.RequestHandler:
        """The protocol of the connection `held`."""
        return _Web(self, held, loop=self._loop, **self._kwargs)


def _marked(handler: Handler) -> Handler:
    """`handler`, whose connection is busy meanwhile."""

    async def answer(raw: web.BaseRequest) -> web.StreamResponse:
        held = connections.of(raw)
        held.busy()
        try:
            return await handler(raw)
        finally:
            held.idle()

    return answer


def web_server(handler: Handler, buffer: int = 1 << 20, kept: float | None = None) -> Web:
    """aiohttp's protocol factory as every listener uses it: bodies are left as they were sent.

    A head that is not complete `kept` seconds (KEPT) after the connection or the answer before it
    began is waited for no longer. `buffer`: bytes of a body that wait in memory, twice as many at most.
    """
    return Web(
        handler,
        auto_decompress=False,
        access_log=None,
        logger=_Told(log, {}),
        keepalive_timeout=KEPT if kept is None else kept,
        lingering_time=5.0,
        max_line_size=LINE,
        max_field_size=LINE,
        max_headers=512,
        read_bufsize=buffer,
    )


class Stream(asyncio.StreamReaderProtocol):
    """A connection for a stream's reader and writer, which its share knows of."""

    def __init__(self, held: Held, limit: int, answer: Answer) -> None:
        super().__init__(asyncio.StreamReader(limit), answer)
        self.held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.held.begin(transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.held.busy()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.held.end()
        super().connection_lost(exc)


def streams(answer: Answer, limit: int) -> Callable[[Held], asyncio.BaseProtocol]:
    """Makes the protocols of connections that `answer` serves; `limit`: bytes that its reader holds."""
    return lambda held: Stream(held, limit, answer)


def addresses(settings: Settings) -> tuple[list[str], list[str]]:
    """The addresses for plain HTTP and for TLS; raises SettingsError for an unguarded one."""
    loopback = ["127.0.0.1", "::1"]
    if settings.host in ("localhost", *loopback):
        return loopback, loopback
    if not (settings.insecure or settings.tls_only):
        raise SettingsError(
            f"host {settings.host} is reached from other machines: choose tls_only"
            " (SAGEBRUSH_TLS_ONLY=1), or insecure (--insecure) for plain HTTP too"
        )
    outer = [settings.host]
    if settings.host == "0.0.0.0":
        both = [*outer, "::1"]
    elif settings.host == "::":
        both = outer
    else:
        both = [*loopback, *outer]
    return (loopback if settings.tls_only else both), both


def bind(hosts: Sequence[str], port: int) -> tuple[list[socket.socket], int]:
    """Listening sockets on one port of every address, and the port (`port` 0: a free one).

    An IPv6 loopback that the machine lacks is left out. Raises OSError as `socket.bind` does.
    """
    for attempt in range(20):
        found: list[socket.socket] = []
        chosen = port
        try:
            for host in hosts:
                try:
                    found.append(_listening(host, chosen))
                except OSError as error:
                    absent = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
                    if not (host == "::1" and error.errno in absent):
                        raise
                chosen = found[0].getsockname()[1] if found else chosen
            return found, chosen
        except OSError as error:
            for sock in found:
                sock.close()
            if port or error.errno != errno.EADDRINUSE or attempt == 19:
                raise
    raise AssertionError("unreachable")


def _listening(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            with contextlib.suppress(ValueError):
                only = int(ipaddress.ip_address(host) != ipaddress.ip_address("::"))
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


class Listeners:
    """What one event loop listens on. All methods run in that loop's thread."""

    def __init__(self, table: Descriptors, inside: Limits) -> None:
        """Each sandbox has at most `inside` of the connections, and of what they ask for at once."""
        self._table, self._inside = table, inside
        self._outside = Share(table, Limits(part=connections.OUTSIDE))
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()
        self._acceptors: dict[str, list[tuple[Acceptor, object]]] = {}
        self._web: list[Web] = []
        self._sweeping: asyncio.TimerHandle | None = None

    def serve(
        self, sockets: Sequence[socket.socket], handler: Handler, context: ssl.SSLContext | None
    ) -> None:
        """Requests on `sockets` are answered by `handler`; they speak TLS if there is a `context`."""
        factory = web_server(handler)
        for sock in sockets:
            self._accept(PORTS, sock, Way(factory.counted, self._outside, context), factory)

    def share(self, sandbox: str) -> Share:
        """The share of that sandbox: of all its listeners together."""
        found = self._shares.get(sandbox)
        if found is None:
            found = self._shares[sandbox] = Share(self._table, self._inside)
        return found

    def adopt(
        self,
        key: str,
        sock: socket.socket,
        factory: Web | Callable[[Held], asyncio.BaseProtocol],
        share: Share,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Connections to a sandbox's listener, which are of `share`, are served until `drop(key)`.

        With a `context` the same port takes plain HTTP and TLS.
        """
        protocol = factory.counted if isinstance(factory, Web) else factory
        self._accept(key, sock, Way(protocol, share, context, mixed=True), factory)

    def adopt_bridge(
        self, key: str, sock: socket.socket, factory: Web, context: ssl.SSLContext | None
    ) -> None:
        """The same for a listener that several containers reach: each address has a share."""
        common = Share(self._table, Limits(part=connections.INSIDE))
        each = lambda peer: self.share(f"{key}/{peer}")  # noqa: E731
        self._accept(key, sock, Way(factory.counted, common, context, True, each), factory)

    def drop(self, key: str) -> None:
        """The listeners of that job are closed: its network namespace can go."""
        for acceptor, factory in self._acceptors.pop(key, []):
            acceptor.close()
            self._web = [each for each in self._web if each is not factory]

    def _accept(self, key: str, sock: socket.socket, way: Way, factory: object) -> None:
        acceptor = Acceptor(sock, way)
        self._acceptors.setdefault(key, []).append((acceptor, factory))
        if isinstance(factory, Web) and factory not in self._web:
            self._web.append(factory)
        acceptor.begin()
        if self._sweeping is None:
            self._sweep()

    def _sweep(self) -> None:
        """Connections that only wait for their peer to read the last bytes end after a while."""
        for share in (self._outside, *self._shares.values()):
            share.sweep(LINGER)
        self._sweeping = asyncio.get_running_loop().call_later(LINGER / 2, self._sweep)

    async def close(self, timeout: float) -> None:
        """Nothing is accepted any more; requests that run have ended or had `timeout` seconds, and no
        connection is open.

        One by TLS is cut: it would wait for its peer's last word, and an idle client never says it.
        """
        if self._sweeping is not None:
            self._sweeping.cancel()
        serving = list(self._web)
        for key in list(self._acceptors):
            self.drop(key)
        for factory in serving:
            factory.pre_shutdown()
        await asyncio.gather(*(factory.shutdown(timeout) for factory in serving))
        shares, until = (self._outside, *self._shares.values()), time.monotonic() + FLUSHED
        while any(share.sending() for share in shares) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for share in shares:
            share.cut()
        await asyncio.sleep(0)  # their transports end in the loop's next turn
