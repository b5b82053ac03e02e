"""AWS's public sample buckets through boto3, from a server that plays AWS."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from sagebrush.samples import table
from sagebrush.samples.downloads import AT_ONCE
from sagebrush.samples.remote import Remote
from tests.conftest import Clock, Server
from tests.people import account, allow, owner, user
from tests.samples.fake_aws import MODIFIED, FakeAws
from tests.samples.seeding import seeding_client
from tests.services.s3.test_s3_objects import refused
from tests.waiting import until

BUCKET = "sagemaker-sample-files"
REGIONAL = "sagemaker-example-files-prod-eu-west-1"
LARGE = 9 << 20


@pytest.fixture(scope="module")
def played(clock: Clock) -> Iterator[tuple[FakeAws, Remote, Remote]]:
    """AWS, a client of it, and a client of what does not answer: clients are dear to make."""
    fake = FakeAws()
    nobody = Remote(endpoint="http://127.0.0.1:9", clock=clock)
    there = Remote(endpoint=fake.url, clock=clock)
    yield fake, there, nobody
    there.close()
    nobody.close()
    fake.end()


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(0.0)


@pytest.fixture
def aws(server: Server, played: tuple[FakeAws, Remote, Remote], clock: Clock) -> Iterator[FakeAws]:
    fake, server.world.samples.remote, _ = played
    fake.reset(BUCKET)
    clock.forward(100.0)
    yield fake
    fake.go.set()
    server.world.samples.remote = None


@pytest.fixture
def gone(server: Server, played: tuple[FakeAws, Remote, Remote]) -> Callable[[], None]:
    """Called: AWS cannot be reached any more."""
    return lambda: setattr(server.world.samples, "remote", played[2])


@pytest.fixture
def s3(client: Callable[..., Any], aws: FakeAws) -> Any:
    return client("s3")


@pytest.fixture
def seeder(server: Server, s3: Any) -> Any:
    """A client whose requests are those of `sagebrush samples`."""
    return seeding_client(server)


def blobs(server: Server) -> int:
    """Files of the object store."""
    return sum(1 for path in server.world.objects.root.rglob("*") if path.is_file())


def test_an_object_is_read_from_aws_once_and_kept(
    s3: Any, aws: FakeAws, gone: Callable[[], None]
) -> None:
    body = os.urandom(70_000)
    aws.buckets[BUCKET]["data/ä b.csv"] = body
    first = s3.get_object(Bucket=BUCKET, Key="data/ä b.csv")
    assert first["Body"].read() == body
    gone()
    again = s3.get_object(Bucket=BUCKET, Key="data/ä b.csv", Range="bytes=10-19")
    assert again["Body"].read() == body[10:20]
    head = s3.head_object(Bucket=BUCKET, Key="data/ä b.csv")
    for got in (first, again, head):
        assert got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert got["LastModified"].timestamp() == MODIFIED
        assert (got["ContentType"], got["Metadata"]) == ("text/csv", {"origin": "there"})
    assert head["ContentLength"] == len(body)
    assert aws.gets("data/ä b.csv") == 1


def test_a_large_object_is_answered_while_it_arrives(s3: Any, aws: FakeAws) -> None:
    body = os.urandom(LARGE)
    aws.buckets[BUCKET]["large"] = body
    aws.faults["large"] = "held"
    got = s3.get_object(Bucket=BUCKET, Key="large")  # half of it is still with AWS
    assert got["ContentLength"] == LARGE
    assert got["Body"].read(1000) == body[:1000]
    part = s3.get_object(Bucket=BUCKET, Key="large", Range="bytes=2000000-2999999")
    assert part["Body"].read() == body[2_000_000:3_000_000]
    aws.go.set()
    assert got["Body"].read() == body[1000:]
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == body
    assert aws.gets("large") == 1


def test_first_reads_at_once_fetch_once(s3: Any, aws: FakeAws) -> None:
    body = os.urandom(300_000)
    aws.buckets[BUCKET]["shared"] = body
    aws.faults["shared"] = "held"

    def read(_: int) -> bytes:
        return s3.get_object(Bucket=BUCKET, Key="shared")["Body"].read()

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(read, n) for n in range(4)]
        assert aws.half.wait(10)
        aws.go.set()
        assert all(each.result() == body for each in found)
    assert aws.gets("shared") == 1


@pytest.mark.parametrize("size", [50_000, LARGE])
@pytest.mark.parametrize("fault", ["cut", "wrong"])
def test_what_breaks_off_leaves_nothing(
    server: Server, s3: Any, aws: FakeAws, fault: str, size: int
) -> None:
    body, key = os.urandom(size), f"{fault}-{size}"
    aws.buckets[BUCKET][key] = body
    aws.faults[key] = fault
    before = blobs(server)
    if size < LARGE:
        with pytest.raises(ClientError, match="samples add sagemaker-sample-files FOLDER"):
            s3.get_object(Bucket=BUCKET, Key=key)
    else:  # it was answered while it came: the client sees that the end is missing
        with pytest.raises((BotoCoreError, HTTPClientError)):
            s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    until(lambda: blobs(server) == before)
    aws.faults.clear()
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body


def test_aws_refusals_are_answered_as_they_are(s3: Any, aws: FakeAws) -> None:
    aws.faults |= {"no": (403, "AccessDenied"), "moved": (301, "PermanentRedirect")}
    assert refused(s3.get_object, Bucket=BUCKET, Key="missing") == ("NoSuchKey", 404)
    assert refused(s3.head_object, Bucket=BUCKET, Key="missing") == ("404", 404)
    assert refused(s3.get_object, Bucket=BUCKET, Key="no") == ("AccessDenied", 403)
    assert refused(s3.head_object, Bucket=BUCKET, Key="no") == ("403", 403)
    assert refused(s3.get_object, Bucket=BUCKET, Key="moved")[1] == 301


def test_what_is_not_s3_is_neither_kept_nor_asked_again(
    s3: Any, aws: FakeAws, clock: Clock
) -> None:
    aws.buckets[BUCKET]["page"] = b"data"
    aws.faults["page"] = "portal"
    for _ in range(3):
        assert refused(s3.get_object, Bucket=BUCKET, Key="page") == ("NoSuchKey", 404)
    assert aws.gets("page") == 1
    aws.faults.clear()
    clock.forward(61.0)
    assert s3.get_object(Bucket=BUCKET, Key="page")["Body"].read() == b"data"


def test_without_aws_the_error_says_what_to_do(s3: Any, gone: Callable[[], None]) -> None:
    gone()
    for call, given in (
        (s3.get_object, {"Key": "datasets/text/SST2/train.csv"}),
        (s3.list_objects_v2, {"Prefix": "datasets/text/SST2/"}),
        (s3.list_objects, {"Prefix": "datasets/text/SST2/"}),
    ):
        with pytest.raises(ClientError) as caught:
            call(Bucket=BUCKET, **given)
        assert caught.value.response["Error"]["Code"] == "NoSuchKey"  # type: ignore
        assert "sagebrush samples add sagemaker-sample-files/datasets/text/SST2 F" in str(
            caught.value
        )
    assert refused(s3.head_object, Bucket=BUCKET, Key="x/y") == ("404", 404)


def test_the_buckets_are_there_in_their_regions_without_asking(s3: Any, aws: FakeAws) -> None:
    assert s3.head_bucket(Bucket=BUCKET)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=REGIONAL)["LocationConstraint"] == "eu-west-1"
    assert refused(s3.head_bucket, Bucket="sagemaker-sample-filez") == ("404", 404)
    assert not aws.asked
    assert BUCKET not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_nobody_changes_them(s3: Any, aws: FakeAws) -> None:
    aws.buckets[BUCKET]["held/one"] = b"1"
    denied = ("AccessDenied", 403)
    s3.get_object(Bucket=BUCKET, Key="held/one")
    for call, given in (
        (s3.put_object, {"Key": "k", "Body": b""}),
        (s3.put_object, {"Key": "k", "Body": bytes(400_000)}),
        (s3.delete_object, {"Key": "held/one"}),
        (s3.create_multipart_upload, {"Key": "k"}),
        (s3.copy_object, {"Key": "k", "CopySource": f"{BUCKET}/held/one"}),
        (s3.put_object_tagging, {"Key": "held/one", "Tagging": {"TagSet": []}}),
        (s3.put_bucket_policy, {"Policy": "{}"}),
        (s3.get_bucket_policy, {}),
        (s3.delete_bucket, {}),
    ):
        assert refused(call, Bucket=BUCKET, **given) == denied, call
    other = {"ExpectedBucketOwner": "1" * 12}
    assert refused(s3.get_object, Bucket=BUCKET, Key="held/one", **other) == denied


def test_listings_have_what_aws_has_and_what_is_here(
    seeder: Any, s3: Any, aws: FakeAws, gone: Callable[[], None]
) -> None:
    theirs = [f"list/{n:02}" for n in range(7)] + ["list/sub/a", "list/sub/b", "list/zub/c"]
    aws.buckets[BUCKET] |= {key: b"aws" for key in theirs}
    for key in ("list/03", "list/04x", "list/sub/mine", "list/zz"):
        seeder.put_object(Bucket=BUCKET, Key=key, Body=b"mine")
    aws.page = 3
    both = sorted({*theirs, "list/03", "list/04x", "list/sub/mine", "list/zz"})
    for verb in ("list_objects_v2", "list_objects"):
        for most in (2, 1000):
            pages = s3.get_paginator(verb).paginate(
                Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": most}
            )
            found = [(o["Key"], o["Size"]) for page in pages for o in page.get("Contents", ())]
            assert [key for key, _ in found] == both
            assert dict(found)["list/03"] == 4  # what is here is what would be read
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    pages = list(pages)
    assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", ())] == [
        "list/sub/",
        "list/zub/",
    ]
    assert len([o for page in pages for o in page.get("Contents", ())]) == 9
    aws.faults[""] = (403, "AccessDenied")
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="list/")["KeyCount"] == 4
    assert refused(s3.list_objects_v2, Bucket=BUCKET, Prefix="no/") == ("AccessDenied", 403)
    gone()
    offline = s3.list_objects_v2(Bucket=BUCKET, Prefix="list/")["Contents"]
    assert [o["Key"] for o in offline] == ["list/03", "list/04x", "list/sub/mine", "list/zz"]


def test_copies_fetch_their_source(s3: Any, aws: FakeAws) -> None:
    body = os.urandom(200_000)
    aws.buckets[BUCKET]["from"] = body
    s3.create_bucket(Bucket="copies-of-samples")
    source = {"Bucket": BUCKET, "Key": "from"}
    s3.copy_object(Bucket="copies-of-samples", Key="to", CopySource=source)
    assert s3.get_object(Bucket="copies-of-samples", Key="to")["Body"].read() == body
    assert refused(
        s3.copy_object, Bucket="copies-of-samples", Key="t", CopySource=f"{BUCKET}/none"
    ) == ("NoSuchKey", 404)
    aws.buckets[BUCKET]["part"] = body
    upload = s3.create_multipart_upload(Bucket="copies-of-samples", Key="parts")["UploadId"]
    part = s3.upload_part_copy(
        Bucket="copies-of-samples", Key="parts", UploadId=upload, PartNumber=1,
        CopySource=f"{BUCKET}/part", CopySourceRange="bytes=0-99",
    )  # fmt: skip
    assert part["CopyPartResult"]["ETag"] == f'"{hashlib.md5(body[:100]).hexdigest()}"'


def test_a_bucket_of_ones_own_takes_the_name_unless_samples_are_kept(
    seeder: Any, s3: Any, aws: FakeAws
) -> None:
    aws.buckets[REGIONAL] = {"theirs": b"aws"}
    s3.create_bucket(Bucket=REGIONAL)
    assert s3.list_objects_v2(Bucket=REGIONAL)["KeyCount"] == 0
    assert refused(s3.get_object, Bucket=REGIONAL, Key="theirs") == ("NoSuchKey", 404)
    s3.put_object(Bucket=REGIONAL, Key="mine", Body=b"")
    s3.delete_object(Bucket=REGIONAL, Key="mine")
    s3.delete_bucket(Bucket=REGIONAL)
    assert s3.get_object(Bucket=REGIONAL, Key="theirs")["Body"].read() == b"aws"
    assert refused(s3.create_bucket, Bucket=REGIONAL) == ("BucketAlreadyExists", 409)
    seeder.delete_object(Bucket=REGIONAL, Key="theirs")
    s3.create_bucket(Bucket=REGIONAL)
    s3.delete_bucket(Bucket=REGIONAL)


def test_no_other_account_takes_the_name(server: Server, s3: Any, aws: FakeAws) -> None:
    aws.buckets[BUCKET]["squatted"] = b"aws"
    _, other = account(server)
    assert refused(other("s3").create_bucket, Bucket=BUCKET) == ("BucketAlreadyExists", 409)
    assert other("s3").get_object(Bucket=BUCKET, Key="squatted")["Body"].read() == b"aws"


def test_the_account_of_zeros_owns_its_buckets(server: Server) -> None:
    """It was the stand-in for AWS's own once, and everybody could read its buckets."""
    (_, zeros), (_, other) = account(server, "000000000000"), account(server)
    zeros("s3").create_bucket(Bucket="of-zeros")
    zeros("s3").put_object(Bucket="of-zeros", Key="k", Body=b"mine")
    assert zeros("s3").get_object(Bucket="of-zeros", Key="k")["Body"].read() == b"mine"
    assert refused(other("s3").get_object, Bucket="of-zeros", Key="k") == ("AccessDenied", 403)


