"""S3 multipart uploads: create, upload part, complete, abort, list (user guide, "Multipart
upload")."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from urllib.parse import quote

from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3 import bodies, conditions, metadata, names
from sagebrush.services.s3.listing import after_prefix, coded
from sagebrush.services.s3.notifications import events, telling
from sagebrush.store import catalog, checksums
from sagebrush.store.catalog import Bucket, Checksum, Object, Part, Upload
from sagebrush.store.db import Tx
from sagebrush.store.spool import Spooled
from sagebrush.world import Ctx

LEAST_PART = 5 * 1024**2
MOST_OBJECT = 50 * 1024**4


def create_multipart_upload(ctx: Ctx, request: Doc) -> Doc:
    """An upload has begun; sorting its id sorts uploads by time."""
    bucket = names.bucket_of(ctx, request)
    key, doc = names.checked_key(request["Key"]), metadata.object_doc(request)
    algorithm, kind = _wish(request)
    now = ctx.world.clock()
    upload_id = f"{int(now * 1e6):014x}{secrets.token_hex(20)}"
    doc = {
        "object": doc,
        "storage": request.get("StorageClass", "STANDARD"),
        "algorithm": algorithm,
        "type": kind,
        "initiator": ctx.caller.arn,
    }

    def change(tx: Tx) -> None:
        existed = catalog.find(tx, bucket.id, key) is not None
        catalog.add_upload(tx, Upload(upload_id, bucket.id, key, now, {**doc, "existed": existed}))

    bodies.write(ctx, bucket.name, change)
    result = {"Bucket": bucket.name, "Key": key, "UploadId": upload_id}
    if algorithm is not None:
        result.update(ChecksumAlgorithm=algorithm, ChecksumType=kind)
    return {**result, **doc["object"].get("echo", {})}


def _wish(request: Doc) -> tuple[str | None, str]:
    """The checksum (algorithm, type) that the parts will have; CRC64NVME if none is named.

    Raises InvalidRequest (400) for a combination that S3 does not have.
    """
    algorithm, kind = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
    if algorithm is None:
        if kind is not None:
            raise AwsError(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm"
                " header.",
            )
        return None, "FULL_OBJECT"
    default = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    kind = kind or default
    if (kind == "FULL_OBJECT" and algorithm not in checksums.FULL_OBJECT) or (
        kind == "COMPOSITE" and algorithm == "CRC64NVME"
    ):
        raise AwsError(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum"
            " algorithm.",
        )
    return algorithm, kind


def find_upload(ctx: Ctx, bucket: Bucket, request: Doc) -> Upload:
    """The unfinished upload that the request names. Raises NoSuchUpload (404)."""
    key = names.checked_key(request["Key"])
    found = catalog.upload(names.reader(ctx), bucket.id, key, request["UploadId"])
    if found is None:
        raise no_such_upload(request["UploadId"])
    return found


def no_such_upload(upload_id: str) -> AwsError:
    """The error of an upload that is unknown, finished or aborted."""
    return AwsError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have"
        " been aborted or completed.",
        404, UploadId=upload_id,
    )  # fmt: skip


def upload_part(ctx: Ctx, request: Doc) -> Future[Doc]:
    """The part is on disk and replaces an earlier one of its number."""
    body = bodies.body_of(ctx, request)
    try:
        bucket, number, upload = _before_part(ctx, request)
        given = bodies.verify_body(request, body)
        algorithm = upload.doc["algorithm"]
        _check_algorithm(upload, given[0] if given else None)
        part = Part(
            number, body.size, body.md5, ctx.world.clock(), part_checksums(body, upload, given)
        )

        def change(tx: Tx) -> list[str]:
            if catalog.upload(tx, bucket.id, upload.key, upload.id) is None:
                raise no_such_upload(upload.id)
            return catalog.put_part(tx, upload.id, part, [body.segment()])

        result: Doc = {"ETag": bodies.quoted(part.etag), **upload.doc["object"].get("echo", {})}
        if given is not None:
            result[f"Checksum{given[0]}"] = given[1]
        elif algorithm is not None:
            result[f"Checksum{algorithm}"] = part.checksums[algorithm]
        return bodies.store(ctx, bucket.name, body, change, result)
    except BaseException:
        ctx.world.objects.drop(body)
        raise


def _before_part(ctx: Ctx, request: Doc) -> tuple[Bucket, int, Upload]:
    """The part's bucket, number and upload, known from the headers alone; raises AwsError."""
    bucket = names.bucket_of(ctx, request)
    number = names.check_number(request["PartNumber"])
    upload = find_upload(ctx, bucket, request)
    metadata.refuse(request)
    return bucket, number, upload


