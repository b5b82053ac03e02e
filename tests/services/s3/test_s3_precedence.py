"""Requests that are wrong in two ways: which error S3 tells."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.protocol import wire
from tests.protocol.wire import Answer, blobs

WRONG_MD5 = {"Content-MD5": base64.b64encode(bytes(16)).decode()}
BODY = b"<wrong"
MIB = 1 << 20


@pytest.fixture(scope="module")
def upload(client: Any) -> str:
    """An upload to the bucket `first`, which has the objects `k` and `multi` (of one part)."""
    s3 = client("s3")
    s3.create_bucket(Bucket="first")
    s3.put_object(Bucket="first", Key="k", Body=b"0123456789")
    found = s3.create_multipart_upload(Bucket="first", Key="p")["UploadId"]
    given = {"Bucket": "first", "Key": "p", "UploadId": found}
    s3.upload_part(**given, PartNumber=1, Body=b"one")
    s3.upload_part(**given, PartNumber=2, Body=b"two")
    return found


def ask(server: Any, method: str, path: str, given: dict[str, str], body: bytes) -> Answer:
    headers = wire.headers(server, method, path, given, body=body)
    if "spoil" in given:
        del headers["spoil"]
        headers["Authorization"] = headers["Authorization"][:-1] + "!"
    return wire.send(server, method, path, headers, body)


SHA = {"x-amz-content-sha256": hashlib.sha256(b"other").hexdigest()}
ETAG = {"If-Match": '"other"'}
BOTH = {"If-Match": '"a"', "If-None-Match": "*"}
SPOIL = {"spoil": ""}
PUTS: dict[str, tuple[str, dict[str, str], str]] = {
    "signature, bucket": ("/nowhere/k", SPOIL, "SignatureDoesNotMatch"),
    "signature, digest": ("/first/x", {**SPOIL, **WRONG_MD5}, "SignatureDoesNotMatch"),
    "bucket's name, digest": ("/a/k", WRONG_MD5, "InvalidBucketName"),
    "bucket, digest": ("/nowhere/k", WRONG_MD5, "NoSuchBucket"),
    "bucket, hash": ("/nowhere/k", SHA, "NoSuchBucket"),
    "bucket, storage class": ("/nowhere/k", {"x-amz-storage-class": "X"}, "NoSuchBucket"),
    "bucket, upload": ("/nowhere/p?partNumber=1&uploadId=none", {}, "NoSuchBucket"),
    "owner, digest": ("/first/x", {"x-amz-expected-bucket-owner": "111111111111", **WRONG_MD5}, "AccessDenied"),
    "key, digest": (f"/first/{'x' * 1025}", WRONG_MD5, "KeyTooLongError"),
    "metadata, digest": ("/first/x", {"x-amz-meta-a": "x" * 3000, **WRONG_MD5}, "MetadataTooLarge"),
    "storage class, digest": ("/first/x", {"x-amz-storage-class": "X", **WRONG_MD5}, "InvalidStorageClass"),
    "tags, hash": ("/first/x", {"x-amz-tagging": "a=1&a=2", **SHA}, "InvalidArgument"),
    "condition that S3 has not, digest": ("/first/x", {**BOTH, **WRONG_MD5}, "NotImplemented"),
    "digest, condition": ("/first/k", {**ETAG, **WRONG_MD5}, "BadDigest"),
    "condition, no object": ("/first/x", ETAG, "NoSuchKey"),
    "part number, upload": ("/first/p?partNumber=0&uploadId=none", {}, "InvalidArgument"),
    "part number, upload, digest": ("/first/p?partNumber=10001&uploadId=none", WRONG_MD5, "InvalidArgument"),
    "upload, digest": ("/first/p?partNumber=1&uploadId=none", WRONG_MD5, "NoSuchUpload"),
}  # fmt: skip


@pytest.mark.parametrize("name", PUTS)
@pytest.mark.parametrize("size", [10, MIB])
def test_puts(server: Any, upload: str, name: str, size: int) -> None:
    path, given, code = PUTS[name]
    before = blobs(server)
    answer = ask(server, "PUT", path, given, b"x" * size)
    assert answer.code == code
    assert blobs(server) == before


def test_a_large_body_is_not_taken_in_vain(server: Any, upload: str) -> None:
    """It is refused on its headers, before the client that asks first has sent a byte."""
    path, size = "/nowhere/k", 100 * MIB
    headers = wire.headers(server, "PUT", path, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    with wire.connect(server) as sock:
        more = {"Content-Length": str(size), "Expect": "100-continue"}
        sock.sendall(wire.head_of("PUT", path, {**headers, **more}))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"<Code>NoSuchBucket</Code>" in answer


COMPLETE = "<CompleteMultipartUpload>{}</CompleteMultipartUpload>"
PART = "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>"
ONE, TWO = hashlib.md5(b"one").hexdigest(), hashlib.md5(b"two").hexdigest()


def parts(*wanted: tuple[int, str]) -> bytes:
    return COMPLETE.format("".join(PART.format(*each) for each in wanted)).encode()


POSTS: dict[str, tuple[str, dict[str, str], bytes, str]] = {
    "digest, XML": ("/first?delete=", WRONG_MD5, BODY, "BadDigest"),
    "no digest, XML": ("/first?delete=", {}, BODY, "InvalidRequest"),
    "bucket, XML": ("/nowhere/p?uploadId=none", {}, BODY, "NoSuchBucket"),
    "owner, XML": (
        "/first/p?uploadId=none", {"x-amz-expected-bucket-owner": "111111111111"}, BODY, "AccessDenied",
    ),
    "XML, upload": ("/first/p?uploadId=none", {}, BODY, "MalformedXML"),
    "no parts, upload": ("/first/p?uploadId=none", {}, parts(), "MalformedXML"),
    "bucket, upload": ("/nowhere/p?uploadId=none", {}, parts((1, ONE)), "NoSuchBucket"),
    "condition that S3 has not, upload": (
        "/first/p?uploadId=none", BOTH, parts((1, ONE)), "NotImplemented",
    ),
    "upload, order": ("/first/p?uploadId=none", {}, parts((2, TWO), (1, ONE)), "NoSuchUpload"),
    "order, part": ("/first/p?uploadId={}", {}, parts((2, TWO), (1, TWO)), "InvalidPartOrder"),
    "part, size": ("/first/p?uploadId={}", {}, parts((1, ONE), (2, ONE)), "InvalidPart"),
    "size, length": (
        "/first/p?uploadId={}", {"x-amz-mp-object-size": "1"}, parts((1, ONE), (2, TWO)),
        "EntityTooSmall",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POSTS)
def test_posts(server: Any, upload: str, name: str) -> None:
    path, given, body, code = POSTS[name]
    assert ask(server, "POST", path.format(upload), given, body).code == code


@pytest.mark.parametrize("query", ["tagging=", "versioning=", "cors=", "lifecycle=", "acl="])
def test_documents_that_cannot_be_read(server: Any, upload: str, query: str) -> None:
    given = {"Content-MD5": base64.b64encode(hashlib.md5(BODY).digest()).decode()}
    assert ask(server, "PUT", f"/nowhere?{query}", given, BODY).code == "NoSuchBucket"
    assert ask(server, "PUT", f"/first?{query}", given, BODY).code == "MalformedXML"


def test_a_bucket_that_is_to_be_made_need_not_be_there(server: Any) -> None:
    assert ask(server, "PUT", "/to-be-made", {}, BODY).code == "MalformedXML"


FAR = {"Range": "bytes=100-"}
SAME = {"If-None-Match": '"781e5e245d69b566979b86e28d23f2c7"'}
GETS: dict[str, tuple[str, dict[str, str], int, str]] = {
    "signature, bucket": ("/nowhere/k", SPOIL, 403, "SignatureDoesNotMatch"),
    "bucket, key": ("/nowhere/none", {}, 404, "NoSuchBucket"),
    "bucket, version": ("/nowhere/k?versionId=x", {}, 404, "NoSuchBucket"),
    "version, key": ("/first/none?versionId=x", {}, 400, "InvalidArgument"),
    "key, range": ("/first/none", FAR, 404, "NoSuchKey"),
    "key, condition": ("/first/none", ETAG, 404, "NoSuchKey"),
    "condition, range": ("/first/k", {**ETAG, **FAR}, 412, "PreconditionFailed"),
    "not modified, range": ("/first/k", {**SAME, **FAR}, 304, ""),
    "condition, not modified": ("/first/k", {**ETAG, **SAME}, 412, "PreconditionFailed"),
    "part number, key": ("/first/none?partNumber=0", {}, 400, "InvalidArgument"),
    "part number, condition": ("/first/k?partNumber=0", ETAG, 400, "InvalidArgument"),
    "part number and range, key": ("/first/none?partNumber=1", FAR, 400, "InvalidRequest"),
    "part number and range, condition": (
        "/first/k?partNumber=1", {**ETAG, **FAR}, 400, "InvalidRequest",
    ),
    "condition, part": ("/first/k?partNumber=7", ETAG, 412, "PreconditionFailed"),
    "bucket, page": ("/nowhere?list-type=2&continuation-token=x", {}, 404, "NoSuchBucket"),
    "upload, page": ("/first/p?uploadId=none&max-parts=-1", {}, 404, "NoSuchUpload"),
}  # fmt: skip


@pytest.mark.parametrize("name", GETS)
def test_gets(server: Any, upload: str, name: str) -> None:
    path, given, status, code = GETS[name]
    answer = ask(server, "GET", path, given, b"")
    assert (answer.status, answer.code) == (status, code)


COPIES: dict[str, tuple[dict[str, str], str]] = {
    "bucket, source": ({"x-amz-copy-source": "nowhere-either/k"}, "NoSuchBucket"),
    "directive, source": (
        {"x-amz-copy-source": "first/none", "x-amz-metadata-directive": "X"}, "InvalidArgument",
    ),
    "metadata, source": (
        {"x-amz-copy-source": "first/none", "x-amz-meta-a": "x" * 3000}, "MetadataTooLarge",
    ),
    "condition that S3 has not, source": (
        {"x-amz-copy-source": "first/none", **BOTH}, "NotImplemented",
    ),
    "source, condition": ({"x-amz-copy-source": "first/none", **ETAG}, "NoSuchKey"),
    "source's condition, condition": (
        {"x-amz-copy-source": "first/k", "x-amz-copy-source-if-match": "x", "If-None-Match": "*"},
        "PreconditionFailed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COPIES)
def test_copies(server: Any, upload: str, name: str) -> None:
    given, code = COPIES[name]
    assert ask(server, "PUT", "/first/k", given, b"").code == code


def test_a_copy_names_the_bucket_that_is_not_there(server: Any, upload: str) -> None:
    given = {"x-amz-copy-source": "nowhere-either/k"}
    answer = ask(server, "PUT", "/nowhere/k", given, b"")
    assert b"<BucketName>nowhere</BucketName>" in answer.body
    answer = ask(server, "PUT", "/first/k", given, b"")
    assert b"<BucketName>nowhere-either</BucketName>" in answer.body
