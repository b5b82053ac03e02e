"""Signatures: whatever botocore signs is accepted, and nothing that was changed after."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import replace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.credentials import Key, RoleSession, session_caller
from sagebrush.errors import AwsError
from sagebrush.protocol import claims, sigv4
from sagebrush.protocol.message import Request
from sagebrush.protocol.receive import sha256
from sagebrush.protocol.s3_quirks import body_hash

NOW = float(calendar.timegm((2026, 1, 1, 12, 0, 0)))
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CALLER = session_caller(RoleSession("arn:aws:iam::123456789012:role/Role", "", "me"), "AKIAEXAMPLE")


def resolve(access_key: str, token: str | None) -> Key:
    if access_key == "AKIAEXAMPLE" and not token:
        return Key(SECRET, CALLER)
    if access_key == "ASIAEXAMPLE" and token == "the+token/==":
        return Key(SECRET, CALLER)
    if access_key == "ASIAEXPIRED":
        raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)
    raise AwsError("InvalidClientTokenId", "The security token … is invalid.", 403)


@pytest.fixture
def verifier() -> sigv4.Verifier:
    return sigv4.Verifier(resolve, lambda: NOW, "us-east-1")


def signed(
    auth: type,
    method: str = "GET",
    url: str = "http://localhost:4566/",
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    service: str = "s3",
    **given: Any,
) -> Request:
    """The request as botocore signs it, as the server reads it.

    `given`: at, key, token, region, secret, expires.
    """
    made = AWSRequest(method=method, url=url, headers=headers or {}, data=body)
    keys = Credentials(
        given.pop("key", "AKIAEXAMPLE"), given.pop("secret", SECRET), given.pop("token", None)
    )
    moment = dt.datetime.fromtimestamp(given.pop("at", NOW), dt.UTC).replace(tzinfo=None)
    signer = auth(keys, service, given.pop("region", "us-east-1"), **given)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(made)
    parts = urlsplit(str(made.url))
    found = {name.lower(): value for name, value in made.headers.items()}
    found.setdefault("host", parts.netloc)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return Request(method, parts.path or "/", query, found, body, parts.query)


def verify(verifier: sigv4.Verifier, request: Request, words: claims.Dialect) -> sigv4.Verified:
    claim = claims.parse(request, words)
    assert isinstance(request.body, bytes)
    stands = body_hash(request, claim) if words.s3 else sha256(request.body)
    return verifier.verify(request, claim, words, stands)


def refusal(verifier: sigv4.Verifier, request: Request, words: claims.Dialect) -> AwsError:
    with pytest.raises(AwsError) as info:
        verify(verifier, request, words)
    assert 400 <= info.value.status < 500
    return info.value


PATHS = [
    "/",
    "/bucket",
    "/bucket/key",
    "/bucket/a%20b",
    "/bucket/a+b",
    "/bucket/a%2Bb",
    "/bucket/%E6%97%A5%E6%9C%AC%E8%AA%9E/%C3%BC.txt",
    "/bucket/a//b///c",
    "/bucket/./a/../b",
    "/bucket/%25%7E~-_.",
    "/bucket/a%2Fb",
    "/bucket/(a)!*'",
    "/bucket/%28a%29%21%2A%27",
    "/bucket/a%3Db%26c%3Fd",
    "/bucket/key/",
]
QUERIES = [
    "",
    "?uploads",
    "?uploads=",
    "?a=1&b=2",
    "?b=2&a=1",
    "?a=2&a=1&a=10",
    "?prefix=a%20b%2Fc&delimiter=%2F",
    "?prefix=a%2Bb",
    "?prefix=%E6%97%A5%E6%9C%AC",
    "?list-type=2&continuation-token=a%3D%3D",
    "?A=1&a=1",
    "?tagging&versionId=x%2Fy",
    "?k=~a-b_c.d",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", PATHS)
def test_s3_by_header(verifier, path, query):
    request = signed(S3SigV4Auth, "PUT", f"http://localhost:4566{path}{query}", body=b"data")
    assert verify(verifier, request, claims.S3).key.caller is CALLER


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", PATHS)
def test_s3_presigned(verifier, path, query):
    request = signed(S3SigV4QueryAuth, "GET", f"http://localhost:4566{path}{query}", expires=60)
    assert verify(verifier, request, claims.S3).claim.expires == 60


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", PATHS)
def test_others_by_header(verifier, path, query):
    url = f"http://localhost:4566{path}{query}"
    request = signed(SigV4Auth, "POST", url, body=b"{}", service="sagemaker")
    assert verify(verifier, request, claims.JSON).claim.service == "sagemaker"


@pytest.mark.parametrize("path", PATHS)
def test_others_presigned(verifier, path):
    url = f"http://localhost:4566{path}?Action=GetCallerIdentity&Version=2011-06-15"
    request = signed(SigV4QueryAuth, "GET", url, service="sts", expires=60)
    assert verify(verifier, request, claims.QUERY).claim.service == "sts"


@pytest.mark.parametrize(
    "value",
    ["plain", "  around  ", "two  spaces", "tab\t between", "a,b , c", "ünï", '"quoted  text"', ""],
)
def test_header_values(verifier, value):
    headers = {"x-amz-meta-note": value, "Content-Type": "text/plain; charset=utf-8"}
    request = signed(S3SigV4Auth, "PUT", "http://localhost:4566/b/k", headers=headers)
    verify(verifier, request, claims.S3)


SDKS = {
    "botocore, JavaScript": lambda value: " ".join(value.split()),
    "Java, PHP, Ruby, C": lambda value: re.sub(r"[ \t]+", " ", value).strip(" "),
    "Go, Rust": lambda value: re.sub(" {2,}", " ", value).strip(" "),
    "older Ruby": lambda value: value if re.match('^".*"$', value) else re.sub(r"\s+", " ", value),
}
"""How SDKs write a header's value when they sign it."""


