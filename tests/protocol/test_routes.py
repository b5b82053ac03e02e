"""Paths and queries to operations, and keys that survive them."""

from __future__ import annotations

import pytest

from sagebrush.errors import AwsError
from sagebrush.protocol import routes


def route(method: str, path: str, query: str = "", *headers: str) -> str | None:
    pairs = [(k, v) for k, _, v in (part.partition("=") for part in query.split("&") if part)]
    found = routes.match("s3", method, path, pairs, headers)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a", "a"),
        ("/b/a/", "a/"),
        ("/b//", "/"),
        ("/b//a", "/a"),
        ("/b/a//b", "a//b"),
        ("/b/./../a", "./../a"),
        ("/b/a+b", "a+b"),
        ("/b/a%2Bb", "a+b"),
        ("/b/a%20b", "a b"),
        ("/b/a%252Fb", "a%2Fb"),
        ("/b/a%2Fb", "a/b"),
        ("/b/%C3%A9", "é"),
        ("/b/é", "é"),
        ("/b/a%00b", "a\x00b"),
        ("/b/100%", "100%"),
    ],
)
def test_keys_are_decoded_once_and_else_kept(path: str, key: str) -> None:
    found = routes.match("s3", "GET", path, [], {})
    assert found == ("GetObject", {"Bucket": "b", "Key": key})


@pytest.mark.parametrize("path", ["/b/%ff", "/b/%C3", "/b/\udcff"])
def test_a_key_that_is_not_utf_8_is_refused(path: str) -> None:
    with pytest.raises(AwsError, match="InvalidURI"):
        routes.match("s3", "GET", path, [], {})


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("GET", "/", "", "ListBuckets"),
        ("GET", "", "", "ListBuckets"),
        ("GET", "/b", "", "ListObjects"),
        ("GET", "/b/", "list-type=2&prefix=a", "ListObjectsV2"),
        ("GET", "/b", "x-id=ListObjects", "ListObjects"),
        ("GET", "/b", "uploads", "ListMultipartUploads"),
        ("GET", "/b/k", "uploadId=1", "ListParts"),
        ("PUT", "/b/k", "uploadId=1&partNumber=1", "UploadPart"),
        ("PUT", "/b/k", "partNumber=1", "UploadPart"),
        ("POST", "/b/k", "uploads", "CreateMultipartUpload"),
        ("POST", "/b/k", "uploadId=1", "CompleteMultipartUpload"),
        ("DELETE", "/b/k", "uploadId=1", "AbortMultipartUpload"),
        ("GET", "/b/k", "versionId=1&partNumber=2", "GetObject"),
        ("GET", "/b/k", "attributes", "GetObjectAttributes"),
        ("POST", "/b", "delete", "DeleteObjects"),
        ("POST", "/b/k", "select&select-type=2", "SelectObjectContent"),
        ("GET", "/b", "analytics&id=x", "GetBucketAnalyticsConfiguration"),
        ("GET", "/b", "analytics", "ListBucketAnalyticsConfigurations"),
        ("GET", "/b", "lifecycle", "GetBucketLifecycleConfiguration"),
        ("POST", "/b", "", None),
        ("PATCH", "/b/k", "", None),
    ],
)
def test_s3_operations(method: str, path: str, query: str, name: str | None) -> None:
    assert route(method, path, query) == name


def test_headers_tell_copies_from_uploads() -> None:
    assert route("PUT", "/b/k") == "PutObject"
    assert route("PUT", "/b/k", "", "x-amz-copy-source") == "CopyObject"
    query = "uploadId=1&partNumber=1"
    assert route("PUT", "/b/k", query, "x-amz-copy-source") == "UploadPartCopy"


@pytest.mark.parametrize("subresource", ["analytics", "metrics", "inventory"])
def test_a_subresource_without_its_id_never_deletes_the_bucket(subresource: str) -> None:
    name = route("DELETE", "/b", subresource)
    assert name is not None
    assert name.startswith("DeleteBucket")
    assert name.endswith("Configuration")


def test_an_annotation_without_its_name_never_deletes_the_object() -> None:
    assert route("DELETE", "/b/k", "annotation") == "DeleteObjectAnnotation"


def test_literal_segments_go_before_variables() -> None:
    def name(method: str, path: str) -> str | None:
        found = routes.match("lambda", method, path, [], {})
        return found[0] if found else None

    assert name("GET", "/2015-03-31/functions/") == "ListFunctions"
    assert name("GET", "/2015-03-31/functions") == "ListFunctions"
    assert name("GET", "/2015-03-31/functions/f") == "GetFunction"
    assert name("POST", "/2015-03-31/functions/f/invocations") == "Invoke"
    assert name("GET", "/2015-03-31/functions//configuration") is None
