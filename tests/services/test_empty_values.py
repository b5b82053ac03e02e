"""Empty headers and query parameters: not given, as at AWS, but for the few that S3 calls wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import boto3.session
import pytest
from botocore.exceptions import ClientError

from sagebrush.aws.shapes import input_of
from sagebrush.protocol import rest
from sagebrush.protocol.detect import Target
from sagebrush.protocol.message import Request
from tests.protocol import wire

SESSION = boto3.session.Session()
BODYLESS = ("HeadObject", "GetObject", "PutObject", "CopyObject", "UploadPart", "UploadPartCopy",
            "CreateBucket", "CreateMultipartUpload", "CompleteMultipartUpload", "DeleteObject",
            "ListObjectsV2", "GetObjectAttributes", "PutObjectTagging", "ListParts")  # fmt: skip
WRONG = {
    "Content-MD5", "x-amz-copy-source", "x-amz-copy-source-range",
    *(f"x-amz-checksum-{name}" for name in (
        "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5", "xxhash64", "xxhash3",
        "xxhash128",
    )),
}  # fmt: skip
"""Headers that S3 calls wrong when they are empty."""


@pytest.fixture(scope="module")
def s3(client: Any) -> Any:
    made = client("s3")
    made.create_bucket(Bucket="empty")
    made.put_object(Bucket="empty", Key="source", Body=b"1")
    return made


def refusal(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as info:
        call(**given)
    error = info.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize("operation", BODYLESS)
def test_every_empty_header_of_s3_is_none(operation: str) -> None:
    model = SESSION.client("s3", region_name="us-east-1").meta.service_model
    op = model.operation_model(operation)
    node = input_of(op)
    assert node is not None
    headers = {m.wire.lower(): "" for m in node.members.values() if m.location == "header"}
    path, _, query = op.http["requestUri"].partition("?")
    path = path.replace("{Bucket}", "empty").replace("{Key+}", "k")
    pairs = parse_qsl(query, keep_blank_values=True)
    asked = [node.members[n] for n in node.required if node.members[n].location == "querystring"]
    pairs += [(member.wire, "1") for member in asked]
    kept = {"x-amz-copy-source"} & headers.keys()
    request = Request(op.http["method"], path, pairs, {"host": "localhost", **headers})
    found, params = rest.parse(Target("s3", "rest-xml"), request)
    left = {m.wire for n, m in node.members.items() if m.location == "header" and n in params}
    assert (found.name, left - WRONG, left >= kept) == (operation, set(), True)


PUT = {
    "ACL", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage",
    "ContentType", "GrantRead", "GrantFullControl", "StorageClass", "Tagging",
    "ServerSideEncryption", "SSEKMSKeyId", "SSECustomerAlgorithm", "RequestPayer",
    "WebsiteRedirectLocation", "ObjectLockMode", "ObjectLockLegalHoldStatus", "IfMatch",
    "IfNoneMatch", "ExpectedBucketOwner",
}  # fmt: skip


def test_a_client_that_sends_every_header_empty(s3: Any) -> None:
    """As s3fs does with ACL on each write."""
    for name in PUT:
        s3.put_object(Bucket="empty", Key="put", Body=b"1", **{name: ""})
    s3.put_object(Bucket="empty", Key="put", Body=b"1", **dict.fromkeys(PUT, ""))
    s3.create_bucket(Bucket="empty", ACL="", GrantRead="", ObjectOwnership="")
    copy = {"MetadataDirective": "", "TaggingDirective": "", "CopySourceIfMatch": ""}
    s3.copy_object(Bucket="empty", Key="copy", CopySource="empty/source", ACL="", **copy)
    s3.create_multipart_upload(
        Bucket="empty", Key="parts", ACL="", StorageClass="", ChecksumAlgorithm="", ChecksumType=""
    )
    conditions = {"IfMatch": "", "IfNoneMatch": "", "Range": "", "ExpectedBucketOwner": ""}
    found = s3.get_object(Bucket="empty", Key="put", ChecksumMode="", **conditions)
    assert (found["Body"].read(), found["ContentType"]) == (b"1", "binary/octet-stream")
    assert not {"CacheControl", "ContentEncoding", "StorageClass", "TagCount"} & found.keys()


def test_empty_metadata_stays(s3: Any) -> None:
    s3.put_object(Bucket="empty", Key="meta", Body=b"", Metadata={"none": "", "blank": " "})
    found = s3.head_object(Bucket="empty", Key="meta")
    assert found["Metadata"] == {"none": "", "blank": ""}


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        ("put_object", {"Body": b"1", "ChecksumCRC32": ""},
         "Value for x-amz-checksum-crc32 header is invalid."),
        ("put_object", {"Body": b"1", "ChecksumCRC32": "", "ChecksumSHA1": ""},
         "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."),
        ("put_object", {"Body": b"1", "ContentMD5": ""}, "The Content-MD5 you specified was invalid."),
        ("copy_object", {"CopySource": ""}, "Invalid copy source bucket name"),
        ("copy_object", {"CopySource": "empty"}, "Invalid copy source object key"),
        ("get_object", {"VersionId": ""}, "Version id cannot be the empty string"),
        ("head_object", {"VersionId": ""}, None),
        ("delete_object", {"VersionId": ""}, "Version id cannot be the empty string"),
        ("get_object_tagging", {"VersionId": ""}, "Version id cannot be the empty string"),
    ],
)  # fmt: skip
def test_what_s3_calls_wrong_when_it_is_empty(
    s3: Any, call: str, given: dict[str, Any], message: str | None
) -> None:
    code, told = refusal(getattr(s3, call), Bucket="empty", Key="source", **given)
    assert message is None or told == message
    assert code in ("InvalidRequest", "InvalidArgument", "InvalidDigest", "400")


def test_parts_of_empty_numbers_and_ranges(s3: Any, server: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="empty", Key="p")["UploadId"]
    given = {"Bucket": "empty", "Key": "p", "UploadId": upload, "PartNumber": 1}
    code, _ = refusal(s3.upload_part_copy, **given, CopySource="empty/source", CopySourceRange="")
    assert code == "InvalidArgument"
    for path in ("/empty/copy", f"/empty/p?partNumber=1&uploadId={upload}"):
        sent = {"x-amz-copy-source": "empty/source?versionId="}
        answer = wire.send(server, "PUT", path, wire.headers(server, "PUT", path, sent))
        assert b"Version id cannot be the empty string" in answer.body
    path = f"/empty/p?partNumber=&uploadId={upload}"
    answer = wire.send(server, "PUT", path, wire.headers(server, "PUT", path, body=b"1"), b"1")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert b"Part number must be an integer between 1 and 10000" in answer.body


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("prefix=&marker=&delimiter=&max-keys=", 200, b"<Key>source</Key>"),
        ("list-type=2&prefix=&delimiter=&start-after=&max-keys=", 200, b"<Key>source</Key>"),
        ("list-type=2&continuation-token=", 400, b"The continuation token provided is incorrect"),
        ("versions=&prefix=&key-marker=", 200, b"<Key>source</Key>"),
        ("versions=&key-marker=a&version-id-marker=", 400, b"A version-id marker cannot be empty"),
        ("uploads=&prefix=&key-marker=&upload-id-marker=&max-uploads=", 200, b"<Bucket>empty"),
    ],
)
def test_empty_query_parameters(s3: Any, server: Any, query: str, status: int, text: bytes) -> None:
    path = f"/empty?{query}"
    answer = wire.send(server, "GET", path, wire.headers(server, "GET", path))
    assert answer.status == status
    assert text in answer.body


def test_empty_headers_of_other_services() -> None:
    """InvokeEndpoint's, each with a pattern that an empty text does not match."""
    names = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes",
             "x-amzn-sagemaker-target-model", "x-amzn-sagemaker-target-variant",
             "x-amzn-sagemaker-target-container-hostname", "x-amzn-sagemaker-inference-id",
             "x-amzn-sagemaker-inference-component", "x-amzn-sagemaker-session-id")  # fmt: skip
    request = Request("POST", "/endpoints/e/invocations", [], dict.fromkeys(names, ""), b"x")
    _, params = rest.parse(Target("sagemaker-runtime", "rest-json"), request)
    assert params == {"EndpointName": "e", "Body": b"x"}