def signed_as(fold: Any, value: str) -> Request:
    """A request whose signer folds header values so."""

    class Signer(S3SigV4Auth):
        def _header_value(self, value: str) -> str:
            return fold(value)

    headers = {"x-amz-meta-note": value, "x-amz-meta-plain": "a b"}
    return signed(Signer, "PUT", "http://localhost:4566/b/(k)?a=1", headers=headers)


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize(
    "value",
    ["id\ttext\tlabel", "a \t b", "a  b", '"a  b"', "a\u00a0b", "a \u2003 b", "ü\tü", "a\t\tb  c"],
)
def test_white_space_as_sdks_sign_it(verifier, sdk, value):
    request = signed_as(SDKS[sdk], value)
    verify(verifier, request, claims.S3)
    moved = {**request.headers, "x-amz-meta-note": value.replace("a", "b").replace("t", "s") + "."}
    error = refusal(verifier, replace(request, headers=moved), claims.S3)
    assert error.code == "SignatureDoesNotMatch"


def test_a_header_that_is_sent_as_iso_8859_1(verifier):
    request = signed(S3SigV4Auth, headers={"x-amz-meta-note": "ünï"})
    read = "ünï".encode("latin-1").decode("utf-8", "surrogateescape")
    sent = replace(request, headers={**request.headers, "x-amz-meta-note": read})
    verify(verifier, sent, claims.S3)


def test_a_value_has_few_forms():
    plain = list(
        sigv4.canonical_headers({"host": "h", "x-amz-meta-a": "b c"}, ("host", "x-amz-meta-a"))
    )
    assert plain == ["host:h\nx-amz-meta-a:b c\n"]
    odd = list(sigv4.canonical_headers({"a": '"x\ty  z"'}, ("a",)))
    assert odd == ['a:"x y z"\n', 'a:"x\ty z"\n', 'a:"x\ty  z"\n']


def test_session_token(verifier):
    request = signed(S3SigV4Auth, key="ASIAEXAMPLE", token="the+token/==")
    verify(verifier, request, claims.S3)
    presigned = signed(S3SigV4QueryAuth, key="ASIAEXAMPLE", token="the+token/==", expires=60)
    verify(verifier, presigned, claims.S3)


