"""The client of AWS's public buckets: where it asks, through what, and what it takes for an answer."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush import tls
from sagebrush.errors import AwsError
from sagebrush.samples import remote, table
from sagebrush.samples.remote import Remote, Unreached
from tests.conftest import Clock
from tests.samples.fake_aws import FakeAws
from tests.waiting import until

NAME = "sagemaker-sample-files"


def bucket(name: str = NAME) -> table.PublicBucket:
    found = table.find(name)
    assert found is not None
    return found


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    fake = FakeAws()
    fake.reset(NAME)
    yield fake
    fake.end()


@pytest.mark.costs("makes clients of S3")
@pytest.mark.parametrize(
    ("name", "address"),
    [
        (NAME, "https://sagemaker-sample-files.s3.us-east-1.amazonaws.com/a/b"),
        (
            "jumpstart-cache-prod-cn-north-1",
            "https://jumpstart-cache-prod-cn-north-1.s3.cn-north-1.amazonaws.com.cn/a/b",
        ),
    ],
)
def test_aws_itself_is_asked_whatever_other_clients_are_told(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(variable, "http://localhost:4566")
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none/such")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    client = Remote()._client(bucket(name).region)
    asked = {"Bucket": name, "Key": "a/b"}
    assert client.generate_presigned_url("get_object", Params=asked) == address


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> None:
    monkeypatch.setenv("HTTP_PROXY", aws.url)
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(AwsError) as caught:
        Remote(endpoint="http://s3.example.invalid").head(bucket(), "asked")
    assert caught.value.status == 404
    assert [verb for verb, _ in aws.asked] == ["HEAD"]


def test_no_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, aws: FakeAws) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 0.3)
    clock = Clock(0.0)
    asked, aws.faults["k"] = Remote(endpoint=aws.url, clock=clock), "mute"
    for seconds, requests in ((0, 1), (59, 1), (2, 2)):
        clock.forward(seconds)
        with pytest.raises(Unreached, match="no answer"):
            asked.get(bucket(), "k")
        until(lambda requests=requests: aws.gets("k") == requests)


def test_a_region_that_is_out_of_reach_hinders_no_other(aws: FakeAws) -> None:
    other = "sagemaker-sample-data-eu-west-1"
    aws.reset(NAME, other)
    aws.buckets[NAME]["k"], aws.faults["gone"] = b"there", "portal"
    asked = Remote(endpoint=aws.url, clock=Clock(0.0))
    with pytest.raises(Unreached):
        asked.get(bucket(other), "gone")
    with pytest.raises(Unreached):  # remembered
        asked.get(bucket(other), "k")
    assert asked.head(bucket(), "k").size == 5


@pytest.mark.parametrize("region", ["", "aa-bbbbb-1", "us-east-99", "us-east-1.evil", "aws-global"])
def test_what_is_no_region_makes_no_sample_bucket(region: str) -> None:
    assert table.find(f"sagemaker-sample-data-{region}") is None


def test_a_stranger_is_not_aws(tmp_path: Path, aws: FakeAws) -> None:
    now = dt.datetime.now(dt.UTC)
    context = tls.ensure(tmp_path, [], now).context()
    assert isinstance(context, ssl.SSLContext)
    aws.socket = context.wrap_socket(aws.socket, server_side=True)
    with pytest.raises(Unreached, match=r"(?i)ssl"):
        Remote(endpoint=aws.url.replace("http:", "https:")).head(bucket(), "secret/key")


def test_the_reason_does_not_tell_what_was_asked() -> None:
    with pytest.raises(Unreached) as caught:
        Remote(endpoint="http://127.0.0.1:9").head(bucket(), "secret/key")
    assert "http://127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)
