"""Who may empty the accounts: the owner, by a signature or the page token, and nobody else."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.needs import missing
from tests.protocol import wire
from tests.protocol.wire import Answer

PATH = "/_sagebrush/reset"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"


@pytest.fixture(autouse=True)
def kept(client: Callable[..., Any]) -> None:
    """There is something to lose."""
    client("s3").create_bucket(Bucket="kept")


def buckets(client: Callable[..., Any]) -> list[str]:
    return [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]


def signed(server: Any, keys: Credentials | None = None, body: bytes = b"") -> dict[str, str]:
    """The headers of a reset that is signed for SageMaker, with the owner's key or `keys`."""
    if keys is None:
        return wire.headers(server, "POST", PATH, service="sagemaker", body=body)
    from botocore.auth import SigV4Auth

    made = AWSRequest("POST", server.url + PATH, {}, body)
    SigV4Auth(keys, "sagemaker", "us-east-1").add_auth(made)
    return {"Host": f"127.0.0.1:{server.app.port}", **dict(made.headers.items())}


def ask(server: Any, headers: dict[str, str], method: str = "POST", body: bytes = b"") -> Answer:
    given = {"Host": f"127.0.0.1:{server.app.port}", "Content-Length": str(len(body)), **headers}
    return wire.send(server, method, PATH, given, body)


@pytest.mark.parametrize("service", ["sagemaker", "s3", "execute-api"])
def test_the_owner_signs_for_any_service(server, client, service):
    headers = wire.headers(server, "POST", PATH, service=service)
    answer = ask(server, headers)
    assert answer.status == 200, answer.body
    said = json.loads(answer.body)
    assert said["status"] == "ok"
    assert said["rows"] >= 0
    assert buckets(client) == []


def test_the_owner_has_the_page_token(server, client):
    token = server.world.credentials.page_token
    assert ask(server, {"Authorization": f"Bearer {token}"}).status == 200
    assert buckets(client) == []


def test_as_curl_signs(server, client):
    if not shutil.which("curl"):
        missing("no curl")
    key, secret = server.world.credentials.user_key
    command = ["curl", "-sS", "--fail", "-X", "POST", "--aws-sigv4", "aws:amz:us-east-1:sagemaker"]
    said = subprocess.run(
        [*command, "--user", f"{key}:{secret}", server.url + PATH], capture_output=True, text=True
    )
    if "is unknown" in said.stderr:
        missing("a curl that signs")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["status"] == "ok"
    assert buckets(client) == []


def refused(server: Any, client: Callable[..., Any], answer: Answer, status: int = 403) -> None:
    """The answer is that refusal, and all is still there."""
    assert answer.status == status, answer.body
    assert buckets(client) == ["kept"]


def test_nobody_without_a_key(server, client):
    refused(server, client, ask(server, {}))
    refused(server, client, ask(server, {"Authorization": "Bearer "}))
    refused(server, client, ask(server, {"Authorization": "Bearer wrong"}))
    role = server.world.credentials.container_token(ROLE)  # what jobs in process mode have
    refused(server, client, ask(server, {"Authorization": f"Bearer {role}"}))
    refused(server, client, ask(server, {"Authorization": role}))


def test_no_role_though_it_is_an_administrator(server, client):
    found = client("sts").assume_role(RoleArn=ROLE, RoleSessionName="tests")["Credentials"]
    keys = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    refused(server, client, ask(server, signed(server, keys)))
    wrong = Credentials(server.world.credentials.user_key[0], "a guess")
    refused(server, client, ask(server, signed(server, wrong)))


def test_no_presigned_address(server, client):
    made = AWSRequest("POST", server.url + PATH)
    key, secret = server.world.credentials.user_key
    SigV4QueryAuth(Credentials(key, secret), "sagemaker", "us-east-1").add_auth(made)
    path = str(made.url).removeprefix(server.url)
    host = {"Host": f"127.0.0.1:{server.app.port}", "Content-Length": "0"}
    refused(server, client, wire.send(server, "POST", path, host))


@pytest.mark.parametrize(
    "page",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=str,
)
def test_no_web_page_whatever_it_carries(server, client, page):
    token = {"Authorization": f"Bearer {server.world.credentials.page_token}"}
    refused(server, client, ask(server, page))
    refused(server, client, ask(server, {**page, **token}))
    refused(server, client, ask(server, {**page, **signed(server)}))


def test_no_foreign_host(server, client):
    token = {"Authorization": f"Bearer {server.world.credentials.page_token}"}
    refused(server, client, ask(server, {**token, "Host": "evil.example"}), 421)
    refused(server, client, ask(server, {**token, "Host": "kept.evil.example"}), 421)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_no_other_method(server, client, method):
    token = {"Authorization": f"Bearer {server.world.credentials.page_token}"}
    answer = ask(server, token, method)
    refused(server, client, answer, 405)
    assert answer.headers["Allow"] == "POST"


def test_the_signature_is_of_this_body(server, client):
    refused(server, client, ask(server, signed(server), body=b"{}"))
    large = b"x" * 5000
    refused(server, client, ask(server, signed(server, body=large), body=large), 413)
    assert ask(server, signed(server, body=b"{}"), body=b"{}").status == 200
