"""The bodies of requests as arrays."""

from __future__ import annotations

from typing import Any

from sagemaker_inference._formats import formats


def decode(obj: bytes | str, content_type: str) -> Any:
    """The body `obj`, an array where it can be one; raises UnsupportedFormatError (415)."""
    return formats.decode(obj, content_type)
