"""Requests written byte by byte, signed by botocore: for what no SDK can be made to send."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.protocol import sigv4
from sagebrush.protocol.claims import Claim


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code in an S3 answer."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def headers(
    server: Any,
    method: str,
    path: str,
    given: dict[str, str] | None = None,
    service: str = "s3",
    body: bytes = b"",
) -> dict[str, str]:
    """The headers of a request that is signed with the user's key."""
    key, secret = server.world.credentials.user_key
    made = AWSRequest(method, server.url + path, dict(given or {}), body)
    if service == "s3":
        said = made.headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
        signer = _Payload(Credentials(key, secret), service, "us-east-1")
        signer.said = said
    else:
        signer = SigV4Auth(Credentials(key, secret), service, "us-east-1")
    signer.add_auth(made)
    return {"Host": urlsplit(server.url).netloc, **dict(made.headers.items())}


class _Payload(S3SigV4Auth):
    """Signs the `x-amz-content-sha256` that it is told."""

    said = ""

    def payload(self, request: AWSRequest) -> str:
        return self.said

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        super()._modify_request_before_signing(request)
        del request.headers["X-Amz-Content-SHA256"]
        request.headers["X-Amz-Content-SHA256"] = self.said


def claim(found: dict[str, str]) -> tuple[Claim, str]:
    """The claim in signed headers, and its signature."""
    from sagebrush.protocol import claims
    from sagebrush.protocol.message import Request

    lower = {name.lower(): value for name, value in found.items()}
    made = claims.parse(Request("PUT", "/", [], lower), claims.S3)
    return made, made.signature


def signing_key(server: Any, made: Claim) -> bytes:
    """The key that signs chunks."""
    secret = server.world.credentials.user_key[1]
    return sigv4.derive(secret, made.date, made.region, made.service)


def send(
    server: Any, method: str, path: str, found: dict[str, str], body: bytes | Iterable[bytes] = b""
) -> Answer:
    """The answer to one request; an iterable body is sent with chunked transfer encoding."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        chunked = not isinstance(body, bytes)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in found.items():
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif "Content-Length" not in found and (body or method in ("PUT", "POST")):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked=chunked)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def head_of(method: str, path: str, found: dict[str, str]) -> bytes:
    """The head of a request, for a socket."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in found.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(server: Any) -> socket.socket:
    """A socket to the plain port."""
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def blobs(server: Any) -> list[Path]:
    """The files of the object store."""
    return [p for p in server.world.objects.root.rglob("*") if p.is_file()]


def settled(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition became true in time; for what happens after an answer was cut off."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def lines(server: Any) -> list[dict[str, Any]]:
    """The access log."""
    path = server.app.settings.home / "logs" / "access.log"
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(server: Any, request_id: str) -> dict[str, Any]:
    """The access line of that request; lines follow the answer, a few at a time."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [line for line in lines(server) if line["id"] == request_id]
        return bool(found)

    assert settled(there)
    return found[0]
