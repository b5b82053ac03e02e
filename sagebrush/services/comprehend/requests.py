"""What requests for jobs and for models have in common: S3 URIs, refusals, what tells requests apart."""

from __future__ import annotations

import hashlib
import json
import re
from typing import NoReturn

from sagebrush.errors import AwsError, Doc

_URI = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)
TOKEN_IN_USE = (
    "The ClientRequestToken is already in use with another request. Use a different token and try your"
    " request again."
)
UNAVAILABLE = "RESOURCE_UNAVAILABLE: "
"""How messages about what is there and cannot be used now begin, as those about what is missing do."""


def refuse(words: str) -> NoReturn:
    """Raises InvalidRequestException (400)."""
    raise AwsError("InvalidRequestException", words)


def unavailable(words: str) -> AwsError:
    """The error for a resource that is not in the status that a request needs."""
    return AwsError("ResourceUnavailableException", f"{UNAVAILABLE}{words}", 404)


def place(uri: str) -> tuple[str, str]:
    """(bucket, key or prefix) of an S3 URI that the model's pattern admits."""
    found = _URI.fullmatch(uri)
    if found is None:
        refuse(f"{uri} is not an S3 URI.")
    return found[1], found[2]


def digest(request: Doc) -> str:
    """What tells requests apart, whatever their token."""
    rest = {key: value for key, value in request.items() if key != "ClientRequestToken"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
