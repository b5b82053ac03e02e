"""ARNs, ids and request ids."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from dataclasses import dataclass

_ARN = re.compile(r"arn:([^:]*):([^:]*):([^:]*):([^:]*):(.+)", re.DOTALL)


@dataclass(frozen=True)
class Arn:
    """An Amazon Resource Name in its parts (AWS General Reference, "ARN format")."""

    service: str
    region: str
    account: str
    resource: str
    partition: str = "aws"

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @staticmethod
    def parse(text: str) -> Arn | None:
        """The parts of `text`, or None when it is not an ARN."""
        m = _ARN.fullmatch(text)
        return Arn(m[2], m[3], m[4], m[5], m[1]) if m else None


def request_id() -> str:
    """A fresh request id, in the form of a UUID."""
    text = os.urandom(16).hex()  # uuid4's, without its objects: every request has one
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def short_id() -> str:
    """Twelve lower-case hexadecimal characters that do not repeat."""
    return secrets.token_hex(6)


def host_id(request_id: str) -> str:
    """S3's second request id, the same for the same first one."""
    return base64.b64encode(hashlib.sha256(request_id.encode()).digest()).decode()
