"""Emptied accounts: all is gone, every name is free, and what began before writes nothing after."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.app import build
from sagebrush.compute.base import Gone, Spec
from sagebrush.engine import reset
from sagebrush.engine.kinds import Kind
from sagebrush.engine.loop import Loop
from sagebrush.engine.reset import Reset
from sagebrush.errors import AwsError
from sagebrush.settings import Settings
from sagebrush.store import catalog, emptying
from sagebrush.store.generations import Outdated
from sagebrush.store.rows import Next, Row
from sagebrush.store.series import Point
from sagebrush.world import World
from tests.conftest import Server
from tests.protocol import wire
from tests.samples.seeding import seeding_client
from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",'
    ' "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
)


@pytest.fixture(autouse=True)
def empty(request: pytest.FixtureRequest) -> None:
    """Where a test uses the module's server, it is empty."""
    if "server" in request.fixturenames:
        request.getfixturevalue("server").world.reset()


def fill(server: Server) -> None:
    """Something of everything that an account can hold without running it."""
    s3, sm, iam = (server.client(name) for name in ("s3", "sagemaker", "iam"))
    s3.create_bucket(Bucket="full")
    s3.put_object(Bucket="full", Key="small", Body=b"x")
    s3.put_object(Bucket="full", Key="large", Body=b"x" * 100_000)
    s3.copy_object(Bucket="full", Key="copy", CopySource="full/large")
    upload = s3.create_multipart_upload(Bucket="full", Key="parts")["UploadId"]
    s3.upload_part(Bucket="full", Key="parts", UploadId=upload, PartNumber=1, Body=b"x" * 100_000)
    iam.create_role(RoleName="made", AssumeRolePolicyDocument=TRUST)
    iam.delete_role(RoleName="made")  # whose row stays, so that nobody's stand-in takes the name
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=TRUST)
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
    sm.create_model(ModelName="m", PrimaryContainer={"Image": image}, ExecutionRoleArn=ROLE)
    logs, metrics = server.client("logs"), server.client("cloudwatch")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    logs.put_log_events(
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": int(server.world.clock() * 1000), "message": "m"}],
    )
    metrics.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.0}])


def blobs(world: World) -> list[Path]:
    """The files of objects' bodies."""
    return [path for path in world.objects.root.rglob("*") if path.is_file()]


def test_all_is_gone_and_every_name_is_free(server: Server) -> None:
    world = server.world
    world.rows.insert(Row("123456789012", "eu-west-1", "model", "there", "", {}))
    world.rows.insert(Row("000000000001", "us-east-1", "model", "theirs", "", {}))
    plan = {"account": "000000000001", "administrator": True}
    kept = [
        world.rows.insert(Row("", "", "account", "000000000001", "Active", {})),
        world.rows.insert(Row("", "", "access-key", "AKIAITSOWN", "Active", {}, plan)),
    ]
    world.rows.insert(Row("", "", "access-key", "AKIAUSER", "Active", {}, {"account": "1"}))
    used = (("123456789012", "us-east-1", "e"), "")
    world.forward.demand.failed(used, "it did not come up")
    for _ in range(2):
        fill(server)
        said = world.reset()
        assert said["objects"] == 3
        assert server.client("s3").list_buckets()["Buckets"] == []
        assert server.client("sagemaker").list_models()["Models"] == []
        assert server.client("logs").describe_log_groups()["logGroups"] == []
        assert server.client("cloudwatch").list_metrics()["Metrics"] == []
        roles = server.client("iam").list_roles()["Roles"]
        assert [role["Arn"] for role in roles] == [ROLE]
        until(lambda: blobs(world) == [], "no body is left")
    assert world.forward.demand.held(used) == ""
    assert world.rows.select("model") == []
    assert [world.rows.by_id(row.id) for row in kept] == kept
    assert world.rows.select("access-key") == kept[1:]
    assert not (world.settings.home / reset.MARK).exists()


