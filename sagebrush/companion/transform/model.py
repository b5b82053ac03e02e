"""Requests to the model's containers, in turn where there are several, again where one fails.

Sources: developer guide, "Use Your Own Inference Code with Batch Transform"; API reference,
ModelClientConfig. The words of failures are those that AWS's data-log is seen to have
(aws/sagemaker-python-sdk issues 1882 and 1951, aws/sagemaker-tensorflow-serving-container issue 93).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import socket
import threading
import time
from dataclasses import dataclass

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

CONNECT = 10.0
"""Seconds until a connection is given up."""
PAUSES = (0.2, 1.0, 3.0)
"""Seconds before the first, second and third repetition."""
BUSY = 600.0
"""Seconds for which a full queue (503 with Retry-After) is not counted as a failure."""
LONGEST_LINE = 65536
"""Bytes of a line between the chunks of an answer."""
PIECE = 1 << 18
"""Bytes of an answer that are read at a time."""
TOLD = 2000
"""Bytes of a failed answer that are told."""


class Failed(Exception):
    """A request has failed, for good: `whose` is to blame (`ClientError`, `AlgorithmError`), `message`
    is what the container answered."""

    def __init__(self, whose: str, text: str, message: str = "") -> None:
        super().__init__(text)
        self.whose = whose
        self.message = message


class Away(Exception):
    """The job is to stop."""


@dataclass(frozen=True)
class Answer:
    """What a container answered with success."""

    body: bytes
    content_type: str


def connect(address: str, timeout: float) -> socket.socket:
    """A connection to where a container listens: `unix:<ctl path>:<port>` by its shim, or
    `tcp:host:port`. Raises OSError."""
    kind, _, rest = address.partition(":")
    where, _, port = rest.rpartition(":")
    if kind == "tcp":
        return _prompt(socket.create_connection((where, int(port)), timeout))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(timeout)
        folder = os.open(os.path.dirname(where), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:  # a path may be longer than a socket's address may
            short = len(os.fsencode(where)) <= 100
            talk.connect(where if short else f"/proc/self/fd/{folder}/{os.path.basename(where)}")
        finally:
            os.close(folder)
        talk.sendall(f"dial {port}\n".encode())
        _, fds, _, _ = socket.recv_fds(talk, 16, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
    if not fds:
        raise ConnectionRefusedError("the container has ended")
    inside = socket.socket(fileno=fds[0])
    inside.settimeout(timeout)
    return _prompt(inside)


def _prompt(made: socket.socket) -> socket.socket:
    """The connection, which sends at once: else a request's body would wait 40 ms for its head's
    acknowledgement."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class _Reply(http.client.HTTPResponse):
    """An answer whose framing is as RFC 9112 has it; others are refused (HTTPException), where Python
    would take "+5", "0x5" or "1_0" for a length, and one of two."""

    def begin(self) -> None:
        """The head is read. Raises HTTPException."""
        super().begin()
        lengths = self.headers.get_all("Content-Length") or []
        told = {each.strip(" \t") for text in lengths for each in text.split(",")}
        codings = [text.lower() for text in self.headers.get_all("Transfer-Encoding") or []]
        digits = all(re.fullmatch("[0-9]{1,18}", each) for each in told)
        if codings not in ([], ["chunked"]) or (not codings and (len(told) > 1 or not digits)):
            raise http.client.HTTPException("the answer's length is not told as RFC 9112 has it")
        if not 100 <= self.status <= 599:
            raise http.client.BadStatusLine(str(self.status))

    def _read_next_chunk_size(self) -> int:
        """The size in the next chunk's first line, in place of http.client's. Raises HTTPException."""
        assert self.fp is not None
        line = self.fp.readline(LONGEST_LINE + 1)
        size = line.partition(b";")[0].rstrip(b" \t\r\n")
        if not line.endswith(b"\n") or not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise http.client.HTTPException("the answer has a malformed chunk")
        return int(size, 16)


