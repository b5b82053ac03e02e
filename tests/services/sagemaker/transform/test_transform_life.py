"""The life of transform jobs over a backend that does as the test says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from sagebrush.app import build
from sagebrush.aws.names import short_id
from sagebrush.companion.transform import journal, run
from sagebrush.compute.base import Exited, Running, Spec
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.transform import driver
from sagebrush.store.rows import Row
from tests.conftest import Clock, make_settings
from tests.services.sagemaker.hosting.test_model import IMAGE, ROLE
from tests.services.sagemaker.stand import Stand


class Jobs:
    """Transform jobs of a stand without threads."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.name = ""
        for number in range(3):
            body = stand.app.world.objects.spool_bytes(b"x\n")
            stand.call_s3("PutObject", Bucket="models", Key=f"in/{number}.csv", Body=body)

    def begin(self) -> None:
        """Nothing of the test before is left."""
        self.name = f"t-{short_id()}"
        self.stand.backend.specs.clear()
        self.stand.backend.states.clear()
        self.stand.backend.stopped.clear()

    def create(self, **changes: Any) -> str:
        request: Doc = {
            "TransformJobName": self.name,
            "ModelName": "m",
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/in/"}
                },
                "SplitType": "Line",
            },
            "TransformOutput": {"S3OutputPath": "s3://models/out"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        arn = self.stand.sm("CreateTransformJob", **{**request, **changes})["TransformJobArn"]
        self.stand.turn()
        return arn

    def describe(self) -> Doc:
        return self.stand.sm("DescribeTransformJob", TransformJobName=self.name)

    def stop(self) -> None:
        self.stand.sm("StopTransformJob", TransformJobName=self.name)

    def status(self) -> tuple[str, str]:
        found = self.describe()
        return found["TransformJobStatus"], found.get("FailureReason", "")

    @property
    def row(self) -> Row:
        found = self.stand.app.world.rows.get(
            "123456789012", "us-east-1", "transform-job", self.name
        )
        assert found is not None
        return found

    def turn(self, seconds: float = 10.0) -> None:
        """The loop has done what is due, now and in so many seconds."""
        self.stand.app.world.rows.touch(self.row.id)
        self.stand.turn()
        self.stand.clock.forward(seconds)
        self.stand.turn()

    def answer(self) -> None:
        """Every container answers /ping."""
        for key in self.stand.backend.running():
            self.stand.health.answers(key)
        self.stand.app.world.rows.touch(self.row.id)
        self.stand.turn()

    def drivers(self) -> list[Spec]:
        return [spec for spec in self.stand.backend.specs.values() if spec.outside]

    def order(self, spec: Spec) -> Doc:
        return json.loads((spec.root / run.PLAN).read_text())

    def note(self, spec: Spec, *events: Doc, **result: Any) -> None:
        """The driver has written these."""
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (spec.root / run.FOLDER / journal.NAME).write_text(lines)
        if result:
            (spec.root / run.FOLDER / journal.RESULT).write_text(json.dumps(result))

    def end(self, spec: Spec, code: int, reason: str = "") -> None:
        """The driver has ended."""
        self.stand.backend.states[spec.key] = Exited(code, reason)
        self.stand.app.world.rows.touch(self.row.id)
        self.turn()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    """One world for all tests of the module."""
    settings = make_settings(tmp_path_factory.mktemp("home"), isolation="process")
    clock = Clock(1767225600.0)
    app = build(settings, clock)
    real = app.backend
    yield Jobs(Stand(app, clock))
    app.backend = real
    app.stop()


@pytest.fixture
def jobs(shared: Jobs) -> Iterator[Jobs]:
    shared.begin()
    yield shared
    with suppress(AwsError):
        shared.stop()
        shared.turn()
        shared.turn()


def test_a_job_to_its_end(jobs: Jobs) -> None:
    arn = jobs.create(Environment={"MORE": "1"}, MaxConcurrentTransforms=2)
    assert jobs.status() == ("InProgress", "")
    (model,) = jobs.stand.backend.specs.values()
    assert model.role == ROLE
    assert model.env["SAGEMAKER_BATCH"] == "true"
    assert model.env["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "2"
    assert "SAGEMAKER_BATCH_STRATEGY" not in model.env
    assert model.env["MORE"] == "1"
    assert "TransformStartTime" in jobs.describe()
    jobs.answer()
    (spec,) = jobs.drivers()
    assert spec.key == f"{model.key}{journal.SUFFIX}"
    order = jobs.order(spec)
    assert [each[1] for each in order["objects"]] == ["in/0.csv", "in/1.csv", "in/2.csv"]
    assert (order["bucket"], order["prefix"]) == ("models", "out/")
    assert order["containers"] == ["tcp:127.0.0.1:9"]
    assert (order["timeout"], order["retries"], order["concurrency"]) == (600, 3, 2)
    jobs.note(spec, {"done": 0, "records": 1})
    jobs.end(spec, run.COMPLETED)
    found = jobs.describe()
    assert found["TransformJobStatus"] == "Completed"
    assert found["TransformEndTime"] >= found["TransformStartTime"] >= found["CreationTime"]
    assert found["TransformJobArn"] == arn
    assert found["DataProcessing"] == {
        "InputFilter": "$",
        "OutputFilter": "$",
        "JoinSource": "None",
    }
    assert jobs.stand.backend.running() == []
    assert not (model.root / "ml").exists()
    (listed,) = jobs.stand.sm("ListTransformJobs", NameContains=jobs.name)["TransformJobSummaries"]
    assert listed["TransformJobStatus"] == "Completed"
    jobs.stand.clock.forward(400 * 86400.0)
    jobs.stand.turn()
    assert not spec.root.exists()
    assert not model.root.exists()


def test_instances_share_the_objects(jobs: Jobs) -> None:
    jobs.create(TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    jobs.answer()
    first, second = jobs.drivers()
    assert [each[1] for each in jobs.order(first)["objects"]] == ["in/0.csv", "in/2.csv"]
    assert [each[1] for each in jobs.order(second)["objects"]] == ["in/1.csv"]
    jobs.end(first, run.COMPLETED)
    assert jobs.status() == ("InProgress", "")
    jobs.note(second, failed=1, reasons=["ClientError: See job logs for more information. (x)"])
    jobs.end(second, run.FAILED)
    assert jobs.status() == ("Failed", "ClientError: See job logs for more information. (x)")


def test_several_failed_objects_are_counted(jobs: Jobs) -> None:
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    jobs.note(spec, failed=3, reasons=["first", "second"])
    jobs.end(spec, run.FAILED)
    assert jobs.status() == ("Failed", "first 3 objects could not be transformed.")


def test_what_is_captured(jobs: Jobs) -> None:
    jobs.create(DataCaptureConfig={"DestinationS3Uri": "s3://models/captured"})
    jobs.answer()
    (spec,) = jobs.drivers()
    jobs.note(spec, {"done": 0, "records": 1}, {"done": 2, "records": 1})
    jobs.end(spec, run.COMPLETED)
    found = jobs.stand.call_s3("ListObjectsV2", Bucket="models", Prefix="captured/")["Contents"]
    names = [each["Key"] for each in found]
    hour = jobs.describe()["TransformStartTime"].strftime("%Y/%m/%d/%H")
    assert [name.rsplit("/", 1)[0] for name in names] == [
        f"captured/input/{hour}",
        f"captured/output/{hour}",
    ]
    bodies = [
        json.loads(jobs.stand.call_s3("GetObject", Bucket="models", Key=name)["Body"].read())
        for name in names
    ]
    assert bodies == [
        [{"prefix": "s3://models/in/"}, "0.csv", "2.csv"],
        [{"prefix": "s3://models/out/"}, "0.csv.out", "2.csv.out"],
    ]


@pytest.mark.parametrize("stage", ["containers", "drivers"])
def test_a_stop_ends_it_cleanly(jobs: Jobs, stage: str) -> None:
    jobs.create()
    if stage == "drivers":
        jobs.answer()
    jobs.stop()
    jobs.stop()
    assert jobs.status() == ("Stopping", "")
    jobs.turn()
    jobs.turn()
    assert jobs.status() == ("Stopped", "")
    assert jobs.stand.backend.running() == []
    if stage == "drivers":
        assert jobs.stand.backend.stopped[0] == jobs.drivers()[0].key  # before the model
    with pytest.raises(AwsError, match="is in status Stopped"):
        jobs.stop()


def test_an_upload_that_a_killed_driver_left_is_aborted(jobs: Jobs) -> None:
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    made = jobs.stand.call_s3("CreateMultipartUpload", Bucket="models", Key="out/1.csv.out")
    jobs.note(spec, {"begun": 1, "upload": made["UploadId"]})
    jobs.stop()
    jobs.turn()
    jobs.turn()
    assert jobs.status() == ("Stopped", "")
    assert not jobs.stand.call_s3("ListMultipartUploads", Bucket="models").get("Uploads")


def test_a_container_that_ends(jobs: Jobs) -> None:
    jobs.create()
    (model,) = jobs.stand.backend.specs
    jobs.stand.backend.die(model, 1, log="Traceback (most recent call last):\nValueError: no luck")
    jobs.turn()
    jobs.turn()
    status, reason = jobs.status()
    assert status == "Failed"
    assert reason.startswith("AlgorithmError: See job logs for more information. (The container")
    assert "ValueError: no luck" in reason


def test_a_container_that_never_answers(jobs: Jobs) -> None:
    jobs.create()
    jobs.turn(500.0)
    jobs.turn()
    status, reason = jobs.status()
    assert (status, "did not pass the ping health check" in reason) == ("Failed", True)
    assert jobs.stand.backend.running() == []


def test_a_container_that_ends_while_records_are_sent(jobs: Jobs) -> None:
    jobs.create()
    (model,) = jobs.stand.backend.specs
    jobs.answer()
    jobs.stand.backend.die(model, 137, "oom")
    jobs.turn()
    jobs.turn()
    status, reason = jobs.status()
    assert (status, reason[:12]) == ("Failed", "See job logs")
    assert "OutOfMemory: the container exceeded" in reason
    assert jobs.stand.backend.running() == []


def test_what_is_lost_is_begun_again_with_what_was_done(jobs: Jobs) -> None:
    jobs.create()
    backend = jobs.stand.backend
    for losses in range(4):
        model = next(key for key in backend.specs if not key.endswith(journal.SUFFIX))
        jobs.answer()
        (spec,) = jobs.drivers()
        if losses == 0:
            jobs.note(spec, {"done": 0, "records": 1})
        text = (spec.root / run.FOLDER / journal.NAME).read_text()
        assert text == '{"done": 0, "records": 1}\n'
        for key in (model, spec.key):
            backend.states[key] = Exited(-1, "lost")
        backend.specs.clear()
        jobs.stand.app.world.health.forget(model)
        jobs.turn()
        jobs.turn()
    status, reason = jobs.status()
    assert status == "Failed"
    assert reason.startswith("InternalServerError: We encountered an internal error.")


def test_what_comes_to_s3_meanwhile_is_not_taken_for_what_was_done(jobs: Jobs) -> None:
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    before = jobs.order(spec)
    jobs.note(spec, {"done": 0, "records": 1})
    key = {"Bucket": "models", "Key": "in/+.csv"}  # the first by name
    body = jobs.stand.app.world.objects.spool_bytes(b"x\n")
    jobs.stand.call_s3("PutObject", **key, Body=body)
    for each in list(jobs.stand.backend.specs):
        jobs.stand.backend.states[each] = Exited(-1, "lost")
        jobs.stand.app.world.health.forget(each)
    jobs.stand.backend.specs.clear()
    jobs.turn()
    jobs.turn()
    jobs.answer()
    jobs.stand.call_s3("DeleteObject", **key)
    (again,) = jobs.drivers()
    assert jobs.order(again)["objects"] == before["objects"]
    assert (again.root / run.FOLDER / journal.NAME).read_text() == '{"done": 0, "records": 1}\n'


def test_a_driver_that_was_killed_is_begun_again(jobs: Jobs) -> None:
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    jobs.note(spec, {"done": 0, "records": 1})
    jobs.end(spec, -9)
    assert jobs.status() == ("InProgress", "")
    jobs.turn()
    jobs.answer()
    (again,) = jobs.drivers()
    assert (again.root / run.FOLDER / journal.NAME).read_text() == '{"done": 0, "records": 1}\n'


def test_a_driver_that_breaks_is_the_platforms_fault(jobs: Jobs) -> None:
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    jobs.stand.backend.lines[spec.key] = ["Traceback (most recent call last):", "KeyError: 'x'"]
    jobs.end(spec, 120)
    status, reason = jobs.status()
    assert (status, reason.split(":")[0]) == ("Failed", "InternalServerError")
    assert "KeyError: 'x'" in reason


def test_no_objects(jobs: Jobs) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://models/nothing/"}
    jobs.create(TransformInput={"DataSource": {"S3DataSource": source}})
    jobs.answer()
    jobs.turn()
    status, reason = jobs.status()
    assert status == "Failed"
    assert 'No S3 objects found under S3 URL "s3://models/nothing/"' in reason


def test_a_serial_pipeline_has_all_its_containers(jobs: Jobs) -> None:
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}
    given: Doc = {"ExecutionRoleArn": ROLE, "Containers": [container, container]}
    jobs.stand.sm("CreateModel", ModelName="two", **given)
    jobs.create(ModelName="two")
    keys = list(jobs.stand.backend.specs)
    assert keys[1] == f"{keys[0]}.c2"
    jobs.answer()
    (spec,) = jobs.drivers()
    assert len(jobs.order(spec)["containers"]) == 2


def test_what_it_names_must_be_there(jobs: Jobs) -> None:
    with pytest.raises(AwsError, match='Could not find model "arn:aws:sagemaker'):
        jobs.create(ModelName="nope")
    with pytest.raises(AwsError, match="the S3 bucket of the output path"):
        jobs.create(TransformOutput={"S3OutputPath": "s3://nowhere/out"})
    jobs.create()
    with pytest.raises(AwsError) as caught:
        jobs.create()
    assert caught.value.code == "ResourceInUse"
    with pytest.raises(AwsError, match="Could not find requested job with name: nope"):
        jobs.stand.sm("DescribeTransformJob", TransformJobName="nope")


def test_a_step_may_run_twice(jobs: Jobs) -> None:
    """A server that is killed after an effect and before the row is stored does it again."""
    jobs.create()
    jobs.answer()
    (spec,) = jobs.drivers()
    before = jobs.order(spec)
    world, row = jobs.stand.app.world, jobs.row
    (spec.root / "spec.json").touch()
    driver.start(world, row)
    assert jobs.order(spec) == before
    assert len(jobs.drivers()) == 1
    assert isinstance(jobs.stand.backend.poll(spec.key), Running)


def test_a_model_without_a_role_is_for_administrators_alone(jobs: Jobs) -> None:
    world, name = jobs.stand.app.world, "roleless"
    owner = world.ctx(world.credentials.user_caller)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}
    owner.call("sagemaker", "CreateModel", {"ModelName": name, "PrimaryContainer": container})
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
             "Action": "sts:AssumeRole"}  # fmt: skip
    may = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}
    trusted, allowed = (
        json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (trust, may)
    )
    owner.call("iam", "CreateRole", {"RoleName": "Few", "AssumeRolePolicyDocument": trusted})
    policy = {"RoleName": "Few", "PolicyName": "p", "PolicyDocument": allowed}
    owner.call("iam", "PutRolePolicy", policy)
    few, before = world.service_ctx("arn:aws:iam::123456789012:role/Few"), jobs.stand.ctx
    jobs.stand.ctx = few
    try:
        with pytest.raises(AwsError, match="has no ExecutionRoleArn, as which"):
            jobs.create(ModelName=name)
        jobs.stand.ctx = owner
        jobs.create(ModelName=name)
    finally:
        jobs.stand.ctx = before
    jobs.answer()
    (spec,) = jobs.drivers()
    assert spec.role == "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
