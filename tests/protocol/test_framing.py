"""Headers that contradict each other about a body: refused, or resolved as S3 does; nothing half-told is stored."""

from __future__ import annotations

import base64
import hashlib
import http.client
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from tests.protocol import wire
from tests.protocol.wire import Answer, blobs

DATA = b"abc"
CRC = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
SHA = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
END = f"0\r\nx-amz-checksum-crc32:{CRC}\r\n\r\n".encode()
FRAMED = b"3\r\nabc\r\n" + END
BARE = b"3\r\nabc\r\n0\r\n\r\n"
"""Framed, without a trailing checksum."""
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
HASH = hashlib.sha256(FRAMED).hexdigest()
AWS_CHUNKED = {
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "3",
    "x-amz-trailer": "x-amz-checksum-crc32",
}


@pytest.fixture(scope="module")
def bucket(client):
    client("s3").create_bucket(Bucket="framed")
    return "framed"


@pytest.fixture(scope="module")
def part(client, bucket) -> str:
    upload = client("s3").create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    return f"/framed/parts?partNumber=1&uploadId={upload}"


def put(server: Any, mode: str, given: dict[str, str | None], body: bytes, path: str) -> Answer:
    """The answer to an upload whose headers are AWS_CHUNKED with `given`; None leaves one out."""
    headers = {**AWS_CHUNKED, **given, "x-amz-content-sha256": mode}
    sent = {name: value for name, value in headers.items() if value is not None}
    return wire.send(server, "PUT", path, wire.headers(server, "PUT", path, sent), body)


