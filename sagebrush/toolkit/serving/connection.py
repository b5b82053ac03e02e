"""HTTP/1.1 as the model server speaks it: requests read from a connection, answers sent on it."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sagebrush.toolkit.serving import handler

PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
           406: "Not Acceptable", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout", 507: "Insufficient Storage"}  # fmt: skip
BODY_LIMIT = 1 << 30
"""Bytes of a request: an asynchronous one has up to 1 GB, batch transform sends up to 100 MB."""
HEAD_LIMIT = 65536
PEEK = 256 * 1024
"""Bytes of a request that may be answered together with others."""
FRAMING = ("content-length", "content-type", "transfer-encoding", "connection")
"""Headers that are not the model's to set: they say where its answer ends."""
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LINE = re.compile(TOKEN + r" [!-~\x80-\xff]+ HTTP/1\.[0-9]")
FIELD = re.compile(TOKEN + r":[^\r\n\0]*")
"""A request's first line, and its others: RFC 9112, sections 3 and 5. What they do not allow is refused,
since whoever has passed the request on may have seen another one in it."""
HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")
LINGER = 0.5
"""Seconds for which what a refused caller still sends is thrown away, so that it reads why."""


@dataclass(frozen=True)
class Request:
    """One HTTP request, whole. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep: bool


class BadRequest(Exception):
    """Not a request that can be read; the connection ends after the answer of `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Head:
    """A request's head: its line, its headers and how its body is framed."""

    def __init__(self, data: bytes) -> None:
        """`data` is all before the empty line. Raises BadRequest."""
        line, *lines = data.decode("latin-1").split("\r\n")
        if not LINE.fullmatch(line):
            raise BadRequest("malformed request line: HTTP/1.1 is served")
        self.method, self.path, version = line.split(" ")
        self.headers: dict[str, str] = {}
        for text in lines:
            if not FIELD.fullmatch(text):
                raise BadRequest("malformed header")
            name, _, value = text.partition(":")
            name, value = name.lower(), value.strip(" \t")
            if name in self.headers and name in FRAMING:
                value = f"{self.headers[name]},{value}"
            self.headers[name] = value
        asked = self.headers.get("connection", "").lower()
        self.keep = asked != "close" and (version != "HTTP/1.0" or asked == "keep-alive")
        self.waits = self.headers.get("expect", "").lower() == "100-continue"
        self.length: int | None = None
        """Bytes of the body; None: it comes in chunks."""
        coding = self.headers.get("transfer-encoding", "").lower()
        if "transfer-encoding" not in self.headers:
            self.length = _length(self.headers.get("content-length", "0"))
        elif coding != "chunked":
            raise BadRequest(f"transfer-encoding {coding[:40]} is not served")
        elif "content-length" in self.headers:  # RFC 9112, 6.1: somebody may have believed that one
            raise BadRequest("both Content-Length and Transfer-Encoding")

    def request(self, body: bytes) -> Request:
        """The whole request."""
        return Request(self.method, self.path, self.headers, body, self.keep)


def _length(text: str) -> int:
    told = {
        each.strip(" \t") for each in text.split(",")
    }  # the same twice is that one: RFC 9112, 6.3
    text = told.pop()
    if told or not (text.isascii() and text.isdigit()):
        raise BadRequest("malformed Content-Length")
    if len(text) > 18 or int(text) > BODY_LIMIT:
        raise BadRequest("body too large", 413)
    return int(text)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not HEX.fullmatch(digits):
        raise BadRequest("malformed chunk size")
    return int(digits, 16)


class Connection:
    """A client's connection while this process has it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        """Bytes read that belong to the next request."""

    def peek(self) -> tuple[Request, int] | None:
        """The request that waits, and its bytes, all still unread; None where it is not all here.

        So it outlives this process. Raises BadRequest and OSError.
        """
        try:
            data = self.sock.recv(PEEK, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = Head(data[:end])
        if head.length is None or head.waits or end + 4 + head.length > len(data):
            return None
        size = end + 4 + head.length
        return head.request(data[end + 4 : size]), size

    def consume(self, size: int) -> None:
        """The next `size` bytes, which are here, are read."""
        while size:
            size -= len(self.sock.recv(size)) or size

    def read_request(self) -> Request | None:
        """The next request, or None when the client is gone. Raises BadRequest and OSError."""
        data = self._head()
        if data is None:
            return None
        head = Head(data)
        if head.waits:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"".join(self._chunks()) if head.length is None else self._exactly(head.length)
        return head.request(body)

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self.rest:
            if len(self.rest) > HEAD_LIMIT:
                raise BadRequest("request head too long")
            more = self.sock.recv(65536)
            if not more:
                return None
            self.rest += more
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        return head

    def _exactly(self, size: int) -> bytes:
        if size <= len(self.rest):
            body, self.rest = self.rest[:size], self.rest[size:]
            return body
        body = bytearray(size)
        have = len(self.rest)
        body[:have], self.rest = self.rest, b""
        view = memoryview(body)
        while have < size:
            count = self.sock.recv_into(view[have:])
            if not count:
                raise BadRequest("the client left before its body was complete")
            have += count
        return bytes(body)

    def _line(self) -> bytes:
        while b"\r\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more or len(self.rest) > HEAD_LIMIT:
                raise BadRequest("malformed chunk")
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while True:
            size = _chunk_size(self._line())
            total += size
            if total > BODY_LIMIT:
                raise BadRequest("body too large", 413)
            if size == 0:
                while self._line():
                    pass
                return
            yield self._exactly(size)
            if self._line():
                raise BadRequest("malformed chunk")

    def send(self, answer: handler.Answer, keep: bool) -> None:
        """The answer is sent, in one piece where it is one. Raises OSError."""
        status, body = answer.status, answer.body
        if not 200 <= status <= 599:  # it would not end the exchange, or be no status at all
            status, body = 500, b"The model answered with status %d, which is none." % status
        if status in (204, 304):
            body = b""
        lines = [
            f"HTTP/1.1 {status} {PHRASES.get(status, 'Status')}",
            f"Content-Type: {_clean(answer.content_type)}",
        ]
        for name, value in answer.headers.items():
            if name.strip().lower() not in FRAMING:
                lines.append(f"{_clean(name)}: {_clean(value)}")
        if not keep:
            lines.append("Connection: close")
        if isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
            head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
            if len(body) < 65536:
                self.sock.sendall(head + body)
            else:
                self.sock.sendall(head)
                self.sock.sendall(body)
            return
        lines.append("Transfer-Encoding: chunked")
        self.sock.sendall("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n")
        for piece in body:
            if piece:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.sock.sendall(b"0\r\n\r\n")

    def linger(self) -> None:
        """The caller has read the answer, or had LINGER seconds for it: to close a connection on
        which unread bytes lie resets it, and with it the answer."""
        until = time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(LINGER)
            while time.monotonic() < until and self.sock.recv(1 << 20):
                pass


def _clean(text: str) -> str:
    """`text` as a header value: a line break in it could forge another header."""
    return str(text).replace("\r", " ").replace("\n", " ")


def short(status: int, body: bytes, keep: bool, headers: str = "") -> bytes:
    """A whole answer of the server's own; `headers` end in a line break each."""
    end = "" if keep else "Connection: close\r\n"
    return (
        f"HTTP/1.1 {status} {PHRASES[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{headers}{end}\r\n"
    ).encode() + body
