"""How an answer of HTTP/1.1 begins and how long it is, read strictly: what is not as RFC 9112 has it
is refused, since whoever else reads it may see another answer there. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(
    rb"HTTP/1\.[0-9] [1-5][0-9]{2}(?: [^\r\n\0]*)?"
    rb"(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)*"
)
"""A status line (section 4; of the statuses those that RFC 9110, 15, has) and fields (section 5), each
on a line of its own."""
_DIGITS = re.compile(r"[0-9]{1,18}")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")
_BLANK = " \t"


@dataclass(frozen=True)
class Head:
    """The head of an answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    length: int | None
    """Bytes of the body; None: it comes in chunks; -1: it ends with the connection."""
    keep: bool
    """Whether the connection may be used again."""


def head(data: bytes) -> Head:
    """The head in `data`, all before the empty line. Raises ValueError."""
    if not _HEAD.fullmatch(data):
        raise ValueError("no head of HTTP/1.1")
    first, *lines = data.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(_BLANK)
        if name in headers and name in ("content-length", "transfer-encoding"):
            value = f"{headers[name]},{value}"
        headers[name] = value
    status, asked = int(first[9:12]), headers.get("connection", "").lower()
    keep = asked != "close" and (first[:8] != "HTTP/1.0" or asked == "keep-alive")
    length = _length(headers)
    if status < 200 or status in (204, 304):
        length = 0
    elif length == -1 or ("transfer-encoding" in headers and "content-length" in headers):
        keep = False  # of the two the first holds, and nothing that follows is believed (6.3)
    return Head(status, headers, length, keep)


def _length(headers: dict[str, str]) -> int | None:
    """RFC 9112, section 6.3. Raises ValueError."""
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise ValueError("transfer-encoding")
        return None
    text = headers.get("content-length")
    if text is None:
        return -1
    told = {each.strip(_BLANK) for each in text.split(",")}  # the same twice is that one
    if len(told) > 1 or not _DIGITS.fullmatch(text := told.pop()):
        raise ValueError("content-length")
    return int(text)


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line (section 7.1). Raises ValueError."""
    digits = line.partition(b";")[0].rstrip(b" \t")
    if not _HEX.fullmatch(digits):
        raise ValueError("chunk-size")
    return int(digits, 16)
