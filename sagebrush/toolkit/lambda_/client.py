"""The Runtime API's client: one connection, on which an answer and the next question go together.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

_VERSION = "/2018-06-01/runtime"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Event:
    """One invocation, as it comes; header names are in lower case."""

    request_id: str
    headers: Mapping[str, str]
    body: bytes


class Client:
    """A connection to the Runtime API at `address` (`host:port`). Raises OSError where it breaks."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # no name is looked up
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = bytearray()
        self._asked = False

    def fileno(self) -> int:
        """The connection's descriptor."""
        return self._socket.fileno()

    def next(self) -> Event:
        """The next invocation, once there is one."""
        if not self._asked:
            self._socket.sendall(self._request("GET", f"{_VERSION}/invocation/next"))
        self._asked = False
        status, headers, body = self._read()
        if status != 200:
            raise ConnectionError("the execution environment ends")
        return Event(headers.get("lambda-runtime-aws-request-id", ""), headers, body)

    def succeeded(self, request_id: str, body: bytes, kind: str) -> None:
        """The invocation's result has been handed over."""
        self._answer(f"{request_id}/response", body, {"Content-Type": kind})

    def failed(self, request_id: str, error: str, body: bytes, xray: str) -> None:
        """The invocation's error has been handed over."""
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Function-Error-Type": error,
        }
        if len(xray) < 32_768:
            headers["Lambda-Runtime-Function-XRay-Error-Cause"] = xray
        self._answer(f"{request_id}/error", body, headers)

    def failed_to_begin(self, error: str, body: bytes) -> None:
        """The error that kept the handler from being there has been handed over."""
        headers = {"Lambda-Runtime-Function-Error-Type": error}
        self._socket.sendall(self._request("POST", f"{_VERSION}/init/error", body, headers))
        self._read()

    def _answer(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Posted, and in the same breath the next invocation is asked for."""
        posted = self._request("POST", f"{_VERSION}/invocation/{path}", body, headers)
        self._socket.sendall(posted + self._request("GET", f"{_VERSION}/invocation/next"))
        self._asked = True
        self._read()

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address}"]
        # names and messages of users' exceptions: no line may end within one
        lines += [
            f"{k}: {v.encode('ascii', 'replace').decode()}" for k, v in (headers or {}).items()
        ]
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*lines, "", "")).encode() + body

    def _read(self) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers and the body of the next answer."""
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            self._more()
        lines = self._unread[:end].decode("latin-1").split("\r\n")
        del self._unread[: end + 4]
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        size = int(headers.get("content-length", 0))
        while len(self._unread) < size:
            self._more()
        body = bytes(self._unread[:size])
        del self._unread[:size]
        return int(lines[0].split()[1]), headers, body

    def _more(self) -> None:
        data = self._socket.recv(_BLOCK)
        if not data:
            raise ConnectionError("the Runtime API has ended")
        self._unread += data