def test_a_client_that_signs_the_canonical_url_but_sends_another(verifier):
    """As curl and Go's client do: characters that need no escaping are sent as they are."""
    request = signed(S3SigV4Auth, "GET", "http://localhost:4566/b/%28a%29%21?prefix=a%20b%3A")
    sent = replace(request, path="/b/(a)!", raw_query="prefix=a+b:")
    verify(verifier, sent, claims.S3)


CHANGES = {
    "method": lambda r: replace(r, method="DELETE"),
    "path": lambda r: replace(r, path=r.path + "x"),
    "query value": lambda r: replace(r, raw_query="a=2"),
    "query added": lambda r: replace(r, raw_query=r.raw_query + "&b=1"),
    "query gone": lambda r: replace(r, raw_query=""),
    "header": lambda r: replace(r, headers={**r.headers, "x-amz-meta-a": "other"}),
    "host": lambda r: replace(r, headers={**r.headers, "host": "other:4566"}),
    "date": lambda r: replace(r, headers={**r.headers, "x-amz-date": "20260101T120100Z"}),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    ("auth", "service", "words", "code"),
    [
        (S3SigV4Auth, "s3", claims.S3, "SignatureDoesNotMatch"),
        (SigV4Auth, "sagemaker", claims.JSON, "InvalidSignatureException"),
        (SigV4Auth, "sts", claims.QUERY, "SignatureDoesNotMatch"),
    ],
)
def test_what_was_changed_is_refused(verifier, change, auth, service, words, code):
    url, headers = "http://localhost:4566/b/k?a=1", {"x-amz-meta-a": "1"}
    request = signed(auth, "POST", url, headers=headers, body=b"data", service=service)
    error = refusal(verifier, CHANGES[change](request), words)
    assert (error.code, error.status) == (code, 403)


def test_changed_body_of_an_ordinary_service(verifier):
    request = signed(SigV4Auth, "POST", body=b'{"a": 1}', service="sagemaker")
    error = refusal(verifier, replace(request, body=b'{"a": 2}'), claims.JSON)
    assert (error.code, error.status) == ("InvalidSignatureException", 403)


def test_changed_presigned_query(verifier):
    request = signed(S3SigV4QueryAuth, "GET", "http://localhost:4566/b/k", expires=60)
    longer = request.raw_query.replace("X-Amz-Expires=60", "X-Amz-Expires=600")
    changed = replace(request, raw_query=longer, query=parse_qsl(longer))
    assert refusal(verifier, changed, claims.S3).code == "SignatureDoesNotMatch"


def test_s3_refusal_tells_what_was_signed(verifier):
    request = signed(S3SigV4Auth, "GET", "http://localhost:4566/b/k", secret="another")
    error = refusal(verifier, request, claims.S3)
    assert error.fields["AWSAccessKeyId"] == "AKIAEXAMPLE"
    assert error.fields["CanonicalRequest"].startswith("GET\n/b/k\n\nhost:localhost:4566\n")
    assert error.fields["StringToSign"].startswith("AWS4-HMAC-SHA256\n20260101T120000Z\n")
    assert SECRET not in str(error.fields)


def test_unsigned_amz_header_is_refused_by_s3(verifier):
    request = signed(S3SigV4Auth, "PUT", "http://localhost:4566/b/k")
    request = replace(request, headers={**request.headers, "x-amz-acl": "public-read"})
    error = refusal(verifier, request, claims.S3)
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.fields["HeadersNotSigned"] == "x-amz-acl"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (claims.S3, "AccessDenied"),
        (claims.JSON, "MissingAuthenticationTokenException"),
        (claims.QUERY, "MissingAuthenticationToken"),
    ],
)
def test_missing(verifier, words, code):
    error = refusal(verifier, Request("GET", "/", [], {"host": "localhost"}), words)
    assert (error.code, error.status) == (code, 403)


