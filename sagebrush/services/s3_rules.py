"""What S3's operations share: finding bucket and object, conditions, checksums, names, metadata."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from email.header import Header
from email.utils import formatdate
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from sagebrush.store import catalog, checksums
from sagebrush.store.catalog import Bucket, Checksum, Object, Outside
from sagebrush.store.db import Tx
from sagebrush.store.objects import Blob, Spooled
from sagebrush.world import AwsError, Ctx, Doc

T = TypeVar("T")

MAX_KEY = 1024
MAX_PUT = 5 * 1024**3
MAX_METADATA = 2048
HEADERS = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType",
    "WebsiteRedirectLocation",
)  # fmt: skip
"""System metadata kept with an object; `Expires` too, as seconds."""
STORAGE = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
    "DEEP_ARCHIVE", "GLACIER_IR",
)  # fmt: skip
"""Storage classes of general purpose buckets; kept and told, all stored alike."""
ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
ECHOED = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
"""Kept and told again; Sagebrush encrypts nothing itself."""


def reader(ctx: Ctx) -> Outside:
    """The S3 tables, outside any transaction."""
    return Outside(ctx.world.db)


def bucket_of(ctx: Ctx, request: Doc) -> Bucket:
    """The bucket that the request names.

    Raises NoSuchBucket (404), or AccessDenied (403) when `ExpectedBucketOwner` is another account.
    """
    name = request["Bucket"]
    found = catalog.bucket(reader(ctx), name)
    if found is None:
        raise no_such_bucket(name)
    owner = request.get("ExpectedBucketOwner")
    if owner is not None and owner != found.account:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return found


def no_such_bucket(name: str) -> AwsError:
    """The error of a bucket that is not there."""
    return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)


def no_such_key(key: str) -> AwsError:
    """The error of an object that is not there."""
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def key_of(request: Doc) -> str:
    """The key that the request writes. Raises KeyTooLongError, InvalidURI (400)."""
    key = request["Key"]
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.", 400) from error
    if size > MAX_KEY:
        raise AwsError(
            "KeyTooLongError", "Your key is too long", 400, Size=size, MaxSizeAllowed=MAX_KEY
        )
    return key


def object_of(ctx: Ctx, bucket: Bucket, request: Doc) -> Object:
    """The object that the request names, without its bytes. Raises NoSuchKey, NoSuchVersion (404)."""
    found = catalog.find(reader(ctx), bucket.id, readable_key(request["Key"]))
    if found is None:
        raise no_such_key(request["Key"])
    version(request.get("VersionId"), request["Key"])
    return found


def readable_key(key: str) -> str:
    """The key as rows can be asked for it. Raises InvalidURI (400) when it is not Unicode."""
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise AwsError("InvalidURI", "Couldn't parse the specified URI.", 400) from error
    return key


def version(version_id: str | None, key: str) -> None:
    """Refuses a version other than `null`: buckets here are unversioned."""
    if version_id not in (None, "null"):
        raise AwsError(
            "NoSuchVersion", "The specified version does not exist.", 404,
            Key=key, VersionId=version_id,
        )  # fmt: skip


def open_object(ctx: Ctx, bucket: Bucket, key: str) -> tuple[Object, Blob]:
    """The object and its bytes, held on disk. Raises NoSuchKey (404)."""
    tables = reader(ctx)
    for _ in range(10):
        found = catalog.find(tables, bucket.id, readable_key(key), data=True)
        if found is None:
            raise no_such_key(key)
        if found.content is None:
            return found, Blob(found.size, data=found.data)
        segments = catalog.segments_of(tables, found.content)
        if sum(s.size for s in segments) != found.size:
            continue  # replaced between the two reads
        try:
            return found, ctx.world.objects.open(segments)
        except FileNotFoundError:
            continue
    raise AwsError("InternalError", f"The stored bytes of {key!r} are missing.", 500)


def write(ctx: Ctx, bucket: str, change: Callable[[Tx], T]) -> T:
    """What `change` answers, committed. Raises NoSuchBucket when the bucket has gone meanwhile."""
    try:
        return ctx.world.db.write(change)
    except sqlite3.Error as error:
        raise _told_error(error, bucket) from error


def store(
    ctx: Ctx, bucket: str, body: Spooled, change: Callable[[Tx], list[str]], result: Doc
) -> Future[Doc]:
    """The future `result`, told when `change` is committed and what it frees is gone.

    `change` puts the `body` into rows and answers the blobs that this frees. When it does not
    succeed the body is gone and the future raises as `write` does.
    """
    objects, answer = ctx.world.objects, Future[Doc]()
    answer.set_running_or_notify_cancel()  # what is under way is not undone by a client that leaves

    def freed(blobs: list[str]) -> None:
        objects.discard(blobs)
        answer.set_result(result)

    def done(written: Future[list[str]]) -> None:
        error = written.exception()
        if error is not None:
            objects.drop(body)
            answer.set_exception(_told_error(error, bucket))
        elif blobs := written.result():
            # Not here, in the thread of the only writer: removing a large file takes a while.
            objects.pool.submit(freed, blobs)
        else:
            answer.set_result(result)

    ctx.world.db.submit(change).add_done_callback(done)
    return answer


def _told_error(error: BaseException, bucket: str) -> BaseException:
    """What the client is told of an error of the database."""
    if isinstance(error, sqlite3.IntegrityError):
        return no_such_bucket(bucket)
    if isinstance(error, sqlite3.Error) and "full" in str(error):
        return AwsError("StorageFull", "The disk of the Sagebrush data directory is full.", 507)
    return error


def owner(account: str) -> Doc:
    """The account as S3 names owners: a canonical user id."""
    return {"ID": hashlib.sha256(account.encode()).hexdigest(), "DisplayName": account}


def time(seconds: float) -> dt.datetime:
    """The time as S3 tells it, in whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def quoted(etag: str) -> str:
    """The ETag as headers and documents carry it."""
    return f'"{etag}"'


