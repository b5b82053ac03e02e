"""Which requests carry code, and are larger than others. Source: "Lambda quotas" (50 MB zipped, which the
request has in base64)."""

from __future__ import annotations

import re

LARGEST = 70167211
"""Bytes of such a request, AWS's limit."""
_PATHS = re.compile(
    r"POST /2015-03-31/functions/?|PUT /2015-03-31/functions/[^/]+/code"
    r"|POST /2018-10-31/layers/[^/]+/versions"
)


def carries_code(method: str, path: str) -> bool:
    """Whether the request creates or updates a function, or publishes a layer."""
    return _PATHS.fullmatch(f"{method} {path}") is not None
