"""What the model server takes for the head of a request, and for a chunk."""

from __future__ import annotations

import socket

import pytest

from sagebrush.toolkit.serving.callers import _taken_whole
from sagebrush.toolkit.serving.connection import BadRequest, Connection, Head

POST = b"POST /invocations HTTP/1.1"


def test_heads() -> None:
    head = Head(POST + b"\r\nContent-Length: \t12 \r\ncontent-length: 12\r\nX-A: b:c")
    assert (head.method, head.path, head.length, head.keep) == ("POST", "/invocations", 12, True)
    assert head.headers["x-a"] == "b:c"
    assert Head(POST + b"\r\nTransfer-Encoding: chunked").length is None


@pytest.mark.parametrize(
    "data",
    [
        b"POST /invocations HTTP/1.x",
        b"POST /invocations HTTP/2.0",
        b"POST  /invocations HTTP/1.1",
        b"PO ST /invocations HTTP/1.1",
        b"POST /a\tb HTTP/1.1",
        POST + b"\r\nContent-Length : 3",
        POST + b"\r\nno colon",
        POST + b"\r\nX-A: b\r\n folded",
        POST + b"\r\nX-A: b\nContent-Length: 3",
        POST + b"\r\nContent-Length: +3",
        POST + b"\r\nContent-Length: 1_0",
        POST + b"\r\nContent-Length: \xa03",
        POST + b"\r\nContent-Length:",
        POST + b"\r\nContent-Length: 3\r\nContent-Length: 4",
        POST + b"\r\nContent-Length: " + b"9" * 5000,
        POST + b"\r\nTransfer-Encoding:",
        POST + b"\r\nTransfer-Encoding: gzip, chunked",
        POST + b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(BadRequest):
        Head(data)
    assert not _taken_whole(data + b"\r\n\r\nabc")


def read(body: bytes) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(POST + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        theirs.shutdown(socket.SHUT_WR)
        found = Connection(ours).read_request()
        assert found is not None
        return found.body


def test_chunks() -> None:
    assert read(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n") == b"abcde"
    for wrong in (b"-5", b"+5", b"0x5", b"1_0", b" 5", b"", b"5 5"):
        with pytest.raises(BadRequest, match="chunk"):
            read(wrong + b"\r\nabcde\r\n0\r\n\r\n")
    with pytest.raises(BadRequest, match="chunk"):
        read(b"3\r\nabcd\r\n0\r\n\r\n")
