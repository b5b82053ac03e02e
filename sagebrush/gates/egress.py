"""The HTTP proxy through which jobs reach the internet, and nothing but the internet.

CONNECT and plain forwarding (RFC 9110, 9112). A name is resolved once, its addresses are checked,
and the connection is made to a checked address, so that a second answer of DNS changes nothing.
Where only another proxy leads out, it is asked for the name: what this host cannot resolve, that
proxy decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from sagebrush.gates.upstream import Upstream, UpstreamRefusal, Upstreams, netloc, worldly

HEAD_LIMIT = 64 * 1024
HEAD_WAIT = 30.0
CONNECT_WAIT = 20.0
BRIEF = 3.0
"""Seconds for a name that another proxy can resolve."""
RESOLVERS = 32
"""Threads that resolve names."""
BLOCK = 64 * 1024
_HOP = {
    "host",
    "proxy-connection",
    "proxy-authorization",
    "connection",
    "keep-alive",
    "te",
    "upgrade",
}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
Also = frozenset[tuple[str, int]]
"""Hosts and ports that one sandbox may reach whatever their addresses are."""


class ProxyRefusal(Exception):
    """The proxy answers `status` with this text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Allowed:
    """What jobs may reach although it is not public: host names, addresses, networks."""

    names: frozenset[str] = frozenset()
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @staticmethod
    def of(entries: Sequence[str]) -> Allowed:
        """Parsed from texts of the setting: `host`, `.domain`, `10.0.0.5`, `10.0.0.0/8`."""
        names: set[str] = set()
        networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                names.add(entry.lower().rstrip("."))
        return Allowed(frozenset(names), tuple(networks))

    def name(self, host: str) -> bool:
        """Whether `host` or a domain above it is allowed."""
        host = host.lower().rstrip(".")
        parts = host.split(".")
        above = {"." + ".".join(parts[i:]) for i in range(len(parts))}
        return host in self.names or not above.isdisjoint(self.names)

    def address(self, address: Address) -> bool:
        """Whether `address` is in an allowed network."""
        return any(address.version == net.version and address in net for net in self.networks)


