"""Buckets through boto3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import make_settings, started


@pytest.fixture
def s3(client: Callable[..., Any]) -> Any:
    return client("s3")


def refused(call: Callable[..., Any], **given: Any) -> tuple[str, int]:
    """(code, status) of the error that the call answers."""
    with pytest.raises(ClientError) as caught:
        call(**given)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_create_head_list_delete(s3: Any) -> None:
    made = s3.create_bucket(Bucket="life-of-a-bucket")
    assert made["Location"] == "/life-of-a-bucket"
    s3.create_bucket(Bucket="life-of-a-bucket")  # us-east-1 answers 200 to the owner
    assert s3.head_bucket(Bucket="life-of-a-bucket")["BucketRegion"] == "us-east-1"
    assert "life-of-a-bucket" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.delete_bucket(Bucket="life-of-a-bucket")
    assert refused(s3.head_bucket, Bucket="life-of-a-bucket") == ("404", 404)
    assert refused(s3.delete_bucket, Bucket="life-of-a-bucket") == ("NoSuchBucket", 404)


@pytest.mark.parametrize(
    "name",
    ["Upper", "ab", "a" * 64, "has_underscore", "dot..dot", "-first", "last-", "192.168.5.4",
     "a.-b", "a-.b", "xn--x", "sthree-x", "x-s3alias", "x--ol-s3"],
)  # fmt: skip
def test_names_that_no_bucket_has(server: Any, name: str) -> None:
    # boto3 refuses some of these itself; the operation is asked directly.
    from sagebrush.errors import AwsError

    with pytest.raises(AwsError) as caught:
        server.world.service_ctx().call("s3", "CreateBucket", {"Bucket": name})
    assert caught.value.code == "InvalidBucketName"


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my.bucket.name", "1two3", "192.168.5.4x"])
def test_names_that_buckets_may_have(s3: Any, name: str) -> None:
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"1"


def test_a_bucket_with_objects_is_kept(s3: Any) -> None:
    s3.create_bucket(Bucket="not-empty")
    s3.put_object(Bucket="not-empty", Key="k")
    assert refused(s3.delete_bucket, Bucket="not-empty") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="not-empty", Key="k")
    s3.create_multipart_upload(Bucket="not-empty", Key="unfinished")
    s3.delete_bucket(Bucket="not-empty")


def test_list_buckets_pages_by_name(s3: Any) -> None:
    names = [f"paged-{n}" for n in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    first = s3.list_buckets(Prefix="paged-", MaxBuckets=2)
    assert [b["Name"] for b in first["Buckets"]] == names[:2]
    pages = s3.get_paginator("list_buckets").paginate(
        Prefix="paged-", PaginationConfig={"PageSize": 2}
    )
    assert [b["Name"] for page in pages for b in page["Buckets"]] == names


def test_the_region_is_told_where_something_is_asked(s3: Any) -> None:
    s3.create_bucket(Bucket="told-region")
    assert "BucketRegion" not in s3.list_buckets()["Buckets"][0]
    found = s3.list_buckets(Prefix="told-region")["Buckets"]
    assert [b["BucketRegion"] for b in found] == ["us-east-1"]


def test_access_lists_of_new_buckets(s3: Any) -> None:
    s3.create_bucket(Bucket="private-list", ACL="private")
    found = refused(s3.create_bucket, Bucket="public-list", ACL="public-read")
    assert found == ("InvalidBucketAclWithObjectOwnership", 400)
    given = {"ACL": "public-read", "ObjectOwnership": "ObjectWriter"}
    found = refused(s3.create_bucket, Bucket="public-list", **given)
    assert found == ("NotImplemented", 501)
    assert refused(s3.head_bucket, Bucket="public-list") == ("404", 404)


def test_another_account_does_not_own_it(s3: Any) -> None:
    s3.create_bucket(Bucket="owned")
    s3.head_bucket(Bucket="owned", ExpectedBucketOwner="123456789012")
    call = s3.list_objects_v2
    assert refused(call, Bucket="owned", ExpectedBucketOwner="210987654321") == (
        "AccessDenied", 403,
    )  # fmt: skip


def test_location_constraints_in_us_east_1(s3: Any) -> None:
    assert s3.create_bucket(Bucket="where")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket="where")["LocationConstraint"] is None
    for region, code in (
        ("us-east-1", "InvalidLocationConstraint"),
        ("moon-west-1", "InvalidLocationConstraint"),
        ("cn-north-1", "InvalidLocationConstraint"),
    ):
        config = {"LocationConstraint": region}
        found = refused(s3.create_bucket, Bucket="there", CreateBucketConfiguration=config)
        assert found == (code, 400)


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home: Path = tmp_path_factory.mktemp("abroad")
    made = started(make_settings(home, region="eu-west-1", isolation="process"))
    yield made.client("s3")
    made.stop()


def test_buckets_of_another_region(abroad: Any) -> None:
    config = {"LocationConstraint": "eu-west-1"}
    assert refused(abroad.create_bucket, Bucket="here") == (
        "IllegalLocationConstraintException", 400,
    )  # fmt: skip
    abroad.create_bucket(Bucket="here", CreateBucketConfiguration=config)
    assert abroad.get_bucket_location(Bucket="here")["LocationConstraint"] == "eu-west-1"
    again = refused(abroad.create_bucket, Bucket="here", CreateBucketConfiguration=config)
    assert again == ("BucketAlreadyOwnedByYou", 409)


def test_versioning_is_off_and_said_to_be(s3: Any) -> None:
    s3.create_bucket(Bucket="versions")
    assert "Status" not in s3.get_bucket_versioning(Bucket="versions")
    config = {"Status": "Enabled"}
    found = refused(s3.put_bucket_versioning, Bucket="versions", VersioningConfiguration=config)
    assert found == ("NotImplemented", 501)
    found = refused(s3.put_bucket_versioning, Bucket="versions", VersioningConfiguration={})
    assert found == ("IllegalVersioningConfigurationException", 400)


def test_what_is_stored_is_told_and_deleted(s3: Any) -> None:
    s3.create_bucket(Bucket="stored")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
        '"Action":"s3:GetObject","Resource":"arn:aws:s3:::stored/*"}]}'
    )
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    life = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
                       "Expiration": {"Days": 3}}]}  # fmt: skip
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    encryption = {"Rules": [rule]}
    assert refused(s3.get_bucket_tagging, Bucket="stored") == ("NoSuchTagSet", 404)
    assert refused(s3.get_bucket_policy, Bucket="stored") == ("NoSuchBucketPolicy", 404)
    assert refused(s3.get_bucket_cors, Bucket="stored") == ("NoSuchCORSConfiguration", 404)
    assert refused(s3.get_bucket_lifecycle_configuration, Bucket="stored") == (
        "NoSuchLifecycleConfiguration", 404,
    )  # fmt: skip
    assert refused(s3.get_bucket_website, Bucket="stored")[0] == "NoSuchWebsiteConfiguration"
    s3.put_bucket_tagging(Bucket="stored", Tagging={"TagSet": tags})
    s3.put_bucket_policy(Bucket="stored", Policy=policy)
    s3.put_bucket_cors(Bucket="stored", CORSConfiguration=cors)
    s3.put_bucket_lifecycle_configuration(Bucket="stored", LifecycleConfiguration=life)
    s3.put_bucket_encryption(Bucket="stored", ServerSideEncryptionConfiguration=encryption)
    assert s3.get_bucket_tagging(Bucket="stored")["TagSet"] == tags
    assert s3.get_bucket_policy(Bucket="stored")["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket="stored")["PolicyStatus"]["IsPublic"] is True
    assert s3.get_bucket_cors(Bucket="stored")["CORSRules"] == cors["CORSRules"]
    assert s3.get_bucket_lifecycle_configuration(Bucket="stored")["Rules"] == life["Rules"]
    found = s3.get_bucket_encryption(Bucket="stored")["ServerSideEncryptionConfiguration"]
    assert found["Rules"] == encryption["Rules"]
    s3.delete_bucket_policy(Bucket="stored")
    s3.delete_bucket_tagging(Bucket="stored")
    s3.delete_bucket_cors(Bucket="stored")
    s3.delete_bucket_lifecycle(Bucket="stored")
    assert refused(s3.get_bucket_policy, Bucket="stored") == ("NoSuchBucketPolicy", 404)
    assert refused(s3.get_bucket_tagging, Bucket="stored") == ("NoSuchTagSet", 404)
    s3.delete_bucket(Bucket="stored")


def test_defaults_of_new_buckets(s3: Any) -> None:
    s3.create_bucket(Bucket="fresh")
    rules = s3.get_bucket_ownership_controls(Bucket="fresh")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    block = s3.get_public_access_block(Bucket="fresh")["PublicAccessBlockConfiguration"]
    assert all(block.values())
    s3.delete_public_access_block(Bucket="fresh")
    assert refused(s3.get_public_access_block, Bucket="fresh")[0] == (
        "NoSuchPublicAccessBlockConfiguration"
    )
    acl = s3.get_bucket_acl(Bucket="fresh")
    assert acl["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]
    assert s3.get_bucket_request_payment(Bucket="fresh")["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="fresh")
    found = refused(s3.put_bucket_acl, Bucket="fresh", ACL="public-read")
    assert found == ("AccessControlListNotSupported", 400)


def test_wrong_input_is_refused(s3: Any) -> None:
    s3.create_bucket(Bucket="wrong-input")
    assert refused(s3.put_bucket_policy, Bucket="wrong-input", Policy="{")[0] == "MalformedPolicy"
    denies = {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}
    arn = "arn:aws:s3:::wrong-input/*"
    for wrong in (
        {},
        {"Resource": "arn:aws:s3:::another/*"},
        {"Resource": arn, "Principal": {"AWS": "someone"}},
        {"Resource": arn, "Effect": "Maybe"},
        {"Resource": arn, "Action": "sqs:*"},
        {"Resource": arn, "NotPrincipal": "*"},
        {"Resource": arn, "Condition": {"Looks": {"a": "b"}}},
    ):
        text = json.dumps({"Version": "2012-10-17", "Statement": [{**denies, **wrong}]})
        found = refused(s3.put_bucket_policy, Bucket="wrong-input", Policy=text)
        assert found == ("MalformedPolicy", 400), wrong
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    found = refused(s3.put_bucket_tagging, Bucket="wrong-input", Tagging={"TagSet": twice})
    assert found == ("InvalidTag", 400)


def test_an_operation_that_is_not_there_is_named(s3: Any) -> None:
    s3.create_bucket(Bucket="not-there")
    with pytest.raises(ClientError, match="GetBucketInventoryConfiguration") as caught:
        s3.get_bucket_inventory_configuration(Bucket="not-there", Id="x")
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "NotImplemented"
    assert response["ResponseMetadata"]["RetryAttempts"] == 0
