"""What S3's operations share: finding bucket and object, conditions, checksums, names, metadata."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from email.header import Header
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from sagebrush.store import catalog, checksums
from sagebrush.store.catalog import Bucket, Checksum, Object, Outside
from sagebrush.store.db import Tx
from sagebrush.store.objects import Blob, Spooled
from sagebrush.world import AwsError, Ctx, Doc

T = TypeVar("T")

_ACCOUNT = re.compile(r"\d{12}")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
"""What tags are made of (S3 user guide, "Object tagging"): letters, digits, spaces, `_.:/=+-@`."""
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

    Raises NoSuchBucket (404); for an `ExpectedBucketOwner` that is another account AccessDenied
    (403), that is no account InvalidBucketOwnerAWSAccountID (400).
    """
    name = request["Bucket"]
    found = catalog.bucket(reader(ctx), name)
    if found is None:
        raise no_such_bucket(name)
    owner = request.get("ExpectedBucketOwner")
    if owner is not None and not _ACCOUNT.fullmatch(owner):
        raise AwsError(
            "InvalidBucketOwnerAWSAccountID",
            "The value of the expected bucket owner parameter must be an AWS account ID",
        )
    if owner is not None and owner != found.account:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return found


def no_such_bucket(name: str) -> AwsError:
    """The error of a bucket that is not there."""
    return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)


def no_such_key(key: str) -> AwsError:
    """The error of an object that is not there."""
    return AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def checked_key(key: str) -> str:
    """The key as rows can be asked for it. Raises KeyTooLongError, InvalidURI (400: not Unicode)."""
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
    """The object that the request names, without its bytes. Raises NoSuchKey (404), InvalidArgument."""
    version(request.get("VersionId"))
    found = catalog.find(reader(ctx), bucket.id, checked_key(request["Key"]))
    if found is None:
        raise no_such_key(request["Key"])
    return found


def version(version_id: str | None) -> None:
    """Refuses (400) a version other than `null`: buckets here are unversioned."""
    if version_id not in (None, "null"):
        raise AwsError(
            "InvalidArgument", "Invalid version id specified",
            ArgumentName="versionId", ArgumentValue=version_id,
        )  # fmt: skip


def check_number(number: int) -> int:
    """The part number. Raises InvalidArgument (400) outside 1..10000."""
    if not 1 <= number <= 10000:
        raise AwsError(
            "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber", ArgumentValue=number,
        )  # fmt: skip
    return number


def check_count(name: str, number: int) -> None:
    """Raises InvalidArgument (400) for a page of fewer than no entries."""
    if number < 0:
        raise AwsError(
            "InvalidArgument", f"Argument {name} must be an integer between 0 and 2147483647",
            ArgumentName=name, ArgumentValue=number,
        )  # fmt: skip


def open_object(ctx: Ctx, bucket: Bucket, key: str) -> tuple[Object, Blob]:
    """The object and its bytes, held on disk. Raises NoSuchKey (404)."""
    tables = reader(ctx)
    for _ in range(10):
        found = catalog.find(tables, bucket.id, checked_key(key), data=True)
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
    if request.get("ChecksumAlgorithm", algorithm).upper() != algorithm:
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
    pairs = parse_qsl(text, keep_blank_values=True)
    good = all(map(_TAG.fullmatch, (part for pair in pairs for part in pair)))
    if not good or len(dict(pairs)) < len(pairs):
        raise AwsError(
            "InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then "
            "URLEncoded URL query parameters without tag name duplicates.",
            ArgumentName="x-amz-tagging", ArgumentValue=text,
        )  # fmt: skip
    return check_tags([{"Key": k, "Value": v} for k, v in pairs])


def check_tags(tags: list[Any], most: int = 10) -> dict[str, str]:
    """The tag set as a mapping. Raises BadRequest, InvalidTag (400), as S3 limits them."""
    if len(tags) > most:
        what = "Object tags" if most == 10 else "Bucket tag count"
        raise AwsError("BadRequest", f"{what} cannot be greater than {most}")
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if key.startswith("aws:"):
            raise AwsError(
                "InvalidTag",
                "Your TagKey cannot be prefixed with aws:"
                if most == 10
                else "System tags cannot be added/updated by requester",
                TagKey=key,
            )
        if not 1 <= len(key) <= 128 or not _TAG.fullmatch(key):
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256 or not _TAG.fullmatch(value):
            raise AwsError(
                "InvalidTag", "The TagValue you have provided is invalid",
                TagKey=key, TagValue=value,
            )  # fmt: skip
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
