"""S3 objects: put, get, head, delete, tags, attributes (Amazon S3 API Reference, "Actions")."""

from __future__ import annotations

import re
from concurrent.futures import Future
from functools import partial

from sagebrush.access import dispatch
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, conditions, metadata, names, sample_buckets, samples
from sagebrush.services.s3.notifications import events, telling
from sagebrush.services.s3.notifications.telling import Teller
from sagebrush.store import catalog
from sagebrush.store.catalog import Bucket, Checksum, Object
from sagebrush.store.db import Tx
from sagebrush.store.objects import Blob
from sagebrush.world import Ctx

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


def put_object(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The object is complete and on disk, and replaces an earlier one of its key."""
    body = bodies.body_of(ctx, request)
    try:
        bucket, key, doc = _before_put(ctx, request)
        given = bodies.verify_body(request, body)
        algorithm = given[0] if given else "CRC64NVME"
        checksum = Checksum(algorithm, bodies.checksum_of(body, algorithm))
        new = Object(
            bucket.id, key, body.size, body.md5, ctx.world.clock(),
            request.get("StorageClass", "STANDARD"), checksum, doc, data=body.data,
        )  # fmt: skip
        conditional = "IfMatch" in request or "IfNoneMatch" in request
        segments = [body.segment()] if body.path is not None else []
        teller = telling.of(ctx, bucket, events.PUT)

        def change(tx: Tx) -> list[str]:
            if conditional:
                conditions.check_write(request, catalog.find(tx, bucket.id, key), key)
            freed = catalog.put(tx, new, segments)
            if teller is not None:
                teller.tell(tx, key, new)
            return freed

        etag = bodies.quoted(new.etag)
        result = {"ETag": etag, **bodies.checksum_members(checksum), **doc.get("echo", {})}
        return bodies.store(ctx, bucket.name, body, change, result)
    except BaseException:
        ctx.world.objects.drop(body)
        raise


def _before_put(ctx: Ctx, request: Doc) -> tuple[Bucket, str, Doc]:
    """The bucket, the key and the object's `doc`, known from the headers alone; raises AwsError."""
    bucket = names.bucket_of(ctx, request)
    key, doc = names.checked_key(request["Key"]), metadata.object_doc(request)
    conditions.check_form(request)
    return bucket, key, doc


BEFORE_BODY = {"PutObject": _before_put}


def get_object(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
    """The object, or the part or range of it that the request asks for."""
    bucket = _before_read(ctx, request)
    if sample_buckets.is_sample(bucket):
        coming = samples.get(ctx, bucket, request["Key"], partial(_got, ctx, request))
        if coming is not None:
            return coming
    return _got(ctx, request, *names.open_object(ctx, bucket, request["Key"]))


def _got(ctx: Ctx, request: Doc, found: Object, blob: Blob) -> Doc:
    """GetObject's answer from the object and its bytes, which are released if it is an error."""
    try:
        conditions.check_read(request, found, ctx.world.clock())
        start, length, result = _extent(ctx, request, found)
        return {**_overridden(request, result), "Body": blob.slice(start, length)}
    except AwsError:
        blob.release()  # the error's traceback refers to it
        raise


def head_object(ctx: Ctx, request: Doc) -> Doc | Future[Doc]:
    """GetObject's answer without the bytes."""
    bucket = _before_read(ctx, request)
    if sample_buckets.is_sample(bucket):
        coming = samples.head(ctx, bucket, request["Key"], partial(_described, ctx, request))
        if coming is not None:
            return coming
    return _described(ctx, request, names.object_of(ctx, bucket, request))


def _described(ctx: Ctx, request: Doc, found: Object) -> Doc:
    """HeadObject's answer from the object."""
    conditions.check_read(request, found, ctx.world.clock())
    return _overridden(request, _extent(ctx, request, found)[2])


def _before_read(ctx: Ctx, request: Doc) -> Bucket:
    """The bucket. Raises AwsError for errors that do not depend on the object."""
    bucket = names.bucket_of(ctx, request, reads=True)
    metadata.refuse(request)
    names.version(request.get("VersionId"))
    if "PartNumber" in request:
        names.check_number(request["PartNumber"])
        if "Range" in request:
            raise AwsError(
                "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
            )
    return bucket


def _extent(ctx: Ctx, request: Doc, found: Object) -> tuple[int, int, Doc]:
    """(offset, length, members of the answer) of the requested bytes."""
    result = metadata.object_members(found)
    number, header = request.get("PartNumber"), request.get("Range")
    checksum = bodies.checksum_members(found.checksum)
    start, length, partial = 0, found.size, False
    if number is not None:
        start, length, checksum = _part(ctx, found, number, checksum)
        partial = True
        if found.doc.get("parts"):
            result["PartsCount"] = found.doc["parts"]
    elif header is not None and (extent := parse_range(header, found.size)) is not None:
        start, length = extent
        partial = True
    result["ContentLength"] = length
    if partial and length:
        result["ContentRange"] = f"bytes {start}-{start + length - 1}/{found.size}"
    whole = length == found.size or number is not None
    if request.get("ChecksumMode", "").upper() == "ENABLED" and whole:
        result.update(checksum)
    return start, length, result


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, length) of an RFC 9110 Range header; None when S3 ignores it: several ranges, or no range.

    Raises InvalidRange (416) when no byte of an object of `size` bytes is in it.
    """
    m = _RANGE.fullmatch(header)
    if m is None or (not m[1] and not m[2]):
        return None
    if not m[1]:
        start, last = max(0, size - int(m[2])), size - 1
    else:
        start, last = int(m[1]), min(int(m[2]), size - 1) if m[2] else size - 1
        if m[2] and int(m[2]) < start:
            return None
    if start > last:
        raise AwsError(
            "InvalidRange", "The requested range is not satisfiable", 416,
            RangeRequested=header.strip(), ActualObjectSize=size,
        )  # fmt: skip
    return start, last - start + 1


def _part(ctx: Ctx, found: Object, number: int, checksum: Doc) -> tuple[int, int, Doc]:
    """Extent and checksum of the object's part of that ordinal number.

    Raises InvalidPartNumber (416). An object put in one piece is its own part 1.
    """
    if found.content is not None and found.doc.get("parts"):
        at = 0
        pieces = catalog.pieces(names.reader(ctx), found.content)
        for ordinal, (_, size, value) in enumerate(pieces, 1):
            if ordinal == number:
                if value is None or found.checksum is None:
                    return at, size, {}
                return (
                    at,
                    size,
                    bodies.checksum_members(
                        Checksum(found.checksum.algorithm, value, found.checksum.type)
                    ),
                )
            at += size
    elif number == 1:
        return 0, found.size, checksum
    raise AwsError(
        "InvalidPartNumber", "The requested partnumber is not satisfiable", 416,
        PartNumberRequested=number, ActualPartCount=found.doc.get("parts", 1),
    )  # fmt: skip


def _overridden(request: Doc, result: Doc) -> Doc:
    """`result` with the headers that the `response-…` parameters ask for."""
    for name, value in request.items():
        if name.startswith("Response") and name != "ResponseMetadata":
            result[name.removeprefix("Response")] = value
    return result


def delete_object(ctx: Ctx, request: Doc) -> None:
    """There is no object of that key. It need not have existed."""
    bucket = names.bucket_of(ctx, request)
    key = names.checked_key(request["Key"])
    names.version(request.get("VersionId"))
    teller = telling.of(ctx, bucket, events.DELETED)

    def change(tx: Tx) -> list[str]:
        if "IfMatch" in request:
            conditions.check_match(request["IfMatch"], catalog.find(tx, bucket.id, key), key)
        return telling.removed(tx, bucket, key, teller)

    ctx.world.objects.discard(bodies.write(ctx, bucket.name, change, frees=True))


def delete_objects(ctx: Ctx, request: Doc) -> Doc:
    """None of the keys has an object but those among `Errors`; only errors are told when `Quiet`.

    What the caller may not delete is an error of that key, AccessDenied (API Reference,
    DeleteObjects: "for each key, Amazon S3 performs a delete action and returns the result").
    """
    bucket = names.bucket_of(ctx, request)
    wanted = request["Delete"].get("Objects", [])
    if not 1 <= len(wanted) <= 1000:
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published"
            " schema",
        )
    deleted: list[Doc] = []
    errors: list[Doc] = []
    refused = [_refusal(ctx, request, entry) for entry in wanted]
    teller = telling.of(ctx, bucket, events.DELETED)

    def change(tx: Tx) -> list[str]:
        freed: list[str] = []
        deleted.clear()
        errors.clear()
        for entry, refusal in zip(wanted, refused, strict=True):
            try:
                if refusal is not None:
                    raise refusal
                freed += _delete_entry(tx, bucket, entry, teller)
                deleted.append({k: entry[k] for k in ("Key", "VersionId") if k in entry})
            except AwsError as error:
                named = {k: entry[k] for k in ("Key", "VersionId") if k in entry}
                errors.append({**named, "Code": error.code, "Message": error.message})
        return freed

    ctx.world.objects.discard(bodies.write(ctx, bucket.name, change, frees=True))
    result: Doc = {} if request["Delete"].get("Quiet") else {"Deleted": deleted}
    if errors:
        result["Errors"] = errors
    return result


def _refusal(ctx: Ctx, request: Doc, entry: Doc) -> AwsError | None:
    """Why the caller may not delete that key; None where it may."""
    alone = {**request, "Delete": {**request["Delete"], "Objects": [entry]}}
    try:
        dispatch.authorise(ctx, "s3", "DeleteObjects", alone)
    except AwsError as error:
        return error
    return None


def _delete_entry(tx: Tx, bucket: Bucket, entry: Doc, teller: Teller | None) -> list[str]:
    key = names.checked_key(entry["Key"])
    if entry.get("VersionId") not in (None, "null"):
        raise AwsError("NoSuchVersion", "The specified version does not exist.", 404)
    if "ETag" in entry:
        conditions.check_match(entry["ETag"], catalog.find(tx, bucket.id, key), key)
    return telling.removed(tx, bucket, key, teller)


# ---- tags


def get_object_tagging(ctx: Ctx, request: Doc) -> Doc:
    """The object's tags."""
    found = names.object_of(ctx, names.bucket_of(ctx, request), request)
    tags = found.doc.get("tags", {})
    return {"TagSet": [{"Key": k, "Value": v} for k, v in sorted(tags.items())]}


def put_object_tagging(ctx: Ctx, request: Doc) -> None:
    """The object has exactly these tags."""
    tags = metadata.check_tags(request["Tagging"].get("TagSet", []))
    _set_tags(ctx, request, tags)


def delete_object_tagging(ctx: Ctx, request: Doc) -> None:
    """The object has no tags."""
    _set_tags(ctx, request, {})


def _set_tags(ctx: Ctx, request: Doc, tags: dict[str, str]) -> None:
    bucket = names.bucket_of(ctx, request)
    key = names.checked_key(request["Key"])
    names.version(request.get("VersionId"))
    put = "Tagging" in request
    teller = telling.of(ctx, bucket, events.TAGS_PUT if put else events.TAGS_DELETED)

    def change(tx: Tx) -> None:
        found = catalog.find(tx, bucket.id, key)
        if found is None:
            raise names.no_such_key(key)
        doc = {k: v for k, v in found.doc.items() if k != "tags"}
        catalog.update_doc(tx, found.id, {**doc, "tags": tags} if tags else doc)
        if teller is not None:
            teller.tell(tx, key, found)

    bodies.write(ctx, bucket.name, change)


# ---- attributes and access


def get_object_attributes(ctx: Ctx, request: Doc) -> Doc:
    """Those of ETag, Checksum, ObjectParts, StorageClass and ObjectSize that the request names."""
    found = names.object_of(ctx, names.bucket_of(ctx, request), request)
    asked = set(request["ObjectAttributes"])
    result: Doc = {"LastModified": metadata.time(found.modified)}
    if "ETag" in asked:
        result["ETag"] = found.etag
    if "Checksum" in asked and found.checksum is not None:
        result["Checksum"] = bodies.checksum_members(found.checksum)
    if "ObjectParts" in asked and found.doc.get("parts"):
        result["ObjectParts"] = _object_parts(ctx, request, found)
    if "StorageClass" in asked:
        result["StorageClass"] = found.storage
    if "ObjectSize" in asked:
        result["ObjectSize"] = found.size
    return result


def _object_parts(ctx: Ctx, request: Doc, found: Object) -> Doc:
    """A page of the parts; S3 lists them one by one only where the parts have checksums."""
    result: Doc = {"TotalPartsCount": found.doc["parts"]}
    if found.content is None or found.checksum is None or found.checksum.type != "COMPOSITE":
        return result
    most = min(request.get("MaxParts", 1000), 1000)
    after = request.get("PartNumberMarker", 0)
    rows = catalog.pieces(names.reader(ctx), found.content, after, most + 1)
    page = rows[:most]
    result.update(MaxParts=most, PartNumberMarker=after, IsTruncated=len(rows) > most)
    result["NextPartNumberMarker"] = page[-1][0] if page else 0
    member = f"Checksum{found.checksum.algorithm}"
    result["Parts"] = [
        {"PartNumber": number, "Size": size, **({member: value} if value else {})}
        for number, size, value in page
    ]
    return result


def get_object_acl(ctx: Ctx, request: Doc) -> Doc:
    """The owner has full control; nothing else can be granted."""
    bucket = names.bucket_of(ctx, request)
    names.object_of(ctx, bucket, request)
    person = names.owner(bucket.account)
    grantee = {"Type": "CanonicalUser", **person}
    return {"Owner": person, "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


def put_object_acl(ctx: Ctx, request: Doc) -> None:
    """Refuses any access list but the owner's own, as a bucket whose owner owns all objects
    does."""
    names.object_of(ctx, names.bucket_of(ctx, request), request)
    metadata.refuse(request)
    if "AccessControlPolicy" in request:
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
