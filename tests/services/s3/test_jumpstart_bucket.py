"""JumpStart's buckets: the catalogue is always there, a model once somebody has it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.samples import stock, table
from sagebrush.samples.jumpstart import catalogue
from sagebrush.samples.remote import Remote
from tests.conftest import Server
from tests.samples.fake_aws import FakeAws
from tests.samples.seeding import seeding_client

BUCKET = "jumpstart-cache-prod-us-east-1"
MODEL = catalogue.models()["huggingface-tc-bert-base-cased"]
KEY = MODEL.training_key


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[FakeAws, Remote]]:
    """AWS, and a client of it."""
    fake = FakeAws()
    remote = Remote(endpoint=fake.url)
    yield fake, remote
    remote.close()
    fake.end()


@pytest.fixture
def aws(server: Server, s3: Any, played: tuple[FakeAws, Remote]) -> Iterator[FakeAws]:
    fake, server.world.samples.remote = played
    fake.reset(BUCKET)
    yield fake
    server.world.samples.remote = None


@pytest.fixture
def s3(server: Server, client: Callable[..., Any]) -> Any:
    """A client of a server that is not to ask AWS, unless a test takes `aws`, too."""
    server.world.samples.remote = None
    return client("s3")


@pytest.fixture
def seeder(server: Server) -> Iterator[Any]:
    """A client whose requests are those of `sagebrush samples`; what it put is gone afterwards."""
    made = seeding_client(server)
    yield made
    made.delete_object(Bucket=BUCKET, Key=KEY)


def reference(s3: Any) -> dict[str, str]:
    """The reference at the model's key."""
    body = s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        file = archive.extractfile("reference.json")
        assert file is not None
        return json.loads(file.read())


def source(s3: Any, key: str) -> str | None:
    """Who put the object there."""
    return s3.head_object(Bucket=BUCKET, Key=key)["Metadata"].get(table.SOURCE)


def test_the_catalogue_is_there_without_aws(s3: Any) -> None:
    listed = json.loads(
        s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)["Body"].read().decode()
    )
    assert MODEL.id in {each["model_id"] for each in listed}
    assert source(s3, catalogue.MANIFEST) == stock.OURS
    assert reference(s3)["model_id"] == MODEL.id
    assert source(s3, KEY) == stock.REFERENCE
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=KEY)["Contents"]
    assert [each["Key"] for each in found] == [KEY]
    with pytest.raises(ClientError, match="the setting sample_data is off"):
        s3.get_object(Bucket=BUCKET, Key="huggingface-training/none-such.tar.gz")


def test_the_catalogue_is_ours_where_aws_answers(s3: Any, aws: FakeAws) -> None:
    aws.buckets[BUCKET][catalogue.MANIFEST] = b"[]"
    listed = json.loads(s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)["Body"].read())
    assert MODEL.id in {each["model_id"] for each in listed}
    assert not aws.gets(catalogue.MANIFEST)


def test_a_model_is_awss_where_aws_has_it_and_stays(
    server: Server, s3: Any, seeder: Any, aws: FakeAws
) -> None:
    assert reference(s3)["model_id"] == MODEL.id  # AWS says 404
    aws.buckets[BUCKET][KEY] = b"weights"
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"] == 7
    assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"weights"
    server.world.samples.remote = None
    assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"weights"


def test_what_was_added_counts_before_aws_until_it_is_removed(
    s3: Any, seeder: Any, aws: FakeAws
) -> None:
    aws.buckets[BUCKET][KEY] = b"weights"
    metadata = {table.SOURCE: "added"}
    seeder.put_object(Bucket=BUCKET, Key=KEY, Body=b"mine", Metadata=metadata)
    assert s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"mine"
    del aws.buckets[BUCKET][KEY]
    seeder.delete_object(Bucket=BUCKET, Key=KEY)
    assert reference(s3)["model_id"] == MODEL.id


def test_another_version_of_sagebrush_renews_its_own(server: Server, s3: Any, seeder: Any) -> None:
    metadata = {table.SOURCE: stock.OURS}
    seeder.put_object(Bucket=BUCKET, Key=catalogue.MANIFEST, Body=b"old", Metadata=metadata)
    assert s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)["Body"].read() != b"old"


def test_nobody_else_changes_it(s3: Any) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=BUCKET, Key=catalogue.MANIFEST, Body=b"[]")


def test_a_bucket_of_ones_own_takes_the_name(s3: Any) -> None:
    s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)
    s3.create_bucket(Bucket=BUCKET)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)
    s3.delete_bucket(Bucket=BUCKET)
    assert s3.get_object(Bucket=BUCKET, Key=catalogue.MANIFEST)["ContentLength"] > 1000
