"""S3's conditional requests: If-Match and the like, on reads, writes, deletes and copies'
sources."""

from __future__ import annotations

from email.utils import formatdate

from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, names
from sagebrush.store.catalog import Object, Upload


def check_read(request: Doc, found: Object, now: float, prefix: str = "") -> None:
    """The read conditions hold (RFC 9110 13.2.2, and S3's GetObject page for the combinations).

    Raises PreconditionFailed (412), or NotModified (304), which a copy turns into 412. `prefix`
    is `CopySource` for the conditions on a copy's source. A time after `now`, in seconds since the
    epoch, is no condition on what was modified since (RFC 9110, 13.1.3).
    """
    failed_code = "" if not prefix else "x-amz-copy-source-"
    match, none_match = request.get(f"{prefix}IfMatch"), request.get(f"{prefix}IfNoneMatch")
    since = request.get(f"{prefix}IfModifiedSince")
    unmodified = request.get(f"{prefix}IfUnmodifiedSince")
    modified = int(found.modified)
    if match is not None:
        if not _names(match, found.etag):
            raise failed(f"{failed_code}If-Match")
    elif unmodified is not None and modified > unmodified.timestamp():
        raise failed(f"{failed_code}If-Unmodified-Since")
    same = False
    if none_match is not None:
        same = _names(none_match, found.etag)
    elif since is not None:
        same = modified <= since.timestamp() <= now
    if same and prefix:
        raise failed(f"{failed_code}If-{'None-Match' if none_match else 'Modified-Since'}")
    if same:
        raise AwsError(
            "NotModified", "Not Modified", 304,
            ETag=bodies.quoted(found.etag), LastModified=formatdate(found.modified, usegmt=True),
        )  # fmt: skip


def check_form(request: Doc) -> None:
    """The write conditions are ones that S3 has. Raises NotImplemented (501).

    S3 user guide, "Conditional writes": If-None-Match takes `*` only, If-Match an ETag; not both.
    """
    none_match, match = request.get("IfNoneMatch"), request.get("IfMatch")
    if none_match is not None and match is not None:
        more = "Multiple conditional request headers present in the request"
        raise _no_condition("If-Match,If-None-Match", more)
    for header, value, good in (
        ("If-None-Match", none_match, none_match is None or none_match.strip() == "*"),
        ("If-Match", match, match is None or match.strip() != "*"),
    ):
        if value is not None and not good:
            more = f"We don't accept the provided value of {header} header for this API"
            raise _no_condition(header, more)


def check_write(request: Doc, old: Object | None, key: str) -> None:
    """The write conditions hold. Raises PreconditionFailed (412), NoSuchKey (404)."""
    if request.get("IfNoneMatch") is not None and old is not None:
        raise failed("If-None-Match")
    if request.get("IfMatch") is not None:
        check_match(request["IfMatch"], old, key)


def check_meanwhile(request: Doc, upload: Upload, old: Object | None) -> None:
    """The object of a conditional Complete did not change during the upload.

    Raises ConditionalRequestConflict (409): the upload must be started again (S3 user guide,
    "Conditional writes").
    """
    if "IfNoneMatch" in request and upload.doc.get("existed"):
        raise _conflict("If-None-Match", upload.key)
    stored = max(old.modified, old.doc.get("completed", 0.0)) if old is not None else 0.0
    if "IfMatch" in request and stored > upload.created:
        raise _conflict("If-Match", upload.key)


def _conflict(header: str, key: str) -> AwsError:
    return AwsError(
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this"
        " resource.",
        409, Condition=header, Key=key,
    )  # fmt: skip


def check_match(etag: str, old: Object | None, key: str) -> None:
    """The object exists with that ETag. Raises NoSuchKey (404), PreconditionFailed (412)."""
    if old is None:
        raise names.no_such_key(key)
    if not _names(etag, old.etag):
        raise failed("If-Match")


def _no_condition(header: str, more: str) -> AwsError:
    return AwsError(
        "NotImplemented", "A header you provided implies functionality that is not implemented",
        501, Header=header, additionalMessage=more,
    )  # fmt: skip


def failed(condition: str) -> AwsError:
    """The error of a condition that does not hold."""
    return AwsError(
        "PreconditionFailed", "At least one of the pre-conditions you specified did not hold",
        412, Condition=condition,
    )  # fmt: skip


def _names(header: str, etag: str) -> bool:
    """Whether the If-Match or If-None-Match header names the ETag."""
    if header.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/").strip('"') == etag for part in header.split(","))
