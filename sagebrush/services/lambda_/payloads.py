"""Payloads of invocations: their limits, and whether they are JSON. Pure.

Source: "Lambda quotas"; the words are those of AWS's own refusals, whose JSON parser is Jackson.
"""

from __future__ import annotations

import base64
import json

from sagebrush import jackson
from sagebrush.errors import AwsError
from sagebrush.services.lambda_ import faults, limits

EMPTY = b"{}"
"""What a function gets where the request has no payload."""


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
    """The payload in UTF-8 without a mark of that, `{}` for none; raises
    InvalidRequestContentException where it is not JSON."""
    if not payload.strip():
        return EMPTY
    try:
        # numbers of any length are JSON; what an int may be is its reader's own affair
        text = payload.decode(json.detect_encoding(payload))
        json.loads(text, parse_int=str, parse_constant=_none)
    except RecursionError as error:
        raise not_json("Document nesting depth exceeds the maximum allowed") from error
    except UnicodeDecodeError as error:
        raise not_json(f"Invalid UTF-8 start byte 0x{payload[error.start]:x}") from error
    except json.JSONDecodeError as error:
        raise not_json(_jackson(payload, error)) from error
    return payload if payload[:1] < b"\xef" and b"\0" not in payload[:4] else text.encode()


def _none(name: str) -> None:
    """NaN, Infinity and -Infinity are no JSON. Raises InvalidRequestContentException."""
    raise not_json(
        f"Could not parse payload into json: Non-standard token '{name}': enable"
        " `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
    )


def client_context(text: str) -> str:
    """The JSON object, in ASCII, that a request's ClientContext is in base64; "" for none. Raises
    InvalidRequestContentException."""
    if not text:
        return ""
    if len(text) > limits.CLIENT_CONTEXT:  # API reference, Invoke; AWS's words are not known
        raise AwsError(
            "InvalidRequestContentException",
            f"Client context must be no more than {limits.CLIENT_CONTEXT} bytes.",
        )
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


def _jackson(payload: bytes, error: json.JSONDecodeError) -> str:
    """The error in the words of AWS's parser."""
    text = payload.decode(errors="replace")
    words, at = jackson.told(text, error, "byte[]")
    place = jackson.place("byte[]", text, at, f"{len(payload) - jackson.SHOWN} bytes")
    return f"Could not parse payload into json: {words}\n at {place}"
