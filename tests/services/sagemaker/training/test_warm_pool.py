"""Warm pools through boto3, a real server and real processes: what waits, who takes it, how it ends."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.compute.base import Exited, Running, Spec, State
from sagebrush.compute.host import Host
from sagebrush.services.sagemaker.training.warm_pool import life
from sagebrush.store.rows import Row
from tests.conftest import make_settings, started
from tests.services.sagemaker.jobworld import JobWorld, resources
from tests.services.sagemaker.liveserver import own
from tests.services.sagemaker.training.test_training_live import IMAGE, ROLE, ended
from tests.waiting import until

Client = Callable[..., Any]
SCRIPT = """
import sys, time, json
first = time.time()
loaded = "decimal" in sys.modules
import decimal
open("/opt/ml/model/facts.json".replace("/opt/ml", ROOT), "w").write(json.dumps([loaded, first]))
print("first line", flush=True)
"""


@pytest.fixture(
    scope="module", params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)]
)
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    home = tmp_path_factory.mktemp("home")
    made = started(make_settings(home, isolation=request.param))
    yield made
    made.app.stop_jobs(lambda: True)
    made.stop()


@pytest.fixture(scope="module")
def live(server: Any) -> Client:
    own(server.app).world.host = Host(8, 32 << 30)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="warm")
    script = SCRIPT.replace("ROOT", "__import__('os').environ['SM_MODEL_DIR'][:-len('/model')]")
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        info = tarfile.TarInfo("script.py")
        info.size = len(script)
        tar.addfile(info, io.BytesIO(script.encode()))
    s3.put_object(Bucket="warm", Key="code.tar.gz", Body=body.getvalue())
    return server.client


def request(name: str, keep: int, **changes: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {
            "sagemaker_program": json.dumps("script.py"),
            "sagemaker_submit_directory": json.dumps("s3://warm/code.tar.gz"),
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://warm/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
            **({"KeepAlivePeriodInSeconds": keep} if keep else {}),
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def pool(sagemaker: Any, name: str) -> dict[str, Any]:
    return sagemaker.describe_training_job(TrainingJobName=name).get("WarmPoolStatus", {})


def facts(live: Client, name: str) -> list[Any]:
    body = live("s3").get_object(Bucket="warm", Key=f"out/{name}/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        file = tar.extractfile("facts.json")
        assert file is not None
        return json.load(file)


def run(live: Client, name: str, keep: int = 300, **changes: Any) -> dict[str, Any]:
    sagemaker = live("sagemaker")
    sagemaker.create_training_job(**request(name, keep, **changes))
    found = ended(sagemaker, name)
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    return found


def waits(server: Any) -> bool:
    return bool(server.app.world.rows.select("warm-pool", ["Available"]))


def test_the_next_job_finds_its_modules_loaded(live: Client, server: Any) -> None:
    sagemaker = live("sagemaker")
    assert run(live, "first")["WarmPoolStatus"]["Status"] == "Available"
    assert facts(live, "first")[0] is False
    until(lambda: waits(server))
    run(live, "second")
    assert facts(live, "second")[0] is True
    told = pool(sagemaker, "first")
    assert (told["Status"], told["ReusedByJob"]) == ("Reused", "second")
    assert pool(sagemaker, "second")["Status"] == "Available"
    listed = sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")
    assert [j["TrainingJobName"] for j in listed["TrainingJobSummaries"]] == ["second"]
    elsewhere = live("sagemaker", region_name="eu-west-1")
    listed = elsewhere.list_training_jobs(WarmPoolStatusEquals="Available")
    assert listed["TrainingJobSummaries"] == []
    logs = live("logs")
    streams = logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix="second/"
    )["logStreams"]
    events = logs.get_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs",
        logStreamName=streams[0]["logStreamName"],
        startFromHead=True,
    )["events"]
    lines = [event["message"] for event in events]
    assert lines[0].startswith("Sagebrush: image")
    assert "first line" in lines
    # another role, another environment variable: not alike
    until(lambda: waits(server))
    run(live, "other", Environment={"MINE": "1"})
    assert facts(live, "other")[0] is False
    assert pool(sagemaker, "second")["Status"] == "Available"
    # without a period of its own a job takes nothing over and leaves nothing
    found = run(live, "plain", keep=0)
    assert "WarmPoolStatus" not in found
    assert facts(live, "plain")[0] is False


def test_a_pool_ends_with_its_period(live: Client, server: Any) -> None:
    sagemaker = live("sagemaker")
    run(live, "brief", Environment={"MINE": "brief"})
    config = {"KeepAlivePeriodInSeconds": 0}
    sagemaker.update_training_job(TrainingJobName="brief", ResourceConfig=config)
    until(lambda: pool(sagemaker, "brief")["Status"] == "Terminated")
    with pytest.raises(ClientError, match="and it is Terminated"):
        sagemaker.update_training_job(TrainingJobName="brief", ResourceConfig=config)
    rows = server.app.world.rows.select("warm-pool")
    jobs = [row.plan["job"] for row in rows]
    row = server.app.world.rows.get("123456789012", "us-east-1", "training-job", "brief")
    assert row.id not in jobs


def test_waiting_work_takes_an_idle_pools_room(live: Client, server: Any) -> None:
    sagemaker = live("sagemaker")
    run(live, "idle", Environment={"MINE": "idle"})
    until(lambda: waits(server))
    big = request("big", 0)
    big["ResourceConfig"]["InstanceType"] = "ml.m5.24xlarge"  # all of the host
    sagemaker.create_training_job(**big)
    assert ended(sagemaker, "big")["TrainingJobStatus"] == "Completed"
    assert pool(sagemaker, "idle")["Status"] == "Terminated"


def test_a_pool_whose_process_died_hinders_nobody(live: Client, server: Any) -> None:
    run(live, "dying", Environment={"MINE": "dying"})
    until(lambda: waits(server))
    (found,) = [r for r in server.app.world.rows.select("warm-pool") if "dying" in str(r.plan)]
    server.app.backend.stop(found.name, 0)
    run(live, "after", Environment={"MINE": "dying"})


def test_spot_jobs_cannot_keep_alive(live: Client) -> None:
    wrong = request("wrong", 60, EnableManagedSpotTraining=True)
    wrong["StoppingCondition"]["MaxWaitTimeInSeconds"] = 60
    with pytest.raises(ClientError, match="not supported with managed spot"):
        live("sagemaker").create_training_job(**wrong)


def test_a_pool_that_a_job_took_at_its_last_moment_is_the_jobs(tmp_path: Path) -> None:
    jobs = JobWorld(tmp_path)
    plan = {"job": 0, "until": jobs.now, "since": jobs.now - 10, "launched": True}
    place = (jobs.ctx.account, jobs.ctx.region, "warm-pool", "w-1")
    seen = jobs.rows.insert(Row(*place, "Available", {}, plan, due_at=jobs.now))
    taken = {**plan, "taken": 7}
    jobs.rows.update(seen.id, lambda pool: replace(pool, status="InUse", plan=taken))
    jobs.backend.states["w-1"] = Running(jobs.now)
    assert life.reconcile(jobs.world, seen).due == 0.0  # it saw the pool before
    assert isinstance(jobs.backend.poll("w-1"), Running)
    found = jobs.rows.by_id(seen.id)
    assert found is not None
    assert found.status == "InUse"
    jobs.db.close()


def waiting(jobs: JobWorld) -> str:
    """The key of the process that waits, after one job, for the next, which has been asked for."""

    def script(spec: Spec) -> State:
        if not spec.key.startswith("w-"):
            return Exited(0)
        (spec.root / "ml").mkdir(parents=True)
        return Running(jobs.now, "nobody listens")

    jobs.backend.script = script
    for name in ("first", "second"):
        jobs.create(name, ResourceConfig=resources(KeepAlivePeriodInSeconds=600))
        jobs.run(3)
    key = jobs.key("second")
    assert key.startswith("w-")
    return key


def test_a_process_that_loads_for_ever_keeps_no_job_waiting(tmp_path: Path) -> None:
    jobs = JobWorld(tmp_path)
    waiting(jobs)
    jobs.run(90, turns=120)
    assert jobs.describe("second")["TrainingJobStatus"] == "Completed"
    assert jobs.key("second").startswith("t-")
    jobs.db.close()


def test_a_job_that_ran_while_no_server_did_is_not_run_again(tmp_path: Path) -> None:
    """The server was killed right after it had handed the job over."""
    jobs = JobWorld(tmp_path)
    key = waiting(jobs)
    image = jobs.request()["AlgorithmSpecification"]["TrainingImage"]
    jobs.backend.lines[key] = [f"Sagebrush: image {image} runs as environment base"]
    jobs.backend.states[key] = Exited(0)
    launches = jobs.backend.launches
    jobs.run(3)
    assert jobs.describe("second")["TrainingJobStatus"] == "Completed"
    assert jobs.key("second") == key
    assert jobs.backend.launches == launches + 1  # what waits for a third
    jobs.db.close()
