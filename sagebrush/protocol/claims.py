"""What a request claims of its signature (Signature Version 4), before anything is believed.

AWS General Reference, "Signature Version 4 signing process"; for S3 also "Authenticating Requests".
"""

from __future__ import annotations

import calendar
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sagebrush.errors import AwsError
from sagebrush.protocol.message import Request

ALGORITHM = "AWS4-HMAC-SHA256"
SKEW = 15 * 60
"""Seconds that clocks may differ."""
LONGEST_PRESIGN = 7 * 24 * 3600
_STAMP = re.compile(r"\d{8}T\d{6}Z")
PRESIGN = {
    name.lower(): name
    for name in (
        "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
        "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """What a request says of its signature, before anything is believed."""

    access_key: str
    date: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str
    stamp: str
    token: str | None = None
    expires: int | None = None
    """Seconds that a presigned request is good for; None for a signed header."""

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def at(self) -> float:
        """The claimed time, in seconds since the epoch; raises ValueError when there is no such."""
        return _moment(self.stamp)


@lru_cache(maxsize=64)
def _moment(stamp: str) -> float:
    return float(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")))


@dataclass(frozen=True)
class Dialect:
    """The words for the same refusals in S3, in query and REST-XML APIs, and in JSON APIs."""

    s3: bool
    missing: str
    unknown_key: str
    mismatch: str
    incomplete: str


S3 = Dialect(True, "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied")
QUERY = Dialect(
    False,
    "MissingAuthenticationToken",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
)
JSON = Dialect(
    False,
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignatureException",
)


def dialect(service: str, protocol: str) -> Dialect:
    """The words that `service` uses in `protocol`."""
    if service == "s3":
        return S3
    return QUERY if protocol in ("query", "ec2", "rest-xml") else JSON


def parse(request: Request, words: Dialect) -> Claim:
    """The request's claim, from its Authorization header or its query.

    Raises AwsError: nothing signed, malformed, an algorithm that is not HMAC-SHA256, both at once,
    or a presigned life that is not between 1 second and 7 days.
    """
    header = request.headers.get("authorization") or None  # an empty one says nothing
    presigned = {}
    for name, value in request.query:
        known = PRESIGN.get(name.lower()) if name[:2] in ("X-", "x-") else None
        if known:
            presigned[known] = value
    if header is not None:
        if "X-Amz-Signature" in presigned or "X-Amz-Algorithm" in presigned:
            raise two_signatures(request)
        return _from_header(request, header, words)
    if "X-Amz-Signature" in presigned or "X-Amz-Algorithm" in presigned:
        return _from_query(presigned, words)
    raise AwsError(
        words.missing, "Access Denied" if words.s3 else "Missing Authentication Token", 403
    )


def two_signatures(request: Request) -> AwsError:
    """The refusal of a request that is signed in more than one way."""
    return AwsError(
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query"
        " string parameter or the Authorization header should be specified",
        400, ArgumentName="Authorization",
        ArgumentValue=request.headers.get("authorization", "")[:500],
    )  # fmt: skip


def _from_header(request: Request, header: str, words: Dialect) -> Claim:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported(header, words)
    parts: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in parts or not name.isalpha():  # a second Authorization header, or none at all
            raise two_signatures(request)
        parts[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parts.get(name):
            if words.s3:
                raise AwsError(
                    "AuthorizationHeaderMalformed",
                    f"The authorization header is malformed; missing {name}.",
                )
            raise AwsError(
                words.incomplete,
                f"Authorization header requires '{name}' parameter. (Hashed with SHA-256 and"
                f" encoded with Base64) Authorization={hashlib.sha256(header.encode()).hexdigest()}",
                403,
            )
    stamp = request.headers.get("x-amz-date") or _http_date(request.headers.get("date"))
    if stamp is None or not _STAMP.fullmatch(stamp):
        raise AwsError(
            words.incomplete,
            "AWS authentication requires a valid Date or x-amz-date header"
            if words.s3
            else "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date'"
            " header.",
            403,
        )
    key, date, region, service = _credential(parts["Credential"], words, False)
    return Claim(
        key, date, region, service, tuple(parts["SignedHeaders"].split(";")), parts["Signature"],
        stamp, request.headers.get("x-amz-security-token") or None,
    )  # fmt: skip


def _from_query(given: Mapping[str, str], words: Dialect) -> Claim:
    needed = (
        "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date",
        "X-Amz-SignedHeaders", *(["X-Amz-Expires"] if words.s3 else []),
    )  # fmt: skip
    if any(not given.get(name) for name in needed):
        raise _bad_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential,"
            " X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            words,
        )
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise _bad_query(f'X-Amz-Algorithm only supports "{ALGORITHM}"', words)
    if not _STAMP.fullmatch(given["X-Amz-Date"]):
        raise _bad_query(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", words
        )
    text = given.get("X-Amz-Expires", str(SKEW))
    if not re.fullmatch(r"-?\d{1,12}", text):
        raise _bad_query("X-Amz-Expires should be a number", words)
    if int(text) < 0:
        raise _bad_query("X-Amz-Expires must be non-negative", words)
    if int(text) > LONGEST_PRESIGN:
        raise _bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires"
            f" must be less than {LONGEST_PRESIGN} seconds",
            words,
        )
    key, date, region, service = _credential(given["X-Amz-Credential"], words, True)
    return Claim(
        key, date, region, service, tuple(given["X-Amz-SignedHeaders"].split(";")),
        given["X-Amz-Signature"], given["X-Amz-Date"], given.get("X-Amz-Security-Token") or None,
        int(text),
    )  # fmt: skip


def _bad_query(message: str, words: Dialect) -> AwsError:
    if words.s3:
        return AwsError("AuthorizationQueryParametersError", message, 400)
    return AwsError(words.incomplete, message, 403)


def _unsupported(header: str, words: Dialect) -> AwsError:
    algorithm, _, rest = header.partition(" ")
    if words.s3:
        if algorithm == "AWS" and ":" not in rest:
            return AwsError(
                "InvalidArgument",
                "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
                ArgumentName="Authorization", ArgumentValue=header[:500],
            )  # fmt: skip
        if algorithm == "AWS" or algorithm.startswith("AWS4-ECDSA"):
            message = f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
            return AwsError("InvalidRequest", message)
        return AwsError(
            "InvalidArgument", "Unsupported Authorization Type",
            ArgumentName="Authorization", ArgumentValue=header[:500],
        )  # fmt: skip
    return AwsError(words.incomplete, f"Unsupported AWS 'algorithm': '{algorithm[:64]}'.", 403)


def _credential(text: str, words: Dialect, presigned: bool) -> tuple[str, str, str, str]:
    """Access key, date, region and service of a credential scope."""
    parts = text.rsplit("/", 4)
    if len(parts) == 5 and parts[4] == "aws4_request":
        return parts[0], parts[1], parts[2], parts[3]
    if len(parts) == 5 and words.s3:
        detail = f'incorrect terminal "{parts[4]}". This endpoint uses "aws4_request".'
        raise scope_error(detail, presigned)
    shown = '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"'
    if words.s3:
        raise scope_error(f"the Credential is mal-formed; expecting {shown}.", presigned)
    words_said = f"Credential must have exactly 5 slash-delimited elements, {shown}."
    raise AwsError(words.incomplete, words_said, 403)


def scope_error(detail: str, presigned: bool, **fields: str) -> AwsError:
    """S3's refusal of a credential scope, which differs in presigned requests."""
    if presigned:
        message = f"Error parsing the X-Amz-Credential parameter; {detail}"
        return AwsError("AuthorizationQueryParametersError", message, 400, **fields)
    message = f"The authorization header is malformed; {detail}"
    return AwsError("AuthorizationHeaderMalformed", message, 400, **fields)


def _http_date(text: str | None) -> str | None:
    """An HTTP date (RFC 9110) as a SigV4 time stamp."""
    if not text or _STAMP.fullmatch(text):
        return text
    try:
        moment = time.strptime(text, "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
    return time.strftime("%Y%m%dT%H%M%SZ", moment)
