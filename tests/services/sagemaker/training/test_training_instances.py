"""Training jobs on several instances, and spot jobs: their life with a backend that obeys."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.compute.host import Host
from sagebrush.engine import running
from sagebrush.errors import AwsError
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker import tags
from sagebrush.services.sagemaker.training import operations as training
from tests.services.sagemaker.jobworld import JobWorld, channel, resources

THREE = resources(InstanceCount=3)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobWorld]:
    found = JobWorld(tmp_path)
    found.world.host = Host(4, 16 << 30)
    yield found
    found.db.close()


def row(jobs: JobWorld, name: str = "job") -> Any:
    return jobs.rows.get("123456789012", "us-east-1", "training-job", name)


# ---- several instances


def test_each_instance_has_its_configuration_data_and_log(jobs: JobWorld) -> None:
    jobs.s3.buckets["bucket"]["in/a"] = b"a"
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig=THREE, InputDataConfig=[channel("train", "s3://bucket/in/")])
    jobs.run(2)
    key = jobs.key()
    assert list(jobs.backend.specs) == [key, f"{key}.2", f"{key}.3"]
    for n, spec in enumerate(jobs.backend.specs.values(), 1):
        config = json.loads((spec.root / "ml/input/config/resourceconfig.json").read_text())
        assert config["current_host"] == spec.hostname == f"algo-{n}"
        assert config["hosts"] == list(spec.peers) == ["algo-1", "algo-2", "algo-3"]
        assert config["network_interface_name"] == "eth0"
        assert spec.network == key
        assert spec.env["GLOO_SOCKET_IFNAME"] == "eth0"
        assert (spec.root / "ml/input/data/train/a").read_bytes() == b"a"
    streams = [call[3].rsplit("-", 1)[0] for call in jobs.streams.registered]
    assert streams == ["job/algo-1", "job/algo-2", "job/algo-3"]
    limits = [spec.limits for spec in jobs.backend.specs.values()]
    assert sum(each.cpu for each in limits) == pytest.approx(4)
    assert "3 x ml.m5.large" in next(iter(jobs.backend.specs.values())).banner


def test_all_must_end_well_and_their_models_are_merged(jobs: JobWorld) -> None:
    ended: list[Spec] = []

    def script(spec: Spec) -> State:
        ended.append(spec)
        (spec.root / "ml/model/shared.txt").write_text(spec.hostname)
        (spec.root / f"ml/model/{spec.hostname}.txt").write_text("own")
        return Exited(0, ended=float(len(ended)))

    jobs.backend.script = script
    jobs.create(ResourceConfig=THREE)
    jobs.run(3)
    assert jobs.describe()["TrainingJobStatus"] == "Completed"
    body = jobs.s3.buckets["bucket"]["out/job/output/model.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert sorted(tar.getnames()) == ["algo-1.txt", "algo-2.txt", "algo-3.txt", "shared.txt"]
        shared = tar.extractfile("shared.txt")
        assert shared is not None
        assert shared.read() == b"algo-1"


def test_one_dies_all_stop_and_the_reason_names_the_first(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig=THREE)
    jobs.run(2)
    key = jobs.key()
    (jobs.home / "jobs" / f"{key}.2" / "ml/output/failure").write_text("ValueError: bad shard")
    jobs.backend.states[f"{key}.2"] = Exited(1, ended=5.0)
    jobs.backend.on_stop = Exited(1, ended=6.0)  # a connection reset, just before its SIGTERM
    jobs.run(10)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"] == "AlgorithmError: algo-2: ValueError: bad shard, exit code: 1"
    assert {stopped for stopped, _ in jobs.backend.stops} == {key, f"{key}.3"}
    assert capacity.position(jobs.world, key) is None


def test_a_stop_and_a_deletion_reach_every_instance(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig=THREE)
    jobs.run(2)
    training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})
    jobs.run(7)
    assert jobs.describe()["TrainingJobStatus"] == "Stopped"
    training.delete_training_job(jobs.ctx, {"TrainingJobName": "job"})
    assert list((jobs.home / "jobs").iterdir()) == []


def test_instance_groups_are_told_apart(jobs: JobWorld) -> None:
    groups = [
        {"InstanceGroupName": "data", "InstanceType": "ml.m5.large", "InstanceCount": 1},
        {"InstanceGroupName": "train", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2},
    ]
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1})
    jobs.run(2)
    third = jobs.home / "jobs" / f"{jobs.key()}.3"
    config = json.loads((third / "ml/input/config/resourceconfig.json").read_text())
    assert config["current_group_name"] == "train"
    assert config["current_instance_type"] == "ml.c5.xlarge"
    assert [g["hosts"] for g in config["instance_groups"]] == [["algo-1"], ["algo-2", "algo-3"]]


def test_several_instances_where_there_is_no_network_are_refused(jobs: JobWorld) -> None:
    jobs.backend.networks = False
    with pytest.raises(AwsError, match="use InstanceCount 1"):
        jobs.create(ResourceConfig=THREE)


def test_metrics_are_read_from_every_instance(jobs: JobWorld) -> None:
    def script(spec: Spec) -> State:
        jobs.backend.lines[spec.key] = [f"loss={spec.hostname[-1]}"]
        return Running(jobs.now)

    jobs.backend.script = script
    spec = jobs.request()["AlgorithmSpecification"]
    metrics = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]
    jobs.create(ResourceConfig=THREE, AlgorithmSpecification={**spec, "MetricDefinitions": metrics})
    jobs.run(4)
    assert sorted(point.value for point in jobs.series.points) == [1.0, 2.0, 3.0]


# ---- spot


SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
    "CheckpointConfig": {"S3Uri": "s3://bucket/ckpt"},
}


def interrupt(jobs: JobWorld, name: str = "job") -> None:
    arn = jobs.describe(name)["TrainingJobArn"]
    tag = {"Key": "sagebrush:interrupt", "Value": "now"}
    tags.add_tags(jobs.ctx, {"ResourceArn": arn, "Tags": [tag]})


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(jobs: JobWorld) -> None:
    found: list[list[str]] = []

    def script(spec: Spec) -> State:
        place = spec.root / "ml/checkpoints"
        found.append(sorted(path.name for path in place.iterdir()))
        (place / f"step-{len(found)}").write_text("state")
        if len(found) == 3:
            (spec.root / "ml/model/model.txt").write_text("whole")
            return Exited(0)
        return Running(jobs.now)

    jobs.backend.script = script
    jobs.create(**SPOT)
    for _ in range(2):
        jobs.run(7)
        key = jobs.key()
        assert jobs.describe()["SecondaryStatus"] == "Training"
        interrupt(jobs)
        jobs.run(1)
        assert (
            json.loads((jobs.home / "jobs" / key / "notice").read_text())["action"] == "terminate"
        )
    jobs.run(10)
    done = jobs.describe()
    assert done["TrainingJobStatus"] == "Completed"
    assert found == [[], ["step-1"], ["step-1", "step-2"]]
    past = [each["Status"] for each in done["SecondaryStatusTransitions"]]
    assert past.count("Interrupted") == 2
    assert past[-3:] == ["Training", "Uploading", "Completed"]
    after = past.index("Interrupted") + 1
    assert past[after : after + 3] == ["Starting", "Downloading", "Training"]
    first, second, _ = jobs.backend.specs.values()
    assert "interruption" not in first.banner
    assert second.banner.startswith("Sagebrush: after spot interruption 1 of this job: it starts")
    assert len({key for key in jobs.backend.specs}) == 3
    # billed at the spot price, as AWS shows its savings
    assert 0 < done["BillableTimeInSeconds"] <= done["TrainingTimeInSeconds"] < 30
    limits = [spec.time_limit for spec in jobs.backend.specs.values()]
    assert limits[0] == 600
    assert row(jobs).plan["tags"] == {}
    training.delete_training_job(jobs.ctx, {"TrainingJobName": "job"})
    assert list((jobs.home / "jobs").iterdir()) == []


def test_on_demand_work_takes_a_spot_jobs_room_and_gives_it_back(jobs: JobWorld) -> None:
    jobs.world.host = Host(2, 8 << 30)
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create("spot", **SPOT)
    jobs.run(2)
    jobs.create("other")
    jobs.run(7)
    assert jobs.describe("other")["SecondaryStatus"] == "Training"
    waits = jobs.describe("spot")
    assert (waits["TrainingJobStatus"], waits["SecondaryStatus"]) == ("InProgress", "Starting")
    past = [each for each in waits["SecondaryStatusTransitions"] if each["Status"] == "Interrupted"]
    message = past[0]["StatusMessage"]
    assert message.startswith("Spot interruption: the training job was interrupted, on-demand work")
    assert "needs its room; it starts again from" in message
    jobs.backend.states[jobs.key("other")] = Exited(0)
    jobs.loop.changed(jobs.key("other"))
    jobs.run(5)
    assert jobs.describe("spot")["SecondaryStatus"] == "Training"


def test_a_spot_job_waits_no_longer_than_its_condition_says(jobs: JobWorld) -> None:
    jobs.world.host = Host(2, 8 << 30)
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create("other", StoppingCondition={"MaxRuntimeInSeconds": 86400})
    jobs.run(1)
    jobs.create("spot", **SPOT)
    jobs.run(1300, turns=30)
    found = jobs.describe("spot")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == (
        "Stopped",
        "MaxWaitTimeExceeded",
    )


def test_an_on_demand_job_is_not_interrupted(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create()
    jobs.run(2)
    interrupt(jobs)
    jobs.run(3)
    assert jobs.describe()["SecondaryStatus"] == "Training"
    assert jobs.backend.stops == []


def test_a_job_that_ended_just_before_its_notice_is_complete(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(**SPOT)
    jobs.run(2)
    jobs.backend.on_stop = Exited(0)  # by itself, before the SIGTERM came
    interrupt(jobs)
    jobs.run(7)
    assert jobs.describe()["TrainingJobStatus"] == "Completed"


def test_an_interruption_whose_server_was_killed_before_it_noted_it_is_one(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(**SPOT)
    jobs.run(2)
    first = jobs.key()
    interrupt(jobs)
    jobs.backend.states[first] = Exited(-15, "stopped")
    jobs.run(7)
    assert jobs.describe()["SecondaryStatus"] == "Training"
    assert jobs.key() != first


def test_an_interruption_before_the_process_began_takes_nothing_of_the_jobs_time(
    jobs: JobWorld,
) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(**SPOT)
    jobs.run(2)
    first = jobs.key()
    jobs.backend.on_stop = Exited(-15, "stopped", started=0.0, ended=1.8e9)
    interrupt(jobs)
    jobs.run(7)
    assert jobs.key() != first
    limits = [spec.time_limit for spec in jobs.backend.specs.values()]
    assert limits[-1] == limits[0], limits


def test_an_instance_that_fails_because_another_gave_way_is_interrupted_with_it(
    jobs: JobWorld,
) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig=THREE, **SPOT)
    jobs.run(2)
    first = jobs.key()
    interrupt(jobs)
    jobs.backend.on_stop = Running(jobs.now)  # it has its two minutes
    jobs.run(1)
    jobs.backend.states[f"{first}.2"] = Exited(1, ended=5.0)
    for key in (first, f"{first}.3"):
        jobs.backend.states[key] = Exited(-15, "stopped", ended=6.0)
    jobs.run(7)
    assert jobs.describe()["SecondaryStatus"] == "Training"
    assert jobs.key() != first


def test_an_interruption_whose_checkpoints_have_no_place_any_more_says_so(jobs: JobWorld) -> None:
    jobs.s3.buckets["kept"] = {}
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(**{**SPOT, "CheckpointConfig": {"S3Uri": "s3://kept/ckpt"}})
    jobs.run(2)
    (jobs.home / "jobs" / jobs.key() / "ml/checkpoints/step").write_text("1")
    del jobs.s3.buckets["kept"]
    interrupt(jobs)
    jobs.run(5)
    found = jobs.describe()
    assert found["TrainingJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("ClientError: Checkpoint download failed:NoSuchBucket")


def test_a_stop_is_stronger_than_an_interruption(jobs: JobWorld) -> None:
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(**SPOT)
    jobs.run(2)
    interrupt(jobs)
    training.stop_training_job(jobs.ctx, {"TrainingJobName": "job"})
    jobs.run(5)
    assert jobs.describe()["TrainingJobStatus"] == "Stopped"


def test_checkpoints_written_before_the_first_sync_are_not_lost(jobs: JobWorld) -> None:
    def script(spec: Spec) -> State:
        (spec.root / "ml/checkpoints/early").write_text("1")
        return Running(jobs.now)

    jobs.now = time.time()
    jobs.backend.script = script
    jobs.create(**SPOT)
    jobs.run(35)  # a sync has been, while the file was too young to be taken
    interrupt(jobs)
    jobs.run(7)
    assert "ckpt/early" in jobs.s3.buckets["bucket"]
    assert os.listdir(jobs.home / "jobs" / jobs.key() / "ml/checkpoints") == ["early"]


def test_an_elastic_spot_job_goes_on_with_the_instances_that_there_is_room_for(
    jobs: JobWorld,
) -> None:
    jobs.world.host = Host(6, 24 << 30)
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create("spot", ResourceConfig=THREE, **SPOT, Environment={"SAGEBRUSH_MIN_INSTANCES": "2"})
    jobs.run(2)
    jobs.create("other")
    jobs.run(7)
    assert jobs.describe("other")["SecondaryStatus"] == "Training"
    again = jobs.describe("spot")
    assert again["SecondaryStatus"] == "Training"
    key = jobs.key("spot")
    config = jobs.home / "jobs" / key / "ml/input/config/resourceconfig.json"
    assert json.loads(config.read_text())["hosts"] == ["algo-1", "algo-2"]
    mine = [
        each.host for each in running.live(jobs.world.rows, jobs.world.kinds) if each.name == "spot"
    ]
    assert mine == ["algo-1", "algo-2"]
    assert [spec.limits.cpu for k, spec in jobs.backend.specs.items() if k.startswith(key)] == [
        2,
        2,
    ]
    interrupt(jobs, "spot")
    jobs.backend.states[jobs.key("other")] = Exited(0)
    jobs.loop.changed(jobs.key("other"))
    jobs.run(7)
    key = jobs.key("spot")
    config = jobs.home / "jobs" / key / "ml/input/config/resourceconfig.json"
    assert len(json.loads(config.read_text())["hosts"]) == 3


def test_the_cause_is_told_although_an_echo_of_it_came_first(jobs: JobWorld) -> None:
    trace = "Traceback (most recent call last):"
    jobs.backend.script = lambda spec: Running(jobs.now)
    jobs.create(ResourceConfig=THREE)
    jobs.run(2)
    key = jobs.key()
    jobs.backend.lines[key] = [trace, "  x", "RuntimeError: Connection closed by peer [10.88.0.2]"]
    jobs.backend.states[key] = Exited(1, ended=5.0)
    jobs.loop.changed(key)
    jobs.run(1)
    assert jobs.backend.stops == []
    jobs.backend.lines[f"{key}.2"] = [trace, "  y", "ValueError: bad shard"]
    jobs.backend.states[f"{key}.2"] = Exited(1, ended=6.0)
    jobs.run(9)
    reason = jobs.describe()["FailureReason"]
    assert "algo-2: " in reason
    assert "ValueError: bad shard" in reason