@pytest.mark.parametrize(
    ("auth", "service", "words", "code"),
    [
        (S3SigV4Auth, "s3", claims.S3, "InvalidAccessKeyId"),
        (SigV4Auth, "sagemaker", claims.JSON, "UnrecognizedClientException"),
        (SigV4Auth, "sts", claims.QUERY, "InvalidClientTokenId"),
    ],
)
def test_unknown_key(verifier, auth, service, words, code):
    error = refusal(verifier, signed(auth, key="AKIANOBODY", service=service), words)
    assert (error.code, error.status) == (code, 403)


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24, 60 * 24])
def test_clock(verifier, minutes):
    at = NOW + minutes * 60
    error = refusal(verifier, signed(S3SigV4Auth, at=at), claims.S3)
    assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
    error = refusal(verifier, signed(SigV4Auth, service="sagemaker", at=at), claims.JSON)
    assert (error.code, error.status) == ("InvalidSignatureException", 403)
    assert error.message.startswith(
        "Signature expired: " if minutes < 0 else "Signature not yet current: "
    )


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clock_within_bounds(verifier, minutes):
    verify(verifier, signed(S3SigV4Auth, at=NOW + minutes * 60), claims.S3)


def test_presigned_life(verifier):
    old = signed(S3SigV4QueryAuth, at=NOW - 3600, expires=3601)
    verify(verifier, old, claims.S3)
    error = refusal(verifier, signed(S3SigV4QueryAuth, at=NOW - 3600, expires=3599), claims.S3)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.fields["Expires"] == "2026-01-01T11:59:59Z"
    error = refusal(verifier, signed(S3SigV4QueryAuth, expires=7 * 24 * 3600 + 1), claims.S3)
    assert error.code == "AuthorizationQueryParametersError"
    verify(verifier, signed(S3SigV4QueryAuth, expires=7 * 24 * 3600), claims.S3)


def test_scope(verifier):
    for region in ("eu-west-1", "ap-southeast-7", "mx-central-1"):  # two to be opted into
        assert (
            verify(verifier, signed(S3SigV4Auth, region=region), claims.S3).claim.region == region
        )
    for region in ("cn-north-1", "us-gov-west-1", "aws-global", "moon-1", ""):
        error = refusal(verifier, signed(S3SigV4Auth, region=region), claims.S3)
        assert (error.code, error.status) == ("AuthorizationHeaderMalformed", 400)
        assert f"the region '{region}' is wrong" in error.message
        assert "Region" not in error.fields  # SDKs would go on there
        for words, code in (
            (claims.JSON, "InvalidSignatureException"), (claims.QUERY, "SignatureDoesNotMatch"),
        ):  # fmt: skip
            request = signed(SigV4Auth, region=region, service="sagemaker")
            error = refusal(verifier, request, words)
            assert (error.code, error.status) == (code, 403)
            assert error.message.endswith(f"a valid region, not '{region}'.")
    request = signed(SigV4Auth, service="sagemaker")
    header = request.headers["authorization"].replace("/20260101/", "/20251231/")
    request = replace(request, headers={**request.headers, "authorization": header})
    assert refusal(verifier, request, claims.JSON).code == "InvalidSignatureException"


