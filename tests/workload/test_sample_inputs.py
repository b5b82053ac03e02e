"""Input channels that name a public sample bucket: found, read while they arrive, and files in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.errors import Doc
from sagebrush.samples.remote import Remote
from sagebrush.workload import channels, sources
from sagebrush.workload.sources import StageError
from sagebrush.world import Ctx
from tests.samples.fake_aws import FakeAws

BUCKET = "sagemaker-example-files-prod-us-east-1"


@pytest.fixture
def aws(ctx: Ctx) -> Iterator[FakeAws]:
    fake = FakeAws()
    fake.reset(BUCKET)
    ctx.world.samples.remote = Remote(endpoint=fake.url)
    yield fake
    fake.end()


def channel(prefix: str) -> Doc:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}}


@pytest.mark.costs("a client of S3, and megabytes")
def test_a_channel_is_filled_from_aws(ctx: Ctx, aws: FakeAws, tmp_path: Path) -> None:
    bodies = {"small.csv": b"a,b\n", "large.bin": os.urandom(6 << 20), "sub/empty": b""}
    aws.buckets[BUCKET] |= {f"data/{name}": body for name, body in bodies.items()}
    checks = []
    target = os.open(tmp_path, os.O_RDONLY)
    try:
        found = sources.sources(ctx, channel("data/"))
        channels.download(ctx, found, target, lambda: checks.append(1))
    finally:
        os.close(target)
    assert {s.path: s.size for s in found} == {name: len(body) for name, body in bodies.items()}
    for name, body in bodies.items():
        assert (tmp_path / name).read_bytes() == body
    assert len(checks) > 6  # the lease is renewed while the large one arrives


@pytest.mark.costs("a client of S3")
def test_a_job_is_told_why_its_input_is_not_there(ctx: Ctx, aws: FakeAws) -> None:
    ctx.world.samples.remote = Remote(endpoint="http://127.0.0.1:9")
    with pytest.raises(StageError, match=f"sagebrush samples add {BUCKET}/data FOLDER"):
        sources.sources(ctx, channel("data/"))
    ctx.world.samples.remote = None
    with pytest.raises(StageError, match="the setting sample_data is off"):
        sources.sources(ctx, channel("data/"))
