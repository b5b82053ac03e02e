"""The door by raw HTTP and real clients: bodies, hosts, keep-alive, refusals, what is told after."""

from __future__ import annotations

import json
import sqlite3
import ssl
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.protocol.hosts import Hosts
from tests.aws_session import SESSION
from tests.conftest import make_settings
from tests.protocol import wire
from tests.protocol.wire import told

MIB = 1 << 20


@pytest.fixture(scope="module")
def bucket(client):
    client("s3").create_bucket(Bucket="door")
    return "door"


# Connections --------------------------------------------------------------------------------------


def test_keep_alive_and_head(server, bucket, client):
    client("s3").put_object(Bucket="door", Key="k", Body=b"0123456789")
    with wire.connect(server) as sock:
        for _ in range(3):
            sock.sendall(wire.head_of("HEAD", "/door/k", wire.headers(server, "HEAD", "/door/k")))
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"content-length: 10\r\n" in answer.lower()
            assert answer.endswith(b"\r\n\r\n")
            missing = wire.headers(server, "HEAD", "/door/none")
            sock.sendall(wire.head_of("HEAD", "/door/none", missing))
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 404 ")
            assert answer.endswith(b"\r\n\r\n")
        sock.sendall(wire.head_of("GET", "/door/k", wire.headers(server, "GET", "/door/k")))
        assert sock.recv(65536).endswith(b"0123456789")


def test_ipv6(server, bucket):
    url = f"http://[::1]:{server.app.port}"
    assert server.client("s3", endpoint_url=url).list_objects_v2(Bucket="door")["KeyCount"] > 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", ""])
def test_foreign_host(server, host):
    answer = wire.send(server, "GET", "/", {"Host": host})
    assert answer.status == 421
    assert wire.send(server, "GET", "/_sagebrush/health", {"Host": host}).status == 421


def test_hosts(tmp_path):
    hosts = Hosts(make_settings(tmp_path, hosts="box.lan"))
    known = [
        "localhost",
        "LOCALHOST:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "b.localhost",
        "box.lan",
    ]
    assert all(hosts.known(name) for name in known)
    assert not any(hosts.known(name) for name in ["lan", "xbox.lan", "10.0.0.1", "[fe80::1]"])
    assert hosts.bucket("b.s3.localhost:4566") == "b"
    assert hosts.bucket("my.dotted.bucket.s3.us-east-1.localhost") == "my.dotted.bucket"
    assert hosts.bucket("my.dotted.bucket.localhost") == "my.dotted.bucket"
    assert hosts.bucket("b.box.lan") == "b"
    assert hosts.bucket("s3.localhost") is None
    assert hosts.bucket("localhost") is None
    assert hosts.bucket("127.0.0.1:4566") is None


def test_virtual_host(server, bucket):
    path = "/a%20key"
    given = {"Host": f"door.s3.localhost:{server.app.port}"}
    key, secret = server.world.credentials.user_key
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    for method, body in (("PUT", b"virtual"), ("GET", b"")):
        made = AWSRequest(method, f"http://{given['Host']}{path}", dict(given), body)
        S3SigV4Auth(Credentials(key, secret), "s3", "us-east-1").add_auth(made)
        answer = wire.send(server, method, path, dict(made.headers.items()), body)
        assert answer.status == 200
    assert answer.body == b"virtual"


def test_tls(server):
    bundle = server.app.settings.home / "keys" / "ca-bundle.pem"
    sts = server.client(
        "sts",
        endpoint_url=f"https://localhost:{server.app.tls_port}",
        verify=str(bundle),
    )
    assert sts.get_caller_identity()["Account"] == "123456789012"
    s3 = server.client(
        "s3", endpoint_url=f"https://localhost:{server.app.tls_port}", verify=str(bundle)
    )
    s3.create_bucket(Bucket="by-tls")  # over TLS, SDKs send unsigned chunks with a trailer
    s3.put_object(Bucket="by-tls", Key="k", Body=b"x" * 3_000_000)
    assert s3.get_object(Bucket="by-tls", Key="k")["Body"].read() == b"x" * 3_000_000
    context = ssl.create_default_context(cafile=str(bundle))
    for host in ("localhost", "127.0.0.1", "[::1]"):
        url = f"https://{host}:{server.app.tls_port}/_sagebrush/health"
        assert urllib.request.urlopen(url, context=context).status == 200