class _Connection(http.client.HTTPConnection):
    """HTTP on a connection that is made so."""

    response_class = _Reply

    def __init__(self, address: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._address = address

    def connect(self) -> None:
        self.sock = connect(self._address, CONNECT)
        self.sock.settimeout(self.timeout)


class Model:
    """The containers of one instance; for one thread."""

    def __init__(
        self,
        addresses: Sequence[str],
        timeout: float,
        retries: int,
        stopping: threading.Event | None = None,
    ) -> None:
        """`timeout` in seconds, for an invocation through all containers."""
        self._addresses = addresses
        self._timeout = timeout
        self._retries = retries
        self._talks: dict[str, _Connection] = {}
        self._stopping = stopping or threading.Event()

    def close(self) -> None:
        """It is asked no more: a request that waits for an answer fails."""
        for talk in self._talks.values():
            with contextlib.suppress(OSError, AttributeError):
                talk.sock.shutdown(socket.SHUT_RDWR)
            talk.close()

    def parameters(self) -> list[Mapping[str, Any]]:
        """What each container answers to GET /execution-parameters; {} where it has none."""
        return [self._parameters(address) for address in self._addresses]

    def _parameters(self, address: str) -> Mapping[str, Any]:
        try:
            talk = _Connection(address, CONNECT)
            talk.request("GET", "/execution-parameters")
            answer = talk.getresponse()
            body = answer.read(65536)
            talk.close()
            found = json.loads(body) if answer.status == 200 else {}
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def invoke(
        self, body: bytes | Iterable[bytes], content_type: str | None, accept: str | None
    ) -> Answer:
        """The last container's answer. What fails is repeated where `body` is bytes. Raises Failed and
        Away."""
        tried, began = 0, time.monotonic()
        while True:
            try:
                return self._through(body, content_type, accept)
            except _Busy as busy:
                wait = busy.seconds
                if time.monotonic() - began > BUSY or not isinstance(body, bytes):
                    raise Failed("AlgorithmError", f"{BAD}: 503") from busy
            except _Retry as failure:
                if tried >= self._retries or not isinstance(body, bytes) or self._stopping.is_set():
                    raise failure.failed from failure
                wait = PAUSES[min(tried, len(PAUSES) - 1)]
                tried += 1
            if self._stopping.wait(wait):
                raise Away

    def _through(
        self, body: bytes | Iterable[bytes], content_type: str | None, accept: str | None
    ) -> Answer:
        until = time.monotonic() + self._timeout
        answer: Answer | None = None
        for place, address in enumerate(self._addresses):
            last = place == len(self._addresses) - 1
            headers = {}
            if answer is not None:  # what the container before it answered
                body, content_type = answer.body, answer.content_type or content_type
            if content_type:
                headers["Content-Type"] = content_type
            if accept and last:
                headers["Accept"] = accept
            answer = self._ask(address, body, headers, until - time.monotonic())
        assert answer is not None
        return answer

    def _ask(
        self, address: str, body: bytes | Iterable[bytes], headers: dict[str, str], timeout: float
    ) -> Answer:
        talk = self._talks.get(address)
        if talk is None:
            talk = self._talks[address] = _Connection(address, timeout)
        talk.timeout = max(0.01, timeout)
        if talk.sock is not None and _over(talk.sock):
            talk.close()  # it was closed while idle; http.client makes another
        if talk.sock is not None:
            talk.sock.settimeout(talk.timeout)
        try:
            # one that has heard enough (413) may answer and close before it has read all
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                talk.request("POST", "/invocations", body=body, headers=headers)
            sock, reply = talk.sock, talk.getresponse()
            data = _whole(reply, sock, time.monotonic() + timeout)
        except TimeoutError as error:
            talk.close()
            why = f"{SILENT} within {self._timeout:g} seconds"
            raise _Retry(Failed("AlgorithmError", why)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            talk.close()
            why = "" if isinstance(error, OSError) else f": {type(error).__name__}"
            raise _Retry(Failed("AlgorithmError", SILENT + why)) from error
        except BaseException:  # what is sent could not be read to its end
            talk.close()
            raise
        if reply.will_close:
            talk.close()
        return _judged(reply, data)


def _whole(reply: http.client.HTTPResponse, sock: socket.socket | None, until: float) -> bytes:
    """The answer's body, which is here by `until` (monotonic seconds), also where it comes drop by drop.
    Raises TimeoutError, OSError and HTTPException."""
    pieces = []
    while piece := reply.read1(PIECE):
        pieces.append(piece)
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if sock is not None:
            sock.settimeout(left)
    if reply.length:
        raise http.client.IncompleteRead(b"", reply.length)
    reply.close()  # so that the connection may be asked again
    return b"".join(pieces)


def _over(sock: socket.socket) -> bool:
    """Whether the other side has closed the idle connection, or said what nobody asked for."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


BAD = "Bad HTTP status received from algorithm"
SILENT = "Unable to get response from algorithm"


class _Retry(Exception):
    """The request may be repeated; `failed` is what it ends with."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(str(failed))
        self.failed = failed


class _Busy(Exception):
    """The container has no room for the request now."""

    def __init__(self, seconds: float) -> None:
        super().__init__("busy")
        self.seconds = seconds


def _judged(reply: http.client.HTTPResponse, data: bytes) -> Answer:
    if 200 <= reply.status < 300:
        return Answer(data, reply.headers.get("Content-Type", ""))
    message = data[:TOLD].decode(errors="replace")
    if reply.status == 503 and (after := reply.headers.get("Retry-After", "")).isdecimal():
        raise _Busy(min(5.0, max(0.05, float(after))))
    if reply.status == 429 or reply.status >= 500:
        raise _Retry(Failed("AlgorithmError", f"{BAD}: {reply.status}", message))
    if reply.status >= 400:
        raise Failed("ClientError", str(reply.status), message)
    raise Failed("AlgorithmError", f"{BAD}: {reply.status}", message)
