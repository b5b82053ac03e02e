"""AWS's errors and documents, as everything here raises and passes them."""

from __future__ import annotations

from typing import Any

Doc = dict[str, Any]
"""A document in AWS's shape, checked against botocore's model at the edge."""


class AwsError(Exception):
    """An answer that is an error: AWS's code, a message and the HTTP status.

    `fields` are further members of the error shape (`Resource`, `OriginalStatusCode` …).
    Only `protocol.reply` turns it into bytes.
    """

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class Missing(AwsError):
    """What the request names is not there, or is being deleted."""


class Busy(AwsError):
    """Another change of what the request names goes on."""
