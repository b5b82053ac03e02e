"""What is the head of an answer of HTTP/1.1, and the length of its body, and what is not."""

from __future__ import annotations

import pytest

from sagebrush.net import http_framing
from sagebrush.net.http_framing import Head

OK = b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("data", "head"),
    [
        (OK, Head(200, {}, -1, False)),
        (b"HTTP/1.1 599", Head(599, {}, -1, False)),
        (OK + b"\r\nContent-Length: \t12 ", Head(200, {"content-length": "12"}, 12, True)),
        (
            OK + b"\r\nContent-Length: 12\r\ncontent-length:12",
            Head(200, {"content-length": "12,12"}, 12, True),
        ),
        (
            OK + b"\r\nTransfer-Encoding: Chunked",
            Head(200, {"transfer-encoding": "Chunked"}, None, True),
        ),
        (
            OK + b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
            Head(200, {"transfer-encoding": "chunked", "content-length": "3"}, None, False),
        ),
        (
            b"HTTP/1.0 200 OK\r\nContent-Length: 3",
            Head(200, {"content-length": "3"}, 3, False),
        ),
        (b"HTTP/1.1 204 No Content", Head(204, {}, 0, True)),
        (OK + b"\r\nX-A:\xe9 \xa0\r\nConnection: close\r\nContent-Length: 0",
         Head(200, {"x-a": "\xe9 \xa0", "connection": "close", "content-length": "0"}, 0, False)),
    ],
)  # fmt: skip
def test_heads(data: bytes, head: Head) -> None:
    assert http_framing.head(data) == head


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 900 Odd",
        b"HTTP/1.1 999",
        b"HTTP/1.1 099 Odd",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.x 200 OK",
        b"HTTP/2.0 200 OK",
        b"ICY 200 OK",
        b"",
        OK + b"\r\nno colon",
        OK + b"\r\n: no name",
        OK + b"\r\nContent-Length : 3",
        OK + b"\r\nX-A: b\r\n folded",
        OK + b"\r\nX-A: b\nContent-Length: 3",
        OK + b"\r\nX-A: b\rc",
        OK + b"\r\nX-A: \0",
        OK + b"\r\nContent-Length: -3",
        OK + b"\r\nContent-Length: +3",
        OK + b"\r\nContent-Length: 1_0",
        OK + b"\r\nContent-Length: 1 0",
        OK + b"\r\nContent-Length: \xa03",
        OK + b"\r\nContent-Length: \x0b3",
        OK + b"\r\nContent-Length:",
        OK + b"\r\nContent-Length: \xb2",
        OK + b"\r\nContent-Length: 0x5",
        OK + b"\r\nContent-Length: 3\r\nContent-Length: 4",
        OK + b"\r\nContent-Length: 3, 4",
        OK + b"\r\nContent-Length: " + b"9" * 5000,
        OK + b"\r\nTransfer-Encoding: xchunked",
        OK + b"\r\nTransfer-Encoding: gzip, chunked",
        OK + b"\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        OK + b"\r\nTransfer-Encoding:",
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"HTTP|length|encoding"):
        http_framing.head(data)


def test_chunk_sizes() -> None:
    found = [http_framing.chunk_size(line) for line in (b"0", b"00aF", b"5;x=y", b"5 ;x", b"5  ")]
    assert found == [0, 175, 5, 5, 5]
    wrong = b"-5", b"+5", b"0x5", b"1_0", b"", b" 5", b";x", b"5 5", b"g", b"1" * 16, b"\xb2"
    for line in wrong:
        with pytest.raises(ValueError, match="chunk"):
            http_framing.chunk_size(line)
