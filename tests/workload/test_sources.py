"""Which part of a channel's objects an instance gets."""

from __future__ import annotations

import pytest

from sagebrush.errors import Doc
from sagebrush.scheduler import members
from sagebrush.workload import sources
from sagebrush.workload.sources import ALL, Shard, Source

GROUPS: Doc = {
    "InstanceGroups": [
        {"InstanceGroupName": "a", "InstanceType": "ml.m5.large", "InstanceCount": 2},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.large", "InstanceCount": 1},
    ]
}
JOB = members.members_of("t-1", GROUPS)


def parts(s3: Doc) -> list[Shard | None]:
    return [sources.shard(s3, JOB, member) for member in JOB]


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/a/b",
        "https://s3-us-west-2.amazonaws.com/bucket/a/b",  # as AWS's XGBoost notebooks write it
        "https://s3.amazonaws.com/bucket/a/b",
        "https://s3.eu-west-1.amazonaws.com/bucket/a/b",
        "https://bucket.s3.us-east-1.amazonaws.com/a/b",
        "https://bucket.s3.cn-north-1.amazonaws.com.cn/a/b",
        "https://bucket/a/b",
    ],
)
def test_an_address_of_s3_is_a_bucket_and_a_key(uri: str) -> None:
    assert sources.split(uri) == ("bucket", "a/b")


def test_replicated_channels_are_whole_everywhere() -> None:
    assert parts({}) == parts({"S3DataDistributionType": "FullyReplicated"}) == [ALL] * 3


def test_sharded_channels_are_dealt_out() -> None:
    s3 = {"S3DataDistributionType": "ShardedByS3Key"}
    assert parts(s3) == [Shard(0, 3), Shard(1, 3), Shard(2, 3)]


def test_a_groups_channel_is_absent_elsewhere_and_sharded_within() -> None:
    assert parts({"InstanceGroupNames": ["b"]}) == [None, None, ALL]
    s3 = {"S3DataDistributionType": "ShardedByS3Key", "InstanceGroupNames": ["a"]}
    assert parts(s3) == [Shard(0, 2), Shard(1, 2), None]


def test_shards_keep_the_order_and_leave_nothing_out() -> None:
    found = [Source("b", f"k{n}", 1, f"k{n}") for n in range(7)]
    shards = [sources.ordered(found, Shard(own, 3)) for own in range(3)]
    assert [source.key for source in shards[1]] == ["k1", "k4"]
    assert sorted((s for shard in shards for s in shard), key=lambda s: s.key) == found
    mixed = sources.ordered(found, ALL, seed=3)
    assert mixed != found
    assert sorted(mixed, key=lambda s: s.key) == found
    assert sources.seed({"ShuffleConfig": {"Seed": 0}}) == 0
    assert sources.seed({}) is None
