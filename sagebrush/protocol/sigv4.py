"""Signature Version 4: whether a claimed signature, its clock and its scope hold.

AWS General Reference, "Signature Version 4 signing process"; for S3 also "Authenticating Requests".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from sagebrush.aws import regions
from sagebrush.credentials import Key
from sagebrush.errors import AwsError
from sagebrush.protocol.claims import ALGORITHM, JSON, SKEW, Claim, Dialect, scope_error
from sagebrush.protocol.message import Request

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_HEX64 = re.compile(r"[0-9a-f]{64}")
_BLANKS = re.compile(r"[ \t]+")
_SPACES = re.compile(r" {2,}")
_UNSIGNABLE = frozenset({"x-amz-content-sha256", "x-amz-user-agent", "x-amzn-trace-id"})


class Verifier:
    """Checks claims against keys; caches signing keys, which change once a day.

    Any commercial region may be signed for, and the server's own, whatever its name.
    """

    def __init__(
        self,
        resolve: Callable[[str, str | None], Key],
        clock: Callable[[], float],
        region: str,
    ) -> None:
        self._resolve = resolve
        self._clock = clock
        self._regions = regions.served() | {region}
        self._keys: dict[tuple[str, str, str, str], bytes] = {}

    def verify(self, request: Request, claim: Claim, words: Dialect, body_sha256: str) -> Verified:
        """Who signed; raises AwsError when key, scope, clock or signature do not hold.

        `body_sha256` is the text that stands for the body in the signature: its hash in
        hexadecimal, `UNSIGNED-PAYLOAD` or a `STREAMING-…` word.
        """
        key = self._key(claim, words)
        self._check_scope(claim, words)
        self._check_clock(request, claim, words)
        missing = unsigned_headers(request, claim) if words.s3 else _no_host(claim)
        if missing:
            message = "There were headers present in the request which were not signed"
            raise AwsError(words.incomplete, message, 403, HeadersNotSigned=", ".join(missing))
        signing = self.signing_key(key.secret, claim)
        first: tuple[str, str] | None = None
        for lines in canonical_requests(request, claim, body_sha256, words.s3):
            digest = hashlib.sha256(_sent(lines)).hexdigest()
            text = f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{digest}"
            signature = hmac.digest(signing, text.encode(), "sha256").hex()
            if hmac.compare_digest(signature.encode(), _sent(claim.signature)):
                return Verified(key, claim, signing)
            first = first or (lines, text)
        raise self._mismatch(claim, words, *(first or ("", "")))

    def _key(self, claim: Claim, words: Dialect) -> Key:
        try:
            return self._resolve(claim.access_key, claim.token)
        except AwsError as error:
            if error.code == "InvalidClientTokenId":
                if words.s3 and claim.token:
                    raise AwsError(
                        "InvalidToken", "The provided token is malformed or otherwise invalid.", 400
                    ) from error
                raise self._unknown_key(claim, words) from error
            if error.code == "ExpiredToken" and words is JSON:
                raise AwsError("ExpiredTokenException", error.message, 403) from error
            if error.code == "ExpiredToken" and words.s3:
                raise AwsError("ExpiredToken", "The provided token has expired.", 400) from error
            raise

    @staticmethod
    def _unknown_key(claim: Claim, words: Dialect) -> AwsError:
        if words.s3:
            return AwsError(
                words.unknown_key,
                "The AWS Access Key Id you provided does not exist in our records.",
                403,
                AWSAccessKeyId=claim.access_key,
            )
        return AwsError(
            words.unknown_key, "The security token included in the request is invalid.", 403
        )

    def _check_scope(self, claim: Claim, words: Dialect) -> None:
        presigned = claim.expires is not None
        if claim.date != claim.stamp[:8]:
            if words.s3:
                raise _wrong_date(claim, presigned)
            raise AwsError(
                words.mismatch,
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date"
                f" from HTTP: '{claim.date}' != '{claim.stamp[:8]}', from '{claim.stamp}'.",
                403,
            )
        if claim.region in self._regions:
            return
        if words.s3:  # without a member Region, to which SDKs would go on by themselves
            detail = f"the region '{claim.region}' is wrong; expecting one of the partition 'aws'"
            raise scope_error(detail, presigned)
        raise AwsError(
            words.mismatch,
            f"Credential should be scoped to a valid region, not '{claim.region}'.",
            403,
        )

    def _check_clock(self, request: Request, claim: Claim, words: Dialect) -> None:
        now = self._clock()
        try:
            at = claim.at
        except ValueError as error:
            raise AwsError(words.incomplete, f"Invalid date: {claim.stamp}", 403) from error
        if claim.expires is not None:
            if now > at + claim.expires:
                raise AwsError(
                    "AccessDenied" if words.s3 else words.mismatch,
                    "Request has expired" if words.s3 else _expired(at, now),
                    403,
                    **(_life(at, claim.expires, now) if words.s3 else {}),
                )
            if at > now + SKEW and words.s3:
                raise AwsError("AccessDenied", "Request is not yet valid", 403)
        if (claim.expires is None and now - at > SKEW) or at - now > SKEW:
            if words.s3:
                raise AwsError(
                    "RequestTimeTooSkewed",
                    "The difference between the request time and the current time is too large.",
                    403,
                    RequestTime=claim.stamp,
                    ServerTime=_iso(now),
                    MaxAllowedSkewMilliseconds=str(SKEW * 1000),
                )
            raise AwsError(words.mismatch, _expired(at, now), 403)

    @staticmethod
    def _mismatch(claim: Claim, words: Dialect, lines: str, text: str) -> AwsError:
        message = (
            "The request signature we calculated does not match the signature you provided. Check"
            + (" your key and signing method." if words.s3 else " your AWS Secret Access Key and"
               " signing method. Consult the service documentation for details.")
        )  # fmt: skip
        if not words.s3:
            return AwsError(words.mismatch, message, 403)
        return AwsError(
            words.mismatch,
            message,
            403,
            AWSAccessKeyId=claim.access_key,
            StringToSign=text,
            SignatureProvided=claim.signature,
            StringToSignBytes=_bytes(text),
            CanonicalRequest=lines.encode("utf-8", "replace").decode(),
            CanonicalRequestBytes=_bytes(lines),
        )

    def signing_key(self, secret: str, claim: Claim) -> bytes:
        """The key that signs for one day, region and service; kept for the next request."""
        place = (secret, claim.date, claim.region, claim.service)
        found = self._keys.get(place)
        if found is None:
            found = derive(*place)
            if len(self._keys) > 1000:
                self._keys.clear()
            self._keys[place] = found
        return found


@dataclass(frozen=True)
class Verified:
    """A claim that holds, and the key that its chunk signatures need."""

    key: Key
    claim: Claim
    signing: bytes = field(repr=False)


def derive(secret: str, date: str, region: str, service: str) -> bytes:
    """The signing key of `secret` for one day, region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def unsigned_headers(request: Request, claim: Claim) -> list[str]:
    """The headers that S3 wants signed (host, x-amz-*) and the claim leaves out."""
    signed = claim.signed
    return [
        name
        for name in request.headers
        if (name == "host" or name.startswith("x-amz-"))
        and name not in signed
        and name not in _UNSIGNABLE
    ]


