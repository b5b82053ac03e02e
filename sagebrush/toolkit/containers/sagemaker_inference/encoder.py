"""Predictions as the bodies of answers."""

from __future__ import annotations

from typing import Any

from sagemaker_inference._formats import formats


def encode(array_like: Any, content_type: str) -> bytes:
    """`array_like` in the format `content_type`; raises UnsupportedFormatError (406)."""
    return formats.encode(array_like, content_type)[0]