BEFORE_BODY = {"UploadPart": _before_part}


def _check_algorithm(upload: Upload, given: str | None) -> None:
    """Raises InvalidRequest (400) for a checksum of another algorithm than the upload's.

    Only a full-object checksum can be computed from parts that were sent without one.
    """
    algorithm = upload.doc["algorithm"]
    if algorithm in (None, given) or (given is None and upload.doc["type"] == "FULL_OBJECT"):
        return
    raise AwsError(
        "InvalidRequest",
        f"Checksum Type mismatch occurred, expected checksum Type: {algorithm.lower()},"
        f" actual checksum Type: {given.lower() if given else 'null'}",
    )


def part_checksums(body: Spooled, upload: Upload, given: tuple[str, str] | None) -> dict[str, str]:
    """The part's checksums that completing will need, and those that the client declared."""
    needed = upload.doc["algorithm"] or "CRC64NVME"
    found = {needed: bodies.checksum_of(body, needed)}
    if given is not None:
        found[given[0]] = given[1]
    return found


def complete_multipart_upload(ctx: Ctx, request: Doc) -> Doc:
    """The named parts, in order, are the object, and the upload is finished. No byte is copied."""
    bucket = names.bucket_of(ctx, request)
    key = names.checked_key(request["Key"])
    upload_id = request["UploadId"]
    wanted = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not wanted or any(e.get("PartNumber") is None or e.get("ETag") is None for e in wanted):
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published"
            " schema",
        )

    conditions.check_form(request)
    teller = telling.of(ctx, bucket, events.COMPLETED)

    def change(tx: Tx) -> tuple[Object, list[str]]:
        upload = catalog.upload(tx, bucket.id, key, upload_id)
        if upload is None:
            raise no_such_upload(upload_id)
        old = catalog.find(tx, bucket.id, key)
        conditions.check_write(request, old, key)
        conditions.check_meanwhile(request, upload, old)
        chosen = _chosen(catalog.parts(tx, upload_id), wanted, upload)
        new = _assembled(ctx, request, upload, chosen)
        algorithm = new.checksum.algorithm if new.checksum else ""
        if teller is not None:
            teller.tell(tx, key, new)
        return new, catalog.complete(tx, upload_id, new, chosen, algorithm)

    new, freed = bodies.write(ctx, bucket.name, change)
    ctx.world.objects.discard(freed)
    return {
        "Location": f"https://{bucket.name}.s3.{bucket.region}.amazonaws.com/{quote(key)}",
        "Bucket": bucket.name,
        "Key": key,
        "ETag": bodies.quoted(new.etag),
        **bodies.checksum_members(new.checksum),
        **new.doc.get("echo", {}),
    }


def _chosen(there: list[Part], wanted: list[Doc], upload: Upload) -> list[Part]:
    """The parts that Complete names. Raises InvalidPartOrder, InvalidPart, EntityTooSmall (400)."""
    by_number = {part.number: part for part in there}
    numbers = [entry["PartNumber"] for entry in wanted]
    if numbers != sorted(set(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
            UploadId=upload.id,
        )
    chosen = []
    for entry in wanted:
        part = by_number.get(entry["PartNumber"])
        etag = entry["ETag"].strip('"')
        if part is None or part.etag != etag or not _same_checksum(part, entry):
            raise AwsError(
                "InvalidPart",
                "One or more of the specified parts could not be found.  The part may not have been"
                " uploaded, or the specified entity tag may not match the part's entity tag.",
                UploadId=upload.id, PartNumber=entry["PartNumber"], ETag=etag,
            )  # fmt: skip
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < LEAST_PART:
            raise AwsError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                PartNumber=part.number, ETag=part.etag, ProposedSize=part.size,
                MinSizeAllowed=LEAST_PART,
            )  # fmt: skip
    _need_checksums(wanted, upload)
    return chosen


def _same_checksum(part: Part, entry: Doc) -> bool:
    """Whether the part has every checksum that Complete names for it."""
    for algorithm in checksums.ALGORITHMS:
        declared = entry.get(f"Checksum{algorithm}")
        if declared is not None and part.checksums.get(algorithm, declared) != declared:
            return False
    return True


