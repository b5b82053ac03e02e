"""Signatures that AWS published: its SigV4 test suite and the examples of the S3 API Reference."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl

import pytest

from sagebrush.credentials import Key, RoleSession, session_caller
from sagebrush.protocol import chunked, claims, sigv4
from sagebrush.protocol.chunked import Decoder, Signer
from sagebrush.protocol.message import Request
from sagebrush.protocol.s3_quirks import body_hash
from sagebrush.protocol.sigv4 import EMPTY_SHA256, Verified

CALLER = session_caller(RoleSession("arn:aws:iam::123456789012:role/Role", "", "me"), "AKIDEXAMPLE")
SUITE = Key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", CALLER)
PAGES = Key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", CALLER)
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = "application/x-www-form-urlencoded"

# Name in the suite -> method, path, query, headers beside host and date, body, signature.
VECTORS = {
    "get-vanilla": ("GET", "/", "", {}, b"", VANILLA),
    "get-vanilla-query-order-key-case": (
        "GET", "/", "Param2=value2&Param1=value1", {}, b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-query-order-value": (
        "GET", "/", "Param1=value2&Param1=value1", {}, b"",
        "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
    ),
    "get-vanilla-query-order-key": (
        "GET", "/", "Param1=value2&Param1=Value1", {}, b"",
        "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
    ),
    "get-vanilla-empty-query-key": (
        "GET", "/", "Param1=value1", {}, b"",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    "get-vanilla-query-unreserved": (
        "GET", "/", f"{UNRESERVED}={UNRESERVED}", {}, b"",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    "get-vanilla-utf8-query": (
        "GET", "/", "ሴ=bar", {}, b"",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "get-utf8": (
        "GET", "/ሴ", "", {}, b"",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-unreserved": (
        "GET", f"/{UNRESERVED}", "", {}, b"",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-space": (
        "GET", "/example space/", "", {}, b"",
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-relative": ("GET", "/example/..", "", {}, b"", VANILLA),
    "get-relative-relative": ("GET", "/example1/example2/../..", "", {}, b"", VANILLA),
    "get-slash": ("GET", "//", "", {}, b"", VANILLA),
    "get-slash-dot-slash": ("GET", "/./", "", {}, b"", VANILLA),
    "get-slash-pointless-dot": (
        "GET", "/./example", "", {}, b"",
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
    ),
    "get-slashes": (
        "GET", "//example//", "", {}, b"",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "get-header-key-duplicate": (
        "GET", "/", "", {"my-header1": "value2,value2,value1"}, b"",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "get-header-value-trim": (
        "GET", "/", "", {"my-header1": "value1", "my-header2": '"a   b   c"'}, b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        "POST", "/", "", {}, b"",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-header-key-sort": (
        "POST", "/", "", {"my-header1": "value1"}, b"",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "post-header-value-case": (
        "POST", "/", "", {"my-header1": "VALUE1"}, b"",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    "post-x-www-form-urlencoded": (
        "POST", "/", "", {"content-type": FORM}, b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_the_suite(name: str) -> None:
    method, path, query, more, body, signature = VECTORS[name]
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", **more}
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,"
        f" SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
    )
    pairs = parse_qsl(query, keep_blank_values=True)
    request = Request(method, path, pairs, headers, body, query)
    verifier = sigv4.Verifier(lambda *_: SUITE, lambda: 1440938160.0, "us-east-1")
    claim = claims.parse(request, claims.JSON)
    found = verifier.verify(request, claim, claims.JSON, hashlib.sha256(body).hexdigest())
    assert found.claim.signature == signature


# ---- S3 API Reference, "Authenticating Requests" and "Signature calculations"

AT = 1369353600.0
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"


def verified(method: str, path: str, query: str, more: dict[str, str], signature: str) -> Verified:
    """Who signed a request of the pages' examples; raises AwsError when the signature is not so."""
    headers = {"host": "examplebucket.s3.amazonaws.com", **more}
    if signature:
        headers = {"x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY_SHA256} | headers
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={';'.join(sorted(headers))},"
            f"Signature={signature}"
        )
    request = Request(method, path, parse_qsl(query, keep_blank_values=True), headers, b"", query)
    claim = claims.parse(request, claims.S3)
    verifier = sigv4.Verifier(lambda *_: PAGES, lambda: AT, "us-east-1")
    return verifier.verify(request, claim, claims.S3, body_hash(request, claim))


@pytest.mark.parametrize(
    ("method", "path", "query", "more", "signature"),
    [
        ("GET", "/test.txt", "", {"range": "bytes=0-9"},
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("PUT", "/test%24file.text", "",
         {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY",
          "x-amz-content-sha256":
              "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ("GET", "/", "lifecycle", {},
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("GET", "/", "max-keys=2&prefix=J", {},
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("GET", "/test.txt",
         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + SCOPE.replace("/", "%2F")
         + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
         "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
         {}, ""),
    ],
)  # fmt: skip
def test_examples_of_requests(
    method: str, path: str, query: str, more: dict[str, str], signature: str
) -> None:
    assert verified(method, path, query, more, signature).key is PAGES


CHUNKS = {
    chunked.SIGNED: (
        {"content-length": "66824"},
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
         "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
         "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        b"",
    ),
    chunked.SIGNED_TRAILER: (
        {"x-amz-trailer": "x-amz-checksum-crc32c"},
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
         "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
         "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
        b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
        b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", CHUNKS)
def test_examples_of_chunks(mode: str) -> None:
    more, seed, signatures, trailer = CHUNKS[mode]
    headers = {
        "host": "s3.amazonaws.com", "content-encoding": "aws-chunked",
        "x-amz-content-sha256": mode, "x-amz-decoded-content-length": "66560",
        "x-amz-storage-class": "REDUCED_REDUNDANCY", **more,
    }  # fmt: skip
    found = verified("PUT", "/examplebucket/chunkObject.txt", "", headers, seed)
    decoder = Decoder(66560, Signer(found), mode == chunked.SIGNED_TRAILER)
    data = b""
    for size, signature in zip((65536, 1024, 0), signatures, strict=True):
        piece = f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size
        data += b"".join(decoder.feed(piece + (b"\r\n" if size else b"")))
    decoder.feed(trailer + b"\r\n")
    decoder.close()
    assert data == b"a" * 66560