def _sent(text: str) -> bytes:
    """The bytes that the text of a header stands for, UTF-8 or not."""
    return text.encode("utf-8", "surrogateescape")


def _bytes(text: str) -> str:
    """The text's bytes in hex as S3 reports them, so that invisible differences show."""
    return _sent(text).hex(" ")


def _no_host(claim: Claim) -> list[str]:
    return [] if "host" in claim.signed else ["host"]


def _wrong_date(claim: Claim, presigned: bool) -> AwsError:
    """S3's refusal of a scope whose date is none, or is not the request's."""
    if not (len(claim.date) == 8 and claim.date.isascii() and claim.date.isdigit()):
        return scope_error(
            f'incorrect date format "{claim.date}". This date in the credential must be in the'
            ' format "yyyyMMdd".',
            presigned,
        )
    message = (
        f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date:'
        f' "{claim.stamp[:8]}".'
    )
    if presigned:
        return AwsError("AuthorizationQueryParametersError", message)
    return scope_error(message, presigned)


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _life(at: float, seconds: int, now: float) -> dict[str, str]:
    """The members that S3 adds to the error for an expired presigned request."""
    return {
        "X-Amz-Expires": str(seconds), "Expires": _iso(at + seconds), "ServerTime": _iso(now)
    }  # fmt: skip


def _expired(at: float, now: float) -> str:
    def text(moment: float) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))

    if at > now:
        return (
            f"Signature not yet current: {text(at)} is still later than {text(now + SKEW)}"
            f" ({text(now)} + 15 min.)"
        )
    return (
        f"Signature expired: {text(at)} is now earlier than {text(now - SKEW)}"
        f" ({text(now)} - 15 min.)"
    )


