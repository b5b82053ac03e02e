"""Metadata of objects over the wire: white space, characters beyond ASCII, however it is signed."""

from __future__ import annotations

import http.client
from email.header import decode_header
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from tests.protocol import wire

VALUES = {
    "id\ttext\tlabel": "id\ttext\tlabel",
    "id \t text": "id \t text",
    "two  spaces": "two  spaces",
    '"quoted \t  text"': '"quoted \t  text"',
    "a,b ,  c": "a,b ,  c",
    "  around\t": "around",  # HTTP knows no white space around values
    "\t": "",
    "": "",
}
"""A value as it is put -> as it is told."""


@pytest.fixture(scope="module")
def s3(client: Any) -> Any:
    made = client("s3")
    made.create_bucket(Bucket="metadata")
    return made


@pytest.mark.parametrize("value", VALUES)
def test_white_space_is_kept(s3: Any, value: str) -> None:
    metadata = {"a": value, "b": "plain"}
    told = {"a": VALUES[value], "b": "plain"}
    s3.put_object(Bucket="metadata", Key="k", Body=b"", Metadata=metadata)
    assert s3.head_object(Bucket="metadata", Key="k")["Metadata"] == told
    s3.copy_object(
        Bucket="metadata", Key="copy", CopySource="metadata/k", Metadata=metadata,
        MetadataDirective="REPLACE",
    )  # fmt: skip
    assert s3.get_object(Bucket="metadata", Key="copy")["Metadata"] == told
    upload = s3.create_multipart_upload(Bucket="metadata", Key="parts", Metadata=metadata)
    given = {"Bucket": "metadata", "Key": "parts", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**given, PartNumber=1, Body=b"x")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    s3.complete_multipart_upload(**given, MultipartUpload={"Parts": parts})
    assert s3.head_object(Bucket="metadata", Key="parts")["Metadata"] == told


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_white_space_in_presigned_uploads(client: Any, s3: Any, version: str, value: str) -> None:
    params = {"Bucket": "metadata", "Key": "url", "Metadata": {"a": value}}
    signer = client("s3", config=Config(signature_version=version))
    url = urlsplit(signer.generate_presigned_url("put_object", params))
    headers = {"x-amz-meta-a": value} if version == "s3v4" else {}  # V2 has it in the URL
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("PUT", f"{url.path}?{url.query}", b"", headers)
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.head_object(Bucket="metadata", Key="url")["Metadata"] == {"a": VALUES[value]}


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_characters_beyond_ascii_are_told_as_rfc_2047(server: Any, s3: Any, coding: str) -> None:
    path, text = "/metadata/unicode", "Müller\tÄ ö"
    signed = wire.headers(server, "PUT", path, {"x-amz-meta-name": text})
    head = wire.head_of("PUT", path, {**signed, "Content-Length": "0"})
    assert text.encode() in head
    with wire.connect(server) as sock:
        sock.sendall(head.replace(text.encode(), text.encode(coding)))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    told = s3.head_object(Bucket="metadata", Key="unicode")["Metadata"]["name"]
    assert told.isascii()
    parts = [(part, charset or "ascii") for part, charset in decode_header(told)]
    assert "".join(p.decode(c) if isinstance(p, bytes) else p for p, c in parts) == text


def test_other_headers_are_given_back_as_they_came(s3: Any) -> None:
    given = {
        "ContentDisposition": 'attachment;\tfilename="a  b.txt"',
        "CacheControl": "no-cache,  x",
    }
    s3.put_object(Bucket="metadata", Key="h", Body=b"", **given)
    found = s3.head_object(Bucket="metadata", Key="h")
    assert {name: found[name] for name in given} == given
