"""Objects through boto3: put, get, head, delete, conditions, ranges, metadata, checksums, tags."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.errors import AwsError
from sagebrush.services.s3.objects import parse_range
from sagebrush.store import checksums
from sagebrush.store.spool import INLINE

BUCKET = "objects-bucket"
AWKWARD = (
    "plain", "..", "../up", "a/../b", "/leading", "//two", "a//b", "trailing/", "with space",
    "plus+plus", "percent%20", "new\nline", "tab\t", "ünï/çødé", "日本語", "😀", "q?x=1&y=2", "#hash",
    "quote\"'<>&", "back\\slash", "~tilde", "a.b", "=",
)  # fmt: skip


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


def body_of(s3: Any, key: str, **given: Any) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key, **given)["Body"].read()


@pytest.mark.parametrize("size", [0, 1, INLINE, INLINE + 1, 3_000_001])
def test_bytes_come_back_as_they_went(s3: Any, size: int) -> None:
    body = os.urandom(size)
    put = s3.put_object(Bucket=BUCKET, Key="bytes", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=BUCKET, Key="bytes")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size
    assert got["ETag"] == put["ETag"]
    assert got["ContentType"] == "binary/octet-stream"
    head = s3.head_object(Bucket=BUCKET, Key="bytes")
    assert (head["ContentLength"], head["ETag"]) == (size, put["ETag"])


@pytest.mark.parametrize("key", AWKWARD)
def test_awkward_keys(s3: Any, key: str) -> None:
    body = key.encode() + b"!"
    s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert body_of(s3, key) == body
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["Contents"]
    assert key in [entry["Key"] for entry in listed]
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert refused(s3.get_object, Bucket=BUCKET, Key=key) == ("NoSuchKey", 404)


def test_a_key_is_never_a_file_name(server: Any, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="../../escape", Body=b"e" * (INLINE + 1))
    assert not [p for p in server.world.settings.home.rglob("*escape*")]
    assert not (server.world.settings.home.parent / "escape").exists()


def test_keys_have_1024_bytes_at_most(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="ü" * 512)
    assert refused(s3.put_object, Bucket=BUCKET, Key="ü" * 513) == ("KeyTooLongError", 400)


def test_overwrite_and_delete_free_the_old_bytes(server: Any, s3: Any) -> None:
    root = server.world.objects.root
    before = {p for p in root.rglob("*") if p.is_file()}
    for _ in range(3):
        s3.put_object(Bucket=BUCKET, Key="again", Body=os.urandom(INLINE * 2))
        assert len({p for p in root.rglob("*") if p.is_file()} - before) == 1
    s3.put_object(Bucket=BUCKET, Key="again", Body=b"small now")
    assert {p for p in root.rglob("*") if p.is_file()} == before
    assert body_of(s3, "again") == b"small now"


def test_missing_things(s3: Any) -> None:
    assert refused(s3.get_object, Bucket=BUCKET, Key="missing") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=BUCKET, Key="missing") == ("404", 404)
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="k") == ("NoSuchBucket", 404)
    assert refused(s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"x" * 99_999) == (
        "NoSuchBucket", 404,
    )  # fmt: skip
    s3.delete_object(Bucket=BUCKET, Key="missing")
    s3.put_object(Bucket=BUCKET, Key="versionless")
    for call in (s3.get_object, s3.delete_object, s3.get_object_tagging):
        found = refused(call, Bucket=BUCKET, Key="versionless", VersionId="abc")
        assert found == ("InvalidArgument", 400)
    entry = {"Key": "versionless", "VersionId": "abc"}
    told = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [entry]})
    assert told["Errors"][0]["Code"] == "NoSuchVersion"
    assert body_of(s3, "versionless", VersionId="null") == b""


# ---- metadata


def test_metadata_and_system_headers(s3: Any) -> None:
    expires = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    headers = {
        "CacheControl": "max-age=5", "ContentDisposition": 'attachment; filename="x y.txt"',
        "ContentEncoding": "gzip", "ContentLanguage": "de", "ContentType": "text/plain",
    }  # fmt: skip
    s3.put_object(
        Bucket=BUCKET, Key="meta", Body=b"1", Metadata={"Mixed-Case": "v a l", "b": "2"},
        Expires=expires, StorageClass="STANDARD_IA", WebsiteRedirectLocation="/other", **headers,
    )  # fmt: skip
    for call in (s3.get_object, s3.head_object):
        found = call(Bucket=BUCKET, Key="meta")
        assert found["Metadata"] == {"mixed-case": "v a l", "b": "2"}
        assert {name: found[name] for name in headers} == headers
        assert found["Expires"] == expires
        assert found["StorageClass"] == "STANDARD_IA"
        assert found["WebsiteRedirectLocation"] == "/other"
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="meta")["Contents"][0]
    assert listed["StorageClass"] == "STANDARD_IA"


def test_metadata_beyond_ascii_comes_back_as_rfc_2047(server: Any, s3: Any) -> None:
    ctx = server.world.service_ctx()
    ctx.call(
        "s3", "PutObject",
        {"Bucket": BUCKET, "Key": "umlaut", "Metadata": {"name": "Grüße"}},
    )  # fmt: skip
    found = s3.head_object(Bucket=BUCKET, Key="umlaut")["Metadata"]["name"]
    assert found == "=?utf-8?b?R3LDvMOfZQ==?="


def test_metadata_has_2_kb_at_most(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="full", Metadata={"a": "x" * 2047})
    found = refused(s3.put_object, Bucket=BUCKET, Key="full", Metadata={"a": "x" * 2048})
    assert found == ("MetadataTooLarge", 400)


def test_response_overrides(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="override", Body=b"1", ContentType="text/plain")
    found = s3.get_object(
        Bucket=BUCKET, Key="override", ResponseContentType="application/x-thing",
        ResponseContentDisposition="inline", ResponseCacheControl="no-store",
    )  # fmt: skip
    assert found["ContentType"] == "application/x-thing"
    assert found["ContentDisposition"] == "inline"
    assert found["CacheControl"] == "no-store"


def test_what_is_not_done_is_said(s3: Any) -> None:
    key = os.urandom(32)
    found = refused(
        s3.put_object, Bucket=BUCKET, Key="ssec", SSECustomerAlgorithm="AES256", SSECustomerKey=key
    )
    assert found == ("NotImplemented", 501)
    found = refused(s3.put_object, Bucket=BUCKET, Key="acl", ACL="public-read")
    assert found == ("AccessControlListNotSupported", 400)
    found = refused(s3.put_object, Bucket=BUCKET, Key="class", StorageClass="LUKEWARM")
    assert found == ("InvalidStorageClass", 400)
    found = refused(s3.put_object, Bucket=BUCKET, Key="sse", ServerSideEncryption="rot13")
    assert found == ("InvalidArgument", 400)
    echoed = s3.put_object(
        Bucket=BUCKET, Key="sse", ServerSideEncryption="aws:kms", SSEKMSKeyId="k"
    )
    assert (echoed["ServerSideEncryption"], echoed["SSEKMSKeyId"]) == ("aws:kms", "k")
    assert s3.head_object(Bucket=BUCKET, Key="sse")["SSEKMSKeyId"] == "k"


# ---- ranges and parts

RANGES = [
    ("bytes=0-4", b"01234", "bytes 0-4/10"),
    ("bytes=3-3", b"3", "bytes 3-3/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-3", b"789", "bytes 7-9/10"),
    ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ("bytes=5-999", b"56789", "bytes 5-9/10"),
    ("BYTES = 0-0", b"0", "bytes 0-0/10"),
]


@pytest.mark.parametrize(("header", "body", "told"), RANGES)
def test_ranges(s3: Any, header: str, body: bytes, told: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    found = s3.get_object(Bucket=BUCKET, Key="digits", Range=header)
    assert found["Body"].read() == body
    assert found["ContentRange"] == told
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3.head_object(Bucket=BUCKET, Key="digits", Range=header)
    assert head["ContentLength"] == len(body)


@pytest.mark.parametrize("header", ["bytes=0-1,3-4", "lines=1-2", "bytes=5-2", "bytes=", "x"])
def test_ranges_that_s3_ignores(s3: Any, header: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    found = s3.get_object(Bucket=BUCKET, Key="digits", Range=header)
    assert found["Body"].read() == b"0123456789"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_ranges_beyond_the_end(s3: Any, header: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="digits", Range=header)
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "InvalidRange"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 416
    assert response["ResponseMetadata"]["HTTPHeaders"]["content-range"] == "bytes */10"


def test_no_range_fits_an_empty_object() -> None:
    for header in ("bytes=0-", "bytes=-1"):
        with pytest.raises(AwsError):
            parse_range(header, 0)


def test_ranges_of_a_large_object(s3: Any) -> None:
    body = os.urandom(5_000_000)
    s3.put_object(Bucket=BUCKET, Key="large", Body=body)
    for start, end in ((0, 0), (1_048_575, 1_048_577), (4_999_999, 4_999_999), (17, 4_000_000)):
        found = body_of(s3, "large", Range=f"bytes={start}-{end}")
        assert found == body[start : end + 1]


def test_part_number_of_an_object_in_one_piece(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="digits", Body=b"0123456789")
    found = s3.get_object(Bucket=BUCKET, Key="digits", PartNumber=1)
    assert found["Body"].read() == b"0123456789"
    assert "PartsCount" not in found
    call = s3.get_object
    assert refused(call, Bucket=BUCKET, Key="digits", PartNumber=2) == ("InvalidPartNumber", 416)
    found = refused(call, Bucket=BUCKET, Key="digits", PartNumber=1, Range="bytes=0-1")
    assert found == ("InvalidRequest", 400)


# ---- conditions


def test_conditional_reads(s3: Any) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key="cond", Body=b"1")["ETag"]
    modified = s3.head_object(Bucket=BUCKET, Key="cond")["LastModified"]
    before, hour = modified - dt.timedelta(hours=1), dt.timedelta(hours=1)
    good: list[dict[str, Any]] = [
        {"IfMatch": etag}, {"IfMatch": etag.strip('"')}, {"IfMatch": "*"},
        {"IfMatch": f'"other", {etag}'}, {"IfNoneMatch": '"other"'},
        {"IfModifiedSince": before}, {"IfUnmodifiedSince": modified},
        {"IfMatch": etag, "IfUnmodifiedSince": before},
        {"IfNoneMatch": '"other"', "IfModifiedSince": modified + hour},
    ]  # fmt: skip
    for given in good:
        assert body_of(s3, "cond", **given) == b"1"
    failed: list[dict[str, Any]] = [{"IfMatch": '"other"'}, {"IfUnmodifiedSince": before}]
    for given in failed:
        found = refused(s3.get_object, Bucket=BUCKET, Key="cond", **given)
        assert found == ("PreconditionFailed", 412)
        assert refused(s3.head_object, Bucket=BUCKET, Key="cond", **given)[1] == 412
    same: list[dict[str, Any]] = [
        {"IfNoneMatch": etag}, {"IfNoneMatch": "*"}, {"IfModifiedSince": modified},
        {"IfNoneMatch": etag, "IfModifiedSince": before},
    ]  # fmt: skip
    for given in same:
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket=BUCKET, Key="cond", **given)
        metadata: Any = caught.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 304
        assert metadata["HTTPHeaders"]["etag"] == etag
        assert "last-modified" in metadata["HTTPHeaders"]


def test_conditional_writes(s3: Any) -> None:
    s3.delete_object(Bucket=BUCKET, Key="lock")
    call = s3.put_object
    assert refused(call, Bucket=BUCKET, Key="lock", IfMatch='"x"') == ("NoSuchKey", 404)
    etag = call(Bucket=BUCKET, Key="lock", Body=b"1", IfNoneMatch="*")["ETag"]
    found = refused(call, Bucket=BUCKET, Key="lock", Body=b"2", IfNoneMatch="*")
    assert found == ("PreconditionFailed", 412)
    found = refused(call, Bucket=BUCKET, Key="lock", Body=b"2", IfMatch='"other"')
    assert found == ("PreconditionFailed", 412)
    assert body_of(s3, "lock") == b"1"
    call(Bucket=BUCKET, Key="lock", Body=b"3", IfMatch=etag)
    assert body_of(s3, "lock") == b"3"
    found = refused(call, Bucket=BUCKET, Key="lock", IfNoneMatch='"e"')
    assert found == ("NotImplemented", 501)
    found = refused(s3.delete_object, Bucket=BUCKET, Key="lock", IfMatch=etag)
    assert found == ("PreconditionFailed", 412)


def test_one_of_many_creators_wins(s3: Any) -> None:
    s3.delete_object(Bucket=BUCKET, Key="race")

    def create(number: int) -> int | None:
        try:
            s3.put_object(Bucket=BUCKET, Key="race", Body=str(number).encode(), IfNoneMatch="*")
        except ClientError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        won = [n for n in pool.map(create, range(40)) if n is not None]
    assert len(won) == 1
    assert body_of(s3, "race") == str(won[0]).encode()


def test_readers_see_one_whole_body_while_it_is_replaced(s3: Any) -> None:
    bodies = [bytes([n]) * size for n, size in enumerate((10, INLINE * 3, 2_000_000, 50_000))]
    s3.put_object(Bucket=BUCKET, Key="replaced", Body=bodies[0])

    def write(number: int) -> None:
        s3.put_object(Bucket=BUCKET, Key="replaced", Body=bodies[number % len(bodies)])

    def read(_: int) -> bool:
        return body_of(s3, "replaced") in bodies

    with ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(write, n) for n in range(60)]
        assert all(pool.map(read, range(120)))
        for write_done in writes:
            write_done.result()


# ---- checksums

HEADERS = {
    "ChecksumCRC32": lambda b: base64.b64encode(zlib.crc32(b).to_bytes(4, "big")).decode(),
    "ChecksumMD5": lambda b: base64.b64encode(hashlib.md5(b).digest()).decode(),
    "ChecksumSHA1": lambda b: base64.b64encode(hashlib.sha1(b).digest()).decode(),
    "ChecksumSHA256": lambda b: base64.b64encode(hashlib.sha256(b).digest()).decode(),
}


@pytest.mark.parametrize("name", HEADERS)
def test_checksums_by_value(s3: Any, name: str) -> None:
    body = b"checksummed" * 10_000
    value = HEADERS[name](body)
    put = s3.put_object(Bucket=BUCKET, Key="sum", Body=body, **{name: value})
    assert put[name] == value
    got = s3.get_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
    assert got[name] == value
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert got["Body"].read() == body
    assert name not in s3.head_object(Bucket=BUCKET, Key="sum")
    partial = s3.get_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED", Range="bytes=0-9")
    assert name not in partial
    wrong = HEADERS[name](b"else")
    found = refused(s3.put_object, Bucket=BUCKET, Key="sum", Body=body, **{name: wrong})
    assert found == ("BadDigest", 400)
    assert body_of(s3, "sum") == body


@pytest.mark.parametrize("algorithm", [a for a in checksums.ALGORITHMS if a != "MD5"])
def test_checksums_that_boto3_computes(s3: Any, algorithm: str) -> None:
    body = os.urandom(100_000)
    put = s3.put_object(Bucket=BUCKET, Key="computed", Body=body, ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=BUCKET, Key="computed", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert body_of(s3, "computed") == body  # boto3 checks it on the way
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="computed")["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "FULL_OBJECT")


def test_an_object_without_a_checksum_gets_crc64nvme(client: Callable[..., Any], s3: Any) -> None:
    config = Config(request_checksum_calculation="when_required")
    client("s3", config=config).put_object(Bucket=BUCKET, Key="default", Body=b"123456789")
    head = s3.head_object(Bucket=BUCKET, Key="default", ChecksumMode="ENABLED")
    assert base64.b64decode(head["ChecksumCRC64NVME"]).hex() == "ae8b14860a799888"


def test_content_md5(s3: Any) -> None:
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key="md5", Body=b"x", ContentMD5=good)
    found = refused(s3.put_object, Bucket=BUCKET, Key="md5", Body=b"y", ContentMD5=good)
    assert found == ("BadDigest", 400)
    found = refused(s3.put_object, Bucket=BUCKET, Key="md5", Body=b"y", ContentMD5="short")
    assert found == ("InvalidDigest", 400)


# ---- delete many, tags, attributes


def test_delete_many(s3: Any) -> None:
    keys = ["many/1", "many/2", "many/ü & <x>"]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x" * (INLINE + 1))
    asked = [{"Key": k} for k in [*keys, "many/never"]]
    found = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": asked})
    assert [d["Key"] for d in found["Deleted"]] == [*keys, "many/never"]
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="many/")
    s3.put_object(Bucket=BUCKET, Key="many/1")
    asked = [{"Key": "many/1"}, {"Key": "many/2", "VersionId": "strange"}]
    found = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": asked, "Quiet": True})
    assert "Deleted" not in found
    assert [(e["Key"], e["Code"]) for e in found["Errors"]] == [("many/2", "NoSuchVersion")]
    many = [{"Key": str(n)} for n in range(1001)]
    found = refused(s3.delete_objects, Bucket=BUCKET, Delete={"Objects": many})
    assert found == ("MalformedXML", 400)


def test_tags(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="tagged", Tagging="a=1&b=x%20y")
    assert s3.get_object(Bucket=BUCKET, Key="tagged")["TagCount"] == 2
    call = s3.get_object_tagging
    assert call(Bucket=BUCKET, Key="tagged")["TagSet"] == [
        {"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"},
    ]  # fmt: skip
    tags = [{"Key": "c", "Value": "3"}]
    s3.put_object_tagging(Bucket=BUCKET, Key="tagged", Tagging={"TagSet": tags})
    assert call(Bucket=BUCKET, Key="tagged")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=BUCKET, Key="tagged")
    assert call(Bucket=BUCKET, Key="tagged")["TagSet"] == []
    assert refused(call, Bucket=BUCKET, Key="untagged") == ("NoSuchKey", 404)
    many = "&".join(f"k{n}=v" for n in range(11))
    assert refused(s3.put_object, Bucket=BUCKET, Key="tagged", Tagging=many)[1] == 400
    bad = [{"Key": "aws:x", "Value": "1"}]
    found = refused(s3.put_object_tagging, Bucket=BUCKET, Key="tagged", Tagging={"TagSet": bad})
    assert found == ("InvalidTag", 400)


def test_attributes(s3: Any) -> None:
    put = s3.put_object(Bucket=BUCKET, Key="attributes", Body=b"12345")
    asked = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3.get_object_attributes(Bucket=BUCKET, Key="attributes", ObjectAttributes=asked)
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["ObjectSize"] == 5
    assert found["StorageClass"] == "STANDARD"
    assert found["Checksum"]["ChecksumCRC32"] == put["ChecksumCRC32"]
    assert "ObjectParts" not in found
    only = s3.get_object_attributes(Bucket=BUCKET, Key="attributes", ObjectAttributes=["ETag"])
    assert "ObjectSize" not in only