def test_downloads_hold_up_no_questions(s3: Any, aws: FakeAws) -> None:
    keys = [f"long/{n}" for n in range(AT_ONCE)]
    aws.buckets[BUCKET] |= dict.fromkeys([*keys, "asked-meanwhile"], b"ab")
    aws.faults |= dict.fromkeys(keys, "held")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [pool.submit(s3.get_object, Bucket=BUCKET, Key=key) for key in keys]
        until(lambda: sum(map(aws.gets, keys)) == AT_ONCE)
        assert s3.head_object(Bucket=BUCKET, Key="asked-meanwhile")["ContentLength"] == 2
        aws.go.set()
        assert all(each.result()["Body"].read() == b"ab" for each in found)


def test_listings_that_wait_for_aws_hold_up_no_requests(
    server: Server, client: Callable[..., Any], s3: Any, aws: FakeAws
) -> None:
    aws.faults[""] = "mute"
    somebody = user(owner(server), "lists", allow("*"))
    lists, asks = somebody("s3"), somebody("sagemaker")
    many = server.app.settings.request_threads + 2
    with ThreadPoolExecutor(many) as pool:
        asked = {"Bucket": BUCKET, "Prefix": "none-such/"}
        found = [pool.submit(refused, lists.list_objects_v2, **asked) for _ in range(many)]
        until(lambda: len(aws.asked) >= AT_ONCE)
        assert asks.list_models()["Models"] == []
        assert not any(each.done() for each in found)
        aws.go.set()
        assert {each.result()[0] for each in found} == {"NoSuchKey"}