NONE: dict[str, str | None] = dict.fromkeys(AWS_CHUNKED)
NO_TRAILER: dict[str, str | None] = {"x-amz-trailer": None}
CONTRADICTIONS: dict[str, tuple[str, dict[str, str | None], bytes, int, str]] = {
    "unsigned": (UNSIGNED, {}, FRAMED, 400, "InvalidArgument"),
    "unsigned, in a list": (
        UNSIGNED, {"Content-Encoding": "gzip, AWS-Chunked"}, FRAMED, 400, "InvalidArgument",
    ),
    "unsigned, the encoding alone": (
        UNSIGNED, {**NONE, "Content-Encoding": "aws-chunked"}, FRAMED, 400, "InvalidArgument",
    ),
    "unsigned, the trailer alone": (
        UNSIGNED, {**NONE, "x-amz-trailer": "x-amz-checksum-crc32"}, FRAMED, 400, "InvalidRequest",
    ),
    "unsigned, the length alone": (
        UNSIGNED, {**NONE, "x-amz-decoded-content-length": "3"}, FRAMED, 400, "InvalidArgument",
    ),
    "a hash": (HASH, {}, FRAMED, 400, "InvalidRequest"),
    "a hash, no trailer": (HASH, NO_TRAILER, FRAMED, 400, "InvalidArgument"),
    "no such mode": ("STREAMING-ANYTHING", {}, FRAMED, 501, "NotImplemented"),
    "length missing": (STREAMING, {"x-amz-decoded-content-length": None}, FRAMED, 411, "MissingContentLength"),
    "length empty": (STREAMING, {"x-amz-decoded-content-length": ""}, FRAMED, 411, "MissingContentLength"),
    "length a word": (STREAMING, {"x-amz-decoded-content-length": "3x"}, FRAMED, 411, "MissingContentLength"),
    "length negative": (STREAMING, {"x-amz-decoded-content-length": "-3"}, FRAMED, 411, "MissingContentLength"),
    "length twice": (STREAMING, {"x-amz-decoded-content-length": "3,3"}, FRAMED, 411, "MissingContentLength"),
    "length too small": (STREAMING, {"x-amz-decoded-content-length": "2"}, FRAMED, 400, "IncompleteBody"),
    "length too large": (STREAMING, {"x-amz-decoded-content-length": "4"}, FRAMED, 400, "IncompleteBody"),
    "length beyond all bounds": (
        STREAMING, {"x-amz-decoded-content-length": "9" * 20}, FRAMED, 400, "EntityTooLarge",
    ),
    "trailer declared, not sent": (STREAMING, {}, BARE, 400, "MalformedTrailerError"),
    "trailer sent, not declared": (STREAMING, NO_TRAILER, FRAMED, 400, "MalformedTrailerError"),
    "trailer of another name": (
        STREAMING, {"x-amz-trailer": "x-amz-checksum-sha1"}, FRAMED, 400, "MalformedTrailerError",
    ),
    "trailer that S3 has not": (STREAMING, {"x-amz-trailer": "x-amz-meta-a"}, FRAMED, 400, "InvalidRequest"),
    "trailer without a name": (STREAMING, {}, FRAMED.replace(b"x-amz-checksum-crc32", b""), 400, "MalformedTrailerError"),
    "trailer without a value": (STREAMING, {}, BARE[:-2] + b"x-amz-checksum-crc32\r\n\r\n", 400, "MalformedTrailerError"),
    "trailer sent twice": (STREAMING, {}, BARE[:-2] + END[3:-2] * 2 + b"\r\n", 400, "MalformedTrailerError"),
    "trailer wrong": (STREAMING, {}, FRAMED.replace(CRC.encode(), b"AAAAAA=="), 400, "BadDigest"),
    "trailer no checksum": (STREAMING, {}, FRAMED.replace(CRC.encode(), b"AAAA"), 400, "InvalidRequest"),
    "two trailers": (
        STREAMING, {"x-amz-trailer": "x-amz-checksum-crc32,x-amz-checksum-sha1"}, FRAMED, 400, "InvalidRequest",
    ),
    "trailer and header": (STREAMING, {"x-amz-checksum-sha256": SHA}, FRAMED, 400, "InvalidRequest"),
    "trailer and the same header": (STREAMING, {"x-amz-checksum-crc32": CRC}, FRAMED, 400, "InvalidRequest"),
    "trailer of another algorithm than said": (
        STREAMING, {"x-amz-sdk-checksum-algorithm": "SHA1"}, FRAMED, 400, "InvalidRequest",
    ),
    "two checksums": (
        UNSIGNED, {**NONE, "x-amz-checksum-crc32": CRC, "x-amz-checksum-sha256": SHA}, DATA, 400, "InvalidRequest",
    ),
    "two checksums, both empty": (
        UNSIGNED, {**NONE, "x-amz-checksum-crc32": "", "x-amz-checksum-sha256": ""}, DATA, 400, "InvalidRequest",
    ),
    "a checksum of another algorithm than said": (
        UNSIGNED, {**NONE, "x-amz-checksum-crc32": CRC, "x-amz-sdk-checksum-algorithm": "SHA256"}, DATA, 400, "InvalidRequest",
    ),
    "an algorithm without a checksum": (
        UNSIGNED, {**NONE, "x-amz-sdk-checksum-algorithm": "SHA256"}, DATA, 400, "InvalidRequest",
    ),
    "a digest and a checksum, one wrong": (
        UNSIGNED, {**NONE, "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==", "x-amz-checksum-crc32": CRC}, DATA, 400, "BadDigest",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["object", "part"])
@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_refused(server, bucket, part, client, kind, name):
    mode, given, body, status, code = CONTRADICTIONS[name]
    before = blobs(server)
    answer = put(server, mode, given, body, "/framed/refused" if kind == "object" else part)
    assert (answer.status, answer.code) == (status, code)
    assert blobs(server) == before
    listed = client("s3").list_objects_v2(Bucket=bucket, Prefix="refused")
    assert listed["KeyCount"] == 0


RESOLVED: dict[str, tuple[str, dict[str, str | None], bytes, str | None]] = {
    "as SDKs send it": (STREAMING, {}, FRAMED, None),
    "without Content-Encoding": (STREAMING, {"Content-Encoding": None}, FRAMED, None),
    "without a trailer": (STREAMING, NO_TRAILER, BARE, None),
    "a checksum header in a trailer's place": (
        STREAMING, {**NO_TRAILER, "x-amz-checksum-sha256": SHA}, BARE, None,
    ),
    "gzip first": (STREAMING, {"Content-Encoding": "gzip,aws-chunked"}, FRAMED, "gzip"),
    "gzip last": (STREAMING, {"Content-Encoding": "aws-chunked, gzip"}, FRAMED, "gzip"),
    "upper case": (STREAMING, {"Content-Encoding": "AWS-CHUNKED"}, FRAMED, None),
    "upper case in a list": (STREAMING, {"Content-Encoding": "gzip,AWS-Chunked,br"}, FRAMED, "gzip,br"),
    "the algorithm of the trailer": (STREAMING, {"x-amz-sdk-checksum-algorithm": "CRC32"}, FRAMED, None),
    "a trailer's name in upper case": (STREAMING, {"x-amz-trailer": "X-Amz-Checksum-CRC32"}, FRAMED, None),
    "a length that is the body's": (UNSIGNED, {**NONE, "x-amz-decoded-content-length": "3"}, DATA, None),
    "an encoding that only says so": (
        hashlib.sha256(DATA).hexdigest(), {**NONE, "Content-Encoding": "aws-chunked"}, DATA, "aws-chunked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESOLVED)
def test_what_is_plain_enough_is_stored_without_its_framing(server, bucket, part, client, name):
    mode, given, body, encoding = RESOLVED[name]
    s3 = client("s3")
    assert put(server, mode, given, body, "/framed/resolved").status == 200
    found = s3.get_object(Bucket=bucket, Key="resolved")
    assert found["Body"].read() == DATA
    assert found.get("ContentEncoding") == encoding
    assert put(server, mode, given, body, part).headers["ETag"] == found["ETag"]


def test_documents_are_not_framed(server, bucket):
    path, body = "/framed?tagging=", b"<Tagging/>"
    framed = b"a\r\n" + body + b"\r\n0\r\n\r\n"
    given = {"x-amz-content-sha256": STREAMING, "x-amz-decoded-content-length": "10"}
    answer = wire.send(server, "PUT", path, wire.headers(server, "PUT", path, given), framed)
    assert (answer.status, answer.code) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/framed/k"), ("HEAD", "/framed"), ("DELETE", "/framed/k"), ("POST", "/framed/k?uploadId=x")],
)  # fmt: skip
def test_a_copy_source_where_nothing_is_copied(server, bucket, method, path):
    found = wire.headers(server, method, path, {"x-amz-copy-source": "framed/k"})
    answer = wire.send(server, method, path, found)
    assert (answer.status, answer.code) == (400, "" if method == "HEAD" else "InvalidArgument")


# Presigned ----------------------------------------------------------------------------------------


def presigned(client: Any, version: str = "s3v4", **given: str) -> str:
    s3 = client("s3", config=Config(signature_version=version))
    return s3.generate_presigned_url("put_object", {"Bucket": "framed", "Key": "url", **given})


def by_url(url: str, headers: dict[str, str], body: Any) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    chunked = not isinstance(body, bytes)
    if chunked:
        headers = {"Transfer-Encoding": "chunked", **headers}
    connection.request("PUT", f"{parts.path}?{parts.query}", body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    found = Answer(response.status, dict(response.getheaders()), response.read())
    connection.close()
    return found


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_upload_is_not_framed(bucket, client, version):
    headers = {"Content-Encoding": "aws-chunked"}
    answer = by_url(presigned(client, version), headers, FRAMED)
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert b"<ArgumentName>Content-Encoding</ArgumentName>" in answer.body


def test_a_hash_in_the_url_holds_whatever_a_header_says(server, bucket):
    key, secret = server.world.credentials.user_key
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    sha = hashlib.sha256(DATA).hexdigest()
    made = AWSRequest("PUT", f"{server.url}/framed/hashed", params={"X-Amz-Content-Sha256": sha})
    signer = S3SigV4QueryAuth(Credentials(key, secret), "s3", "us-east-1", expires=60)
    setattr(signer, "payload", lambda request: sha)  # noqa: B010
    signer.add_auth(made)
    url = made.prepare().url
    assert by_url(url, {}, b"xyz").code == "XAmzContentSHA256Mismatch"
    answer = by_url(url, {"x-amz-content-sha256": UNSIGNED}, b"xyz")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert by_url(url, {}, DATA).status == 200


# Transfer codings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_body_without_a_length_is_not_implemented(bucket, client, version):
    answer = by_url(presigned(client, version), {}, iter([DATA]))
    assert (answer.status, answer.code) == (501, "NotImplemented")
    assert b"<Header>Transfer-Encoding</Header>" in answer.body
    coded = by_url(presigned(client, version), {"Transfer-Encoding": "gzip, chunked"}, iter([DATA]))
    assert (coded.status, coded.code) == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/framed/k"), ("PUT", "/framed?tagging="), ("POST", "/framed?delete="), ("GET", "/framed/k")],
)  # fmt: skip
def test_no_request_of_s3_is_chunked_by_http(server, bucket, method, path):
    found = wire.headers(server, method, path, {"x-amz-content-sha256": UNSIGNED})
    answer = wire.send(server, method, path, found, iter([DATA]))
    assert (answer.status, answer.code) == (501, "NotImplemented")


def test_a_framed_body_may_be_chunked_by_http_too(server, bucket, client):
    given = {**AWS_CHUNKED, "x-amz-content-sha256": STREAMING}
    found = wire.headers(server, "PUT", "/framed/both", given)
    assert (
        wire.send(server, "PUT", "/framed/both", found, iter([FRAMED[:5], FRAMED[5:]])).status
        == 200
    )
    assert client("s3").get_object(Bucket=bucket, Key="both")["Body"].read() == DATA


def test_other_services_take_chunks_and_no_other_coding(server):
    given = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    found = wire.headers(server, "POST", "/", given, "sagemaker", b"{}")
    assert wire.send(server, "POST", "/", found, iter([b"{", b"}"])).status == 200
    with wire.connect(server) as sock:
        head = wire.head_of("POST", "/", {**found, "Transfer-Encoding": "gzip, chunked"})
        sock.sendall(head + b"2\r\n{}\r\n0\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 501 ")


def test_an_upload_has_a_length(server, bucket):
    found = wire.headers(server, "PUT", "/framed/none", {"x-amz-content-sha256": UNSIGNED})
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("PUT", "/framed/none", found))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"<Code>MissingContentLength</Code>" in answer


# Headers sent twice -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Content-Length: 3", 400),
        ("Content-Length: 4", 400),
        ("Transfer-Encoding: chunked", 400),
        ("Host: localhost", 400),
        ("X-Amz-Content-SHA256: UNSIGNED-PAYLOAD", 400),
        ("X-Amz-Date: 20260101T000000Z", 403),
        ("Authorization: {Authorization}", 400),
        ("Authorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request,"
         " SignedHeaders=host, Signature=0", 400),
        ("Authorization: Bearer token", 400),
    ],
)  # fmt: skip
def test_a_header_sent_twice(server, bucket, client, line, status):
    found = wire.headers(server, "PUT", "/framed/twice", {"x-amz-content-sha256": UNSIGNED})
    found["Content-Length"] = "3"
    head = wire.head_of("PUT", "/framed/twice", found)[:-2]
    with wire.connect(server) as sock:
        sock.sendall(head + line.format(**found).encode() + b"\r\n\r\nabc")
        assert int(sock.recv(65536).split(b" ", 2)[1]) == status
    assert client("s3").list_objects_v2(Bucket=bucket, Prefix="twice")["KeyCount"] == 0


def test_two_signatures(server, bucket, client):
    found = wire.headers(server, "PUT", "/framed/twice", {"x-amz-content-sha256": UNSIGNED})
    for version in ("s3v4", "s3"):
        answer = by_url(presigned(client, version), {"Authorization": found["Authorization"]}, DATA)
        assert (answer.status, answer.code) == (400, "InvalidArgument")
    both = f"{presigned(client)}&{urlsplit(presigned(client, 's3')).query}"
    assert by_url(both, {}, DATA).code == "InvalidArgument"


def test_bytes_that_are_no_text_are_a_wrong_signature(server, bucket, client):
    found = wire.headers(server, "PUT", "/framed/bytes", body=b"")
    head = wire.head_of("PUT", "/framed/bytes", {**found, "Content-Length": "0"})
    at = head.index(b"Signature=") + 10
    query = urlsplit(presigned(client, "s3")).query.encode()
    old = b"PUT /framed/url?" + query + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
    for request in (head[:at] + b"\xff" + head[at + 1 :], old + b"x-amz-meta-a: \xff\r\n\r\n"):
        with wire.connect(server) as sock:
            sock.sendall(request)
            assert sock.recv(65536).startswith(b"HTTP/1.1 403 ")
