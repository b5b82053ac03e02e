"""What a batch transform job takes for an answer of its model."""

from __future__ import annotations

import http.client
import socket
import time

import pytest

from sagebrush.companion.transform.model import _Reply, _whole

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(answer: bytes) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        reply = _Reply(ours, method="POST")
        reply.begin()
        body = _whole(reply, ours, time.monotonic() + 5.0)
        assert reply.isclosed()
        return body


def test_answers() -> None:
    assert read(OK + b"Content-Length: 3\r\n\r\nabc") == b"abc"
    assert read(OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc") == b"abc"
    assert read(OK + b"\r\nuntil the end") == b"until the end"
    assert read(CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n") == b"abcde"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 999 Odd\r\nContent-Length: 3\r\n\r\nabc",
        *(OK + b"Content-Length: %b\r\n\r\nabc" % n for n in (b"+3", b"-3", b"0_3", b"", b"3, 2")),
        OK + b"Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
        OK + b"Content-Length: 4\r\n\r\nabc",
        CHUNKED + b"4\r\nabc",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        *(CHUNKED + n + b"\r\nabcde\r\n0\r\n\r\n" for n in (b"+5", b"-5", b"0x5", b"0_5", b" 5")),
    ],
)
def test_what_is_none(answer: bytes) -> None:
    with pytest.raises(http.client.HTTPException):
        read(answer)


def test_an_answer_that_comes_drop_by_drop_is_late() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(OK + b"Content-Length: 9\r\n\r\na")
        reply = _Reply(ours, method="POST")
        reply.begin()
        with pytest.raises(TimeoutError):
            _whole(reply, ours, time.monotonic() - 1.0)
