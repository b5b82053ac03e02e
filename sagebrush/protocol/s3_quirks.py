"""S3's exceptions on the wire: what signs for a body, which requests have one, replies and errors.

The others are where the thing itself is: bucket names in hosts in `hosts`, operations that share a
URI in `routes`, chunked bodies and checksums in `receive` and `chunked`.
"""

from __future__ import annotations

from dataclasses import replace

from botocore.model import OperationModel

from sagebrush.errors import AwsError, Doc
from sagebrush.protocol import chunked, markup, sigv4
from sagebrush.protocol.claims import Claim
from sagebrush.protocol.message import Reply, Request


def unhoisted(request: Request) -> Request:
    """A presigned request with the headers that its signer put into the URL.

    SDKs move `x-amz-…` headers (metadata, tags, checksums) into the query when they presign. What
    is in the URL is what was signed: a header that says otherwise, which version 2 does not sign
    then, must not take its place.
    """
    found = {
        name.lower(): value.strip(" \t")
        for name, value in request.query
        if name.lower().startswith("x-amz-") and name.lower() not in _AUTHENTICATION
    }
    return replace(request, headers={**request.headers, **found}) if found else request


_AUTHENTICATION = frozenset(
    f"x-amz-{name}"
    for name in (
        "algorithm", "credential", "date", "expires", "signedheaders", "signature",
        "security-token",
    )
)  # fmt: skip


def refuse_source(request: Request) -> None:
    """Raises InvalidArgument (400) for a copy's source in a request that copies nothing."""
    source, method = request.headers.get("x-amz-copy-source"), request.method
    completes = method == "POST" and any(name == "uploadId" for name, _ in request.query)
    if source is not None and (completes or method in ("GET", "HEAD", "DELETE")):
        raise AwsError(
            "InvalidArgument", "You can only specify a copy source header for copy requests.",
            ArgumentName="x-amz-copy-source", ArgumentValue=source[:500],
        )  # fmt: skip


def refuse_form(request: Request) -> None:
    """Raises NotImplemented (501) for an upload by HTML form, whose signature is in the form."""
    sent = request.headers.get("content-type", "").lower()
    if request.method == "POST" and sent.startswith("multipart/form-data"):
        words = "Uploads by HTML form (POST Object) are not implemented by Sagebrush."
        raise AwsError("NotImplemented", words, 501)


def body_hash(request: Request, claim: Claim) -> str:
    """Returns the body's hash as the signature covers it: a digest, or UNSIGNED-PAYLOAD or another
    of S3's payload modes. Raises AwsError for a missing or malformed one."""
    declared = request.headers.get("x-amz-content-sha256") or None
    if claim.expires is not None:
        query = dict(request.query).get("X-Amz-Content-Sha256")
        if query not in (None, sigv4.UNSIGNED) and declared not in (None, query):
            raise AwsError(
                "InvalidArgument",
                "x-amz-content-sha256 differs from the query parameter of that name.",
                ArgumentName="x-amz-content-sha256", ArgumentValue=declared,
            )  # fmt: skip
        if declared and "x-amz-content-sha256" in claim.signed:
            return declared
        return query or sigv4.UNSIGNED
    if declared is None:
        raise AwsError(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    if declared not in (sigv4.UNSIGNED, *chunked.MODES) and not sigv4.is_sha256(declared):
        if declared.startswith("STREAMING-"):
            words = f"The payload signing mode {declared[:80]} is not supported."
            raise AwsError("NotImplemented", words, 501)
        raise AwsError(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER,"
            " STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a"
            " valid sha256 value.",
            ArgumentName="x-amz-content-sha256",
            ArgumentValue=declared,
        )
    return declared


def declares_body(request: Request) -> bool:
    """Returns whether headers declare a body, which is then compared with them, sent or not."""
    said = request.headers.get("x-amz-content-sha256") or sigv4.UNSIGNED
    return said not in (sigv4.UNSIGNED, sigv4.EMPTY_SHA256) or "content-md5" in request.headers


_SUBRESOURCES = frozenset(
    {"acl", "tagging", "retention", "legal-hold", "encryption", "annotation", "renameObject"}
)


def is_upload(request: Request) -> bool:
    """Returns whether a request (in path style) uploads the bytes of an object or a part."""
    if request.method != "PUT" or "/" not in request.path.lstrip("/").rstrip("/"):
        return False
    if "x-amz-copy-source" in request.headers:
        return False
    return not any(name in _SUBRESOURCES for name, _ in request.query)


def finish(op: OperationModel, result: Doc | None, reply: Reply) -> Reply:
    """The reply as S3 gives it where that is not what the model says."""
    result = result or {}
    name = str(op.name)
    if name in ("GetObject", "HeadObject"):
        if "ContentRange" in result:
            reply.status = 206
    elif name == "GetBucketLocation":
        region = markup.text(result.get("LocationConstraint") or "")
        reply.body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint'
            f' xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{region}</LocationConstraint>'
        ).encode()
        reply.headers["Content-Type"] = "application/xml"
    elif name in ("PutBucketPolicy", "PutBucketTagging"):
        reply.status = 204
    elif name == "GetBucketPolicy":
        reply.headers["Content-Type"] = "application/json"
    return reply


def headed(request: Request, hosted: str | None) -> str | None:
    """The bucket that HeadBucket asks for, by its host (`hosted`) or path; None of another request.

    Its answer has the bucket's region "regardless of the permissions on the bucket" (API reference,
    HeadBucket): SDKs look for buckets by it, also unsigned.
    """
    path = request.path.strip("/")
    if request.method != "HEAD" or "/" in path or (path and hosted is not None):
        return None
    return hosted or path or None


def finish_error(error: AwsError, reply: Reply) -> Reply:
    """The error reply with the headers that S3 adds: what was not modified, how long the object is,
    where the bucket is."""
    if "Region" in error.fields:
        reply.headers["x-amz-bucket-region"] = error.fields["Region"]
    if reply.status == 304:
        for name, header in (("ETag", "ETag"), ("LastModified", "Last-Modified")):
            if name in error.fields:
                reply.headers[header] = error.fields[name]
    elif reply.status == 416 and "ActualObjectSize" in error.fields:
        reply.headers["Content-Range"] = f"bytes */{error.fields['ActualObjectSize']}"
    return reply