def test_what_is_kept_of_public_sample_buckets_is_no_accounts_and_stays(server: Server) -> None:
    world, name = server.world, "sagemaker-sample-files"
    s3 = server.client("s3")
    seeder = seeding_client(server)  # another than the one above
    bodies = {"small": b"x", "large": b"y" * 100_000}
    for key, body in bodies.items():
        seeder.put_object(Bucket=name, Key=key, Body=body)
    parts = seeder.create_multipart_upload(Bucket=name, Key="parts")["UploadId"]
    tag = seeder.upload_part(
        Bucket=name, Key="parts", UploadId=parts, PartNumber=1, Body=b"z" * 70_000
    )
    seeder.complete_multipart_upload(
        Bucket=name, Key="parts", UploadId=parts,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag["ETag"]}]},
    )  # fmt: skip
    files = len(blobs(world))
    s3.create_bucket(Bucket="mine")
    s3.copy_object(Bucket="mine", Key="copy", CopySource=f"{name}/large")
    fill(server)
    for deleted in (4, 0):
        assert world.reset()["objects"] == deleted
        assert s3.list_buckets()["Buckets"] == []
        for key, body in {**bodies, "parts": b"z" * 70_000}.items():
            assert s3.get_object(Bucket=name, Key=key)["Body"].read() == body
        until(lambda: len(blobs(world)) == files, "the accounts' own bodies are gone")
    s3.create_bucket(Bucket="mine")
    s3.copy_object(Bucket="mine", Key="copy", CopySource=f"{name}/large")
    seeder.delete_objects(
        Bucket=name, Delete={"Objects": [{"Key": key} for key in [*bodies, "parts"]]}
    )
    seeder.delete_bucket(Bucket=name)
    assert world.reset()["objects"] == 1
    until(lambda: blobs(world) == [], "no body is left")


def test_no_table_is_forgotten(world: World) -> None:
    found = {
        row["name"] for row in world.db.read("SELECT name FROM sqlite_master WHERE type='table'")
    }
    others = {"migration", "resource", "waiting"}  # the last is kept up by triggers
    assert {name for name in found if not name.startswith("sqlite_")} == {*emptying.TABLES, *others}


def test_deleted_roles_lose_what_they_could(server: Server) -> None:
    iam, sts = server.client("iam"), server.client("sts")
    trust = TRUST.replace(
        '"Service": "sagemaker.amazonaws.com"', '"AWS": "arn:aws:iam::123456789012:root"'
    )
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"

    def make() -> str:
        made = iam.create_role(RoleName="mine", AssumeRolePolicyDocument=trust)["Role"]
        iam.attach_role_policy(RoleName="mine", PolicyArn=admin)
        return made["Arn"]

    found = sts.assume_role(RoleArn=make(), RoleSessionName="late")["Credentials"]
    s3 = server.client(
        "s3",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
    )
    s3.list_buckets()
    server.world.reset()
    make()
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_buckets()


@pytest.mark.parametrize("size", [10, 200_000])
def test_an_upload_under_way_reaches_no_bucket_of_the_same_name(server: Server, size: int) -> None:
    s3, body = server.client("s3"), b"x" * size
    s3.create_bucket(Bucket="again")
    with wire.connect(server) as sock:
        told = wire.headers(server, "PUT", "/again/late", {"Content-Length": str(size)}, body=body)
        sock.sendall(wire.head_of("PUT", "/again/late", told) + body[:5])
        _received(server)
        server.world.reset()
        s3.create_bucket(Bucket="again")
        sock.sendall(body[5:])
        answer = sock.recv(65536)
    assert b" 409 " in answer.partition(b"\r\n")[0]
    assert b"<Code>OperationAborted</Code>" in answer
    assert "Contents" not in s3.list_objects_v2(Bucket="again")
    until(lambda: blobs(server.world) == [], "no body is left")
    s3.put_object(Bucket="again", Key="late", Body=body)


