"""A company's TLS proxy: it ends every tunnel itself, with certificates of an authority of its own.

Hosts may be redirected, so that tests need no other machine. Names and passwords are optional.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BLOCK = 64 * 1024


class Authority:
    """A self-made certificate authority; `pem` is its certificate."""

    def __init__(self, folder: Path, name: str = "Company authority") -> None:
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        own = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = own.add_extension(usage, critical=True).add_extension(key_id, critical=False)
        self.pem = folder / "company.crt"
        certificate = own.sign(self._key, hashes.SHA256())
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """A server's side of TLS as `host`."""
        if host not in self._contexts:
            key = ec.generate_private_key(ec.SECP256R1())
            names: list[x509.GeneralName] = [x509.DNSName(host)]
            with contextlib.suppress(ValueError):
                names = [x509.IPAddress(ipaddress.ip_address(host))]
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
            issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            leaf = (
                self._builder(subject, key)
                .add_extension(x509.SubjectAlternativeName(names), critical=False)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
                .add_extension(issuer, critical=False)
                .sign(self._key, hashes.SHA256())
            )
            file = self.folder / f"{host.replace(':', '_')}.pem"
            file.write_bytes(
                leaf.public_bytes(serialization.Encoding.PEM)
                + key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            self._contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._contexts[host].load_cert_chain(file)
        return self._contexts[host]

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=90))
        )


@dataclass
class CompanyProxy:
    """Serves CONNECT; `asked` are the hosts of the tunnels that were asked for, in order."""

    authority: Authority
    redirects: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """Host -> where its plain HTTP is served instead; others are reached by TLS."""
    password: str = ""
    """`name:password` that clients have to give."""
    refused: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection was served."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._tunnel(reader, writer)
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        host, _, port = target.rpartition(":")
        self.asked.append(host)
        told = base64.b64encode(self.password.encode()).decode()
        status = "200 Connection established"
        if method != "CONNECT":
            status = "405 Method Not Allowed"
        elif self.password and f"basic {told}".lower() not in head.lower():
            status = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=company"
        elif host in self.refused:
            status = "403 Forbidden"
        ending = "\r\n\r\n" if status.startswith("200") else "\r\nContent-Length: 0\r\n\r\n"
        writer.write(f"HTTP/1.1 {status}{ending}".encode())
        await writer.drain()
        if not status.startswith("200"):
            return
        await writer.start_tls(self.authority.context(host))
        if host in self.redirects:
            outside = await asyncio.open_connection(*self.redirects[host])
        else:
            outside = await asyncio.open_connection(
                host, int(port), ssl=ssl.create_default_context(), server_hostname=host
            )
        await asyncio.gather(_pump(reader, outside[1]), _pump(outside[0], writer))

    @contextlib.contextmanager
    def serving(self, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
        """The proxy answers in a thread of its own meanwhile; its port."""
        ready, found = threading.Event(), list[int]()
        loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def main() -> None:
            stopped = asyncio.Event()
            loops.append((asyncio.get_running_loop(), stopped))
            async with await asyncio.start_server(
                self.handle, address, port, limit=BLOCK
            ) as server:
                found.append(server.sockets[0].getsockname()[1])
                ready.set()
                await stopped.wait()
            await asyncio.sleep(0.05)  # transports that were closed end

        thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield found[0]
        finally:
            loop, stopped = loops[0]
            loop.call_soon_threadsafe(stopped.set)
            thread.join(10)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(BLOCK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, ssl.SSLError):
        writer.close()
