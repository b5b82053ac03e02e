"""The proxy that leads out of this host's network, as its variables name it.

HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in lower case too, as curl and pip read them.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

WAIT = 30.0
HEAD = 64 * 1024
LOCAL = (
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "lan",
    "intranet",
    "corp",
    "home",
    "invalid",
)
"""Domains of no public name (RFC 6761, 6762, 8375; ICANN's of name collisions)."""


class UpstreamRefusal(Exception):
    """The proxy did not make the connection; the text says why, and what cures it."""


@dataclass(frozen=True)
class Upstream:
    """One proxy."""

    variable: str
    host: str
    port: int
    secure: bool = False
    """Whether it is spoken to over TLS."""
    authorization: str = ""

    async def connect(
        self, host: str, port: int, plain: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A tunnel to that host; to the proxy itself where `plain` HTTP is to be sent. Raises
        UpstreamRefusal."""
        here = f"the proxy {self.host}:{self.port} that {self.variable} names"
        context = ssl.create_default_context() if self.secure else None
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(self.host, self.port, ssl=context, limit=HEAD), WAIT
            )
        except (OSError, TimeoutError) as error:
            raise UpstreamRefusal(
                f"{here} does not answer ({error or 'too late'}): correct {self.variable} and start"
                f" the server again, or exempt the host: NO_PROXY={host}"
            ) from error
        if plain:
            return reader, writer
        try:
            writer.write(self.head(netloc(host, port)))
            await writer.drain()
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as e:
            writer.close()
            raise UpstreamRefusal(f"{here} closed the connection to {host}:{port}") from e
        status = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
        if not status.startswith("2"):
            writer.close()
            raise UpstreamRefusal(self._refused(here, host, status))
        return reader, writer

    def head(self, place: str) -> bytes:
        """The request for a tunnel."""
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _refused(self, here: str, host: str, status: str) -> str:
        if status.startswith("407"):
            return (
                f"{here} wants a name and password:"
                f" {self.variable}=http://NAME:PASSWORD@{self.host}:{self.port}, then start the server again"
            )
        return f"{here} refuses {host} ({status}): its administrator can allow it"


@dataclass(frozen=True)
class Upstreams:
    """What the variables say; without any, no proxy is used."""

    https: Upstream | None = None
    http: Upstream | None = None
    exempt: tuple[str, ...] = ()

    @staticmethod
    def of(environ: Mapping[str, str]) -> Upstreams:
        """As `environ` has it; a proxy that is none of HTTP (SOCKS) is left out."""
        found: dict[str, Upstream | None] = {}
        for kind in ("https", "http"):
            names = (f"{kind}_proxy", f"{kind.upper()}_PROXY", "all_proxy", "ALL_PROXY")
            name = next((name for name in names if environ.get(name)), "")
            found[kind] = _upstream(name.upper(), environ[name]) if name else None
        words = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
        exempt = tuple(word.strip().lower() for word in words if word.strip())
        return Upstreams(found["https"], found["http"], exempt)

    def chosen(self, host: str, port: int, plain: bool) -> Upstream | None:
        """The proxy for that host; None where it is reached directly."""
        return None if self._exempted(host.lower().rstrip("."), port) else self._kind(plain)

    def _kind(self, plain: bool) -> Upstream | None:
        return self.http if plain else self.https

    def _exempted(self, host: str, port: int) -> bool:
        for word in self.exempt:
            name, colon, number = word.rpartition(":")
            if colon and number.isdigit() and "]" not in number and ":" not in name:
                if int(number) != port:
                    continue
                word = name
            bare = word.removeprefix("*").lstrip(".")
            if word == "*" or host == bare or (bare and host.endswith(f".{bare}")):
                return True
            try:
                if ipaddress.ip_address(host) in ipaddress.ip_network(word, strict=False):
                    return True
            except ValueError:
                continue
        return False


def _upstream(variable: str, text: str) -> Upstream | None:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host:
        return None
    told = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        told = "Basic " + base64.b64encode(pair.encode()).decode()
    secure = parts.scheme == "https"
    return Upstream(variable, host, port or (443 if secure else 80), secure, told)


def netloc(host: str, port: int) -> str:
    """Host and port as addresses have them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def worldly(host: str) -> bool:
    """Whether `host` may be a public name, which this host's resolver need not know."""
    labels = host.lower().rstrip(".").split(".")
    if len(labels) < 2 or labels[-1].isdigit():
        return False
    return not any(host.lower().rstrip(".").endswith(f".{domain}") for domain in LOCAL)
