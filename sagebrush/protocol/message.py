"""An HTTP request and reply as the protocol modules see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from sagebrush.store.objects import Blob
from sagebrush.store.spool import Spooled


@dataclass(frozen=True)
class Request:
    """One request. `path` is as sent (percent-encoded, no query); `query` is decoded, in order.

    `headers` has lower-case names; repeated headers are joined by ",". `raw_query` is the query as
    sent, which signatures are made over.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes | Spooled = b""
    raw_query: str = ""

    def with_body(self, body: bytes | Spooled) -> Request:
        """The same request with its body."""
        return Request(self.method, self.path, self.query, self.headers, body, self.raw_query)


@dataclass
class Reply:
    """One answer. The body is bytes, a stored blob, or a stream of chunks."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Blob | AsyncIterator[bytes] = b""
