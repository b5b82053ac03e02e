"""S3's rules about regions, through unmodified boto3: where buckets are made, and how one client is
led to a bucket elsewhere."""

from __future__ import annotations

import http.client
import io
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conftest import Server

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "mx-central-1")
Client = Callable[..., Any]


@pytest.fixture(scope="module")
def s3(server: Server) -> Client:
    """`s3(region)`: a client of that region."""
    return lambda region, **given: server.client("s3", region_name=region, **given)


@pytest.fixture(scope="module")
def buckets(s3: Client) -> dict[str, str]:
    """A bucket with the object `k` in each region."""
    found = {}
    for region in REGIONS:
        found[region] = f"in-{region}"
        s3(region).create_bucket(Bucket=found[region], **constraint(region))
        s3(region).put_object(Bucket=found[region], Key="k", Body=region.encode())
    return found


def constraint(region: str) -> dict[str, Any]:
    """CreateBucket's parameter for that region."""
    if region == "us-east-1":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def refused(call: Callable[..., Any], **given: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as info:
        call(**given)
    return dict(info.value.response)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("asked_in", ["us-east-1", "eu-west-1"])
def test_where_a_bucket_is(s3: Client, buckets: dict[str, str], region: str, asked_in: str) -> None:
    found = s3(asked_in).get_bucket_location(Bucket=buckets[region])["LocationConstraint"]
    assert found == (None if region == "us-east-1" else region)
    head = s3(asked_in).head_bucket(Bucket=buckets[region])
    assert head["BucketRegion"] == region
    assert head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == region


def test_every_region_lists_all_buckets(s3: Client, buckets: dict[str, str]) -> None:
    listed = {b["Name"] for b in s3("eu-west-1").list_buckets()["Buckets"]}
    assert listed >= set(buckets.values())
    found = s3("us-west-2").list_buckets(BucketRegion="eu-west-1", Prefix="in-")["Buckets"]
    assert [(b["Name"], b["BucketRegion"]) for b in found] == [("in-eu-west-1", "eu-west-1")]


def test_pages_of_one_region_are_full(s3: Client) -> None:
    for n, region in enumerate(["us-west-2", "eu-west-1"] * 3):
        s3(region).create_bucket(Bucket=f"mixed-{n}", **constraint(region))
    pages = (
        s3("eu-west-1")
        .get_paginator("list_buckets")
        .paginate(BucketRegion="eu-west-1", Prefix="mixed-", PaginationConfig={"PageSize": 2})
    )
    found = [[b["Name"] for b in page["Buckets"]] for page in pages]
    assert found == [["mixed-1", "mixed-3"], ["mixed-5"]]


@pytest.mark.parametrize("region", ["moon-1", "cn-north-1", "EU"])
def test_a_list_of_no_region(s3: Client, region: str) -> None:
    error = refused(s3("us-east-1").list_buckets, BucketRegion=region)
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "InvalidArgument"
    assert error["Error"]["Message"] == f"Argument value {region} is not a valid AWS Region"
    assert error["Error"]["ArgumentName"] == "bucket-region"


def test_a_directory_bucket_is_refused(s3: Client) -> None:
    wanted = {
        "Location": {"Type": "AvailabilityZone", "Name": "use1-az4"},
        "Bucket": {"Type": "Directory", "DataRedundancy": "SingleAvailabilityZone"},
    }
    call = s3("us-east-1").create_bucket
    error = refused(call, Bucket="in-a-zone", CreateBucketConfiguration=wanted)["Error"]
    assert error["Code"] == "NotImplemented"
    assert "directory bucket" in error["Message"]
    assert "in-a-zone" not in [b["Name"] for b in s3("us-east-1").list_buckets()["Buckets"]]


@pytest.mark.parametrize("here", ["us-east-1", "eu-west-1", "us-west-2"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_who_may_not_read_a_bucket_is_told_where_it_is(
    s3: Client, buckets: dict[str, str], localhost: str, here: str, style: str
) -> None:
    """API reference, HeadBucket: the header is there regardless of permissions."""
    for sign in (UNSIGNED, "s3v4"):
        config = Config(s3={"addressing_style": style}, signature_version=sign)
        given = {"config": config, "endpoint_url": localhost}
        if sign == "s3v4":
            given |= {"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA", "aws_secret_access_key": "no"}
        client = bare(s3(here, **given))
        head = refused(client.head_bucket, Bucket=buckets["us-west-2"])["ResponseMetadata"]
        assert head["HTTPStatusCode"] == 403
        assert head["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"
        head = refused(client.head_bucket, Bucket="in-no-region")["ResponseMetadata"]
        assert "x-amz-bucket-region" not in head["HTTPHeaders"]
        head = refused(client.head_object, Bucket=buckets["us-west-2"], Key="k")
        assert "x-amz-bucket-region" not in head["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize("asked", ["us-east-1", "us-east-2", "eu-central-1", "cn-north-1", None])
def test_a_regional_endpoint_makes_buckets_in_its_own_region(s3: Client, asked: str | None) -> None:
    given = {"CreateBucketConfiguration": {"LocationConstraint": asked}} if asked else {}
    error = refused(s3("us-west-2").create_bucket, Bucket="not-there", **given)
    assert error["Error"]["Code"] == "IllegalLocationConstraintException"
    assert error["Error"]["Message"] == (
        f"The {asked or 'unspecified'} location constraint is incompatible for the region specific"
        " endpoint this request was sent to."
    )
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("asked", ["us-east-2", "eu-central-1", "EU"])
def test_the_global_endpoint_makes_buckets_anywhere(s3: Client, asked: str) -> None:
    name = f"by-global-{asked.lower()}"
    made = s3("us-east-1").create_bucket(Bucket=name, **constraint(asked))
    assert made["Location"] == f"http://{name}.s3.amazonaws.com/"
    assert s3("us-east-1").get_bucket_location(Bucket=name)["LocationConstraint"] == asked
    where = "eu-west-1" if asked == "EU" else asked
    assert s3("us-east-1").head_bucket(Bucket=name)["BucketRegion"] == where


def test_names_are_of_all_regions(s3: Client, buckets: dict[str, str]) -> None:
    assert s3("us-east-1").create_bucket(Bucket=buckets["us-east-1"])
    for made_in, again_in in (
        ("eu-west-1", "eu-west-1"), ("eu-west-1", "us-west-2"), ("eu-west-1", "us-east-1"),
        ("us-east-1", "us-west-2"),
    ):  # fmt: skip
        call, name = s3(again_in).create_bucket, buckets[made_in]
        error = refused(call, Bucket=name, **constraint(again_in))["Error"]
        assert error["Code"] == "BucketAlreadyOwnedByYou"
    error = refused(s3("us-east-1").create_bucket, Bucket="in-eu-west-1", **constraint("eu-west-1"))
    assert error["Error"]["Code"] == "BucketAlreadyOwnedByYou"


STYLES = [{"addressing_style": "path"}, {"addressing_style": "virtual"}]


@pytest.fixture
def localhost(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's address by name, under which buckets have host names."""
    resolve = socket.getaddrinfo

    def local(host: Any, *args: Any, **given: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith("localhost") else host, *args, **given)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    return f"http://localhost:{server.app.port}"


@pytest.mark.parametrize("style", STYLES, ids=["path", "virtual"])
@pytest.mark.parametrize("here", ["us-east-1", "eu-west-1"])
def test_a_client_is_led_to_a_bucket_elsewhere(
    s3: Client, buckets: dict[str, str], localhost: str, here: str, style: dict[str, str]
) -> None:
    """Unmodified boto3 signs again for the region that the refusal names, and goes on."""
    config = Config(s3=style, inject_host_prefix=False)
    given = {"config": config, "endpoint_url": localhost}
    for call, more in (
        ("get_object", {"Key": "k"}), ("head_object", {"Key": "k"}), ("head_bucket", {}),
        ("list_objects_v2", {}), ("put_object", {"Key": "new", "Body": io.BytesIO(b"x" * 300_000)}),
        ("get_bucket_versioning", {}), ("delete_object", {"Key": "new"}),
    ):  # fmt: skip
        client = s3(here, **given)  # a new one, which remembers no bucket's region
        answer = getattr(client, call)(Bucket=buckets["us-west-2"], **more)
        if call == "get_object":
            assert answer["Body"].read() == b"us-west-2"
        if call == "put_object":
            assert s3("us-west-2").head_object(Bucket="in-us-west-2", Key="new")
    client = s3(here, **given)
    client.upload_fileobj(
        io.BytesIO(b"y" * (9 << 20)), buckets["us-west-2"], "parts"
    )  # more than one part
    head = s3("us-west-2").head_object(Bucket=buckets["us-west-2"], Key="parts")
    assert (head["ContentLength"], head["ETag"][-3:]) == (9 << 20, '-2"')


def bare(client: Any) -> Any:
    """The client, which follows no redirect."""
    events, name = client.meta.events, "needs-retry.s3"
    for each in list(events._emitter._handlers.prefix_search(name)):
        if each.__name__ == "redirect_from_error":
            events.unregister(name, each)
    return client


def test_what_a_redirect_says(s3: Client, buckets: dict[str, str]) -> None:
    name = buckets["us-west-2"]
    error = refused(bare(s3("eu-west-1")).get_object, Bucket=name, Key="k")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 301
    assert error["Error"]["Code"] == "PermanentRedirect"
    assert error["Error"]["Bucket"] == name
    assert error["Error"]["Endpoint"].startswith("127.0.0.1:")
    assert error["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"
    error = refused(bare(s3("us-east-1")).get_object, Bucket=name, Key="k")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "AuthorizationHeaderMalformed"
    assert error["Error"]["Region"] == "us-west-2"
    assert "the region 'us-east-1' is wrong; expecting 'us-west-2'" in error["Error"]["Message"]
    for here, status in (("eu-west-1", 301), ("us-east-1", 400)):
        error = refused(bare(s3(here)).head_bucket, Bucket=name)
        assert error["ResponseMetadata"]["HTTPStatusCode"] == status
        assert error["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-west-2"
    error = refused(s3("eu-west-1").get_object, Bucket="in-no-region", Key="k")
    assert error["Error"]["Code"] == "NoSuchBucket"


def test_an_upload_is_refused_before_its_body_is_sent(
    server: Server, s3: Client, buckets: dict[str, str]
) -> None:
    url = s3("eu-west-1", config=Config(signature_version="s3v4")).generate_presigned_url(
        "put_object", {"Bucket": buckets["us-west-2"], "Key": "large"}
    )
    talk = http.client.HTTPConnection("127.0.0.1", server.app.port, timeout=10)
    talk.putrequest("PUT", url.partition(f":{server.app.port}")[2])
    talk.putheader("Content-Length", str(1 << 30))
    talk.endheaders()
    assert talk.getresponse().status == 400
    talk.close()


def test_copies_come_from_any_region(s3: Client, buckets: dict[str, str]) -> None:
    source = {"Bucket": buckets["us-west-2"], "Key": "k"}
    west, ireland = s3("us-west-2"), s3("eu-west-1")
    ireland.copy_object(Bucket=buckets["eu-west-1"], Key="copy", CopySource=source)
    found = ireland.get_object(Bucket=buckets["eu-west-1"], Key="copy")["Body"].read()
    assert found == b"us-west-2"
    west.copy_object(Bucket=buckets["eu-west-1"], Key="led", CopySource=source)  # by a redirect
    assert ireland.head_object(Bucket=buckets["eu-west-1"], Key="led")
    upload = ireland.create_multipart_upload(Bucket=buckets["eu-west-1"], Key="parts")["UploadId"]
    given = {"Bucket": buckets["eu-west-1"], "Key": "parts", "UploadId": upload}
    part = ireland.upload_part_copy(**given, PartNumber=1, CopySource=source)["CopyPartResult"]
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    ireland.complete_multipart_upload(**given, MultipartUpload={"Parts": parts})


def opened(url: str) -> tuple[int, bytes, str | None]:
    """Status, body and the bucket's region that is told."""
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read(), answer.headers["x-amz-bucket-region"]
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers["x-amz-bucket-region"]


def test_presigned_urls(s3: Client, buckets: dict[str, str]) -> None:
    for region in REGIONS:
        given = {"Bucket": buckets[region], "Key": "k"}
        for how in ({}, {"config": Config(signature_version="s3v4")}):
            url = s3(region, **how).generate_presigned_url("get_object", given)
            assert opened(url)[:2] == (200, region.encode())
    given = {"Bucket": buckets["us-west-2"], "Key": "k"}
    config = Config(signature_version="s3v4")
    for here in ("us-east-1", "eu-west-1"):
        url = s3(here, config=config).generate_presigned_url("get_object", given)
        status, body, told = opened(url)
        assert (status, told) == (400, "us-west-2")
        assert b"<Code>AuthorizationQueryParametersError</Code>" in body
        assert b"<Region>us-west-2</Region>" in body
        assert f"the region &apos;{here}&apos; is wrong".encode() in body.replace(b"'", b"&apos;")


def test_version_2_names_no_region(s3: Client, buckets: dict[str, str]) -> None:
    """Signed so in any region, a URL is good in those whose S3 began with it."""
    url = s3("us-east-1").generate_presigned_url(
        "get_object", {"Bucket": buckets["us-west-2"], "Key": "k"}
    )
    assert "AWSAccessKeyId=" in url
    assert opened(url)[:2] == (200, b"us-west-2")
    url = s3("us-east-1").generate_presigned_url(
        "get_object", {"Bucket": buckets["eu-central-1"], "Key": "k"}
    )
    status, body, told = opened(url)
    assert (status, told) == (400, "eu-central-1")
    assert b"Please use AWS4-HMAC-SHA256" in body
    assert urlsplit(url).hostname == "127.0.0.1"


def test_another_partition_and_nonsense(s3: Client, buckets: dict[str, str]) -> None:
    for region in ("cn-north-1", "us-gov-west-1", "moon-1"):
        given = {"Bucket": buckets["us-east-1"], "Key": "k"}
        error = refused(s3(region).get_object, **given)
        assert error["Error"]["Code"] == "AuthorizationHeaderMalformed"
        assert f"'{region}'" in error["Error"]["Message"]
        assert refused(s3(region).head_object, **given)["Error"]["Code"] == "400"
        url = s3(region, config=Config(signature_version="s3v4")).generate_presigned_url(
            "get_object", given
        )
        status, body, told = opened(url)
        assert (status, told) == (400, None)
        assert b"AuthorizationQueryParametersError" in body
