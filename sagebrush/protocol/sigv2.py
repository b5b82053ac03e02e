"""Signature Version 2 in the query: how boto3 presigns S3 URLs unless configured for `s3v4`.

Amazon S3 API Reference, "Signing and authenticating REST requests (Signature Version 2)".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from urllib.parse import unquote

from sagebrush.credentials import Key
from sagebrush.errors import AwsError
from sagebrush.protocol.claims import Claim, two_signatures
from sagebrush.protocol.message import Request
from sagebrush.protocol.sigv4 import Verified

_SIGNED_QUERY = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory",
        "lifecycle", "location", "logging", "metrics", "notification", "object-lock", "partNumber",
        "policy", "replication", "requestPayment", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning",
        "versions", "website",
    }
)  # fmt: skip
"""Query parameters that are part of the signed resource."""


def presigned(request: Request) -> bool:
    """Whether the request is signed so."""
    names = {name for name, _ in request.query}
    return {"AWSAccessKeyId", "Signature", "Expires"} <= names


def verify(
    request: Request, bucket: str | None, resolve: Callable[[str, str | None], Key], now: float
) -> Verified:
    """Who presigned the request, which names `bucket` in its host where that is not None.

    Raises AwsError AccessDenied (expired), InvalidAccessKeyId, SignatureDoesNotMatch (403).
    """
    query = dict(request.query)
    access_key, signature = query["AWSAccessKeyId"], query["Signature"]
    token = query.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
    if not re.fullmatch("-?[0-9]{1,15}", query["Expires"]):
        words = "Invalid date (should be seconds since epoch)"
        raise AwsError("AccessDenied", words, 403)
    expires = int(query["Expires"])
    if request.headers.get("authorization") or {"X-Amz-Algorithm", "X-Amz-Signature"} & set(query):
        raise two_signatures(request)
    if now > expires:
        raise AwsError("AccessDenied", "Request has expired", 403, Expires=expires)
    try:
        key = resolve(access_key, token)
    except AwsError as error:
        if error.code == "ExpiredToken":
            raise AwsError("ExpiredToken", "The provided token has expired.") from error
        raise AwsError(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            403,
            AWSAccessKeyId=access_key,
        ) from error
    text = string_to_sign(request, bucket, query)
    signed = text.encode("utf-8", "surrogateescape")
    due = base64.b64encode(hmac.digest(key.secret.encode(), signed, "sha1"))
    if not hmac.compare_digest(due, signature.encode("utf-8", "surrogateescape")):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check"
            " your key and signing method.",
            403,
            AWSAccessKeyId=access_key,
            StringToSign=text,
            SignatureProvided=signature,
        )
    claim = Claim(access_key, "", "", "s3", (), signature, "", token, max(1, int(expires - now)))
    return Verified(key, claim, b"")


def string_to_sign(request: Request, bucket: str | None, query: dict[str, str]) -> str:
    """What a presigner signs: method, MD5, type, expiry, x-amz- headers and the resource."""
    headers = request.headers
    sent = [*headers.items(), *request.query]
    found = {n.lower(): v.strip() for n, v in sent if n.lower().startswith("x-amz-")}
    # Clients add this header to requests that others presigned; it is not theirs to sign.
    found.pop("x-amz-content-sha256", None)
    amz = "".join(f"{name}:{found[name]}\n" for name in sorted(found))
    resource = ("" if bucket is None else f"/{bucket}") + request.path
    if resource.count("/") == 1 and resource != "/":
        resource += "/"  # botocore signs the bucket so, whichever way it writes the URL
    pairs = [pair.split("=", 1) for pair in request.raw_query.split("&")]
    signed = sorted([unquote(part) for part in p] for p in pairs if p[0] in _SIGNED_QUERY)
    if signed:
        resource += "?" + "&".join("=".join(pair) for pair in signed)
    md5 = headers.get("content-md5") or query.get("content-md5", "")
    kind = headers.get("content-type") or query.get("content-type", "")
    return f"{request.method}\n{md5}\n{kind}\n{query['Expires']}\n{amz}{resource}"
