"""An object's headers, tags and times."""

from __future__ import annotations

import datetime as dt
import re
from email.header import Header
from typing import Any
from urllib.parse import parse_qsl

from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3.bodies import quoted
from sagebrush.store.catalog import Object

_TAG = re.compile(r"[\w\s.:/=+\-@]*")


"""Characters of tags (S3 user guide, "Object tagging"): letters, digits, spaces, `_.:/=+-@`."""


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


"""Storage classes of general purpose buckets; stored and returned without any effect."""


ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")


ECHOED = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")


"""Stored and returned; Sagebrush encrypts nothing itself."""


def time(seconds: float) -> dt.datetime:
    """The time in S3's precision of whole seconds."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC)


def object_doc(request: Doc) -> Doc:
    """The `doc` of the object that the request creates: metadata, system headers, tags.

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
    """Raises for what the request uses and Sagebrush does not implement: customer keys, ACLs,
    locks."""
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
    """S3's error for a feature that is not implemented, naming it."""
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


def object_members(found: Object) -> Doc:
    """GetObject's and HeadObject's members about an object, except its length and checksum."""
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