# Refusals by real clients -------------------------------------------------------------------------


def refused(call, **given):
    with pytest.raises(ClientError) as info:
        call(**given)
    found = info.value.response
    return found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("service", "call", "unknown", "mismatch"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("iam", "list_roles", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("sagemaker", "list_models", "UnrecognizedClientException", "InvalidSignatureException"),
        (
            "logs",
            "describe_log_groups",
            "UnrecognizedClientException",
            "InvalidSignatureException",
        ),
    ],
)
def test_keys_of_others(server, service, call, unknown, mismatch):
    other = server.client(
        service, aws_access_key_id="AKIANOBODYATALL", aws_secret_access_key="secret"
    )
    assert refused(getattr(other, call)) == (unknown, 403)
    key = server.world.credentials.user_key[0]
    wrong = server.client(service, aws_access_key_id=key, aws_secret_access_key="secret")
    assert refused(getattr(wrong, call)) == (mismatch, 403)
    stale = server.client(service, aws_session_token="stale")
    found = refused(getattr(stale, call))
    assert found == (("InvalidToken", 400) if service == "s3" else (unknown, 403))


def test_unsigned_by_boto3(server):
    from botocore import UNSIGNED as unsigned

    given = Config(signature_version=unsigned, retries={"total_max_attempts": 1})
    anonymous = SESSION.client("s3", endpoint_url=server.url, region_name="us-east-1", config=given)
    assert refused(anonymous.list_buckets) == ("AccessDenied", 403)
    anonymous = SESSION.client(
        "sts", endpoint_url=server.url, region_name="us-east-1", config=given
    )
    assert refused(anonymous.get_caller_identity) == ("MissingAuthenticationToken", 403)
    token = {"RoleArn": "arn:aws:iam::123456789012:role/r", "WebIdentityToken": "ey.ey.ey"}
    found = refused(anonymous.assume_role_with_web_identity, RoleSessionName="one", **token)
    assert found == ("NotImplemented", 400), "AWS answers it unsigned; it is not offered"
    anonymous = SESSION.client(
        "sagemaker", endpoint_url=server.url, region_name="us-east-1", config=given
    )
    assert refused(anonymous.list_models) == ("MissingAuthenticationTokenException", 403)


def test_another_partition(server):
    code, status = refused(server.client("sagemaker", region_name="cn-north-1").list_models)
    assert (code, status) == ("InvalidSignatureException", 403)
    for call in ("list_buckets", "get_object", "head_object", "head_bucket"):
        given = {"Bucket": "door", "Key": "k"} if "object" in call else {}
        given = given or ({"Bucket": "door"} if call == "head_bucket" else {})
        china = server.client("s3", region_name="cn-north-1")
        code, status = refused(getattr(china, call), **given)
        assert (code, status) in (("AuthorizationHeaderMalformed", 400), ("400", 400))
    for service, call in (("sts", "get_caller_identity"), ("iam", "list_roles")):
        code, status = refused(getattr(server.client(service, region_name="moon-1"), call))
        assert (code, status) == ("SignatureDoesNotMatch", 403)


def test_presigned_urls(server, bucket, client):
    s3 = client("s3", config=Config(signature_version="s3v4"))
    put = s3.generate_presigned_url("put_object", {"Bucket": "door", "Key": "ü b/+1"})
    request = urllib.request.Request(put, data=b"by url", method="PUT")
    assert urllib.request.urlopen(request).status == 200
    get = s3.generate_presigned_url("get_object", {"Bucket": "door", "Key": "ü b/+1"})
    assert urllib.request.urlopen(get).read() == b"by url"
    with pytest.raises(urllib.error.HTTPError) as info:
        urllib.request.urlopen(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=3601"))
    info.value.close()
    assert info.value.code == 403
    sts = client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    assert b"assumed-role" in urllib.request.urlopen(sts).read()


def test_what_is_not_offered_is_named(client):
    with pytest.raises(ClientError) as info:
        client("sagemaker").list_hubs()
    assert info.value.response["Error"]["Code"] == "NotImplemented"
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "ListHubs" in str(info.value)
    with pytest.raises(ClientError) as info:
        client("dynamodb").list_tables()
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert "dynamodb" in str(info.value)


# Faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "code", "status"),
    [
        (RuntimeError("secret=hunter2"), "InternalFailure", 500),
        (OSError(28, "No space left on device"), "StorageFull", 507),
        (sqlite3.OperationalError("database or disk is full"), "StorageFull", 507),
        (OSError(30, "Read-only file system"), "StorageReadOnly", 507),
    ],
)
def test_faults(server, client, monkeypatch, caplog, problem, code, status):
    def fail(ctx, request):
        raise problem

    monkeypatch.setitem(server.world.operations, ("sts", "GetCallerIdentity"), fail)
    monkeypatch.setitem(server.world.operations, ("s3", "ListBuckets"), fail)
    with pytest.raises(ClientError) as info:
        client("sts").get_caller_identity()
    entry = told(server, info.value.response["ResponseMetadata"]["RequestId"])
    assert info.value.response["Error"]["Code"] == code
    assert (entry["code"], entry["status"]) == (code, status)
    assert entry["id"] in caplog.text
    assert "Traceback" in caplog.text
    s3_code = "InternalError" if status == 500 else code
    assert refused(client("s3").list_buckets) == (s3_code, status)