def _received(server: Server) -> None:
    """The server has begun with the request that was sent on another connection before."""
    with socket.create_connection(("127.0.0.1", server.app.port)) as sock:
        sock.sendall(b"GET /_sagebrush/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_reader_keeps_what_it_reads(server: Server) -> None:
    s3, body = server.client("s3"), bytes(20 << 20)
    s3.create_bucket(Bucket="read")
    s3.put_object(Bucket="read", Key="k", Body=body)
    answer = s3.get_object(Bucket="read", Key="k")["Body"]
    first = answer.read(1)
    server.world.reset()
    assert first + answer.read() == body
    until(lambda: blobs(server.world) == [], "the body goes with its last reader")


# Steps --------------------------------------------------------------------------------------------


class Slow:
    """A kind whose step waits in its middle, beside an app whose own loop does not run."""

    def __init__(self, settings: Settings) -> None:
        self.app = build(settings)
        self.world = self.app.world
        self.there, self.go = threading.Event(), threading.Event()
        self.after: Callable[[Row], object] = lambda row: None
        self.raised: list[BaseException] = []
        kind = Kind("thing", "Thing", running=None, reconcile=self._step)
        self.loop = Loop(self.world, {"thing": kind}, threads=2)
        self.reset = Reset(self.world, self.loop, self.app.outbox, self.app.backend)
        self.row = self.world.rows.insert(Row("1", "r", "thing", "a", "New", {}, due_at=1.0))
        self.loop.start()
        assert self.there.wait(10)

    def _step(self, world: World, row: Row) -> Next:
        self.there.set()
        assert self.go.wait(10)
        try:
            self.after(row)
        except BaseException as error:
            self.raised.append(error)
            raise
        return Next("Done")


@pytest.fixture
def slow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setattr(reset, "STEPS", 0.01)  # it is not waited for: that is what is tested
    made = Slow(settings)
    yield made
    made.go.set()
    made.loop.stop()
    made.app.stop()


def late(slow: Slow, act: Callable[[Row], object]) -> None:
    """`act` is done by a step that began before the accounts were emptied, and is refused."""
    slow.after = act
    slow.reset()
    slow.go.set()
    until(lambda: slow.raised, "the step goes on", 10)
    assert isinstance(slow.raised[0], Outdated)


ACTS: dict[str, Callable[[World, Row], Any]] = {
    "row": lambda w, row: w.rows.insert(replace(row, name="child", due_at=None)),
    "log": lambda w, row: w.streams.register("1", "r", "group", "stream", "key"),
    "metric": lambda w, row: w.series.append("1", "r", [Point("n", "m", 1.0, 1.0)]),
    "reservation": lambda w, row: _reserve(w, row),
    "object": lambda w, row: _put(w),
}


def _reserve(world: World, row: Row) -> None:
    from sagebrush.scheduler import capacity

    capacity.admit(world, capacity.Ask("key", row.id, 1.0, 1 << 20))


def _put(world: World) -> None:
    """As a job's upload does, by name: the bucket is there again."""
    world.service_ctx().call("s3", "PutObject", {"Bucket": "again", "Key": "k", "Body": b"late"})


@pytest.mark.parametrize("act", ACTS)
def test_a_step_under_way_writes_nothing(slow: Slow, act: str) -> None:
    world = slow.world
    world.service_ctx().call("s3", "CreateBucket", {"Bucket": "again"})

    def then(row: Row) -> None:
        # outside the step: another test's bucket of the same name
        maker = threading.Thread(
            target=lambda: world.service_ctx().call("s3", "CreateBucket", {"Bucket": "again"})
        )
        maker.start()
        maker.join()
        ACTS[act](world, row)

    late(slow, then)
    assert world.rows.select("thing") == []
    assert world.streams.groups("1", "r") == []
    assert world.series.metrics("1", "r", None, None, 0.0) == []
    assert world.db.read("SELECT * FROM reservation") == []
    bucket = catalog.bucket(catalog.Outside(world.db), "again")
    assert bucket is not None
    assert catalog.find(catalog.Outside(world.db), bucket.id, "k") is None
    # the loop goes on with what is new
    slow.raised.clear()
    slow.after = lambda row: None
    new = world.rows.insert(Row("1", "r", "thing", "a", "New", {}, due_at=1.0))
    slow.loop.wake()
    until(lambda: (row := world.rows.by_id(new.id)) and row.status == "Done", "the next step", 10)


def test_a_step_under_way_launches_nothing(slow: Slow) -> None:
    root = slow.world.settings.home / "jobs" / "late"
    late(slow, lambda row: slow.world.backend.launch(Spec("late", ["true"], {}, root)))
    assert isinstance(slow.world.backend.poll("late"), Gone)
    assert not root.exists()


def test_a_step_that_ends_in_time_is_waited_for(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "STEPS", 10.0)
    slow.after = lambda row: (slow.world.settings.home / "jobs" / "staged").mkdir(parents=True)
    threading.Timer(0.1, slow.go.set).start()
    slow.reset()
    assert slow.raised == []
    assert not (slow.world.settings.home / "jobs" / "staged").exists()


# Faults -------------------------------------------------------------------------------------------


def test_what_does_not_end_keeps_all(
    world: World, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "PATIENCE", 0.0)
    monkeypatch.setattr(app.backend, "adopt", lambda: ["immortal"])
    monkeypatch.setattr(app.backend, "stop", lambda key, grace: None)
    monkeypatch.setattr(Reset, "_ended", lambda self, key: False)
    row = world.rows.insert(Row("1", "r", "thing", "a", "New", {}))
    with pytest.raises(AwsError, match="immortal"):
        world.reset()
    assert world.rows.by_id(row.id) == row
    assert not (world.settings.home / reset.MARK).exists(), "the next start would go on by itself"


def test_the_next_start_goes_on_with_what_was_begun(settings: Settings) -> None:
    first = build(settings)
    first.world.rows.insert(Row("1", "r", "thing", "a", "New", {}))
    (settings.home / "jobs" / "left").mkdir(parents=True)
    (settings.home / "notebooks" / "left").mkdir(parents=True)
    first.stop()
    (settings.home / reset.MARK).touch()
    second = build(settings)
    second.start()
    try:
        assert second.world.rows.select("thing") == []
        assert list((settings.home / "jobs").iterdir()) == []
        assert list((settings.home / "notebooks").iterdir()) == []
        assert not (settings.home / reset.MARK).exists()
    finally:
        second.stop()
