"""Conditional requests beyond the plain ones: times to come, headers at once, deletes, copies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

BUCKET = "conditions-bucket"
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    made = client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def refusal(call: Callable[..., Any], **given: Any) -> dict[str, Any]:
    """The error's document, with its `Status`."""
    with pytest.raises(ClientError) as caught:
        call(Bucket=BUCKET, **given)
    response: Any = caught.value.response
    return response["Error"] | {"Status": response["ResponseMetadata"]["HTTPStatusCode"]}


def test_a_time_to_come_is_no_condition_on_what_was_modified_since(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"1")
    assert s3.get_object(Bucket=BUCKET, Key="k", IfModifiedSince=LATER)["Body"].read() == b"1"
    assert s3.head_object(Bucket=BUCKET, Key="k", IfModifiedSince=LATER)["ContentLength"] == 1
    source = {"Bucket": BUCKET, "Key": "k"}
    s3.copy_object(Bucket=BUCKET, Key="c", CopySource=source, CopySourceIfModifiedSince=LATER)
    modified = s3.head_object(Bucket=BUCKET, Key="k")["LastModified"]
    assert refusal(s3.get_object, Key="k", IfModifiedSince=modified)["Status"] == 304
    found = refusal(s3.copy_object, Key="c", CopySource=source, CopySourceIfModifiedSince=modified)
    assert (found["Code"], found["Condition"]) == (
        "PreconditionFailed", "x-amz-copy-source-If-Modified-Since",
    )  # fmt: skip
    found = refusal(
        s3.copy_object, Key="c", CopySource=source, CopySourceIfUnmodifiedSince=LONG_AGO
    )
    assert (found["Code"], found["Status"]) == ("PreconditionFailed", 412)


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({"IfNoneMatch": '"e"'}, "If-None-Match"),
        ({"IfMatch": "*"}, "If-Match"),
        ({"IfMatch": '"e"', "IfNoneMatch": "*"}, "If-Match,If-None-Match"),
    ],
)
def test_conditions_that_no_write_has(s3: Any, given: dict[str, str], header: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="w", Body=b"1")
    found = refusal(s3.put_object, Key="w", Body=b"2", **given)
    assert (found["Code"], found["Status"], found["Header"]) == ("NotImplemented", 501, header)
    assert s3.get_object(Bucket=BUCKET, Key="w")["Body"].read() == b"1"


def test_an_object_is_deleted_if_it_is_that_one_or_any(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="d", Body=b"1")
    assert refusal(s3.delete_object, Key="d", IfMatch='"other"')["Code"] == "PreconditionFailed"
    s3.delete_object(Bucket=BUCKET, Key="d", IfMatch="*")
    assert refusal(s3.get_object, Key="d")["Code"] == "NoSuchKey"


def test_a_conditional_upload_is_begun_anew_when_its_object_changed(s3: Any) -> None:
    def begun() -> dict[str, Any]:
        told = s3.create_multipart_upload(Bucket=BUCKET, Key="m")
        part = s3.upload_part(
            Bucket=BUCKET, Key="m", UploadId=told["UploadId"], PartNumber=1, Body=b"new"
        )
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return {"Key": "m", "UploadId": told["UploadId"], "MultipartUpload": parts}

    complete = s3.complete_multipart_upload
    s3.put_object(Bucket=BUCKET, Key="m", Body=b"1")
    upload = begun()
    s3.delete_object(Bucket=BUCKET, Key="m")
    found = refusal(complete, **upload, IfNoneMatch="*")
    assert (found["Code"], found["Status"]) == ("ConditionalRequestConflict", 409)
    complete(Bucket=BUCKET, **begun(), IfNoneMatch="*")
    upload = begun()
    etag = s3.put_object(Bucket=BUCKET, Key="m", Body=b"2")["ETag"]
    found = refusal(complete, **upload, IfMatch=etag)
    assert (found["Code"], found["Condition"]) == ("ConditionalRequestConflict", "If-Match")
    complete(Bucket=BUCKET, **begun(), IfMatch=etag)
    assert s3.get_object(Bucket=BUCKET, Key="m")["Body"].read() == b"new"
