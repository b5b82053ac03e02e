"""Payloads of invocations: their limits, and whether they are JSON. Pure.

Source: "Lambda quotas"; the words are those of AWS's own refusals, whose JSON parser is Jackson.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from sagebrush.errors import AwsError
from sagebrush.services.lambda_ import faults, limits

EMPTY = b"{}"
"""What a function gets where the request has no payload."""
_TOKEN = re.compile(r"[A-Za-z0-9_$]+")


def check_size(payload: bytes, event: bool) -> None:
    """Returns for a payload that is not too large; raises RequestTooLargeException (413), and
    RequestEntityTooLargeException (413) for what no invocation may have."""
    if len(payload) > limits.SYNCHRONOUS:
        raise AwsError(
            "RequestEntityTooLargeException",
            f"Request must be smaller than {limits.SYNCHRONOUS} bytes for the InvokeFunction operation",
            413,
        )
    if event and len(payload) > limits.ASYNCHRONOUS:
        raise faults.too_large(
            f"{len(payload)} byte payload is too large for the Event invocation type (limit"
            f" {limits.ASYNCHRONOUS} bytes)"
        )


def checked(payload: bytes) -> bytes:
    """The payload, `{}` for none; raises InvalidRequestContentException where it is not JSON."""
    if not payload.strip():
        return EMPTY
    try:
        json.loads(payload)
    except RecursionError as error:
        raise not_json("Document nesting depth exceeds the maximum allowed") from error
    except UnicodeDecodeError as error:
        raise not_json(f"Invalid UTF-8 start byte 0x{payload[error.start]:x}") from error
    except ValueError as error:
        raise not_json(_jackson(payload, error)) from error
    return payload


def client_context(text: str) -> str:
    """The JSON object, in ASCII, that a request's ClientContext is in base64; "" for none. Raises
    InvalidRequestContentException."""
    if not text:
        return ""
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AwsError(
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        )
    return json.dumps(found, separators=(",", ":"))


def not_json(why: str) -> AwsError:
    """InvalidRequestContentException (400)."""
    return AwsError(
        "InvalidRequestContentException",
        f"Could not parse request body into json: {why}",
        Type="User",
    )


def _jackson(payload: bytes, error: Any) -> str:
    """The error in the words of AWS's parser."""
    text = payload.decode(errors="replace")
    at = min(getattr(error, "pos", 0), len(text))
    before = "Could not parse payload into json: "
    token = _TOKEN.match(text, at)
    if at >= len(text):
        words, at = "Unexpected end-of-input", len(text)
    elif token and not token[0][0].isdigit() and token[0] not in ("true", "false", "null"):
        words = (
            f"Unrecognized token '{token[0]}': was expecting (JSON String, Number, Array, Object or token"
            " 'null', 'true' or 'false')"
        )
        at = token.end()
    else:
        words = (
            f"Unexpected character ('{text[at]}' (code {ord(text[at])})): expected a valid value (JSON"
            " String, Number, Array, Object or token 'null', 'true' or 'false')"
        )
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    shown = text[:500] + (f'"[truncated {len(payload) - 500} bytes]' if len(text) > 500 else '"')
    return f'{before}{words}\n at [Source: (byte[])"{shown}; line: {line}, column: {column}]'