def _need_checksums(wanted: list[Doc], upload: Upload) -> None:
    """A composite upload's Complete must name the checksum of each part (API reference)."""
    algorithm = upload.doc["algorithm"]
    if algorithm is None or upload.doc["type"] != "COMPOSITE":
        return
    if any(f"Checksum{algorithm}" not in entry for entry in wanted):
        raise AwsError(
            "InvalidRequest",
            f"The upload was created using a {algorithm.lower()} checksum. The complete request"
            " must include the checksum for each part. It was missing for part"
            f" {next(e['PartNumber'] for e in wanted if f'Checksum{algorithm}' not in e)} in the"
            " request.",
        )


def _assembled(ctx: Ctx, request: Doc, upload: Upload, chosen: list[Part]) -> Object:
    """The object made of the parts. Raises EntityTooLarge, InvalidRequest, BadDigest (400)."""
    size = sum(part.size for part in chosen)
    if size > MOST_OBJECT:
        raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    if request.get("MpuObjectSize", size) != size:
        raise AwsError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {request['MpuObjectSize']} does not"
            f" match what was computed: {size}",
        )
    raw = b"".join(bytes.fromhex(part.etag) for part in chosen)
    etag = f"{hashlib.md5(raw, usedforsecurity=False).hexdigest()}-{len(chosen)}"
    checksum = _checksum(upload, chosen)
    if request.get("ChecksumType", checksum.type) != checksum.type:
        raise AwsError(
            "InvalidRequest",
            "The upload was created using the "
            f"{checksum.type} checksum mode. The complete request must use the same checksum mode.",
        )
    declared = request.get(f"Checksum{checksum.algorithm}")
    if declared is not None and declared.partition("-")[0] != checksum.value.partition("-")[0]:
        raise AwsError(
            "BadDigest",
            f"The {checksum.algorithm.lower()} you specified did not match the calculated checksum.",
        )
    doc = {**upload.doc["object"], "parts": len(chosen), "completed": ctx.world.clock()}
    # Its Last-Modified is the date of initiation (S3 user guide, "System-defined object metadata").
    return Object(
        upload.bucket, upload.key, size, etag, upload.created, upload.doc["storage"], checksum, doc
    )


def _checksum(upload: Upload, chosen: list[Part]) -> Checksum:
    algorithm, kind = upload.doc["algorithm"] or "CRC64NVME", upload.doc["type"]
    values = [part.checksums[algorithm] for part in chosen]
    if kind == "COMPOSITE":
        return Checksum(algorithm, checksums.composite(algorithm, values), kind)
    sizes = [part.size for part in chosen]
    return Checksum(algorithm, checksums.combined(algorithm, zip(values, sizes, strict=True)), kind)


def abort_multipart_upload(ctx: Ctx, request: Doc) -> None:
    """The upload and its parts are deleted. Raises NoSuchUpload (404), also after its
    completion."""
    bucket = names.bucket_of(ctx, request)
    upload = find_upload(ctx, bucket, request)

    def change(tx: Tx) -> list[str]:
        if catalog.upload(tx, bucket.id, upload.key, upload.id) is None:
            raise no_such_upload(upload.id)
        return catalog.remove_upload(tx, upload.id)

    ctx.world.objects.discard(bodies.write(ctx, bucket.name, change, frees=True))


def list_parts(ctx: Ctx, request: Doc) -> Doc:
    """A page of the upload's parts after `PartNumberMarker`."""
    bucket = names.bucket_of(ctx, request)
    upload = find_upload(ctx, bucket, request)
    most, after = min(request.get("MaxParts", 1000), 1000), request.get("PartNumberMarker", 0)
    names.check_count("max-parts", most)
    rows = catalog.parts(names.reader(ctx), upload.id, after, most + 1)
    page, algorithm = rows[:most], upload.doc["algorithm"]
    result: Doc = {
        "Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id,
        "PartNumberMarker": after, "MaxParts": most, "IsTruncated": len(rows) > most,
        "NextPartNumberMarker": page[-1].number if page else 0,
        **_people(bucket, upload), "StorageClass": upload.doc["storage"],
        "Parts": [_listed(part, algorithm) for part in page],
    }  # fmt: skip
    if algorithm is not None:
        result.update(ChecksumAlgorithm=algorithm, ChecksumType=upload.doc["type"])
    return result


