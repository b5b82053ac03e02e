"""Multipart uploads and copies through boto3."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from sagebrush.app import build
from sagebrush.errors import AwsError
from sagebrush.store import checksums
from sagebrush.store.spool import Spooled
from tests.conftest import make_settings
from tests.waiting import until

BUCKET = "multipart-bucket"
PART = 5 * 1024**2
FIRST, LAST = os.urandom(PART), os.urandom(1000)


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    made = client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def refused(call: Callable[..., Any], **given: Any) -> tuple[str, int]:
    """(code, status) of the error that the call answers."""
    with pytest.raises(ClientError) as caught:
        call(**given)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def begin(s3: Any, key: str, **given: Any) -> dict[str, str]:
    made = s3.create_multipart_upload(Bucket=BUCKET, Key=key, **given)
    return {"Bucket": BUCKET, "Key": key, "UploadId": made["UploadId"]}


def part(s3: Any, upload: dict[str, str], number: int, body: bytes, **given: Any) -> dict[str, Any]:
    """The uploaded part as Complete names it."""
    told = s3.upload_part(**upload, PartNumber=number, Body=body, **given)
    sums = {k: v for k, v in told.items() if k.startswith("Checksum") and k != "ChecksumType"}
    return {"PartNumber": number, "ETag": told["ETag"], **sums}


def etag(*parts: bytes) -> str:
    raw = b"".join(hashlib.md5(p).digest() for p in parts)
    return f'"{hashlib.md5(raw).hexdigest()}-{len(parts)}"'


def complete(s3: Any, upload: dict[str, str], *parts: dict[str, Any], **given: Any) -> Any:
    wanted = {"Parts": list(parts)}
    return s3.complete_multipart_upload(**upload, MultipartUpload=wanted, **given)


def blobs(server: Any) -> int:
    return sum(1 for p in server.world.objects.root.rglob("*") if p.is_file())


def settle(server: Any, count: int) -> None:
    """So many blobs are left, once answers that still read others have ended."""
    until(lambda: blobs(server) == count, f"{count} blobs")


def test_upload_and_download_of_files(s3: Any, tmp_path: Any) -> None:
    path, back = tmp_path / "in", tmp_path / "out"
    path.write_bytes(os.urandom(3 * PART + 17))
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.upload_file(str(path), BUCKET, "file", ExtraArgs={"Metadata": {"a": "b"}}, Config=config)
    s3.download_file(BUCKET, "file", str(back), Config=config)
    assert back.read_bytes() == path.read_bytes()
    head = s3.head_object(Bucket=BUCKET, Key="file")
    assert head["Metadata"] == {"a": "b"}
    assert head["ETag"].endswith('-4"')


def test_parts_become_the_object(server: Any, s3: Any) -> None:
    before = blobs(server)
    upload = begin(s3, "parts", ContentType="text/plain", Metadata={"m": "1"}, Tagging="t=1")
    assert refused(s3.get_object, Bucket=BUCKET, Key="parts") == ("NoSuchKey", 404)
    last, first = part(s3, upload, 7, LAST), part(s3, upload, 2, FIRST)
    unused = part(s3, upload, 3, os.urandom(PART))
    assert unused["PartNumber"] == 3
    done = complete(s3, upload, first, last)
    assert done["ETag"] == etag(FIRST, LAST)
    assert done["Location"].endswith(f"/{'parts'}")
    got = s3.get_object(Bucket=BUCKET, Key="parts")
    assert got["Body"].read() == FIRST + LAST
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"m": "1"}, 1)
    settle(server, before + 1)  # the small last part is in a row, the unused one is gone
    assert refused(s3.list_parts, **upload) == ("NoSuchUpload", 404)
    for number, body in ((1, FIRST), (2, LAST)):
        got = s3.get_object(Bucket=BUCKET, Key="parts", PartNumber=number)
        assert got["Body"].read() == body
        assert got["PartsCount"] == 2
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    found = refused(s3.get_object, Bucket=BUCKET, Key="parts", PartNumber=3)
    assert found == ("InvalidPartNumber", 416)
    middle = f"bytes={PART - 10}-{PART + 9}"
    got = s3.get_object(Bucket=BUCKET, Key="parts", Range=middle)
    assert got["Body"].read() == FIRST[-10:] + LAST[:10]
    s3.delete_object(Bucket=BUCKET, Key="parts")
    settle(server, before)


def test_a_deleted_object_leaves_the_disk_whatever_was_answered_of_it(server: Any, s3: Any) -> None:
    """Also while nothing is collected that answers and errors left behind in circles."""
    before = blobs(server)
    gc.disable()
    try:
        s3.put_object(Bucket=BUCKET, Key="gone", Body=FIRST)
        s3.get_object(Bucket=BUCKET, Key="gone")["Body"].read()
        s3.get_object(Bucket=BUCKET, Key="gone", Range="bytes=9-")["Body"].close()
        s3.head_object(Bucket=BUCKET, Key="gone")
        assert refused(s3.get_object, Bucket=BUCKET, Key="gone", PartNumber=3)[1] == 416
        assert refused(s3.get_object, Bucket=BUCKET, Key="gone", IfMatch='"x"')[1] == 412
        assert refused(s3.get_object, Bucket=BUCKET, Key="gone", Range="bytes=99999999-")[1] == 416
        s3.delete_object(Bucket=BUCKET, Key="gone")
        settle(server, before)
    finally:
        gc.enable()


def test_a_part_may_be_sent_again(server: Any, s3: Any) -> None:
    before = blobs(server)
    upload = begin(s3, "again")
    old = part(s3, upload, 1, FIRST)
    new = part(s3, upload, 1, LAST)
    settle(server, before)
    with pytest.raises(ClientError, match="InvalidPart"):
        complete(s3, upload, old)
    complete(s3, upload, new)
    assert s3.get_object(Bucket=BUCKET, Key="again")["Body"].read() == LAST


def test_errors_of_uploads(s3: Any) -> None:
    upload = begin(s3, "errors")
    small, big = part(s3, upload, 1, LAST), part(s3, upload, 2, LAST)
    cases: list[tuple[list[dict[str, Any]], str]] = [
        ([], "MalformedXML"),
        ([big, small], "InvalidPartOrder"),
        ([small, small], "InvalidPartOrder"),
        ([small, big], "EntityTooSmall"),
        ([{**small, "ETag": '"other"'}], "InvalidPart"),
        ([{**small, "PartNumber": 9}], "InvalidPart"),
    ]
    for parts, code in cases:
        with pytest.raises(ClientError) as caught:
            complete(s3, upload, *parts)
        error: Any = caught.value.response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400)
    for number in (0, 10001, -1):
        found = refused(s3.upload_part, **upload, PartNumber=number, Body=b"x")
        assert found == ("InvalidArgument", 400)
    wrong = {**upload, "UploadId": "nonsense"}
    assert refused(s3.upload_part, **wrong, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    assert refused(s3.abort_multipart_upload, **wrong) == ("NoSuchUpload", 404)
    other = {**upload, "Key": "another"}
    assert refused(s3.upload_part, **other, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    part(s3, upload, 10000, LAST)
    s3.abort_multipart_upload(**upload)
    assert refused(s3.abort_multipart_upload, **upload) == ("NoSuchUpload", 404)


@pytest.mark.parametrize("lacking", ["ETag", "PartNumber"])
def test_a_part_is_named_by_number_and_etag(s3: Any, lacking: str) -> None:
    upload = begin(s3, "unnamed")
    named = {k: v for k, v in part(s3, upload, 1, LAST).items() if k != lacking}
    with pytest.raises(ClientError, match="MalformedXML"):
        complete(s3, upload, named)


def test_abort_frees_the_parts(server: Any, s3: Any) -> None:
    before = blobs(server)
    upload = begin(s3, "aborted")
    part(s3, upload, 1, FIRST)
    settle(server, before + 1)
    s3.abort_multipart_upload(**upload)
    settle(server, before)
    assert refused(s3.get_object, Bucket=BUCKET, Key="aborted") == ("NoSuchKey", 404)


def test_conditions_of_complete(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="taken", Body=b"1")
    upload = begin(s3, "taken")
    one = part(s3, upload, 1, LAST)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        complete(s3, upload, one, IfNoneMatch="*")
    assert s3.get_object(Bucket=BUCKET, Key="taken")["Body"].read() == b"1"
    current = s3.head_object(Bucket=BUCKET, Key="taken")["ETag"]
    complete(s3, upload, one, IfMatch=current)
    assert s3.get_object(Bucket=BUCKET, Key="taken")["Body"].read() == LAST


# ---- checksums


def value(algorithm: str, body: bytes) -> str:
    return checksums.of(algorithm, [body])


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "SHA1", "SHA256"])
def test_composite_checksums(s3: Any, algorithm: str) -> None:
    upload = begin(s3, "composite", ChecksumAlgorithm=algorithm)
    parts = [
        part(s3, upload, n, b, ChecksumAlgorithm=algorithm) for n, b in ((1, FIRST), (2, LAST))
    ]
    assert parts[0][f"Checksum{algorithm}"] == value(algorithm, FIRST)
    listed = s3.list_parts(**upload)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, "COMPOSITE")
    assert listed["Parts"][1][f"Checksum{algorithm}"] == value(algorithm, LAST)
    done = complete(s3, upload, *parts)
    raw = b"".join(base64.b64decode(value(algorithm, b)) for b in (FIRST, LAST))
    whole = f"{value(algorithm, raw)}-2"
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (whole, "COMPOSITE")
    head = s3.head_object(Bucket=BUCKET, Key="composite", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (whole, "COMPOSITE")
    assert s3.get_object(Bucket=BUCKET, Key="composite")["Body"].read() == FIRST + LAST
    told = s3.get_object_attributes(
        Bucket=BUCKET, Key="composite", ObjectAttributes=["ObjectParts", "Checksum"], MaxParts=1
    )["ObjectParts"]
    assert (told["TotalPartsCount"], told["IsTruncated"]) == (2, True)
    assert told["Parts"][0]["Size"] == PART
    assert told["Parts"][0][f"Checksum{algorithm}"] == value(algorithm, FIRST)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_full_object_checksums(s3: Any, algorithm: str) -> None:
    upload = begin(s3, "full", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    parts = [
        part(s3, upload, n, b, ChecksumAlgorithm=algorithm) for n, b in ((1, FIRST), (2, LAST))
    ]
    whole = value(algorithm, FIRST + LAST)
    wrong: dict[str, Any] = {f"Checksum{algorithm}": value(algorithm, b"other")}
    with pytest.raises(ClientError, match="BadDigest"):
        complete(s3, upload, *parts, ChecksumType="FULL_OBJECT", **wrong)
    right: dict[str, Any] = {f"Checksum{algorithm}": whole}
    done = complete(s3, upload, *parts, ChecksumType="FULL_OBJECT", **right)
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (whole, "FULL_OBJECT")
    head = s3.head_object(Bucket=BUCKET, Key="full", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == whole


def test_pairs_of_checksum_and_type_that_s3_lacks(s3: Any) -> None:
    call = s3.create_multipart_upload
    given: dict[str, Any] = {"Bucket": BUCKET, "Key": "pairs"}
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        found = refused(call, **given, ChecksumAlgorithm=algorithm, ChecksumType=kind)
        assert found == ("InvalidRequest", 400)


def test_a_part_of_another_checksum_and_a_missing_one(s3: Any) -> None:
    upload = begin(s3, "mixed", ChecksumAlgorithm="SHA256")
    found = refused(s3.upload_part, **upload, PartNumber=1, Body=LAST, ChecksumAlgorithm="CRC32C")
    assert found == ("InvalidRequest", 400)
    one = part(s3, upload, 1, LAST, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError, match="InvalidRequest"):
        complete(s3, upload, {"PartNumber": 1, "ETag": one["ETag"]})
    with pytest.raises(ClientError, match="InvalidPart"):
        complete(s3, upload, {**one, "ChecksumSHA256": value("SHA256", b"other")})
    complete(s3, upload, one)


# ---- listings


def test_list_parts_pages(s3: Any) -> None:
    upload = begin(s3, "listed")
    for number in (5, 1, 9, 300):
        part(s3, upload, number, bytes([number % 256]) * number)
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 3})
    found = [p for page in pages for p in page["Parts"]]
    assert [(p["PartNumber"], p["Size"]) for p in found] == [(n, n) for n in (1, 5, 9, 300)]
    first = s3.list_parts(**upload, MaxParts=2)
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 5)
    assert first["Initiator"]["ID"].startswith("arn:aws:sts::123456789012:assumed-role/")
    assert first["Owner"]["ID"] == s3.list_buckets()["Owner"]["ID"]


def test_list_uploads(s3: Any) -> None:
    s3.create_bucket(Bucket="uploads-bucket")
    made = []
    for key in ("b/1", "a", "a", "b/2", "c"):
        told = s3.create_multipart_upload(Bucket="uploads-bucket", Key=key)
        made.append((key, told["UploadId"]))
    expected = sorted(made)
    call = s3.list_multipart_uploads
    found = call(Bucket="uploads-bucket")
    assert [(u["Key"], u["UploadId"]) for u in found["Uploads"]] == expected
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket="uploads-bucket", PaginationConfig={"PageSize": 2}
    )
    listed = [(u["Key"], u["UploadId"]) for page in pages for u in page.get("Uploads", [])]
    assert listed == expected
    grouped = call(Bucket="uploads-bucket", Delimiter="/")
    assert [u["Key"] for u in grouped["Uploads"]] == ["a", "a", "c"]
    assert [p["Prefix"] for p in grouped["CommonPrefixes"]] == ["b/"]
    first = call(Bucket="uploads-bucket", Delimiter="/", MaxUploads=3)
    assert first["IsTruncated"]
    rest = call(
        Bucket="uploads-bucket", Delimiter="/", KeyMarker=first["NextKeyMarker"],
        UploadIdMarker=first.get("NextUploadIdMarker", ""),
    )  # fmt: skip
    assert [u["Key"] for u in rest["Uploads"]] == ["c"]
    assert "CommonPrefixes" not in rest
    only = call(Bucket="uploads-bucket", Prefix="b/", KeyMarker="b/1")
    assert [u["Key"] for u in only["Uploads"]] == ["b/2"]


def test_markers_of_uploads(s3: Any) -> None:
    s3.create_bucket(Bucket="upload-markers")
    call = s3.list_multipart_uploads
    none = call(Bucket="upload-markers")
    assert (none["NextKeyMarker"], none["NextUploadIdMarker"]) == ("", "")
    a, b = (
        s3.create_multipart_upload(Bucket="upload-markers", Key=key)["UploadId"] for key in "ab"
    )
    found = call(Bucket="upload-markers")
    assert (found["NextKeyMarker"], found["NextUploadIdMarker"]) == ("b", b)
    # Without a key an id marks nothing; with one it must be an upload of that key.
    found = call(Bucket="upload-markers", UploadIdMarker=b)
    assert (found["UploadIdMarker"], len(found["Uploads"])) == ("", 2)
    for given in ({"KeyMarker": "b", "UploadIdMarker": a}, {"MaxUploads": -1}):
        assert refused(call, Bucket="upload-markers", **given) == ("InvalidArgument", 400)


# ---- copies


def test_copies(server: Any, s3: Any) -> None:
    body = os.urandom(100_000)
    s3.put_object(
        Bucket=BUCKET, Key="from ü+/1", Body=body, Metadata={"a": "1"}, ContentType="text/x",
        Tagging="t=1", StorageClass="STANDARD_IA",
    )  # fmt: skip
    before = blobs(server)
    source = {"Bucket": BUCKET, "Key": "from ü+/1"}
    told = s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)["CopyObjectResult"]
    settle(server, before)  # shared, not written again
    got = s3.get_object(Bucket=BUCKET, Key="copy")
    assert got["Body"].read() == body
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (
        told["ETag"], {"a": "1"}, "text/x",
    )  # fmt: skip
    assert got["TagCount"] == 1
    assert "StorageClass" not in got
    s3.copy_object(
        Bucket=BUCKET, Key="copy2", CopySource=source, MetadataDirective="REPLACE",
        Metadata={"b": "2"}, TaggingDirective="REPLACE", ChecksumAlgorithm="SHA256",
    )  # fmt: skip
    head = s3.head_object(Bucket=BUCKET, Key="copy2", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    assert "TagCount" not in head
    assert head["ChecksumSHA256"] == value("SHA256", body)
    for key in ("from ü+/1", "copy"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    settle(server, before)
    assert s3.get_object(Bucket=BUCKET, Key="copy2")["Body"].read() == body
    s3.delete_object(Bucket=BUCKET, Key="copy2")
    assert blobs(server) == before - 1


def test_copies_that_are_refused(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="self", Body=b"1")
    call, source = s3.copy_object, {"Bucket": BUCKET, "Key": "self"}
    given: dict[str, Any] = {"Bucket": BUCKET, "Key": "self", "CopySource": source}
    assert refused(call, **given) == ("InvalidRequest", 400)
    call(**given, MetadataDirective="REPLACE", Metadata={"new": "1"})
    assert s3.head_object(Bucket=BUCKET, Key="self")["Metadata"] == {"new": "1"}
    given["Key"] = "target"
    missing = {"Bucket": BUCKET, "Key": "missing"}
    assert refused(call, **{**given, "CopySource": missing}) == ("NoSuchKey", 404)
    nowhere = {"Bucket": "no-such-bucket", "Key": "x"}
    assert refused(call, **{**given, "CopySource": nowhere}) == ("NoSuchBucket", 404)
    assert refused(call, **{**given, "CopySource": "nokey"}) == ("InvalidArgument", 400)
    current = s3.head_object(Bucket=BUCKET, Key="self")["ETag"]
    found = refused(call, **given, CopySourceIfMatch='"other"')
    assert found == ("PreconditionFailed", 412)
    found = refused(call, **given, CopySourceIfNoneMatch=current)
    assert found == ("PreconditionFailed", 412)
    call(**given, CopySourceIfMatch=current)


def test_a_plus_in_the_name_of_a_source_is_a_space(server: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a b", Body=b"spaced")
    given = {"Bucket": BUCKET, "Key": "plus", "CopySource": f"{BUCKET}/a+b"}
    server.world.service_ctx().call("s3", "CopyObject", given)  # boto3 writes %20
    assert s3.get_object(Bucket=BUCKET, Key="plus")["Body"].read() == b"spaced"


def test_a_copy_of_a_multipart_object_is_in_one_piece(s3: Any) -> None:
    upload = begin(s3, "multi", ChecksumAlgorithm="CRC32")
    parts = [part(s3, upload, n, b) for n, b in ((1, FIRST), (2, LAST))]
    complete(s3, upload, *parts)
    source = {"Bucket": BUCKET, "Key": "multi"}
    told = s3.copy_object(Bucket=BUCKET, Key="single", CopySource=source)["CopyObjectResult"]
    assert told["ETag"] == f'"{hashlib.md5(FIRST + LAST).hexdigest()}"'
    crc = base64.b64encode(zlib.crc32(FIRST + LAST).to_bytes(4, "big")).decode()
    assert (told["ChecksumCRC32"], told["ChecksumType"]) == (crc, "FULL_OBJECT")
    s3.delete_object(Bucket=BUCKET, Key="multi")
    assert s3.get_object(Bucket=BUCKET, Key="single")["Body"].read() == FIRST + LAST


def test_parts_copied_from_objects(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="source", Body=FIRST + LAST)
    source = {"Bucket": BUCKET, "Key": "source"}
    upload = begin(s3, "assembled")
    given = {**upload, "CopySource": source}
    one = s3.upload_part_copy(**given, PartNumber=1, CopySourceRange=f"bytes=0-{PART - 1}")
    two = s3.upload_part_copy(**given, PartNumber=2, CopySourceRange="bytes=10-19")
    three = s3.upload_part_copy(**given, PartNumber=3)
    assert one["CopyPartResult"]["ETag"] == f'"{hashlib.md5(FIRST).hexdigest()}"'
    for text in ("bytes=5-", "0-5", f"bytes=0-{PART + 1000}"):
        found = refused(s3.upload_part_copy, **given, PartNumber=4, CopySourceRange=text)
        assert found[0] == "InvalidArgument"
    named = [
        {"PartNumber": n, "ETag": told["CopyPartResult"]["ETag"]}
        for n, told in ((1, one), (3, three))
    ]
    s3.delete_object(Bucket=BUCKET, Key="source")
    middle = {"PartNumber": 2, "ETag": two["CopyPartResult"]["ETag"]}
    with pytest.raises(ClientError, match="EntityTooSmall"):
        complete(s3, upload, named[0], middle, named[1])
    complete(s3, upload, *named)
    assert s3.get_object(Bucket=BUCKET, Key="assembled")["Body"].read() == FIRST * 2 + LAST


def test_managed_copy_of_a_large_object(s3: Any) -> None:
    body = os.urandom(2 * PART + 5)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "managed")
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.copy({"Bucket": BUCKET, "Key": "managed"}, BUCKET, "managed-copy", Config=config)
    assert s3.get_object(Bucket=BUCKET, Key="managed-copy")["Body"].read() == body


# Times --------------------------------------------------------------------------------------------


class Uploads:
    """Multipart uploads in a world without HTTP, whose clock the test moves."""

    def __init__(self, home: Path) -> None:
        self.now = 1_700_000_000.0
        self.app = build(make_settings(home, isolation="process"), lambda: self.now)
        self.ctx = self.app.world.ctx(self.app.world.credentials.user_caller)
        self.call("CreateBucket")

    def call(self, operation: str, **given: Any) -> dict[str, Any]:
        return self.ctx.call("s3", operation, {"Bucket": "clocked", **given})

    def begin(self) -> dict[str, Any]:
        """An upload with its only part, which took a minute."""
        made = self.call("CreateMultipartUpload", Key="k")
        named = {"Key": "k", "UploadId": made["UploadId"]}
        self.now += 60
        body = Spooled(3, hashlib.md5(b"abc").hexdigest(), data=b"abc")
        told = self.call("UploadPart", **named, PartNumber=1, Body=body)
        parts = {"Parts": [{"PartNumber": 1, "ETag": told["ETag"]}]}
        return {**named, "MultipartUpload": parts}


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    made = Uploads(tmp_path)
    yield made
    made.app.stop()


def test_an_upload_is_of_the_time_when_it_was_initiated(uploads: Uploads) -> None:
    began = uploads.now
    uploads.call("CompleteMultipartUpload", **uploads.begin())
    assert uploads.call("HeadObject", Key="k")["LastModified"].timestamp() == began
    (listed,) = uploads.call("ListObjectsV2")["Contents"]
    assert listed["LastModified"].timestamp() == began


def test_a_conditional_upload_sees_one_that_was_completed_meanwhile(uploads: Uploads) -> None:
    tag = uploads.call("CompleteMultipartUpload", **uploads.begin())["ETag"]
    earlier, later = uploads.begin(), uploads.begin()
    uploads.call("CompleteMultipartUpload", **earlier)
    with pytest.raises(AwsError) as error:
        uploads.call("CompleteMultipartUpload", **later, IfMatch=tag)
    assert error.value.code == "ConditionalRequestConflict"