def test_a_caller_needs_its_own_permission(server: Server, s3: Any, aws: FakeAws) -> None:
    aws.buckets[BUCKET]["asked"] = b"1"
    iam, role = server.client("iam"), "reads-samples-not"
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    }
    iam.create_role(
        RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust})
    )
    arn = f"arn:aws:iam::{server.app.settings.account}:role/{role}"
    found = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    denied = server.client(
        "s3", aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"], aws_session_token=found["SessionToken"],
    )  # fmt: skip
    assert refused(denied.get_object, Bucket=BUCKET, Key="asked") == ("AccessDenied", 403)
    assert not aws.asked


def test_where_the_setting_is_off_only_what_was_put_here_is_there(
    server: Server, seeder: Any, s3: Any, aws: FakeAws
) -> None:
    server.world.samples.remote = None
    aws.buckets[BUCKET]["off/there"] = b"aws"
    name = "jumpstart-cache-prod-us-west-2"
    with pytest.raises(ClientError, match="the setting sample_data is off"):
        s3.get_object(Bucket=name, Key="k")
    seeder.put_object(Bucket=name, Key="off/k", Body=b"put")
    assert s3.get_object(Bucket=name, Key="off/k")["Body"].read() == b"put"
    with pytest.raises(ClientError, match="the setting sample_data is off"):
        s3.get_object(Bucket=name, Key="off/there")
    assert s3.list_objects_v2(Bucket=name, Prefix="off/")["KeyCount"] == 1
    assert not aws.asked


def test_a_stale_seal_changes_nothing(server: Server, s3: Any) -> None:
    made = server.client("s3", verify=None)
    for sealed in (server.world.credentials.seal(table.SEAL, b"1"), "forged"):

        def mark(request: Any, sealed: str = sealed, **_: Any) -> None:
            request.headers[table.SEED_HEADER] = sealed

        made.meta.events.register("before-sign.s3.*", mark, unique_id="seal")
        assert refused(made.put_object, Bucket=BUCKET, Key="k", Body=b"")[1] == 403
        made.meta.events.unregister("before-sign.s3.*", unique_id="seal")
