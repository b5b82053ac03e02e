"""Copies inside S3: CopyObject and UploadPartCopy. Bytes are shared between rows, never written
again."""

from __future__ import annotations

import re
from concurrent.futures import Future
from dataclasses import dataclass, replace

from sagebrush.access import references
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, conditions, metadata, names, samples
from sagebrush.services.s3.multipart import find_upload, no_such_upload
from sagebrush.services.s3.notifications import events, telling
from sagebrush.store import catalog, checksums
from sagebrush.store.catalog import Bucket, Checksum, Object, Part
from sagebrush.store.db import Tx
from sagebrush.store.objects import Blob
from sagebrush.store.spool import Segment
from sagebrush.world import Ctx

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class _Source:
    """The source of a copy: the object as it was read, and its bytes."""

    bucket: Bucket
    object: Object
    blob: Blob

    def segments(self, tx: Tx) -> list[Segment] | None:
        """The segments that hold its bytes now; None when the object has changed since it was
        read."""
        now = catalog.find(tx, self.bucket.id, self.object.key, data=True)
        was = self.object
        if now is None or (now.id, now.etag, now.modified, now.content) != (
            was.id, was.etag, was.modified, was.content,
        ):  # fmt: skip
            return None
        if now.content is None:
            return [Segment(now.size, data=now.data)]
        return catalog.segments_of(tx, now.content)


def _source(ctx: Ctx, request: Doc) -> _Source:
    """The copy's source, its conditions checked. Raises NoSuchBucket, NoSuchKey,
    PreconditionFailed."""
    named = references.copy_source(request["CopySource"])
    owner = request.get("ExpectedSourceBucketOwner")
    known = {"Bucket": named.bucket, "ExpectedBucketOwner": owner}
    bucket = names.bucket_of(ctx, known, anywhere=True, reads=True)
    names.version(named.version)
    found, blob = names.open_object(ctx, bucket, named.key)
    conditions.check_read(request, found, ctx.world.clock(), "CopySource")
    return _Source(bucket, found, blob)


def copy_object(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
    """The object is a copy of the source, with its metadata or with new ones."""
    names.bucket_of(ctx, request)
    names.checked_key(request["Key"])
    metadata.object_doc(request)
    conditions.check_form(request)
    return samples.copied(ctx, request, _copied) or _copied(ctx, request)


def _copied(ctx: Ctx, request: Doc) -> Doc:
    """CopyObject, whose source is in this store."""
    bucket = names.bucket_of(ctx, request)
    key, fresh = names.checked_key(request["Key"]), metadata.object_doc(request)
    source = _source(ctx, request)
    was = source.object
    if was.size > bodies.MAX_PUT:
        raise AwsError(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy"
            f" source: {bodies.MAX_PUT}",
        )
    _refuse_idle(request, (source.bucket.id, was.key) == (bucket.id, key))
    doc = _copied_doc(request, was.doc, fresh)
    checksum = _checksum(request, source)
    etag = was.etag if "-" not in was.etag else _md5(source.blob)
    storage = request.get("StorageClass", "STANDARD")
    new = Object(bucket.id, key, was.size, etag, ctx.world.clock(), storage, checksum, doc)
    teller = telling.of(ctx, bucket, events.COPY)

    def change(tx: Tx) -> list[str]:
        segments = source.segments(tx)
        if segments is None:
            raise AwsError(
                "OperationAborted", "The copy source was changed while it was copied.", 409
            )
        conditions.check_write(request, catalog.find(tx, bucket.id, key), key)
        if teller is not None:
            teller.tell(tx, key, new)
        if was.content is None:
            return catalog.put(tx, replace(new, data=segments[0].data))
        return catalog.put(tx, new, segments)

    ctx.world.objects.discard(bodies.write(ctx, bucket.name, change))
    result = {"ETag": bodies.quoted(etag), "LastModified": metadata.time(new.modified)}
    return {
        "CopyObjectResult": {**result, **bodies.checksum_members(checksum)},
        **doc.get("echo", {}),
    }


def _refuse_idle(request: Doc, same: bool) -> None:
    """Raises InvalidRequest (400) for a copy onto itself that changes nothing."""
    changes = ("StorageClass", "ServerSideEncryption", "WebsiteRedirectLocation", "SSEKMSKeyId")
    if same and request.get("MetadataDirective", "COPY") == "COPY":
        if any(name in request for name in (*changes, "ChecksumAlgorithm")):
            return
        raise AwsError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without"
            " changing the object's metadata, storage class, website redirect location or"
            " encryption attributes.",
        )