# ---- conditions


def check_read(request: Doc, found: Object, prefix: str = "") -> None:
    """The read conditions hold (RFC 9110 13.2.2, and S3's GetObject page for the combinations).

    Raises PreconditionFailed (412), or NotModified (304), which a copy turns into 412. `prefix`
    is `CopySource` for the conditions on a copy's source.
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
        same = modified <= since.timestamp()
    if same and prefix:
        raise failed(f"{failed_code}If-{'None-Match' if none_match else 'Modified-Since'}")
    if same:
        raise AwsError(
            "NotModified", "Not Modified", 304,
            ETag=quoted(found.etag), LastModified=formatdate(found.modified, usegmt=True),
        )  # fmt: skip


def check_write(request: Doc, old: Object | None, key: str) -> None:
    """The write conditions hold. Raises PreconditionFailed (412), NoSuchKey (404), NotImplemented.

    S3 user guide, "Conditional writes": If-None-Match takes `*` only, If-Match an ETag.
    """
    none_match, match = request.get("IfNoneMatch"), request.get("IfMatch")
    if none_match is not None:
        if none_match.strip() != "*":
            raise AwsError(
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
                501, Header="If-None-Match",
            )  # fmt: skip
        if old is not None:
            raise failed("If-None-Match")
    if match is not None:
        if old is None:
            raise no_such_key(key)
        if not _names(match, old.etag):
            raise failed("If-Match")


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


# ---- checksums


def given_checksum(request: Doc) -> tuple[str, str] | None:
    """The one (algorithm, base64 value) that the request declares, or None.

    Raises InvalidRequest (400) for several, for a malformed one, and for an announced one that did
    not come.
    """
    found = [
        (a, request[f"Checksum{a}"]) for a in checksums.ALGORITHMS if f"Checksum{a}" in request
    ]
    if len(found) > 1:
        raise AwsError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if not found:
        if "ChecksumAlgorithm" in request:
            raise AwsError(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or"
                " x-amz-trailer headers were found.",
            )
        return None
    algorithm, value = found[0]
    if not checksums.valid(algorithm, value):
        raise AwsError(
            "InvalidRequest", f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
        )
    wanted = request.get("ChecksumAlgorithm", algorithm)
    if wanted != algorithm:
        raise AwsError(
            "InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid."
        )
    return algorithm, value


def verify_body(request: Doc, body: Spooled) -> tuple[str, str] | None:
    """The checksum that the request declares, found true of `body`; None when it declares none.

    Raises BadDigest, InvalidDigest, InvalidRequest (400).
    """
    declared = request.get("ContentMD5")
    if declared is not None:
        try:
            raw = base64.b64decode(declared, validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) != 16:
            raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
        if raw.hex() != body.md5:
            raise AwsError(
                "BadDigest", "The Content-MD5 you specified did not match what we received."
            )
    given = given_checksum(request)
    if given is not None and checksum_of(body, given[0]) != given[1]:
        raise AwsError(
            "BadDigest", f"The {given[0]} you specified did not match the calculated checksum."
        )
    return given


def checksum_of(body: Spooled, algorithm: str) -> str:
    """The body's checksum: what was computed on arrival, else computed now."""
    found = body.checksums.get(algorithm)
    if found is None:
        found = checksums.of(algorithm, Blob(body.size, body.path, data=body.data).chunks())
    return found


def told_checksum(found: Checksum | None) -> Doc:
    """The members that tell a checksum in results."""
    if found is None:
        return {}
    return {f"Checksum{found.algorithm}": found.value, "ChecksumType": found.type}


# ---- what is kept with an object


def body_of(ctx: Ctx, request: Doc) -> Spooled:
    """The request's body. Raises EntityTooLarge (400) beyond 5 GB."""
    body = request.get("Body")
    if not isinstance(body, Spooled):
        body = ctx.world.objects.spool_bytes(bytes(body or b""))
    if body.size > MAX_PUT:
        raise AwsError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400,
            ProposedSize=body.size, MaxSizeAllowed=MAX_PUT,
        )  # fmt: skip
    return body


