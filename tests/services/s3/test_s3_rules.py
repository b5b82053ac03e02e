"""What all of S3's operations refuse alike: keys, tags, owners, numbers, digests that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.errors import AwsError
from sagebrush.services.s3.metadata import parse_tags
from sagebrush.services.s3.names import checked_key

BUCKET = "rules-bucket"


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    made = client("s3")
    made.create_bucket(Bucket=BUCKET)
    return made


def refused(call: Callable[..., Any], **given: Any) -> tuple[str, int]:
    """(code, status) of the error that the call answers."""
    with pytest.raises(ClientError) as caught:
        call(Bucket=BUCKET, **given)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_no_operation_takes_a_longer_key(s3: Any) -> None:
    longest = "ü" * 512
    assert checked_key(longest) == longest
    for call in (s3.get_object, s3.delete_object, s3.get_object_tagging):
        assert refused(call, Key=longest + "x") == ("KeyTooLongError", 400)


def test_tags_of_the_header() -> None:
    assert parse_tags("foo=bar&bar") == {"foo": "bar", "bar": ""}
    assert parse_tags("a%20b=%C3%BC%2B-%3D._:/@") == {"a b": "ü+-=._:/@"}
    for text in ("a=1&a=2", "a=%26", "a!=1", "a=%3Cx%3E"):
        with pytest.raises(AwsError) as caught:
            parse_tags(text)
        assert (caught.value.code, caught.value.status) == ("InvalidArgument", 400)


@pytest.mark.parametrize("tag", [{"Key": "a,b", "Value": ""}, {"Key": "a", "Value": "x&y"}])
def test_tags_of_other_characters(s3: Any, tag: dict[str, str]) -> None:
    s3.put_object(Bucket=BUCKET, Key="tags")
    found = refused(s3.put_object_tagging, Key="tags", Tagging={"TagSet": [tag]})
    assert found == ("InvalidTag", 400)
    found = refused(s3.put_bucket_tagging, Tagging={"TagSet": [tag]})
    assert found == ("InvalidTag", 400)


def test_no_tags_are_no_tag_set(s3: Any) -> None:
    tags = [{"Key": "a", "Value": "1"}]
    told = s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 204
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": []})
    assert refused(s3.get_bucket_tagging) == ("NoSuchTagSet", 404)


def test_the_expected_owner_is_an_account(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="owned")
    given = {"Key": "owned", "ExpectedBucketOwner": "somebody"}
    assert refused(s3.get_object, **given) == ("InvalidBucketOwnerAWSAccountID", 400)
    given["ExpectedBucketOwner"] = "111122223333"
    assert refused(s3.get_object, **given) == ("AccessDenied", 403)


def test_part_numbers_of_reads(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="one", Body=b"1")
    for number in (0, -1, 10001):
        assert refused(s3.get_object, Key="one", PartNumber=number) == ("InvalidArgument", 400)
    assert refused(s3.get_object, Key="one", PartNumber=2) == ("InvalidPartNumber", 416)