def _listed(part: Part, algorithm: str | None) -> Doc:
    found: Doc = {
        "PartNumber": part.number,
        "LastModified": metadata.time(part.modified),
        "ETag": bodies.quoted(part.etag),
        "Size": part.size,
    }
    if algorithm is not None and algorithm in part.checksums:
        found[f"Checksum{algorithm}"] = part.checksums[algorithm]
    return found


def list_multipart_uploads(ctx: Ctx, request: Doc) -> Doc:
    """A page of unfinished uploads by key and time, after `KeyMarker` and `UploadIdMarker`."""
    bucket = names.bucket_of(ctx, request)
    most = min(request.get("MaxUploads", 1000), 1000)
    names.check_count("max-uploads", most)
    delimiter, marker = request.get("Delimiter", ""), request.get("KeyMarker", "")
    id_marker = _id_marker(ctx, bucket, request)
    found = list(islice(_walk(ctx, bucket, request, id_marker), most + 1))
    page, truncated = found[:most], len(found) > most > 0
    last = next((e for e in reversed(page) if isinstance(e, Upload)), None)
    if truncated and isinstance(page[-1], str):
        last = None
    result: Doc = {
        "Bucket": bucket.name, "KeyMarker": marker, "UploadIdMarker": id_marker,
        "NextKeyMarker": coded(request, last.key) if last else "",
        "NextUploadIdMarker": last.id if last else "",
        "MaxUploads": most, "IsTruncated": truncated,
        "Uploads": [_upload_members(bucket, request, e) for e in page if isinstance(e, Upload)],
        "CommonPrefixes": [{"Prefix": coded(request, e)} for e in page if isinstance(e, str)],
    }  # fmt: skip
    if request.get("Prefix"):
        result["Prefix"] = coded(request, request["Prefix"])
    if delimiter:
        result["Delimiter"] = coded(request, delimiter)
    if "EncodingType" in request:
        result["EncodingType"] = request["EncodingType"]
    if truncated and isinstance(page[-1], str):
        # S3 returns an empty marker here, with which the next page cannot be requested.
        result["NextKeyMarker"] = coded(request, page[-1])
    return result


def _id_marker(ctx: Ctx, bucket: Bucket, request: Doc) -> str:
    """The upload after which the page begins; without a key marker none. Raises InvalidArgument."""
    marker, id_marker = request.get("KeyMarker", ""), request.get("UploadIdMarker", "")
    if not marker or not id_marker:
        return ""
    if catalog.upload(names.reader(ctx), bucket.id, marker, id_marker) is None:
        raise AwsError(
            "InvalidArgument", "Invalid uploadId marker",
            ArgumentName="upload-id-marker", ArgumentValue=id_marker,
        )  # fmt: skip
    return id_marker


def _walk(ctx: Ctx, bucket: Bucket, request: Doc, id_marker: str) -> Iterator[Upload | str]:
    """Uploads and common prefixes in order, after the markers."""
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    marker = request.get("KeyMarker", "")
    # Without an id marker, uploads of the marked key itself are skipped too.
    low = (marker, id_marker or "\U0010ffff") if marker else ("", "")
    low, high = max(low, (prefix, "")), after_prefix(prefix)
    tables, passed = names.reader(ctx), marker
    while True:
        rows = catalog.uploads(tables, bucket.id, low, high, 1000)
        for upload in rows:
            low = (upload.key, upload.id)
            at = upload.key.find(delimiter, len(prefix)) if delimiter else -1
            common = upload.key[: at + len(delimiter)] if at >= 0 else ""
            if not common:
                yield upload
            elif common > passed:
                passed = common
                yield common
        if len(rows) < 1000:
            return


def _upload_members(bucket: Bucket, request: Doc, upload: Upload) -> Doc:
    members: Doc = {
        "Key": coded(request, upload.key), "UploadId": upload.id, "Initiated": metadata.time(upload.created),
        "StorageClass": upload.doc["storage"], **_people(bucket, upload),
    }  # fmt: skip
    if upload.doc["algorithm"] is not None:
        members.update(ChecksumAlgorithm=upload.doc["algorithm"], ChecksumType=upload.doc["type"])
    return members


def _people(bucket: Bucket, upload: Upload) -> Doc:
    """Owner and Initiator of an upload: S3 names an initiator that is not the account by its
    ARN."""
    initiator = upload.doc.get("initiator")  # none in uploads of earlier versions
    told = {"Initiator": {"ID": initiator}} if initiator else {}
    return {"Owner": names.owner(bucket.account), **told}
