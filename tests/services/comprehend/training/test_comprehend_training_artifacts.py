"""Artifacts of custom models: signed URLs, regions, whose bucket it is."""

from __future__ import annotations

import http.client
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sagebrush.credentials import CredentialBook
from sagebrush.services.comprehend.training import artifacts
from sagebrush.settings import COMPREHEND
from sagebrush.store import catalog
from sagebrush.store.rows import Row
from tests.conftest import Server
from tests.people import account

KIND = "document-classifier"


def row(number: str = "ab", region: str = "us-east-1") -> Row:
    return Row("123456789012", region, KIND, "films/version/v1", "TRAINING", {}, {"id": number})


def ask(
    server: Server, method: str, url: str, body: bytes = b"", host: str = ""
) -> tuple[int, bytes]:
    """Status and body of the answer to a request that reaches the server as a job's does."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    try:
        headers = {"Host": host or parts.netloc}
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_what_is_put_is_read_copied_and_deleted(region: str, server: Server) -> None:
    of, other = row("ab", region), row("cd", region)
    assert artifacts.read(server.world, of, artifacts.MODEL) is None
    for name in (artifacts.MODEL, artifacts.METADATA):
        assert not artifacts.exists(server.world, of, name)
        url = artifacts.put_url(server.world, of, name)
        assert ask(server, "PUT", url, name.encode())[0] == 200
        assert artifacts.read(server.world, of, name) == name.encode()
        assert artifacts.exists(server.world, of, name)
    assert not artifacts.copy(server.world, artifacts.prefix(row("none")), other)
    assert artifacts.copy(server.world, artifacts.prefix(of), other)
    artifacts.delete(server.world, of)
    artifacts.delete(server.world, of)
    assert artifacts.read(server.world, of, artifacts.MODEL) is None
    url = artifacts.get_url(server.world, artifacts.uri(server.world, other))
    assert ask(server, "GET", url) == (200, artifacts.MODEL.encode())
    found = catalog.known_bucket(server.world.db, artifacts.bucket(server.world, region))
    assert found is not None
    assert (found.account, found.region) == (COMPREHEND, region)
    artifacts.delete(server.world, other)


def test_a_url_is_for_one_thing(server: Server) -> None:
    url = artifacts.put_url(server.world, row(), artifacts.MODEL)
    assert ask(server, "PUT", url, b"model")[0] == 200
    got = artifacts.get_url(server.world, artifacts.uri(server.world, row()))
    for method, wrong in (
        ("GET", url),
        ("DELETE", url),
        ("PUT", got),
        ("PUT", url.replace(artifacts.MODEL, artifacts.METADATA)),
        ("PUT", url.replace("Expires=604800", "Expires=604799")),
    ):
        assert ask(server, method, wrong)[0] == 403
    assert ask(server, "PUT", url, b"model", host="127.0.0.1")[0] == 403, "another host"
    assert artifacts.read(server.world, row(), artifacts.MODEL) == b"model"


def test_a_url_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = artifacts.put_url(server.world, row(), artifacts.MODEL)
    now = server.world.clock()
    monkeypatch.setattr(server.app.server._verifier, "_clock", lambda: now + artifacts.SECONDS + 5)
    status, said = ask(server, "PUT", url, b"late")
    assert (status, b"Request has expired" in said) == (403, True)


def test_nobody_can_take_the_bucket_first(server: Server) -> None:
    names = {artifacts.bucket(server.world, region) for region in ("us-east-1", "us-west-2")}
    assert len(names) == 2
    assert all(len(name) <= 63 for name in names)
    elsewhere = CredentialBook(server.app.settings.home / "other-keys", "1" * 12, "R", lambda: 0.0)
    world = replace(server.world, credentials=elsewhere)
    assert artifacts.bucket(world, "us-east-1") not in names, (
        "it follows from the data directory's key"
    )


def test_another_account_cannot_have_it(server: Server) -> None:
    artifacts.put_url(server.world, row(), artifacts.MODEL)
    name = artifacts.bucket(server.world, "us-east-1")
    _, stranger = account(server)
    for s3 in (server.client("s3"), stranger("s3")):
        with pytest.raises(ClientError) as refused:
            s3.create_bucket(Bucket=name)
        assert refused.value.response["Error"]["Code"] == "BucketAlreadyExists"
        for call in (s3.list_objects_v2, s3.delete_bucket, s3.head_bucket):
            with pytest.raises(ClientError) as refused:
                call(Bucket=name)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
