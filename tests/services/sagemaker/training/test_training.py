"""Training jobs from CreateTrainingJob to their true end, with a scripted backend and a set clock."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.compute import record, trees
from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.compute.host import Host
from sagebrush.compute.shim.log import Writer
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.training import operations as training
from tests.deep_trees import nest
from tests.services.sagemaker.jobworld import JobWorld


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    yield found
    found.db.close()


def channel(name: str, uri: str, kind: str = "S3Prefix") -> Doc:
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}},
    }


def writes(jobs: JobWorld, files: dict[str, bytes], state: State | None = None):
    """A job that leaves `files` beneath /opt/ml and ends."""

    def script(spec: Spec) -> State:
        for path, data in files.items():
            target = spec.root / "ml" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return state or Exited(0)

    jobs.backend.script = script


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def test_job_runs_to_completed_with_model_and_output(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"]["in/a.txt"] = b"words"
    writes(jobs, {"model/m.bin": b"weights", "output/data/plot.txt": b"o"})
    arn = jobs.create(InputDataConfig=[channel("train", "s3://bucket/in/")])["TrainingJobArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"
    assert jobs.describe()["SecondaryStatus"] == "Starting"

    jobs.run()

    found = jobs.describe()
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Completed"
    assert [t["Status"] for t in found["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert found["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model.tar.gz"
    objects = jobs.s3.buckets["bucket"]
    assert members(objects["out/job/output/model.tar.gz"]) == {"m.bin": b"weights"}
    assert members(objects["out/job/output/output.tar.gz"]) == {"plot.txt": b"o"}
    assert found["TrainingTimeInSeconds"] >= 1
    assert jobs.backend.launches == 1


def test_job_sees_the_contract_of_opt_ml(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"].update({"in/a.txt": b"1", "in/sub/b.txt": b"2", "inner": b"3"})
    seen: dict[str, object] = {}

    def script(spec: Spec) -> State:
        ml = spec.root / "ml"
        for path in sorted(ml.rglob("*")):
            if path.is_file():
                seen[str(path.relative_to(ml))] = path.read_text()
        seen["env"], seen["argv"] = dict(spec.env), list(spec.argv)
        return Exited(0)

    jobs.backend.script = script
    jobs.create(
        InputDataConfig=[channel("train", "s3://bucket/in")],
        HyperParameters={"epochs": "3"},
        Environment={"MINE": "yes", "AWS_ENDPOINT_URL": "http://elsewhere"},
    )
    jobs.run()
    assert seen["input/data/train/a.txt"] == "1"
    assert seen["input/data/train/sub/b.txt"] == "2"
    assert seen["input/data/train/inner"] == "3"  # a prefix, not a folder, as in S3
    assert json.loads(str(seen["input/config/hyperparameters.json"])) == {"epochs": "3"}
    assert json.loads(str(seen["input/config/resourceconfig.json"])) == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1"],
            }
        ],
        "network_interface_name": "lo",
        "topology": None,
    }
    env = seen["env"]
    assert isinstance(env, dict)
    assert env["MINE"] == "yes"
    assert env["TRAINING_JOB_NAME"] == "job"
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert seen["argv"] == [
        "/opt/conda/bin/python",
        "/opt/sagebrush/toolkit/training/train.py",
    ]


def test_kill_between_any_two_steps_runs_the_job_once(jobs: JobWorld) -> None:
    writes(jobs, {"model/m.bin": b"weights"})
    jobs.create()
    for _ in range(20):
        jobs.loop.run_once()
        jobs.db.close()
        jobs.open()
        jobs.now += 1
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    assert (jobs.backend.launches, jobs.s3.puts) == (1, 1)


def test_kill_before_a_step_is_stored_runs_the_job_once(jobs: JobWorld) -> None:
    writes(jobs, {"model/m.bin": b"weights"})
    jobs.create()
    for _ in range(20):
        for row in jobs.rows.claim(30, 10):
            training.KIND.reconcile(jobs.world, row)  # type: ignore[misc]  # and then the server dies
        jobs.now += 31
        jobs.loop.run_once()
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    assert jobs.backend.launches == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Exited(1), "AlgorithmError: Traceback (most recent call last):\n  File x\nValueError: no, exit code: 1"),
        (Exited(-9), "exit code: 137"),
        (
            Exited(-9, "oom", peak_memory=8 << 30),
            "OutOfMemory: algo-1 exceeded 8 GiB of ml.m5.large (peak 8192 MiB, exit -9)",
        ),
        (Exited(-1, "lost"), "InternalServerError"),
        (Exited(0, "lost"), "InternalServerError"),
        (Exited(127, "sandbox: mount", "mount /proc: EPERM"), "mount /proc: EPERM"),
    ],
)  # fmt: skip
def test_failures_name_their_cause(jobs: JobWorld, state: Exited, words: str) -> None:
    jobs.world.host = Host(8, 64 << 30)
    writes(jobs, {"model/m.bin": b"half"}, state)
    jobs.create()
    jobs.backend.lines[jobs.key()] = [
        "start", "Traceback (most recent call last):", "  File x", "ValueError: no", "bye",
    ]  # fmt: skip
    jobs.run()
    found = jobs.describe()
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Failed"
    assert words in found["FailureReason"]
    assert len(found["FailureReason"]) <= 1024
    assert "out/job/output/model.tar.gz" not in jobs.s3.buckets["bucket"]


def test_failure_file_is_the_reason(jobs: JobWorld) -> None:
    writes(jobs, {"output/failure": b"the label column is missing"}, Exited(2))
    jobs.create()
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert reason == "AlgorithmError: the label column is missing, exit code: 2"


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("BAD_LABEL_COLUMN in part 7: " + "x" * 1500, "AlgorithmError: BAD_LABEL_COLUMN", "xx, exit code: 2"),
        ("ClientError: no label " + "x" * 1500, "ClientError: no label x", "xx, exit code: 2"),
        ("é€😀" * 700, "AlgorithmError: é€😀é", ", exit code: 2"),
    ],
)  # fmt: skip
def test_a_long_failure_file_keeps_its_beginning_and_whole_characters(
    jobs: JobWorld, text: str, begin: str, end: str
) -> None:
    writes(jobs, {"output/failure": text.encode()}, Exited(2))
    jobs.create()
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert reason.startswith(begin)
    assert reason.endswith(end)
    assert len(reason) == 1024
    assert "\ufffd" not in reason


@pytest.mark.parametrize("state", [Exited(1), Exited(0)])
def test_what_stands_in_for_the_tags_versions_is_told(jobs: JobWorld, state: Exited) -> None:
    jobs.environments.versions = {"Python": "3.9.18"}
    jobs.environments.packages = {"scikit-learn": "0.24.2"}
    failure = b"ImportError: cannot import name 'joblib' from 'sklearn.externals'"
    writes(jobs, {"output/failure": failure} if state.code else {}, state)
    uri = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.20.0-cpu-py3"
    jobs.create(AlgorithmSpecification={"TrainingImage": uri, "TrainingInputMode": "File"})
    jobs.run()
    words = "scikit-learn 0.24.2 for 0.20.0, Python 3.9.18 for 3.7"
    found = jobs.describe()
    (training,) = (t for t in found["SecondaryStatusTransitions"] if t["Status"] == "Training")
    assert training["StatusMessage"].endswith(f". Stands in: {words}.")
    assert jobs.backend.specs[jobs.key()].banner.splitlines()[0].endswith(f"; stands in: {words}")
    assert found.get("FailureReason") == (
        f"AlgorithmError: {failure.decode()}, exit code: 1 (asked for scikit-learn 0.20.0, Python"
        " 3.7, ran scikit-learn 0.24.2, Python 3.9.18: sklearn.externals is gone: import joblib"
        " itself)"
        if state.code
        else None
    )


def test_of_a_long_traceback_in_the_log_the_end_says_what_happened(jobs: JobWorld) -> None:
    writes(jobs, {}, Exited(1))
    jobs.create()
    frames = [f"  File {n}, line {n}" for n in range(100)]
    lines = ["Traceback (most recent call last):", *frames, "ValueError: the cause"]
    jobs.backend.lines[jobs.key()] = lines
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert reason.startswith("AlgorithmError: …")
    assert reason.endswith("ValueError: the cause, exit code: 1")


@pytest.mark.parametrize("where", ["model", "output/data", "checkpoints"])
def test_directories_too_deep_to_store_are_the_jobs_own_failure_at_once(
    jobs: JobWorld, where: str
) -> None:
    def script(spec: Spec) -> State:
        (spec.root / "ml" / where / "a-file-before-it").touch()
        nest(spec.root / "ml" / where)
        return Exited(0)

    jobs.backend.script = script
    jobs.create(CheckpointConfig={"S3Uri": "s3://bucket/ckpt"})
    try:
        jobs.run()
        check_too_deep(jobs, where)
    finally:
        trees.remove(str(jobs.ml().parent))


def check_too_deep(jobs: JobWorld, where: str) -> None:
    """The job has failed for its directories, and what is removed of it is gone."""
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Artifact upload failed:d/d/d/")
    assert "more than 256 directories deep" in found["FailureReason"]
    assert (
        jobs.s3.puts == {"model": 0, "output/data": 1, "checkpoints": 1}[where]
    )  # none of `where`
    row = jobs.rows.get("123456789012", "us-east-1", "training-job", "job")
    assert row is not None
    training.life.remove(jobs.world, row)
    assert not jobs.ml().parent.exists()


def test_what_is_left_out_is_told_in_the_jobs_own_log(jobs: JobWorld) -> None:
    def script(spec: Spec) -> State:
        model = spec.root / "ml" / "model"
        (model / "step-9").mkdir()
        (model / "step-9" / "w.bin").write_bytes(b"w")
        (model / "best").symlink_to("/opt/ml/model/step-9")
        (model / "away").symlink_to("/opt/ml/checkpoints/step-9")
        os.mkfifo(spec.root / "ml" / "checkpoints" / "pipe")
        log = Writer(str(spec.root), 1 << 20)
        log.write(b"its last words, unfinished", 1)
        log.close()
        return Exited(0)

    jobs.backend.script = script
    jobs.create(CheckpointConfig={"S3Uri": "s3://bucket/ckpt"})
    jobs.run()
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    with tarfile.open(
        fileobj=io.BytesIO(jobs.s3.buckets["bucket"]["out/job/output/model.tar.gz"])
    ) as tar:
        assert {m.name: m.linkname for m in tar} == {
            "best": "step-9",
            "step-9": "",
            "step-9/w.bin": "",
        }
    place = jobs.home / "jobs" / jobs.key()
    assert [line.text for line in record.lines(place, 0, 99, True)] == [
        "its last words, unfinished",
        "Sagebrush: left out of model.tar.gz: away: a link that leads outside",
        "Sagebrush: left out of s3://bucket/ckpt: pipe: a FIFO",
    ]


def test_a_launchers_failure_file_is_joined_by_the_scripts_own_error(jobs: JobWorld) -> None:
    writes(jobs, {"output/failure": b"subprocess.CalledProcessError: Command 'x'"}, Exited(1))
    jobs.create()
    jobs.backend.lines[jobs.key()] = ["Traceback (most recent call last):", "ValueError: the cause"]
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert reason.startswith("AlgorithmError: ValueError: the cause\nsubprocess.CalledProcessError")


@pytest.mark.parametrize("how", ["link", "fifo", "directory", "huge", "parent-link"])
def test_failure_file_of_another_sort_is_not_followed(jobs: JobWorld, how: str) -> None:
    secret = jobs.home / "secret"
    secret.write_text("the server's key")
    (jobs.home / "elsewhere").mkdir()
    (jobs.home / "elsewhere" / "failure").write_text("the server's key")

    def script(spec: Spec) -> State:
        file = spec.root / "ml/output/failure"
        if how == "link":
            file.symlink_to(secret)
        elif how == "fifo":
            os.mkfifo(file)
        elif how == "directory":
            file.mkdir()
        elif how == "huge":
            file.write_bytes(b"x" * 5_000_000)
        else:
            os.rename(spec.root / "ml/output", spec.root / "ml/was")
            (spec.root / "ml/output").symlink_to(jobs.home / "elsewhere")
        return Exited(1)

    jobs.backend.script = script
    jobs.create()
    jobs.run()
    reason = jobs.describe()["FailureReason"]
    assert "key" not in reason
    assert reason.endswith("exit code: 1")
    assert len(reason) <= 1024


def test_stop_while_training_uploads_what_is_there(jobs: JobWorld) -> None:
    writes(jobs, {"model/part.bin": b"half"}, Running(jobs.now))
    jobs.create()
    jobs.run(10)
    assert jobs.describe()["SecondaryStatus"] == "Training"
    training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})
    assert jobs.describe()["TrainingJobStatus"] == "Stopping"
    training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})  # again: no change
    jobs.run(20)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == found["SecondaryStatus"] == "Stopped"
    assert jobs.backend.stops == [(jobs.key(), 120)]
    assert members(jobs.s3.buckets["bucket"]["out/job/output/model.tar.gz"]) == {
        "part.bin": b"half"
    }
    with pytest.raises(AwsError, match="is in status Stopped"):
        training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})


def test_max_runtime_exceeded(jobs: JobWorld) -> None:
    writes(jobs, {"model/part.bin": b"half"}, Exited(-15, "timeout"))
    jobs.create()
    jobs.run()
    found = jobs.describe()
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == (
        "Stopped",
        "MaxRuntimeExceeded",
    )
    assert "out/job/output/model.tar.gz" in jobs.s3.buckets["bucket"]
    assert jobs.backend.specs[jobs.key()].time_limit == 600


def test_metrics_from_log_lines(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    spec = {**jobs.request()["AlgorithmSpecification"]}
    spec["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    jobs.create(AlgorithmSpecification=spec)
    jobs.run()
    jobs.backend.lines[jobs.key()] = ["loss=0.9", "noise"]
    jobs.run(3)
    jobs.backend.lines[jobs.key()] += ["epoch 2 loss=0.4"]
    jobs.backend.states[jobs.key()] = Exited(0)
    jobs.run(10)
    assert [(p.metric, p.value) for p in jobs.series.points] == [("loss", 0.9), ("loss", 0.4)]
    assert jobs.series.points[0].dimensions == {"TrainingJobName": "job"}
    final = jobs.describe()["FinalMetricDataList"]
    assert [(m["MetricName"], m["Value"]) for m in final] == [("loss", 0.4)]


def test_names_are_unique_and_unknown_ones_not_found(jobs: JobWorld) -> None:
    jobs.create()
    with pytest.raises(AwsError) as caught:
        jobs.create()
    assert caught.value.code == "ResourceInUse"
    with pytest.raises(AwsError, match=r"Requested resource not found\."):
        jobs.describe("other")


def test_a_launched_job_that_vanishes_is_lost_unless_it_comes_back(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    for name in ("back", "gone"):
        jobs.world.host = Host(8, 64 << 30)
        jobs.create(name)
    jobs.run(3)
    states = {name: jobs.backend.states.pop(jobs.key(name)) for name in ("back", "gone")}
    jobs.run(6, turns=6)
    assert jobs.describe("gone")["TrainingJobStatus"] == "InProgress"
    jobs.backend.states[jobs.key("back")] = states["back"]
    jobs.run(10)
    assert jobs.describe("back")["SecondaryStatus"] == "Training"
    assert "lost" in jobs.describe("gone")["FailureReason"]
    assert jobs.backend.launches == 2