def kept(request: Doc) -> Doc:
    """The `doc` of an object that the request makes: metadata, system headers, tags.

    Raises MetadataTooLarge, InvalidTag, NotImplemented, AccessControlListNotSupported.
    """
    refuse(request)
    metadata = {k.lower(): _readable(v) for k, v in request.get("Metadata", {}).items()}
    size = sum(len(k.encode()) + len(v.encode()) for k, v in metadata.items())
    if size > MAX_METADATA:
        raise AwsError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            400, Size=size, MaxSizeAllowed=MAX_METADATA,
        )  # fmt: skip
    headers = {name: request[name] for name in HEADERS if request.get(name)}
    headers.setdefault("ContentType", "binary/octet-stream")
    if "Expires" in request:
        expires = request["Expires"]
        headers["Expires"] = expires.timestamp() if isinstance(expires, dt.datetime) else expires
    doc: Doc = {"headers": headers}
    _check_choice(
        request,
        "StorageClass",
        STORAGE,
        "InvalidStorageClass",
        "The storage class you specified is not valid",
    )
    _check_choice(
        request,
        "ServerSideEncryption",
        ENCRYPTIONS,
        "InvalidArgument",
        "The encryption method specified is not supported",
    )
    if metadata:
        doc["meta"] = metadata
    if request.get("Tagging"):
        doc["tags"] = parse_tags(request["Tagging"])
    echoed = {name: request[name] for name in ECHOED if name in request}
    if echoed:
        doc["echo"] = echoed
    return doc


def _check_choice(
    request: Doc, name: str, choices: tuple[str, ...], code: str, message: str
) -> None:
    """Raises the error when the request has a value for `name` that is none of the choices."""
    value = request.get(name)
    if value is not None and value not in choices:
        raise AwsError(code, message, 400, ArgumentName=name, ArgumentValue=value)


def refuse(request: Doc) -> None:
    """Raises for what the request asks and Sagebrush does not do: customer keys, ACLs, locks."""
    for name in request:
        if name.startswith(("SSECustomer", "CopySourceSSECustomer")):
            raise not_implemented("Server-side encryption with customer keys (SSE-C)")
        if name.startswith("ObjectLock") and request[name] not in (False, "OFF"):
            raise not_implemented("Object Lock")
        if name == "WriteOffsetBytes":
            raise not_implemented("Appending to objects")
    acl = request.get("ACL")
    grants = [name for name in request if name.startswith("Grant")]
    if grants or acl not in (None, "private", "bucket-owner-full-control"):
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def not_implemented(what: str) -> AwsError:
    """S3's error for what it does not do, naming it."""
    return AwsError("NotImplemented", f"{what} is not implemented by Sagebrush.", 501)


def parse_tags(text: str) -> dict[str, str]:
    """Tags from the `x-amz-tagging` header's query form. Raises InvalidArgument, InvalidTag."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise AwsError(
            "InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then "
            "URLEncoded URL query parameters without tag name duplicates.",
            ArgumentName="x-amz-tagging", ArgumentValue=text,
        ) from error  # fmt: skip
    return check_tags([{"Key": k, "Value": v} for k, v in pairs])


def check_tags(tags: list[Any], most: int = 10) -> dict[str, str]:
    """The tag set as a mapping. Raises BadRequest, InvalidTag (400), as S3 limits them."""
    if len(tags) > most:
        what = "Object tags" if most == 10 else "Bucket tag count"
        raise AwsError("BadRequest", f"{what} cannot be greater than {most}")
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if not 1 <= len(key) <= 128:
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256:
            raise AwsError(
                "InvalidTag", "The TagValue you have provided is invalid", TagValue=value
            )
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidTag", "System tags cannot be added/updated by requester")
        if key in found:
            raise AwsError(
                "InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key
            )
        found[key] = value
    return found


def told(found: Object) -> Doc:
    """The members that GetObject and HeadObject tell of an object, but for its length and checksum."""
    headers = dict(found.doc.get("headers", {}))
    expires = headers.pop("Expires", None)
    result: Doc = {
        "ETag": quoted(found.etag), "LastModified": time(found.modified), "AcceptRanges": "bytes",
        "Metadata": {k: _header_text(v) for k, v in found.doc.get("meta", {}).items()},
        **headers, **found.doc.get("echo", {}),
    }  # fmt: skip
    if expires is not None:
        result["Expires"] = time(expires) if isinstance(expires, (int, float)) else expires
    if found.storage != "STANDARD":
        result["StorageClass"] = found.storage
    if found.doc.get("tags"):
        result["TagCount"] = len(found.doc["tags"])
    return result


def _readable(value: str) -> str:
    """A header's text; bytes that are not UTF-8 are read as ISO 8859-1."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("iso-8859-1")
    return value


def _header_text(value: str) -> str:
    """Metadata as S3 puts it into a header: RFC 2047 where it is not ASCII."""
    if value.isascii():
        return value
    return Header(value, "utf-8", maxlinelen=100000).encode()
