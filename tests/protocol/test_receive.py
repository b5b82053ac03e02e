"""Bodies by raw HTTP: what is not taken, what is compared, chunks and their signatures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import selectors

import pytest

from sagebrush.protocol import patience
from sagebrush.protocol.connections import Descriptors, Limits, Share
from sagebrush.protocol.patience import Patience
from tests.protocol import wire
from tests.protocol.wire import blobs, lines, settled

MIB = 1 << 20


@pytest.fixture(scope="module")
def bucket(client):
    client("s3").create_bucket(Bucket="door")
    return "door"


# Bodies -------------------------------------------------------------------------------------------


def test_anonymous_body_is_not_taken(server, bucket):
    before = blobs(server)
    with wire.connect(server) as sock:
        found = {"Host": "localhost", "Content-Length": str(50 * MIB), "Expect": "100-continue"}
        sock.sendall(wire.head_of("PUT", "/door/x", found))
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"<Code>AccessDenied</Code>" in answer
    assert b"\r\nconnection: close\r\n" in answer.lower()
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
    assert declared(server, b"one", Content_MD5="").code == "InvalidDigest"


def test_a_list_of_deletes_has_a_digest(server, bucket):
    body = b"<Delete><Object><Key>digest</Key></Object></Delete>"
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    for given, status in ((None, 400), ({"Content-MD5": digest}, 200)):
        found = wire.headers(server, "POST", "/door?delete=", given, body=body)
        assert wire.send(server, "POST", "/door?delete=", found, body).status == status


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


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ("", 400, "InvalidRequest"),  # as if it were not there
        ("abc", 400, "InvalidArgument"),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", 501, "NotImplemented"),
    ],
)
def test_payload_words_that_mean_nothing(server, bucket, said, status, code):
    found = wire.headers(server, "PUT", "/door/x", {"x-amz-content-sha256": said})
    answer = wire.send(server, "PUT", "/door/x", found, b"")
    assert (answer.status, answer.code) == (status, code)


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


def test_a_decoded_length_of_thousands_of_digits_is_too_large(server, bucket):
    more = {"x-amz-decoded-content-length": "9" * 5000}
    assert streamed(server, b"", SIGNED, more=more).code == "EntityTooLarge"


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
    other = {"x-amz-trailer": "x-amz-checksum-other"}
    assert streamed(server, data, UNSIGNED, right, other).code == "InvalidRequest"


MALFORMED = {
    "no size": (b"x" * 10, b"\r\n", "IncompleteBody"),
    "not hexadecimal": (b"x" * 10, b"zz\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n", "IncompleteBody"),
    "negative": (b"x" * 10, b"-a\r\n" + b"x" * 10 + b"\r\n0\r\n\r\n", "IncompleteBody"),
    "no end": (b"x" * 10, b"a\r\n" + b"x" * 10 + b"\r\n", "IncompleteBody"),
    "cut short": (b"x" * 10, b"a\r\nxxx", "IncompleteBody"),
    "too few": (b"x" * 10, b"5\r\nxxxxx\r\n0\r\n\r\n", "IncompleteBody"),
    "too many": (b"x" * 10, b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n", "IncompleteBody"),
    "longer than its size": (b"x" * 10, b"a\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n", "IncompleteBody"),
    "small chunk first": (
        b"x" * 200,
        b"64\r\n" + b"x" * 100 + b"\r\n64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
        "InvalidChunkSizeError",
    ),
    "endless line": (b"x" * 10, b"a;" + b"x" * 100_000, "IncompleteBody"),
    "huge size": (b"x" * 10, b"f" * 40 + b"\r\n", "IncompleteBody"),
    "bytes after the end": (b"", b"0\r\n\r\nmore\r\n", "IncompleteBody"),
    "nothing": (b"x" * 10, b"", "IncompleteBody"),
    "bare line feeds": (b"x" * 10, b"a\n" + b"x" * 10 + b"\n0\n\n", "IncompleteBody"),
    "no empty line at the end": (b"x" * 10, b"a\r\n" + b"x" * 10 + b"\r\n0\r\n", "IncompleteBody"),
    "signed all the same": (b"x", b"1;chunk-signature=0\r\nx\r\n0\r\n\r\n", "IncompleteBody"),
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


# Patience -----------------------------------------------------------------------------------------


def test_a_body_that_does_not_come_is_not_waited_for(server, bucket, monkeypatch):
    monkeypatch.setattr(patience, "BODY", 0.1)
    before = blobs(server)
    found = wire.headers(server, "PUT", "/door/slow", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    found["Content-Length"] = str(20 * MIB)
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("PUT", "/door/slow", found) + b"x" * MIB)
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestTimeout</Code>" in answer
    assert b"Connection: close" in answer
    assert settled(lambda: blobs(server) == before)
    given = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    found = wire.headers(server, "POST", "/", given, "sagemaker", b"{}")
    found["Content-Length"] = "2"
    with wire.connect(server) as sock:
        sock.sendall(wire.head_of("POST", "/", found) + b"{")
        assert b"RequestTimeout" in sock.recv(65536)


class Clockwork(asyncio.SelectorEventLoop):
    """A loop whose seconds pass at once."""

    def __init__(self):
        chosen = selectors.DefaultSelector()
        super().__init__(chosen)
        self.now, really = 0.0, chosen.select

        def select(timeout=None):
            self.now += timeout or 0.0
            return really(0)

        chosen.select = select

    def time(self):
        return self.now


def test_patience_is_used_up_by_waiting_and_earned_by_bytes():
    async def main():
        held = Share(Descriptors(9), Limits()).take()
        waiting = Patience(held, 60.0)

        async def waited(seconds):
            try:
                async with waiting:
                    assert held.state is held.share.stalled
                    await asyncio.sleep(seconds)
            except TimeoutError:
                return False
            finally:
                assert held.state is None
            return True

        assert await waited(40)
        waiting.moved(500)  # a second's worth
        assert await waited(20.5)
        waiting.moved(100)
        assert not await waited(1)
        waiting.moved(1 << 30)  # nobody saves more than there was
        assert await waited(59)
        assert not await waited(2)
        for _ in range(100):  # a slow line, but not a trickle
            waiting.moved(15_000)
            assert await waited(25)

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(main())
