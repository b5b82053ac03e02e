"""One serving worker: loads the model, then answers requests on connections handed to it.

The master (`serve.py`) passes a connection with a request waiting on it; the worker answers the
requests on it and reports whether the connection stays open. One request at a time, so the user's
functions need not be thread-safe: as in AWS's containers.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sagebrush.toolkit.serving import compat, frameworks, handler, modelbuilder

READY, KEEP, CLOSE = b"r", b"k", b"c"
PHRASES = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
           406: "Not Acceptable", 413: "Content Too Large", 415: "Unsupported Media Type",
           500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip
BODY_LIMIT = 1 << 30
"""Bytes of a request: an asynchronous one has up to 1 GB, batch transform sends up to 100 MB."""
PATIENCE = 60.0
"""Seconds that a client may take to send the rest of its request, or to take an answer."""

Answerer = Callable[[bytes, Mapping[str, str]], handler.Answer]


@dataclass(frozen=True)
class Request:
    """One HTTP request, whole. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep: bool


class BadRequest(Exception):
    """Not HTTP that can be read; the connection ends after the answer."""


class Connection:
    """A client's connection while this worker has it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        """Bytes read that belong to the next request."""

    def read_request(self) -> Request | None:
        """The next request, or None when the client is gone. Raises BadRequest and OSError."""
        head = self._head()
        if head is None:
            return None
        line, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, path, version = line.split(" ")
        except ValueError:
            raise BadRequest("malformed request line") from None
        headers: dict[str, str] = {}
        for text in lines:
            name, _, value = text.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = b"".join(self._chunks())
        else:
            body = self._exactly(_length(headers.get("content-length", "0")))
        asked = headers.get("connection", "").lower()
        keep = asked != "close" and (version != "HTTP/1.0" or asked == "keep-alive")
        return Request(method, path, headers, body, keep)

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self.rest:
            if len(self.rest) > 65536:
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
            if not more or len(self.rest) > 65536:
                raise BadRequest("malformed chunk")
            self.rest += more
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while True:
            try:
                size = int(self._line().split(b";")[0], 16)
            except ValueError:
                raise BadRequest("malformed chunk size") from None
            total += size
            if total > BODY_LIMIT:
                raise BadRequest("body too large")
            if size == 0:
                while self._line():
                    pass
                return
            yield self._exactly(size)
            self._line()

    def send(self, answer: handler.Answer, keep: bool) -> None:
        """The answer is sent, in one piece where it is one. Raises OSError."""
        lines = [
            f"HTTP/1.1 {answer.status} {PHRASES.get(answer.status, 'Status')}",
            f"Content-Type: {_clean(answer.content_type)}",
            *(f"{_clean(k)}: {_clean(v)}" for k, v in answer.headers.items()),
        ]
        if not keep:
            lines.append("Connection: close")
        if isinstance(answer.body, bytes):
            lines.append(f"Content-Length: {len(answer.body)}")
            head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
            if len(answer.body) < 65536:
                self.sock.sendall(head + answer.body)
            else:
                self.sock.sendall(head)
                self.sock.sendall(answer.body)
            return
        lines.append("Transfer-Encoding: chunked")
        self.sock.sendall("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n")
        for piece in answer.body:
            if piece:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.sock.sendall(b"0\r\n\r\n")


def _length(text: str) -> int:
    if not text.isdigit():
        raise BadRequest("malformed Content-Length")
    if int(text) > BODY_LIMIT:
        raise BadRequest("body too large")
    return int(text)


def _clean(text: str) -> str:
    """`text` as a header value: a line break in it could forge another header."""
    return text.replace("\r", " ").replace("\n", " ")


def serve_connection(connection: Connection, answer: Answerer) -> bool:
    """Every request that waits on the connection is answered; whether it may be kept."""
    while True:
        try:
            request = connection.read_request()
            if request is None:
                return False
            keep = request.keep
            reply = route(request, answer)
        except BadRequest as error:
            keep, reply = False, handler.failure(400, str(error))
        try:
            connection.send(reply, keep)
        except Exception as error:
            # A user's generator may fail halfway: the client notices the broken chunk stream.
            if not isinstance(error, OSError):
                traceback.print_exc()
                sys.stderr.flush()
            return False
        if not keep or not connection.rest:
            return keep


def route(request: Request, answer: Answerer) -> handler.Answer:
    """The answer to one request of the container contract."""
    path = request.path.split("?", 1)[0]
    if path == "/ping":  # the master answers it, unless its head came in pieces
        return handler.Answer(200, b"")
    if path != "/invocations":
        return handler.failure(404, f"{path} is not served: /ping, /invocations are")
    if request.method != "POST":
        return handler.failure(405, "POST only")
    return answer(request.body, request.headers)


def root() -> Path:
    """This job's /opt/ml."""
    return Path(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))


def program() -> Path:
    """The file with this model's inference functions; raises NoHandler."""
    algorithms = Path(__file__).resolve().parents[2] / "algorithms"
    return handler.locate(root(), os.environ, algorithms)


def code() -> Path | None:
    """The file with this model's inference functions, None where the framework needs none.

    Raises NoHandler where it needs one, or where SAGEMAKER_PROGRAM names one that is not there.
    `inference.py` may be named and absent, as AWS's toolkits have it: SDK v3 always names it.
    """
    framework = frameworks.name(os.environ)
    try:
        return program()
    except handler.NoHandler:
        named = os.environ.get("SAGEMAKER_PROGRAM") or handler.SCRIPT
        if framework not in frameworks.HEAVY or named != handler.SCRIPT:
            raise
        return None


def load() -> Answerer:
    """The loaded handler of this job's model; raises what the model's code raises."""
    framework = frameworks.name(os.environ)
    compat.install(framework)
    model, script = root() / "model", code()
    modelbuilder.prepare(root(), script)
    if framework == "tensorflow":
        from sagebrush.toolkit.serving.frameworks import tensorflow

        return tensorflow.load(model, script)
    defaults = frameworks.defaults(framework)
    module = handler.load_module(script) if script else None
    return handler.Handler(module, str(model), defaults).answer


def run(control: socket.socket) -> int:
    """Loads the model, says READY, then serves until the master is gone; the exit status."""
    try:
        answer = load()
    except handler.NoHandler as error:
        print(f"model cannot be served: {error}", file=sys.stderr, flush=True)
        return 1
    except BaseException as error:
        handler.tell(error)
        return 1
    control.sendall(READY)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not message or not fds:
            return 0
        with socket.socket(fileno=fds[0]) as sock:
            sock.settimeout(PATIENCE)
            try:
                keep = serve_connection(Connection(sock), answer)
            except OSError:
                keep = False
        control.sendall(KEEP if keep else CLOSE)