@pytest.mark.parametrize(
    "header",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 nonsense",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=abc",
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/s3/aws4_request, Signature=ab",
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/us-east-1/s3/aws5, SignedHeaders=host,"
        " Signature=ab",
        "AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=abc",
        "AWS AKIAEXAMPLE:signature",
        "Bearer token",
        "",
        "=,=,=",
    ],
)
@pytest.mark.parametrize("words", [claims.S3, claims.JSON, claims.QUERY])
def test_malformed_header(verifier, header, words):
    headers = {"host": "localhost", "authorization": header, "x-amz-date": "20260101T120000Z"}
    headers["x-amz-content-sha256"] = sigv4.UNSIGNED
    refusal(verifier, Request("GET", "/", [], headers), words)


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("/20260101/", "/20251231/", "Invalid credential date"),
        ("/20260101/", "/2026011/", "incorrect date format"),
        ("aws4_request", "aws4_reques", 'incorrect terminal "aws4_reques"'),
        ("/us-east-1/", "/", "the Credential is mal-formed"),
        ("/us-east-1/", "/us-wets-2/", "the region 'us-wets-2' is wrong; expecting one of"),
    ],
)
def test_what_is_wrong_in_a_scope_is_said(verifier, old, new, detail):
    request = signed(S3SigV4Auth)
    header = request.headers["authorization"].replace(old, new)
    changed = replace(request, headers={**request.headers, "authorization": header})
    error = refusal(verifier, changed, claims.S3)
    assert (error.code, error.status) == ("AuthorizationHeaderMalformed", 400)
    assert detail in error.message
    request = signed(S3SigV4QueryAuth, expires=60)
    query = [(k, v.replace(old, new) if k == "X-Amz-Credential" else v) for k, v in request.query]
    error = refusal(verifier, replace(request, query=query), claims.S3)
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)
    assert detail in error.message


@pytest.mark.parametrize(
    ("header", "code", "status"),
    [
        ("", "AccessDenied", 403),
        ("Bearer token", "InvalidArgument", 400),
        ("AWS nonsense", "InvalidArgument", 400),
        ("AWS AKIAEXAMPLE:signature", "InvalidRequest", 400),
    ],
)
def test_other_ways_to_authorise_are_refused_by_s3(verifier, header, code, status):
    request = signed(S3SigV4Auth)
    changed = replace(request, headers={**request.headers, "authorization": header})
    error = refusal(verifier, changed, claims.S3)
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize("stamp", ["", "yesterday", "20261301T120000Z", "20260101120000"])
@pytest.mark.parametrize("words", [claims.S3, claims.JSON, claims.QUERY])
def test_malformed_date(verifier, stamp, words):
    service = "s3" if words.s3 else "sagemaker"
    request = signed(S3SigV4Auth if words.s3 else SigV4Auth, service=service)
    refusal(verifier, replace(request, headers={**request.headers, "x-amz-date": stamp}), words)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "soon"),
        ("X-Amz-Expires", ""),
        ("X-Amz-Date", "today"),
        ("X-Amz-Algorithm", "AWS4-HMAC-MD5"),
        ("X-Amz-Credential", "AKIAEXAMPLE"),
        ("X-Amz-SignedHeaders", ""),
    ],
)
def test_malformed_query(verifier, name, value):
    request = signed(S3SigV4QueryAuth, expires=60)
    query = [(k, value if k == name else v) for k, v in request.query]
    error = refusal(verifier, replace(request, query=query), claims.S3)
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)


def test_header_and_query_at_once(verifier):
    request = signed(S3SigV4QueryAuth, expires=60)
    both = replace(request, headers={**request.headers, "authorization": "AWS4-HMAC-SHA256 x"})
    assert refusal(verifier, both, claims.S3).code == "InvalidArgument"
    request = signed(S3SigV4Auth)
    both = replace(request, query=[("X-Amz-Algorithm", "AWS4-HMAC-SHA256")])
    assert refusal(verifier, both, claims.S3).code == "InvalidArgument"


def test_a_token_that_is_none_of_ours(verifier):
    error = refusal(verifier, signed(S3SigV4Auth, key="ASIANOBODY", token="bogus"), claims.S3)
    assert (error.code, error.status) == ("InvalidToken", 400)
    error = refusal(verifier, signed(S3SigV4Auth, key="ASIANOBODY"), claims.S3)
    assert (error.code, error.status) == ("InvalidAccessKeyId", 403)


def test_expired_session(verifier):
    request = signed(SigV4Auth, key="ASIAEXPIRED", token="t", service="sagemaker")
    assert refusal(verifier, request, claims.JSON).code == "ExpiredTokenException"
    assert refusal(verifier, request, claims.QUERY).code == "ExpiredToken"
    request = signed(S3SigV4Auth, key="ASIAEXPIRED", token="t")
    assert refusal(verifier, request, claims.S3).code == "ExpiredToken"