def meant(text: str) -> Address:
    """The final destination of a packet to `text`: the IPv4 address inside an IPv6 one, or
    itself."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if int(address) >> 32 == 0 and int(address) > 1:
            inner = ipaddress.IPv4Address(int(address))
        return inner or address
    return address


def public(address: Address) -> bool:
    """Whether `address` is public: not loopback, link-local, private, shared or multicast."""
    if isinstance(address, ipaddress.IPv6Address) and int(address) >> 125 != 1:
        return False  # global unicast is 2000::/3 (RFC 4291)
    return address.is_global and not address.is_multicast and not address.is_reserved


class Resolver:
    """The host's own resolver, in threads of its own: the loop has too few for names that do not
    answer (libuv: two)."""

    def __init__(self, threads: int = RESOLVERS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    def close(self) -> None:
        """No further lookup starts; threads end after their present one."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, in the order of the host's resolver."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Egress:
    """Serves the proxy on listening sockets; `allow` are entries of the setting egress_allow."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        resolve: Resolve | None = None,
        upstreams: Upstreams | None = None,
    ) -> None:
        self.allowed = Allowed.of(allow)
        self.resolve = resolve or Resolver()
        self.upstreams = upstreams or Upstreams()

    def close(self) -> None:
        """The resolver is closed."""
        if isinstance(self.resolve, Resolver):
            self.resolve.close()

    async def serve(self, listener: socket.socket) -> asyncio.AbstractServer:
        """The proxy answers on `listener` until the returned server is closed."""
        listener.setblocking(False)
        return await asyncio.start_server(self.handle, sock=listener, limit=HEAD_LIMIT)

    async def handle(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lookups: asyncio.Semaphore | None = None,
        also: Also = frozenset(),
    ) -> None:
        """One connection of a job was served; `lookups` limits its concurrent DNS lookups."""
        try:
            await self._handle(reader, writer, lookups, also)
        except ProxyRefusal as refusal:
            await _answer(writer, refusal.status, str(refusal))
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # one side closed the connection
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _handle(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lookups: asyncio.Semaphore | None,
        also: Also,
    ) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_WAIT)
        except asyncio.LimitOverrunError as error:
            raise ProxyRefusal(431, "The request's head is too long.") from error
        method, target, host, port = _target(head)
        plain = method != "CONNECT"
        answers, outside, via = await self.open(host, port, lookups, plain, also)
        try:
            if not plain:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                outside.write(_forwarded(head, method, target, netloc(host, port), via))
            sending = asyncio.create_task(_pump(reader, outside))
            try:
                await _pump(answers, writer)
            finally:
                sending.cancel()
        finally:
            outside.close()

    async def open(
        self,
        host: str,
        port: int,
        lookups: asyncio.Semaphore | None = None,
        plain: bool = False,
        also: Also = frozenset(),
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Upstream | None]:
        """A connection to `host`, and the proxy by which it is one, or to which it is one for `plain`
        HTTP; raises ProxyRefusal (403 not allowed, 502 not reachable)."""
        async with lookups or contextlib.nullcontext():
            addresses, via = await self._permitted(host, port, plain, also)
        named = _named(host, port, also)
        if via is not None:
            try:
                return *await via.connect(host, port, plain), via
            except UpstreamRefusal as refusal:
                raise ProxyRefusal(
                    502, f"Sagebrush could not reach {host}:{port}: {refusal}."
                ) from refusal
        reason = "no address"
        for address in addresses:
            try:
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(address, port, limit=BLOCK), CONNECT_WAIT
                )
            except (OSError, TimeoutError) as error:
                reason = str(error) or "it did not answer in time"
                continue
            if not named and self._is_own(writer, host):
                writer.close()
                raise ProxyRefusal(403, _forbidden(host, address, "this host's own address"))
            return reader, writer, None
        raise ProxyRefusal(
            502,
            f"Sagebrush could not reach {host}:{port}: {reason}. If only a proxy leads out, start the"
            " server with HTTPS_PROXY=http://HOST:PORT.",
        )

    async def _permitted(
        self, host: str, port: int, plain: bool, also: Also
    ) -> tuple[list[str], Upstream | None]:
        """The addresses of `host` that a job may reach, and the proxy to ask instead of them; raises
        ProxyRefusal when there are none."""
        via = self.upstreams.chosen(host, port, plain)
        named = _named(host, port, also)
        try:
            addresses = await asyncio.wait_for(
                self.resolve(host, port), BRIEF if via else CONNECT_WAIT
            )
        except (OSError, UnicodeError, TimeoutError) as error:
            if via and (named or self.allowed.name(host) or worldly(host)):
                return [], via
            raise ProxyRefusal(
                502,
                f"Sagebrush could not resolve {host}: {error or 'no answer in time'}. If only a proxy"
                " leads out, start the server with HTTPS_PROXY=http://HOST:PORT.",
            ) from error
        if named:
            here = all(meant(a).is_loopback for a in addresses)
            return addresses, None if here else via
        outside = [a for a in addresses if public(meant(a))]
        if self.allowed.name(host):
            return addresses, via if outside else None
        good = [a for a in addresses if public(meant(a)) or self.allowed.address(meant(a))]
        if not good:
            first = addresses[0] if addresses else host
            raise ProxyRefusal(403, _forbidden(host, first, "not a public address"))
        return good, via if outside else None

    def _is_own(self, writer: asyncio.StreamWriter, host: str) -> bool:
        """Whether the connection ended on this machine, reached by one of its public addresses."""
        own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        if not own or not peer or own[0] != peer[0]:
            return False
        return not self.allowed.name(host) and not self.allowed.address(meant(peer[0]))


def _named(host: str, port: int, also: Also) -> bool:
    return (host.lower().rstrip("."), port) in also


def _forbidden(host: str, address: str, why: str) -> str:
    return (
        f"Sagebrush does not let jobs reach {host} ({address}): {why}. "
        f"The setting egress_allow can name it; the index that pip is configured for on this machine "
        f"is allowed where requirements are installed."
    )


def _target(head: bytes) -> tuple[str, str, str, int]:
    """(method, path, host, port) of a request's head; raises ProxyRefusal."""
    lone = not set(b"\r\n\0").isdisjoint(head.replace(b"\r\n", b""))
    if lone or b"\r\n " in head or b"\r\n\t" in head:
        # another proxy may see two requests there, of which only one was looked at
        raise ProxyRefusal(400, "The request's head has a line that does not end or begin as one.")
    line = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(line) != 3 or not line[2].startswith("HTTP/1."):
        raise ProxyRefusal(400, "This is an HTTP/1.1 proxy.")
    method, target = line[0], line[1]
    if method == "TRACE":  # another proxy would answer what it got, its password included
        raise ProxyRefusal(400, "TRACE is not forwarded.")
    try:
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ProxyRefusal(400, f"The request's target cannot be read: {error}") from error
    if method != "CONNECT" and parts.scheme != "http":
        raise ProxyRefusal(400, "This is a proxy: the request's target is a whole http:// address.")
    if not host or (method == "CONNECT" and port is None):
        raise ProxyRefusal(400, "The request's target names no host and port.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return method, path, host, port or 80


def _forwarded(head: bytes, method: str, target: str, host: str, via: Upstream | None) -> bytes:
    """The head as sent to the origin server `host`, or to the proxy `via`: one request per
    connection, for the host that was looked at whatever Host said (RFC 9112, 3.2.2)."""
    host = host.removesuffix(":80")
    if via is not None:
        target = f"http://{host}{target}"
    _, *lines = head[:-4].decode("latin-1").split("\r\n")
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in _HOP]
    if via is not None and via.authorization:
        kept.append(f"Proxy-Authorization: {via.authorization}")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *kept, "Connection: close", "", ""]
    text = "\r\n".join(lines)
    return text.encode("latin-1")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything from `reader` was written to `writer`, and its end of file too."""
    try:
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):  # uvloop: it is closed already
        writer.close()


async def _answer(writer: asyncio.StreamWriter, status: int, text: str) -> None:
    names = {400: "Bad Request", 403: "Forbidden", 431: "Headers Too Large", 502: "Bad Gateway"}
    body = text.encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {names[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()
