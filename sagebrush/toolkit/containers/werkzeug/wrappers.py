"""Response."""

from __future__ import annotations

from typing import Any


class Response:
    """A body with its type and status, as far as an inference script's answer has them."""

    def __init__(
        self,
        response: Any = b"",
        status: int | str | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """`status` is a number, or begins with one (`200 OK`); `headers` are not sent."""
        self.response = response
        self.status_code = int(str(status or 200).split()[0])
        self.headers = headers
        self.mimetype = mimetype or (content_type or "text/plain").split(";")[0].strip()

    def get_data(self) -> bytes:
        """The body."""
        parts = [self.response] if isinstance(self.response, (str, bytes)) else self.response
        return b"".join(each.encode() if isinstance(each, str) else bytes(each) for each in parts)