def canonical_requests(request: Request, claim: Claim, body_sha256: str, s3: bool) -> Iterable[str]:
    """The canonical request, then, where the URL was not sent in canonical form, with it so.

    Clients sign either the URL as they send it (botocore) or its canonical form (curl, Go).
    """
    path, raw_query = request.path, request.raw_query
    if not path.startswith("/"):
        path = "/" + path
    drop = claim.expires is not None
    sent_path = path if s3 else _encoded_path(path)
    sent_query = raw_canonical_query(raw_query, drop)
    for headers in canonical_headers(request.headers, claim.signed):
        tail = f"{headers}\n{';'.join(claim.signed)}\n{body_sha256}"
        yield f"{request.method}\n{sent_path}\n{sent_query}\n{tail}"
        clean = quote(unquote_to_bytes(path), safe="/~")
        if not s3:
            clean = quote(normal_path(clean), safe="/~")
        clean_query = canonical_query(raw_query, drop)
        if (clean, clean_query) != (sent_path, sent_query):
            yield f"{request.method}\n{clean}\n{clean_query}\n{tail}"
            yield f"{request.method}\n{clean}\n{sent_query}\n{tail}"
            yield f"{request.method}\n{sent_path}\n{clean_query}\n{tail}"


@lru_cache(1024)
def _encoded_path(path: str) -> str:
    """The path as all but S3 sign it: without dot segments, encoded once more."""
    return quote(normal_path(path), safe="/~")


_FOLDS: tuple[Callable[[str], str], ...] = (
    lambda value: " ".join(value.split()),
    lambda value: _BLANKS.sub(" ", value).strip(" "),
    lambda value: _SPACES.sub(" ", value).strip(" "),
    lambda value: value if value[:1] == '"' == value[-1:] else " ".join(value.split()),
    lambda value: " ".join(_latin(value).split()),
)
"""How SDKs write a header's value when they sign it, the likeliest first.

AWS: "remove excess white space before and after values, and convert sequential spaces to a single
space". botocore and JavaScript fold all that Unicode calls white space; Java, PHP, Ruby and C the
ASCII kinds; Go and Rust spaces alone, tabs stay; older Ruby left quoted values as they are; what is
sent as ISO 8859-1 is signed as UTF-8. Each form holds every character of the value but white space.
"""


def canonical_headers(headers: Mapping[str, str], signed: Iterable[str]) -> Iterable[str]:
    """The signed headers, one a line, in each form that an SDK may have signed.

    A header that was not sent counts as empty. There is one form unless a value has a tab, two
    spaces in a row or a character beyond ASCII.
    """
    values = [(name, headers.get(name, "").strip()) for name in signed]
    plain = [f"{name}:{value}\n" for name, value in values]
    odd = [
        at for at, (_, value) in enumerate(values)
        if "  " in value or "\t" in value or not value.isascii()
    ]  # fmt: skip
    if not odd:
        yield "".join(plain)
        return
    told: set[str] = set()
    for fold in _FOLDS:
        for at in odd:
            plain[at] = f"{values[at][0]}:{fold(headers[values[at][0]])}\n"
        form = "".join(plain)
        if form not in told:
            told.add(form)
            yield form


def _latin(value: str) -> str:
    """The text whose ISO 8859-1 bytes were sent, where they are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("iso-8859-1")
    return value


def raw_canonical_query(text: str, drop_signature: bool) -> str:
    """The query as sent, sorted; `X-Amz-Signature` left out of a presigned one."""
    if not text:
        return ""
    pairs = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if not (drop_signature and name.lower() == "x-amz-signature") and pair:
            pairs.append((name, value))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


def canonical_query(text: str, drop_signature: bool) -> str:
    """The query with every name and value encoded afresh (RFC 3986), sorted."""
    pairs = []
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if pair and not (drop_signature and name.lower() == "x-amz-signature"):
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def _encoded(text: str) -> str:
    return quote(unquote_plus(text, errors="surrogateescape"), safe="~", errors="surrogateescape")


def normal_path(path: str) -> str:
    """`path` without empty and dot segments (RFC 3986, 5.2.4)."""
    if "//" not in path and "/." not in path:
        return path
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    slash = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + slash


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 hash in lower-case hexadecimal."""
    return _HEX64.fullmatch(text) is not None


def chunk_signature(signing: bytes, claim: Claim, previous: str, sha256: str) -> str:
    """The signature of one aws-chunked chunk whose data hashes to `sha256`."""
    text = (
        f"{ALGORITHM}-PAYLOAD\n{claim.stamp}\n{claim.scope}\n{previous}\n{EMPTY_SHA256}\n{sha256}"
    )
    return hmac.digest(signing, text.encode(), "sha256").hex()


def trailer_signature(signing: bytes, claim: Claim, previous: str, trailers: bytes) -> str:
    """The signature of the trailer headers, `name:value` and newline each."""
    digest = hashlib.sha256(trailers).hexdigest()
    text = f"{ALGORITHM}-TRAILER\n{claim.stamp}\n{claim.scope}\n{previous}\n{digest}"
    return hmac.digest(signing, text.encode(), "sha256").hex()
