"""Ways to S3 beside a signed header on a path: presigned URLs, virtual hosts, calls in the server."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config

from sagebrush.store.spool import INLINE

BUCKET = "access-bucket"


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    made = client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def body_of(s3: Any, key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def send(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """(status, body) of a request that carries no header of its own but these."""
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": ""})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(s3: Any, client: Callable[..., Any], version: str) -> None:
    s3 = client("s3", config=Config(signature_version=version))
    given = {"Bucket": BUCKET, "Key": "pre signed+ü.txt"}
    url = s3.generate_presigned_url("put_object", {**given, "Metadata": {"a": "b c"}})
    if version == "s3":
        assert "AWSAccessKeyId=" in url
        assert send(url, "PUT", b"by url")[0] == 200
    else:
        url = s3.generate_presigned_url("put_object", given)
        assert send(url, "PUT", b"by url")[0] == 200
    override = {"ResponseContentType": "text/x-mine", "ResponseContentDisposition": "inline; a=b"}
    url = s3.generate_presigned_url("get_object", {**given, **override})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"by url"
        assert answer.headers["Content-Type"] == "text/x-mine"
        assert answer.headers["Content-Disposition"] == "inline; a=b"
        assert answer.headers["x-amz-meta-a"] == ("b c" if version == "s3" else None)
    assert send(url.replace("text%2Fx-mine", "text%2Fx-else"))[0] == 403
    assert b"SignatureDoesNotMatch" in send(url.replace("pre%20signed", "post%20signed"))[1]
    assert send(url, "DELETE")[0] == 403
    if version == "s3":
        gone = s3.generate_presigned_url("get_object", given, ExpiresIn=-10)
        assert b"Request has expired" in send(gone)[1]
    url = s3.generate_presigned_url("delete_object", given)
    assert send(url, "DELETE")[0] == 204
    url = s3.generate_presigned_url("list_objects_v2", {"Bucket": BUCKET, "MaxKeys": 1})
    assert send(url)[0] == 200


def test_an_html_form_is_told_that_it_is_not_taken(s3: Any) -> None:
    form = s3.generate_presigned_post(BUCKET, "by-form")
    head = {"Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'
    request = urllib.request.Request(form["url"], data=body, headers=head)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 501
    assert b"<Code>NotImplemented</Code>" in caught.value.read()


def test_virtual_hosts(
    server: Any, s3: Any, client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def local(host: Any, *rest: Any, **more: Any) -> Any:
        # Not every resolver knows that *.localhost is this machine (RFC 6761, 6.3).
        return resolve("127.0.0.1" if str(host).endswith("localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    for name in ("s3.localhost", "localhost", "s3.us-east-1.localhost"):
        url = f"http://{name}:{server.app.port}"
        config = Config(s3={"addressing_style": "virtual"})
        virtual = client("s3", endpoint_url=url, config=config)
        body = name.encode()
        virtual.put_object(Bucket=BUCKET, Key="virtual/ü key", Body=body)
        assert body_of(s3, "virtual/ü key") == body
        assert virtual.list_objects_v2(Bucket=BUCKET, Prefix="virtual/")["KeyCount"] == 1
        link = virtual.generate_presigned_url(
            "get_object", {"Bucket": BUCKET, "Key": "virtual/ü key"}
        )
        assert f"//{BUCKET}.{name}" in link
        assert send(link) == (200, body)


def test_inside_the_server_bodies_are_spooled_and_blobs(server: Any, s3: Any) -> None:
    ctx, store = server.world.service_ctx(), server.world.objects
    body = store.spool_bytes(b"i" * (INLINE + 1))
    ctx.call("s3", "PutObject", {"Bucket": BUCKET, "Key": "inside", "Body": body})
    blob = ctx.call("s3", "GetObject", {"Bucket": BUCKET, "Key": "inside"})["Body"]
    assert blob.read() == b"i" * (INLINE + 1)
    assert body_of(s3, "inside") == b"i" * (INLINE + 1)
