"""The door by raw HTTP and real clients: bodies, hosts, keep-alive, refusals, what is told after."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.protocol.hosts import Hosts
from tests.conftest import make_settings
from tests.protocol import wire

MIB = 1 << 20


@pytest.fixture(scope="module")
def bucket(client):
    client("s3").create_bucket(Bucket="door")
    return "door"


def blobs(server) -> list[Path]:
    """The files of the object store."""
    return [p for p in server.world.objects.root.rglob("*") if p.is_file()]


def settled(condition, seconds=10.0) -> bool:
    """Whether the condition became true in time; for what happens after an answer was cut off."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def lines(server) -> list[dict]:
    path = server.app.settings.home / "logs" / "access.log"
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(server, request_id) -> dict:
    """The access line of that request; lines follow the answer, a few at a time."""
    found: list[dict] = []

    def there() -> bool:
        found[:] = [line for line in lines(server) if line["id"] == request_id]
        return bool(found)

    assert settled(there)
    return found[0]


# Bodies -------------------------------------------------------------------------------------------


def test_anonymous_body_is_not_taken(server, bucket):
    before = blobs(server)
    with wire.connect(server) as sock:
        found = {"Host": "localhost", "Content-Length": str(50 * MIB), "Expect": "100-continue"}
        sock.sendall(wire.head_of("PUT", "/door/x", found))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"<Code>AccessDenied</Code>" in answer
    with wire.connect(server) as sock:  # without waiting to be told
        del found["Expect"]
        sock.sendall(wire.head_of("PUT", "/door/x", found) + b"x" * MIB)
        assert sock.recv(65536).startswith(b"HTTP/1.1 403 ")
    assert blobs(server) == before


def test_expect_is_answered_when_the_headers_are_right(server, bucket):
    body = b"data" * 1000
    found = wire.headers(server, "PUT", "/door/expected", body=body)
    found |= {"Content-Length": str(len(body)), "Expect": "100-continue"}
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("PUT", "/door/expected", found))
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("size", [10, 5 * MIB])
def test_body_that_is_not_what_was_signed(server, bucket, size):
    before = blobs(server)
    found = wire.headers(server, "PUT", "/door/x", body=b"a" * size)
    answer = wire.send(server, "PUT", "/door/x", found, b"b" * size)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert blobs(server) == before


def declared(server, body, **more):
    given = {name.replace("_", "-"): value for name, value in more.items()}
    found = wire.headers(server, "PUT", "/door/digest", given, body=body)
    return wire.send(server, "PUT", "/door/digest", found, body)


def test_content_md5(server, bucket):
    def text(data):
        return base64.b64encode(hashlib.md5(data).digest()).decode()

    assert declared(server, b"one", Content_MD5=text(b"one")).status == 200
    assert declared(server, b"one", Content_MD5=text(b"two")).code == "BadDigest"
    assert declared(server, b"one", Content_MD5="nonsense").code == "InvalidDigest"


def test_checksums(server, bucket):
    def text(data):
        return base64.b64encode(hashlib.sha256(data).digest()).decode()

    assert declared(server, b"one", x_amz_checksum_sha256=text(b"one")).status == 200
    assert declared(server, b"one", x_amz_checksum_sha256=text(b"two")).code == "BadDigest"
    assert declared(server, b"one", x_amz_checksum_crc32="AAAA").code == "InvalidRequest"
    assert declared(server, b"one", x_amz_checksum_crc32="AAAAAA==").code == "BadDigest"


def test_unsigned_payload(server, bucket):
    found = wire.headers(
        server, "PUT", "/door/unsigned", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    )
    assert wire.send(server, "PUT", "/door/unsigned", found, b"anything").status == 200


