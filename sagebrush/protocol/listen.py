"""The sockets that requests come in by: plain and TLS ports, and listeners out of sandboxes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sagebrush.settings import Settings, SettingsError

log = logging.getLogger(__name__)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Factory = Callable[[], asyncio.BaseProtocol]
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


def web_server(handler: Handler) -> web.Server:
    """aiohttp's protocol factory as every listener uses it: bodies are left as they were sent."""
    return web.Server(
        handler,
        auto_decompress=False,
        access_log=None,
        logger=_Told(log, {}),
        keepalive_timeout=120.0,
        lingering_time=5.0,
        max_line_size=LINE,
        max_field_size=LINE,
        max_headers=512,
        read_bufsize=1 << 20,
    )


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

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._web: list[web.Server] = []
        self._adopted: dict[str, list[asyncio.Task[None]]] = {}

    async def serve(
        self, sockets: Sequence[socket.socket], handler: Handler, context: ssl.SSLContext | None
    ) -> None:
        """Requests on `sockets` are answered by `handler`."""
        loop = asyncio.get_running_loop()
        factory = web_server(handler)
        self._web.append(factory)
        for sock in sockets:
            self._servers.append(
                await loop.create_server(factory, sock=sock, ssl=context, backlog=BACKLOG)
            )

    def adopt(
        self, key: str, sock: socket.socket, factory: Factory, context: ssl.SSLContext | None
    ) -> None:
        """Connections to a sandbox's listener are served until `drop(key)`.

        With a `context` the same port takes plain HTTP and TLS: a client hello tells itself by its
        first byte (RFC 8446, 5.1).
        """
        sock.setblocking(False)
        if isinstance(factory, web.Server):
            self._web.append(factory)
        task = asyncio.get_running_loop().create_task(self._accept(sock, factory, context))
        task.add_done_callback(lambda _: sock.close())
        self._adopted.setdefault(key, []).append(task)

    def drop(self, key: str) -> None:
        """The listeners of that job are closed: its network namespace can go."""
        for task in self._adopted.pop(key, []):
            task.cancel()

    async def _accept(
        self, sock: socket.socket, factory: Factory, context: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        serving: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    connection, _ = await loop.sock_accept(sock)
                except OSError as error:
                    if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED):
                        return  # the sandbox has ended
                    await asyncio.sleep(0.1)
                    continue
                task = loop.create_task(_connected(connection, factory, context))
                serving.add(task)
                task.add_done_callback(serving.discard)
        finally:
            for task in serving:
                task.cancel()
            if isinstance(factory, web.Server) and factory in self._web:
                self._web.remove(factory)

    async def close(self, timeout: float) -> None:
        """Nothing is accepted any more; requests that run have ended or had `timeout` seconds."""
        for server in self._servers:
            server.close()
        for key in list(self._adopted):
            self.drop(key)
        for factory in self._web:
            factory.pre_shutdown()
        await asyncio.gather(*(factory.shutdown(timeout) for factory in self._web))


async def _connected(
    connection: socket.socket, factory: Factory, context: ssl.SSLContext | None
) -> None:
    """The connection has its protocol."""
    loop = asyncio.get_running_loop()
    try:
        if context is not None and await _first_byte(connection) == b"\x16":
            await loop.connect_accepted_socket(factory, connection, ssl=context)
            return
        await loop.connect_accepted_socket(factory, connection)
    except (OSError, TimeoutError) as error:
        log.debug("connection out of a sandbox failed: %s", error)
        connection.close()
    except asyncio.CancelledError:
        connection.close()
        raise


async def _first_byte(connection: socket.socket) -> bytes:
    """The first byte that the peer sent, left in the socket; raises TimeoutError after a minute."""
    connection.setblocking(False)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        await asyncio.wait_for(ready.wait(), 60)
    finally:
        loop.remove_reader(connection.fileno())
    return connection.recv(1, socket.MSG_PEEK)
