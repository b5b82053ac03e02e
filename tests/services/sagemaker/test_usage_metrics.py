"""Instance metrics of jobs and endpoints, as boto3 finds them in CloudWatch."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engine import running, usage
from sagebrush.store.db import ReadOnly
from sagebrush.store.home import DATABASE
from sagebrush.store.reservations import Reservations
from sagebrush.store.rows import Reader
from tests.conftest import Server, make_settings, started
from tests.services.sagemaker.liveserver import own
from tests.waiting import until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
BUSY = "while :; do :; done"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = started(make_settings(tmp_path / "home", isolation="process"))
    own(made.app)
    made.client("s3").create_bucket(Bucket="jobs")
    yield made
    for each in running.live(made.world.rows, made.world.kinds):
        made.world.backend.stop(each.key, 0)
    made.stop()


def train(server: Server, name: str) -> None:
    server.client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/sh", "-c", BUSY],
        },
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://jobs/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def statistics(server: Server, name: str, host: str) -> list[dict[str, Any]]:
    now = dt.datetime.now(dt.UTC)
    return server.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName=name,
        Dimensions=[{"Name": "Host", "Value": host}],
        StartTime=now - dt.timedelta(minutes=10),
        EndTime=now + dt.timedelta(minutes=10),
        Period=60,
        Statistics=["Average", "Maximum"],
        Unit="Percent",
    )["Datapoints"]


def test_a_training_jobs_use_is_in_cloudwatch(server: Server) -> None:
    sampler = usage.Sampler(server.world, seconds=3600)
    assert sampler.sample() == 0  # nothing lives: nothing is told
    train(server, "busy")
    until(lambda: sampler.sample() == 1)
    until(lambda: sampler.sample() and _most(server) > 20)
    for name in ("MemoryUtilization", "DiskUtilization"):
        (point,) = statistics(server, name, "busy/algo-1")[-1:]
        assert 0 < point["Average"] <= 100
    assert statistics(server, "GPUUtilization", "busy/algo-1") == []
    server.client("sagemaker").stop_training_job(TrainingJobName="busy")
    until(lambda: sampler.sample() == 0)


def _most(server: Server) -> float:
    return max(p["Maximum"] for p in statistics(server, "CPUUtilization", "busy/algo-1"))


def test_the_server_samples_by_itself_and_ends(server: Server) -> None:
    assert "usage" in {thread.name for thread in threading.enumerate()}
    sampler = usage.Sampler(server.world, seconds=0.05)
    sampler.start()
    train(server, "busy")
    until(lambda: statistics(server, "MemoryUtilization", "busy/algo-1"))
    sampler.stop()
    sampler.stop()


def test_a_fault_is_logged_and_the_next_look_works(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(server, "busy")
    looks: list[int] = []

    def read(_: object, __: object) -> list[running.Live]:
        looks.append(1)
        if len(looks) == 1:
            raise OSError("no space left")
        return []

    monkeypatch.setattr(running, "live", read)
    sampler = usage.Sampler(server.world, seconds=0.01)
    sampler.start()
    until(lambda: len(looks) > 2)
    sampler.stop()
    assert "what jobs use could not be told" in caplog.text


def test_which_instances_live(server: Server) -> None:
    kinds = server.world.kinds
    assert running.live(server.world.rows, kinds) == []
    train(server, "one")
    (found,) = until(lambda: running.live(server.world.rows, kinds))
    assert (found.kind, found.name, found.host, found.type) == (
        "training-job",
        "one",
        "algo-1",
        "ml.m5.large",
    )
    train(server, "two")
    train(server, "three")
    until(lambda: Reservations(server.world.db.read).waiting() >= 1)
    beside = ReadOnly(server.app.settings.home / DATABASE)
    assert running.live(Reader(beside.read), kinds)[0] == found
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        beside.read("DELETE FROM reservation")
    beside.close()
    with pytest.raises(FileNotFoundError):
        ReadOnly(server.app.settings.home / "none")