@pytest.mark.parametrize("said", ["", "abc", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"])
def test_payload_words_that_mean_nothing(server, bucket, said):
    found = wire.headers(server, "PUT", "/door/x", {"x-amz-content-sha256": said})
    answer = wire.send(server, "PUT", "/door/x", found, b"")
    assert answer.status in (400, 501)
    assert answer.code in ("InvalidArgument", "NotImplemented")


def test_length_is_needed(server, bucket):
    found = wire.headers(server, "PUT", "/door/x", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    answer = wire.send(server, "PUT", "/door/x", found, iter([b"abc"]))
    assert (answer.status, answer.code) == (411, "MissingContentLength")


def test_put_larger_than_s3_takes(server, bucket):
    found = wire.headers(server, "PUT", "/door/x", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    found |= {"Content-Length": str(5 * 1024**3 + 1), "Expect": "100-continue"}
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("PUT", "/door/x", found))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>EntityTooLarge</Code>" in answer


def test_document_larger_than_the_cap(server):
    body = json.dumps({"NameContains": "x" * (17 * MIB)}).encode()
    given = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    found = wire.headers(server, "POST", "/", given, "sagemaker", body)
    found["Content-Length"] = str(len(body))
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("POST", "/", found))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"RequestEntityTooLargeException" in answer


def test_client_that_leaves_in_mid_upload(server, bucket):
    before = blobs(server)
    found = wire.headers(server, "PUT", "/door/left", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    found["Content-Length"] = str(20 * MIB)
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("PUT", "/door/left", found) + b"x" * (5 * MIB))
        assert settled(lambda: len(blobs(server)) > len(before))
    assert settled(lambda: blobs(server) == before)
    assert settled(lambda: any(line["code"] == "ClientDisconnected" for line in lines(server)))


def test_reader_that_leaves_in_mid_download(server, bucket, client):
    client("s3").put_object(Bucket="door", Key="large", Body=b"x" * (30 * MIB))
    for _ in range(3):
        body = client("s3").get_object(Bucket="door", Key="large")["Body"]
        body.read(1000)
        body.close()
    assert client("s3").head_object(Bucket="door", Key="large")["ContentLength"] == 30 * MIB


# aws-chunked --------------------------------------------------------------------------------------


def chunks(server, data, found, size=65536, spoil=None, trailer=""):
    """`data` as signed chunks; `spoil` names what is made wrong."""
    claim, previous = wire.claim(found)
    key = wire.signing_key(server, claim)
    from sagebrush.protocol import sigv4

    out = b""
    pieces = [data[i : i + size] for i in range(0, len(data), size)] + [b""]
    for number, piece in enumerate(pieces):
        previous = sigv4.chunk_signature(key, claim, previous, hashlib.sha256(piece).hexdigest())
        shown = "0" * 64 if spoil == number else previous
        out += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece
        out += b"\r\n" if piece or not trailer else b""
    if trailer:
        signature = sigv4.trailer_signature(key, claim, previous, f"{trailer}\n".encode())
        shown = "0" * 64 if spoil == "trailer" else signature
        out += f"{trailer}\r\nx-amz-trailer-signature:{shown}\r\n\r\n".encode()
    return out


def streamed(server, data, mode, body=None, more=None, **options):
    given = {
        "x-amz-content-sha256": mode,
        "x-amz-decoded-content-length": str(len(data)),
        "Content-Encoding": "aws-chunked,gzip",
        **(more or {}),
    }
    found = wire.headers(server, "PUT", "/door/chunked", given)
    sent = chunks(server, data, found, **options) if body is None else body
    return wire.send(server, "PUT", "/door/chunked", found, sent)


SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3 * MIB + 5])
def test_signed_chunks(server, bucket, client, size):
    data = bytes(i % 251 for i in range(size))
    answer = streamed(server, data, SIGNED)
    assert (answer.status, answer.code) == (200, "")
    found = client("s3").get_object(Bucket="door", Key="chunked")
    assert found["Body"].read() == data
    assert found["ContentEncoding"] == "gzip"


@pytest.mark.parametrize("spoil", [0, 1, 2])
def test_chunk_with_a_wrong_signature(server, bucket, spoil):
    before = blobs(server)
    answer = streamed(server, b"x" * 100_000, SIGNED, spoil=spoil)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert blobs(server) == before