def _copied_doc(request: Doc, old: Doc, fresh: Doc) -> Doc:
    """The copy's `doc` by the metadata and tagging directives. Raises InvalidArgument (400)."""
    for name in ("MetadataDirective", "TaggingDirective"):
        if request.get(name, "COPY") not in ("COPY", "REPLACE"):
            raise AwsError(
                "InvalidArgument", "Unknown metadata directive.",
                ArgumentName=name, ArgumentValue=request[name],
            )  # fmt: skip
    doc: Doc = {}
    meta = fresh if request.get("MetadataDirective") == "REPLACE" else old
    tags = fresh if request.get("TaggingDirective") == "REPLACE" else old
    doc.update({name: meta[name] for name in ("headers", "meta") if name in meta})
    if "tags" in tags:
        doc["tags"] = tags["tags"]
    if "echo" in fresh:
        doc["echo"] = fresh["echo"]
    # A website redirect is never copied (API reference, CopyObject).
    headers = {k: v for k, v in doc["headers"].items() if k != "WebsiteRedirectLocation"}
    if "WebsiteRedirectLocation" in request:
        headers["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    doc["headers"] = headers
    return doc


def _checksum(request: Doc, source: _Source) -> Checksum:
    """The copy's checksum over the whole object: of the requested algorithm, else the source's."""
    old = source.object.checksum
    algorithm = request.get("ChecksumAlgorithm") or (old.algorithm if old else "CRC64NVME")
    if old is not None and (old.algorithm, old.type) == (algorithm, "FULL_OBJECT"):
        return old
    return Checksum(algorithm, checksums.of(algorithm, source.blob.chunks()))


def _md5(blob: Blob) -> str:
    digest = checksums.new("MD5")
    for chunk in blob.chunks():
        digest.update(chunk)
    return digest.digest().hex()


def upload_part_copy(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
    """The part is the source, or the range of it that the request names."""
    bucket = names.bucket_of(ctx, request)
    names.check_number(request["PartNumber"])
    metadata.refuse(request)
    find_upload(ctx, bucket, request)
    return samples.copied(ctx, request, _copied_part) or _copied_part(ctx, request)


def _copied_part(ctx: Ctx, request: Doc) -> Doc:
    """UploadPartCopy, whose source is in this store."""
    bucket = names.bucket_of(ctx, request)
    number, upload = request["PartNumber"], find_upload(ctx, bucket, request)
    source = _source(ctx, request)
    start, length = _part_range(request.get("CopySourceRange"), source.object.size)
    blob = source.blob.slice(start, length)
    algorithm = upload.doc["algorithm"] or "CRC64NVME"
    running = {"MD5": checksums.new("MD5"), algorithm: checksums.new(algorithm)}
    for chunk in blob.chunks():
        for digest in running.values():
            digest.update(chunk)
    found = {name: digest.digest() for name, digest in running.items()}
    values = {algorithm: checksums.text(found[algorithm])}
    part = Part(number, length, found["MD5"].hex(), ctx.world.clock(), values)

    def change(tx: Tx) -> list[str]:
        if catalog.upload(tx, bucket.id, upload.key, upload.id) is None:
            raise no_such_upload(upload.id)
        segments = source.segments(tx)
        if segments is None:
            raise AwsError(
                "OperationAborted", "The copy source was changed while it was copied.", 409
            )
        pieces = catalog.cut(segments, start, length) or [Segment(0)]
        return catalog.put_part(tx, upload.id, part, pieces)

    ctx.world.objects.discard(bodies.write(ctx, bucket.name, change))
    result: Doc = {"ETag": bodies.quoted(part.etag), "LastModified": metadata.time(part.modified)}
    if upload.doc["algorithm"] is not None:
        result[f"Checksum{algorithm}"] = values[algorithm]
    return {"CopyPartResult": result}


def _part_range(header: str | None, size: int) -> tuple[int, int]:
    """(start, length) that `bytes=first-last` names. Raises InvalidArgument, InvalidRange."""
    if header is None:
        return 0, size
    m = _RANGE.fullmatch(header)
    if m is None or int(m[2]) < int(m[1]):
        raise AwsError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and"
            " last are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range", ArgumentValue=header,
        )  # fmt: skip
    if int(m[1]) >= size:
        raise AwsError(
            "InvalidRequest", "The specified copy range is invalid for the source object size",
        )  # fmt: skip
    if int(m[2]) >= size:
        raise AwsError(
            "InvalidArgument", f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range", ArgumentValue=header,
        )  # fmt: skip
    return int(m[1]), int(m[2]) - int(m[1]) + 1
