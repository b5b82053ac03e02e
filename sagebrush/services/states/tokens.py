"""Tokens of pages: what a list goes on from, which the client hands back unread."""

from __future__ import annotations

import base64
import json
from typing import Any

from sagebrush.errors import AwsError

PAGE = 100
"""Results of a page where the request does not say, or says 0 (API reference, `maxResults`)."""


def size(request: dict[str, Any]) -> int:
    """How many results the page has at most."""
    return request.get("maxResults") or PAGE


def write(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read(request: dict[str, Any], *kinds: type) -> list[Any] | None:
    """The place of the request's token, whose parts are of these kinds; None without a token. Raises
    InvalidToken."""
    token = request.get("nextToken")
    if not token:
        return None
    try:
        place = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise invalid() from None
    right = isinstance(place, list) and len(place) == len(kinds)
    if not right or not all(map(_is, place, kinds)):
        raise invalid()
    return place


def _is(value: Any, kind: type) -> bool:
    if type(value) is int and abs(value) >= 1 << 63:
        return False  # the database has no such number
    return isinstance(value, kind) or (kind is float and type(value) is int)


def invalid() -> AwsError:
    return AwsError("InvalidToken", "Invalid Token: 'Invalid token'")