def crc32(data):
    import zlib

    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_signed_trailer(server, bucket, client):
    mode, data = SIGNED + "-TRAILER", b"x" * 100_000
    more = {"x-amz-trailer": "x-amz-checksum-crc32"}
    trailer = f"x-amz-checksum-crc32:{crc32(data)}"
    assert streamed(server, data, mode, more=more, trailer=trailer).status == 200
    head = client("s3").head_object(Bucket="door", Key="chunked", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc32(data)
    answer = streamed(server, data, mode, more=more, trailer=trailer, spoil="trailer")
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    wrong = f"x-amz-checksum-crc32:{crc32(b'other')}"
    assert streamed(server, data, mode, more=more, trailer=wrong).code == "BadDigest"


def test_unsigned_trailer(server, bucket):
    data, more = b"x" * 20_000, {"x-amz-trailer": "x-amz-checksum-crc32"}
    head = f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n"
    right = head + f"x-amz-checksum-crc32:{crc32(data)}\r\n\r\n".encode()
    wrong = head + f"x-amz-checksum-crc32:{crc32(b'')}\r\n\r\n".encode()
    assert streamed(server, data, UNSIGNED, right, more).status == 200
    assert streamed(server, data, UNSIGNED, wrong, more).code == "BadDigest"
    assert streamed(server, data, UNSIGNED, head + b"\r\n", more).code == "MalformedTrailerError"


MALFORMED = {
    "no size": (b"x" * 10, b"\r\n", "InvalidRequest"),
    "not hexadecimal": (b"x" * 10, b"zz\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n", "InvalidRequest"),
    "negative": (b"x" * 10, b"-a\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n", "InvalidRequest"),
    "no end": (b"x" * 10, b"a\r\n" + b"x" * 10 + b"\r\n", "IncompleteBody"),
    "cut short": (b"x" * 10, b"a\r\nxxx", "IncompleteBody"),
    "too few": (b"x" * 10, b"5\r\nxxxxx\r\n0\r\n\r\n", "IncompleteBody"),
    "too many": (b"x" * 10, b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n", "IncompleteBody"),
    "longer than its size": (b"x" * 10, b"a\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n", "InvalidRequest"),
    "small chunk first": (
        b"x" * 200,
        b"64\r\n" + b"x" * 100 + b"\r\n64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
        "InvalidChunkSizeError",
    ),
    "endless line": (b"x" * 10, b"a;" + b"x" * 100_000, "InvalidRequest"),
    "huge size": (b"x" * 10, b"f" * 40 + b"\r\n", "InvalidRequest"),
    "bytes after the end": (b"", b"0\r\n\r\nmore\r\n", "InvalidRequest"),
    "nothing": (b"x" * 10, b"", "IncompleteBody"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_chunks(server, bucket, name):
    before = blobs(server)
    data, body, code = MALFORMED[name]
    answer = streamed(server, data, UNSIGNED, body)
    assert answer.code == code
    assert 400 <= answer.status < 500
    assert blobs(server) == before


def test_chunks_without_a_decoded_length(server, bucket):
    found = wire.headers(server, "PUT", "/door/x", {"x-amz-content-sha256": UNSIGNED})
    answer = wire.send(server, "PUT", "/door/x", found, b"0\r\n\r\n")
    assert (answer.status, answer.code) == (411, "MissingContentLength")


def test_boto3_streams_what_cannot_be_sought(server, bucket, client):
    import io

    class Pipe(io.RawIOBase):
        left = 3 * MIB

        def readable(self):
            return True

        def read(self, size=-1):
            size = self.left if size < 0 else min(size, self.left)
            self.left -= size
            return b"y" * size

    client("s3").upload_fileobj(Pipe(), "door", "piped")
    assert client("s3").get_object(Bucket="door", Key="piped")["Body"].read() == b"y" * 3 * MIB


# Connections --------------------------------------------------------------------------------------


def test_keep_alive_and_head(server, bucket, client):
    client("s3").put_object(Bucket="door", Key="k", Body=b"0123456789")
    with wire.connect(server) as sock:
        for _ in range(3):
            sock.sendall(wire.head_of("HEAD", "/door/k", wire.headers(server, "HEAD", "/door/k")))
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"content-length: 10\r\n" in answer.lower()
            assert answer.endswith(b"\r\n\r\n")
            missing = wire.headers(server, "HEAD", "/door/none")
            sock.sendall(wire.head_of("HEAD", "/door/none", missing))
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 404 ")
            assert answer.endswith(b"\r\n\r\n")
        sock.sendall(wire.head_of("GET", "/door/k", wire.headers(server, "GET", "/door/k")))
        assert sock.recv(65536).endswith(b"0123456789")


def test_ipv6(server, bucket):
    url = f"http://[::1]:{server.app.port}"
    assert server.client("s3", endpoint_url=url).list_objects_v2(Bucket="door")["KeyCount"] > 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", ""])
def test_foreign_host(server, host):
    answer = wire.send(server, "GET", "/", {"Host": host})
    assert answer.status == 421
    assert wire.send(server, "GET", "/_sagebrush/health", {"Host": host}).status == 421


def test_hosts(tmp_path):
    hosts = Hosts(make_settings(tmp_path, hosts="box.lan"))
    known = [
        "localhost",
        "LOCALHOST:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "b.localhost",
        "box.lan",
    ]
    assert all(hosts.known(name) for name in known)
    assert not any(hosts.known(name) for name in ["lan", "xbox.lan", "10.0.0.1", "[fe80::1]"])
    assert hosts.bucket("b.s3.localhost:4566") == "b"
    assert hosts.bucket("my.dotted.bucket.s3.us-east-1.localhost") == "my.dotted.bucket"
    assert hosts.bucket("my.dotted.bucket.localhost") == "my.dotted.bucket"
    assert hosts.bucket("b.box.lan") == "b"
    assert hosts.bucket("s3.localhost") is None
    assert hosts.bucket("localhost") is None
    assert hosts.bucket("127.0.0.1:4566") is None


def test_virtual_host(server, bucket):
    path = "/a%20key"
    given = {"Host": f"door.s3.localhost:{server.app.port}"}
    key, secret = server.world.credentials.user_key
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    for method, body in (("PUT", b"virtual"), ("GET", b"")):
        made = AWSRequest(method, f"http://{given['Host']}{path}", dict(given), body)
        S3SigV4Auth(Credentials(key, secret), "s3", "us-east-1").add_auth(made)
        answer = wire.send(server, method, path, dict(made.headers.items()), body)
        assert answer.status == 200
    assert answer.body == b"virtual"


def test_tls(server):
    bundle = server.app.settings.home / "keys" / "ca-bundle.pem"
    sts = server.client(
        "sts",
        endpoint_url=f"https://localhost:{server.app.tls_port}",
        verify=str(bundle),
    )
    assert sts.get_caller_identity()["Account"] == "123456789012"
    context = ssl.create_default_context(cafile=str(bundle))
    for host in ("localhost", "127.0.0.1", "[::1]"):
        url = f"https://{host}:{server.app.tls_port}/_sagebrush/health"
        assert urllib.request.urlopen(url, context=context).status == 200


# Refusals by real clients -------------------------------------------------------------------------


def refused(call, **given):
    with pytest.raises(ClientError) as info:
        call(**given)
    found = info.value.response
    return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "call", "unknown", "mismatch"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("iam", "list_roles", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("sagemaker", "list_models", "UnrecognizedClientException", "InvalidSignatureException"),
        (
            "logs",
            "describe_log_groups",
            "UnrecognizedClientException",
            "InvalidSignatureException",
        ),
    ],
)
def test_keys_of_others(server, service, call, unknown, mismatch):
    other = server.client(
        service, aws_access_key_id="AKIANOBODYATALL", aws_secret_access_key="secret"
    )
    assert refused(getattr(other, call)) == (unknown, 403)
    key = server.world.credentials.user_key[0]
    wrong = server.client(service, aws_access_key_id=key, aws_secret_access_key="secret")
    assert refused(getattr(wrong, call)) == (mismatch, 403)
    stale = server.client(service, aws_session_token="stale")
    assert refused(getattr(stale, call)) == (unknown, 403)


def test_unsigned_by_boto3(server):
    from botocore import UNSIGNED as unsigned

    given = Config(signature_version=unsigned, retries={"total_max_attempts": 1})
    anonymous = boto3.session.Session().client(
        "s3", endpoint_url=server.url, region_name="us-east-1", config=given
    )
    assert refused(anonymous.list_buckets) == ("AccessDenied", 403)
    anonymous = boto3.session.Session().client(
        "sts", endpoint_url=server.url, region_name="us-east-1", config=given
    )
    assert refused(anonymous.get_caller_identity) == ("MissingAuthenticationToken", 403)
    anonymous = boto3.session.Session().client(
        "sagemaker", endpoint_url=server.url, region_name="us-east-1", config=given
    )
    assert refused(anonymous.list_models) == ("MissingAuthenticationTokenException", 403)


def test_another_region(server):
    code, status = refused(server.client("sagemaker", region_name="eu-west-1").list_models)
    assert (code, status) == ("InvalidSignatureException", 403)
    code, status = refused(server.client("s3", region_name="eu-west-1").list_buckets)
    assert (code, status) == ("AuthorizationHeaderMalformed", 400)


def test_presigned_urls(server, bucket, client):
    s3 = client("s3", config=Config(signature_version="s3v4"))
    put = s3.generate_presigned_url("put_object", {"Bucket": "door", "Key": "ü b/+1"})
    request = urllib.request.Request(put, data=b"by url", method="PUT")
    assert urllib.request.urlopen(request).status == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": "door", "Key": "ü b/+1"})
    assert urllib.request.urlopen(get).read() == b"by url"
    with pytest.raises(urllib.error.HTTPError) as info:
        urllib.request.urlopen(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))
    assert info.value.code == 403
    sts = client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert b"assumed-role" in urllib.request.urlopen(sts).read()


def test_what_is_not_offered_is_named(client):
    with pytest.raises(ClientError) as info:
        client("sagemaker").list_hubs()
    assert info.value.response["Error"]["Code"] == "NotImplemented"
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "ListHubs" in str(info.value)
    with pytest.raises(ClientError) as info:
        client("dynamodb").list_tables()
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "dynamodb" in str(info.value)


# Faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "code", "status"),
    [
        (RuntimeError("secret=hunter2"), "InternalFailure", 500),
        (OSError(28, "No space left on device"), "StorageFull", 507),
        (sqlite3.OperationalError("database or disk is full"), "StorageFull", 507),
    ],
)
def test_faults(server, client, monkeypatch, caplog, problem, code, status):
    def fail(ctx, request):
        raise problem

    monkeypatch.setitem(server.world.operations, ("sts", "GetCallerIdentity"), fail)
    monkeypatch.setitem(server.world.operations, ("s3", "ListBuckets"), fail)
    with pytest.raises(ClientError) as info:
        client("sts").get_caller_identity()
    entry = told(server, info.value.response["ResponseMetadata"]["RequestId"])
    assert info.value.response["Error"]["Code"] == code
    assert (entry["code"], entry["status"]) == (code, status)
    assert entry["id"] in caplog.text
    assert "Traceback" in caplog.text
    s3_code = "InternalError" if status == 500 else code
    assert refused(client("s3").list_buckets) == (s3_code, status)


def test_a_full_disk_is_not_repeated_by_sdks(server, monkeypatch):
    calls = []

    def fail(ctx, request):
        calls.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(server.world.operations, ("s3", "ListBuckets"), fail)
    for mode in ("legacy", "standard", "adaptive"):
        calls.clear()
        s3 = server.client("s3", config=Config(retries={"mode": mode}))
        assert refused(s3.list_buckets) == ("StorageFull", 507)
        assert len(calls) == 1


# What is told -------------------------------------------------------------------------------------


def test_access_line(server, client):
    found = client("sts").get_caller_identity()
    entry = told(server, found["ResponseMetadata"]["RequestId"])
    assert (entry["service"], entry["operation"]) == ("sts", "GetCallerIdentity")
    assert (entry["caller"], entry["status"], entry["code"]) == (found["Arn"], 200, "")
    assert 0 < entry["ms"] < 10_000
    with pytest.raises(ClientError) as info:
        client("s3").head_bucket(Bucket="no-such-bucket-here")
    entry = told(server, info.value.response["ResponseMetadata"]["RequestId"])
    assert (entry["operation"], entry["status"]) == ("HeadBucket", 404)
    text = (server.app.settings.home / "logs" / "access.log").read_text()
    assert server.world.credentials.user_key[1] not in text
    assert "AWS4-HMAC-SHA256" not in text


def test_health_and_metrics(server, client):
    answer = wire.send(server, "GET", "/_sagebrush/health", {"Host": "localhost"})
    assert json.loads(answer.body)["status"] == "running"
    client("sts").get_caller_identity()
    answer = wire.send(server, "GET", "/_sagebrush/metrics", {"Host": "localhost"})
    name = b'sagebrush_requests_total{operation="GetCallerIdentity",service="sts",status="200"}'
    assert name in answer.body


def test_container_credentials(server, client):
    role = "arn:aws:iam::123456789012:role/SomeJob"
    token = server.world.credentials.container_token(role)
    path = "/_sagebrush/credentials"
    given = {"Host": "localhost"}
    answer = wire.send(server, "GET", path, {**given, "Authorization": token})
    found = json.loads(answer.body)
    assert found["RoleArn"] == role
    sts = client(
        "sts",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["Token"],
    )
    assert sts.get_caller_identity()["Arn"].split("/")[1] == "SomeJob"
    for wrong in ("", "x", token[:-2], token + "A"):
        answer = wire.send(server, "GET", path, {**given, "Authorization": wrong})
        assert answer.status == 403
