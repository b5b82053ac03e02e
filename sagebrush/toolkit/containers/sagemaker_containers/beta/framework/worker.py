"""Response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Response:
    """A body and its type."""

    response: Any = b""
    mimetype: str | None = None
    accept: str | None = None