def test_a_full_disk_is_not_repeated_by_sdks(server, monkeypatch):
    calls = []

    def fail(ctx, request):
        calls.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(server.world.operations, ("s3", "ListBuckets"), fail)
    for mode in ("legacy", "standard", "adaptive"):
        calls.clear()
        s3 = server.client("s3", config=Config(retries={"mode": mode}))
        assert refused(s3.list_buckets) == ("StorageFull", 507)
        assert len(calls) == 1


# What is told -------------------------------------------------------------------------------------


def test_access_line(server, client):
    found = client("sts").get_caller_identity()
    entry = told(server, found["ResponseMetadata"]["RequestId"])
    assert (entry["service"], entry["operation"]) == ("sts", "GetCallerIdentity")
    assert (entry["caller"], entry["status"], entry["code"]) == (found["Arn"], 200, "")
    assert 0 < entry["ms"] < 10_000
    with pytest.raises(ClientError) as info:
        client("s3").head_bucket(Bucket="no-such-bucket-here")
    entry = told(server, info.value.response["ResponseMetadata"]["RequestId"])
    assert (entry["operation"], entry["status"]) == ("HeadBucket", 404)
    text = (server.app.settings.home / "logs" / "access.log").read_text()
    assert server.world.credentials.user_key[1] not in text
    assert "AWS4-HMAC-SHA256" not in text


def test_health_and_metrics(server, client):
    stranger = {"Host": "localhost"}
    owner = {**stranger, "Authorization": f"Bearer {server.world.credentials.page_token}"}
    answer = wire.send(server, "GET", "/_sagebrush/health", owner)
    found = json.loads(answer.body)
    assert (found["status"], found["home"]) == ("running", str(server.app.settings.home))
    client("sts").get_caller_identity()
    for wrong in ("", "Bearer ", "Bearer x", "Basic x", server.world.credentials.page_token):
        given = {**stranger, "Authorization": wrong} if wrong else stranger
        answer = wire.send(server, "GET", "/_sagebrush/health", given)
        assert (answer.status, json.loads(answer.body)) == (200, {"status": "running"})
        answer = wire.send(server, "GET", "/_sagebrush/metrics", given)
        assert answer.status == 403
        assert b"sagebrush_requests_total" not in answer.body
    answer = wire.send(server, "GET", "/_sagebrush/metrics", owner)
    name = b'sagebrush_requests_total{operation="GetCallerIdentity",service="sts",status="200"}'
    assert name in answer.body


def test_container_credentials(server, client):
    role = "arn:aws:iam::123456789012:role/SomeJob"
    token = server.world.credentials.container_token(role)
    path = "/_sagebrush/credentials"
    given = {"Host": "localhost"}
    answer = wire.send(server, "GET", path, {**given, "Authorization": token})
    found = json.loads(answer.body)
    assert found["RoleArn"] == role
    sts = client(
        "sts",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["Token"],
    )
    assert sts.get_caller_identity()["Arn"].split("/")[1] == "SomeJob"
    for wrong in ("", "x", token[:-2], token + "A"):
        answer = wire.send(server, "GET", path, {**given, "Authorization": wrong})
        assert answer.status == 403
