"""How channels arrive in /opt/ml/input/data, and what a job leaves, waits for and keeps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.compute.host import Host
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.jobs import steps as job_steps
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.services.sagemaker.training.warm_pool import life
from sagebrush.workload import channels
from tests.services.sagemaker.jobworld import IMAGE, JobWorld, channel, of_group, resources

TRAIN = channel("train", "s3://bucket/in/")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    found.s3.buckets["bucket"]["in/a.txt"] = b"a"
    yield found
    found.db.close()


def files(jobs: JobWorld) -> dict[str, str]:
    """What the job will find in its channels, by path; runs it."""
    found: dict[str, str] = {}

    def script(spec: Spec) -> State:
        data = spec.root / "ml/input/data"
        found.update(
            {str(p.relative_to(data)): p.read_text() for p in data.rglob("*") if p.is_file()}
        )
        return Exited(0)

    jobs.backend.script = script
    jobs.run()
    return found


def test_a_prefix_keeps_what_follows_its_last_directory(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"].update(
        {"in/": b"", "in/deep/er/b.txt": b"b", "in2/c.txt": b"c", "one.csv": b"1", "in//x": b"x"}
    )
    jobs.create(
        InputDataConfig=[
            channel("folder", "s3://bucket/in/"),
            channel("bare", "s3://bucket/in"),
            channel("object", "s3://bucket/one.csv"),
        ]
    )
    assert files(jobs) == {
        "folder/a.txt": "a", "folder/deep/er/b.txt": "b", "folder/x": "x",
        "bare/a.txt": "a", "bare/deep/er/b.txt": "b", "bare/x": "x", "bare/in2/c.txt": "c",
        "object/one.csv": "1",
    }  # fmt: skip


def test_a_manifest(jobs: JobWorld) -> None:
    manifest = [{"prefix": "s3://bucket/in/"}, "a.txt", "sub/b.txt"]
    jobs.s3.buckets["bucket"].update(
        {"m.json": json.dumps(manifest).encode(), "in/sub/b.txt": b"b"}
    )
    jobs.create(InputDataConfig=[channel("train", "s3://bucket/m.json", "ManifestFile")])
    assert files(jobs) == {"train/a.txt": "a", "train/sub/b.txt": "b"}


@pytest.mark.parametrize(
    ("objects", "uri", "kind", "words"),
    [
        ({"k/../../../../evil": b"x"}, "s3://bucket/k/", "S3Prefix", "cannot be a file's path"),
        ({"k/a": b"x", "k/a/b": b"y"}, "s3://bucket/k/", "S3Prefix", "both a file and a directory"),
        ({"k/a//b": b"x", "k/a/b": b"y"}, "s3://bucket/k/", "S3Prefix", "the same file as another"),
        ({"k/" + "n" * 300: b"x"}, "s3://bucket/k/", "S3Prefix", "File name too long"),
        ({"m": b"[]"}, "s3://bucket/m", "ManifestFile", "is no manifest"),
        ({"m": b"nonsense"}, "s3://bucket/m", "ManifestFile", "is no manifest"),
        (
            {"m": b'[{"prefix": "s3://bucket/"}, "gone.txt"]'},
            "s3://bucket/m",
            "ManifestFile",
            "NoSuchKey: s3://bucket/gone.txt",
        ),
        (
            {"m": b'[{"prefix": "s3://bucket/in/"}, "../in/a.txt"]', "in/../in/a.txt": b"x"},
            "s3://bucket/m",
            "ManifestFile",
            "cannot be a file's path",
        ),
    ],
)
def test_input_that_cannot_be_files_fails_the_job_and_says_why(
    jobs: JobWorld, objects: dict[str, bytes], uri: str, kind: str, words: str
) -> None:
    jobs.s3.buckets["bucket"].update(objects)
    jobs.create(InputDataConfig=[channel("train", uri, kind)])
    jobs.run()
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Data download failed:")
    assert words in found["FailureReason"]
    assert jobs.backend.launches == 0
    assert not (jobs.home / "evil").exists()


def test_input_that_vanished_after_creation_fails_the_job(jobs: JobWorld) -> None:
    jobs.create(InputDataConfig=[TRAIN])
    jobs.s3.buckets["bucket"].clear()
    jobs.run()
    assert "No S3 objects found under S3 URL" in jobs.describe()["FailureReason"]


def test_input_larger_than_the_disk_is_told_before_it_is_copied(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "RESERVE", 1 << 62)
    jobs.create(InputDataConfig=[TRAIN])
    jobs.run()
    assert "No space left on device: the input is" in jobs.describe()["FailureReason"]


def test_stop_while_downloading_is_honoured_between_files(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_steps, "LOOK", 0.0)
    jobs.s3.buckets["bucket"].update({f"in/{n}": b"x" for n in range(10)})
    jobs.create(InputDataConfig=[TRAIN])
    real, seen = jobs.s3.call, []

    def call(ctx: Any, operation: str, p: Doc) -> Doc:
        if operation == "GetObject":
            seen.append(p["Key"])
            if len(seen) == 2:
                training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})
        return real(ctx, operation, p)

    jobs.s3.call = call  # type: ignore[method-assign]
    jobs.run()
    assert jobs.describe()["TrainingJobStatus"] == "Stopped"
    assert jobs.backend.launches == 0
    assert len(seen) < 10


@pytest.mark.costs("plays fifty jobs")
def test_jobs_wait_their_turn_and_all_complete(jobs: JobWorld) -> None:
    jobs.world.host = Host(2, 8 << 30)
    running: list[str] = []

    def script(spec: Spec) -> State:
        running.append(spec.key)
        return Running(jobs.now)

    jobs.backend.script = script
    for n in range(50):
        jobs.create(f"job-{n}")
    jobs.run(1)
    waiting = jobs.describe("job-49")
    assert waiting["SecondaryStatus"] == "Starting"
    message = waiting["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert "waiting for capacity (position 49): 2 vCPU and 1.0 GiB are asked for" in message
    most = 0
    while running:
        most = max(most, len(running))
        jobs.backend.states[running.pop()] = Exited(0)
        jobs.run(5)
    done = [row.status for row in jobs.rows.select("training-job")]
    assert done == ["Completed"] * 50
    assert most == 1
    assert jobs.backend.launches == 50


def test_stopping_a_job_that_waits_lets_the_next_up(jobs: JobWorld) -> None:
    jobs.world.host = Host(2, 8 << 30)
    jobs.backend.script = lambda spec: Running(jobs.now)
    for name in ("a", "b", "c"):
        jobs.create(name)
    jobs.run(1)
    training.stop_training_job(jobs.ctx, {"TrainingJobName": "b"})
    jobs.run(1)
    assert jobs.describe("b")["TrainingJobStatus"] == "Stopped"
    message = jobs.describe("c")["SecondaryStatusTransitions"][-1]["StatusMessage"]
    assert "(position 1): " in message


@pytest.mark.parametrize(
    "changes",
    [
        {
            "EnableManagedSpotTraining": True,
            "StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxWaitTimeInSeconds": 200},
        },
        {"StoppingCondition": {"MaxRuntimeInSeconds": 100, "MaxPendingTimeInSeconds": 200}},
    ],
)
def test_a_job_waits_no_longer_than_it_says(jobs: JobWorld, changes: Doc) -> None:
    jobs.world.host = Host(2, 8 << 30)
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create("a")
    jobs.run(1)
    jobs.create("b", **changes)
    jobs.run(190)
    assert jobs.describe("b")["SecondaryStatus"] == "Starting"
    jobs.run(20)
    found = jobs.describe("b")
    assert found["TrainingJobStatus"] == "Stopped"
    assert found["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert jobs.backend.launches == 1


def test_a_larger_type_is_scaled_down_and_the_log_says_so(jobs: JobWorld) -> None:
    jobs.world.host = Host(2, 8 << 30)
    jobs.create(ResourceConfig=resources(InstanceType="ml.m5.24xlarge"))
    jobs.run()
    spec = jobs.backend.specs[jobs.key()]
    assert "ml.m5.24xlarge" in spec.banner.splitlines()[1]
    assert (spec.limits.cpu, spec.limits.memory) == (2, 8 << 30)


def test_log_and_description_say_which_versions_run(jobs: JobWorld) -> None:
    jobs.environments.versions = {"Python": "3.12.4", "scikit-learn": "1.9.1"}
    jobs.create()
    jobs.run()
    spec = jobs.backend.specs[jobs.key()]
    runs = "environment base (Python 3.12.4, scikit-learn 1.9.1)"
    assert spec.banner == f"Sagebrush: image {IMAGE} runs as {runs}"
    steps = jobs.describe()["SecondaryStatusTransitions"]
    told = {step["Status"]: step["StatusMessage"] for step in steps}
    assert told["Training"].endswith(f"It runs as {runs}.")


def test_a_gpu_type_gets_the_hosts_gpus_and_says_how_many(jobs: JobWorld) -> None:
    jobs.world.host = Host(64, 512 << 30, (0, 3))
    jobs.create("one", ResourceConfig=resources(InstanceType="ml.p3.2xlarge"))
    jobs.create("many", ResourceConfig=resources(InstanceType="ml.p3.16xlarge"))
    jobs.create("none")
    jobs.run()
    specs = {name: jobs.backend.specs[jobs.key(name)] for name in ("one", "many", "none")}
    assert [specs[name].limits.gpus for name in specs] == [(0,), (0, 3), ()]
    assert "GPU" not in specs["one"].banner
    assert "8 GPU) is larger than this host" in specs["many"].banner
    assert specs["many"].banner.endswith("and 2 GPU")


def test_checkpoints_come_and_go(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"]["ckpt/old.bin"] = b"old"

    def script(spec: Spec) -> State:
        here = spec.root / "ml/checkpoints"
        assert (here / "old.bin").read_bytes() == b"old"
        (here / "new.bin").write_bytes(b"new")
        return Exited(1)

    jobs.backend.script = script
    jobs.create(CheckpointConfig={"S3Uri": "s3://bucket/ckpt"})
    jobs.run()
    assert jobs.s3.buckets["bucket"]["ckpt/new.bin"] == b"new"


def test_checkpoints_that_cannot_be_listed_fail_the_job_at_once(jobs: JobWorld) -> None:
    jobs.s3.buckets["other"] = {}
    jobs.create(CheckpointConfig={"S3Uri": "s3://other/ckpt"})
    del jobs.s3.buckets["other"]
    jobs.run()
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Checkpoint download failed:NoSuchBucket")


def test_a_channel_of_the_jobs_own_instance_group(jobs: JobWorld) -> None:
    group = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "mine"}
    jobs.create(
        ResourceConfig={"VolumeSizeInGB": 1, "InstanceGroups": [group]},
        InputDataConfig=[of_group("mine")],
    )
    assert files(jobs) == {"train/a.txt": "a"}


def test_tensors_and_tensorboard_files_are_stored_beneath_the_jobs_name(jobs: JobWorld) -> None:
    def script(spec: Spec) -> State:
        for name in ("tensors", "tensorboard"):
            (spec.root / "ml/output" / name).mkdir()
            (spec.root / "ml/output" / name / "events.1").write_bytes(name.encode())
        return Exited(0)

    jobs.backend.script = script
    jobs.create(
        "one",
        DebugHookConfig={"S3OutputPath": "s3://bucket/d/"},
        TensorBoardOutputConfig={"S3OutputPath": "s3://bucket"},
    )
    jobs.run()
    stored = jobs.s3.buckets["bucket"]
    assert stored["d/one/debug-output/events.1"] == b"tensors"
    assert stored["one/tensorboard-output/events.1"] == b"tensorboard"


def test_rules_are_said_not_to_be_evaluated(jobs: JobWorld) -> None:
    rule = {"RuleConfigurationName": "report", "RuleEvaluatorImage": "any"}
    jobs.create(ProfilerRuleConfigurations=[rule], DebugRuleConfigurations=[])
    found = jobs.describe()
    (status,) = found["ProfilerRuleEvaluationStatuses"]
    assert (status["RuleConfigurationName"], status["RuleEvaluationStatus"]) == (
        "report",
        "Stopped",
    )
    assert "DebugRuleEvaluationStatuses" not in found


def test_uncompressed_output(jobs: JobWorld) -> None:
    def script(spec: Spec) -> State:
        (spec.root / "ml/model/sub").mkdir()
        (spec.root / "ml/model/sub/m.bin").write_bytes(b"w")
        return Exited(0)

    jobs.backend.script = script
    jobs.create(OutputDataConfig={"S3OutputPath": "s3://bucket/out/", "CompressionType": "NONE"})
    jobs.run()
    assert jobs.s3.buckets["bucket"]["out/job/output/model/sub/m.bin"] == b"w"
    found = jobs.describe()["ModelArtifacts"]["S3ModelArtifacts"]
    assert found == "s3://bucket/out/job/output/model/"


def test_an_output_bucket_that_vanished_fails_the_job(jobs: JobWorld) -> None:
    jobs.create()
    jobs.s3.fail = AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    jobs.run()
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert "ClientError: Artifact upload failed:NoSuchBucket" in found["FailureReason"]


def test_a_passing_fault_of_the_store_is_tried_again(jobs: JobWorld) -> None:
    jobs.create()
    jobs.s3.fail = AwsError("InternalError", "We encountered an internal error.", 500)
    jobs.run(10)
    assert jobs.describe()["TrainingJobStatus"] == "InProgress"
    jobs.s3.fail = None
    jobs.run(120)
    assert jobs.describe()["TrainingJobStatus"] == "Completed"


def test_ended_jobs_lose_their_directory_after_the_days_of_retention(jobs: JobWorld) -> None:
    jobs.create()
    jobs.run()
    root = jobs.ml().parent
    assert root.is_dir()
    jobs.now += 29 * 86400
    jobs.loop.run_once()
    assert root.is_dir()
    jobs.now += 2 * 86400
    jobs.loop.run_once()
    assert not root.exists()
    assert jobs.describe()["TrainingJobStatus"] == "Completed"


def test_delete_update_and_list(jobs: JobWorld) -> None:
    jobs.create("one")
    with pytest.raises(AwsError, match="is in status InProgress"):
        training.delete_training_job(jobs.ctx, {"TrainingJobName": "one"})
    training.update_training_job(
        jobs.ctx, {"TrainingJobName": "one", "ResourceConfig": {"KeepAlivePeriodInSeconds": 60}}
    )
    config = jobs.describe("one")["ResourceConfig"]
    assert (config["KeepAlivePeriodInSeconds"], config["InstanceType"]) == (60, "ml.m5.large")
    jobs.run()
    jobs.create("two")
    page = training.list_training_jobs(jobs.ctx, {"StatusEquals": "Completed"})
    (summary,) = page["TrainingJobSummaries"]
    assert summary["TrainingJobName"] == "one"
    assert summary["SecondaryStatus"] == "Completed"
    assert summary["TrainingEndTime"]
    root = jobs.ml("one").parent
    with pytest.raises(AwsError, match="retains an Available warm pool") as caught:
        training.delete_training_job(jobs.ctx, {"TrainingJobName": "one"})
    assert caught.value.code == "ResourceInUse"
    now = {"TrainingJobName": "one", "ResourceConfig": {"KeepAlivePeriodInSeconds": 0}}
    training.update_training_job(jobs.ctx, now)
    (pool,) = jobs.rows.select("warm-pool")
    life.reconcile(jobs.world, pool)
    training.delete_training_job(jobs.ctx, {"TrainingJobName": "one"})
    assert not root.exists()
    with pytest.raises(AwsError, match="Requested resource not found"):
        jobs.describe("one")


def test_the_end_of_a_job_removes_its_input_and_nothing_that_it_linked(
    jobs: JobWorld, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    (host / "data").mkdir(parents=True)
    (host / "data/precious").write_text("kept")

    def script(spec: Spec) -> State:
        if spec.env["TRAINING_JOB_NAME"] == "hostile":
            (spec.root / "ml/input").rename(spec.root / "ml/elsewhere")
            (spec.root / "ml/input").symlink_to(host)
        return Exited(0)

    jobs.s3.buckets["bucket"]["in/a"] = b"a"
    jobs.backend.script = script
    for name in ("hostile", "usual"):
        jobs.create(name, InputDataConfig=[channel("train", "s3://bucket/in/")])
        jobs.run()
        assert jobs.describe(name)["TrainingJobStatus"] == "Completed"
    assert (host / "data/precious").read_text() == "kept"
    assert (jobs.ml("hostile") / "elsewhere/data/train/a").exists()
    assert (jobs.ml("usual") / "input").is_dir()
    assert not (jobs.ml("usual") / "input/data").exists()
    assert not list(jobs.ml("usual").parent.glob("staging-*"))


def test_checkpoints_of_a_running_job_are_saved_now_and_then(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(spec: Spec) -> State:
        (spec.root / "ml/checkpoints/one.bin").write_bytes(b"1")
        os.utime(spec.root / "ml/checkpoints/one.bin", (1.0, 1.0))  # copied with its old times
        (spec.root / "ml/checkpoints/link").symlink_to("/etc/passwd")
        return Running(jobs.now)

    jobs.now = time.time()
    jobs.backend.script = script
    jobs.create(CheckpointConfig={"S3Uri": "s3://bucket/ckpt/"})
    jobs.run(40)  # it was written a moment ago, and may not be whole
    assert jobs.describe()["SecondaryStatus"] == "Training"
    kept = {k: v for k, v in jobs.s3.buckets["bucket"].items() if k.startswith("ckpt/")}
    assert kept == {}
    monkeypatch.setattr(job_steps, "SETTLED", 0.0)
    jobs.run(40)
    kept = {k: v for k, v in jobs.s3.buckets["bucket"].items() if k.startswith("ckpt/")}
    assert kept == {"ckpt/one.bin": b"1"}


def test_what_is_renamed_after_a_save_is_saved_under_its_new_name(
    jobs: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_steps, "SETTLED", 0.0)
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(CheckpointConfig={"S3Uri": "s3://bucket/ckpt/"})
    jobs.run(2)
    place = jobs.ml() / "checkpoints"
    (place / "tmp-step-1").mkdir()
    (place / "tmp-step-1/weights").write_text("w")
    (place / "state.part").write_text("s")
    jobs.run(35)
    (place / "tmp-step-1").rename(place / "step-1")
    (place / "state.part").rename(place / "state")
    jobs.run(35)
    assert jobs.describe()["SecondaryStatus"] == "Training"
    kept = {k: v for k, v in jobs.s3.buckets["bucket"].items() if k.startswith("ckpt/")}
    assert (kept["ckpt/step-1/weights"], kept["ckpt/state"]) == (b"w", b"s")
    before = jobs.s3.puts
    jobs.run(70)  # nothing new: nothing is stored again
    assert jobs.s3.puts == before


def test_a_lost_job_is_tried_again_as_often_as_its_strategy_says(jobs: JobWorld) -> None:
    ends = [Exited(-1, "lost"), Exited(0)]
    jobs.backend.script = lambda spec: ends.pop(0)
    jobs.create(RetryStrategy={"MaximumRetryAttempts": 1})
    jobs.run(20)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [t["Status"] for t in found["SecondaryStatusTransitions"]]
    assert jobs.backend.launches == 2

    jobs.backend.script = lambda spec: Exited(-1, "lost")
    jobs.create("again", RetryStrategy={"MaximumRetryAttempts": 2})
    jobs.run(30)
    assert jobs.describe("again")["TrainingJobStatus"] == "Failed"
    assert jobs.backend.launches == 5


def test_the_longest_run_time_is_for_all_attempts_together(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(RetryStrategy={"MaximumRetryAttempts": 1})
    jobs.run(400)
    jobs.backend.states[jobs.key()] = Exited(-1, "lost")
    jobs.run(20)
    first, second = jobs.backend.specs.values()
    assert first.time_limit == 600
    assert second.time_limit is not None
    assert 150 < second.time_limit <= 200
