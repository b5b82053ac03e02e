"""Training jobs through boto3, a real server and real processes; kill -9 of the server on the way."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import needs
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.compute.local import probe
from tests.aws_session import SESSION
from tests.services.sagemaker.liveserver import own
from tests.waiting import until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
Client = Callable[..., Any]


def request(name: str, shell: str, **changes: Any) -> dict[str, Any]:
    spec = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/sh", "-c", shell],
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": spec,
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://jobs/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def ended(sagemaker: Any, name: str, patience: float = 40.0) -> dict[str, Any]:
    """The description of the job once it has ended."""

    def look() -> dict[str, Any] | None:
        found = sagemaker.describe_training_job(TrainingJobName=name)
        return found if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return until(look, f"the end of {name}", patience)


@pytest.fixture(scope="module")
def live(server: Any) -> Client:
    own(server.app)
    server.client("s3").create_bucket(Bucket="jobs")
    server.client("s3").put_object(Bucket="jobs", Key="in/words.txt", Body=b"hello")
    return server.client


def test_a_job_really_runs(live: Client) -> None:
    shell = (
        "echo loss=0.5; cat /opt/ml/input/data/train/words.txt > /opt/ml/model/m.txt;"
        " echo loss=0.25; echo more > /opt/ml/output/data/more.txt"
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/in/"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    sagemaker, s3 = live("sagemaker"), live("s3")
    sagemaker.create_training_job(**request("runs", shell, InputDataConfig=channels))
    found = ended(sagemaker, "runs")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    model = s3.get_object(Bucket="jobs", Key="out/runs/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(model)) as tar:
        assert tar.extractfile("m.txt").read() == b"hello"  # type: ignore[union-attr]
    assert [m["Value"] for m in found["FinalMetricDataList"]] == [0.25]
    assert s3.head_object(Bucket="jobs", Key="out/runs/output/output.tar.gz")

    logs = live("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="runs/")
    name = streams["logStreams"][0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    first, *said = [e["message"] for e in events["events"]]
    assert re.match(r"Sagebrush: image \S+ runs as environment base", first)
    assert said == ["loss=0.5", "loss=0.25"]


def test_a_script_that_raises_is_told_with_its_traceback(live: Client) -> None:
    sagemaker = live("sagemaker")
    code = f"{sys.executable} -c 'raise ValueError(\"no such column\")'"
    sagemaker.create_training_job(**request("raises", code))
    found = ended(sagemaker, "raises")
    assert found["TrainingJobStatus"] == "Failed"
    assert "ValueError: no such column, exit code: 1" in found["FailureReason"]


def test_stop_gives_the_job_time_and_keeps_its_model(live: Client, server: Any) -> None:
    sagemaker = live("sagemaker")
    shell = (
        "trap 'echo half > /opt/ml/model/half.txt; exit 0' TERM; touch /opt/ml/model/ready;"
        " while true; do sleep 0.05; done"
    )
    sagemaker.create_training_job(**request("stops", shell))
    jobs = server.app.settings.home / "jobs"
    until(lambda: list(jobs.glob("*/ml/model/ready")), "the job at work")
    sagemaker.stop_training_job(TrainingJobName="stops")
    found = ended(sagemaker, "stops")
    assert found["TrainingJobStatus"] == "Stopped"
    body = live("s3").get_object(Bucket="jobs", Key="out/stops/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        assert tar.getnames() == ["half.txt", "ready"]


def test_max_runtime_ends_the_job(live: Client) -> None:
    sagemaker = live("sagemaker")
    condition = {"MaxRuntimeInSeconds": 1}
    sagemaker.create_training_job(**request("late", "sleep 50", StoppingCondition=condition))
    found = ended(sagemaker, "late")
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == (
        "Stopped",
        "MaxRuntimeExceeded",
    )


@pytest.mark.parametrize(("who", "words"), [("shim", "lost"), ("pid", "exit code: 137")])
def test_a_killed_supervisor_or_job_is_told_truthfully(
    live: Client, server: Any, who: str, words: str
) -> None:
    sagemaker, name = live("sagemaker"), f"killed-{who}"
    sagemaker.create_training_job(**request(name, "echo m > /opt/ml/model/m; exec sleep 50"))
    jobs = server.app.settings.home / "jobs"

    def state() -> dict[str, Any]:
        for row in server.world.rows.select("training-job", ["InProgress"]):
            if row.name == name and (jobs / row.plan["key"] / "ml/model/m").exists():
                return json.loads((jobs / row.plan["key"] / "state.json").read_text())
        return {}

    found = until(state, f"{name} at work")
    os.kill(found[who], signal.SIGKILL)
    told = ended(sagemaker, name)
    assert told["TrainingJobStatus"] == "Failed"
    assert words in told["FailureReason"]
    gone = Path(f"/proc/{found['pid']}")
    until(lambda: not gone.exists(), "the end of what could go on unseen", 5)


def test_wrong_requests_are_4xx_with_a_cause(live: Client) -> None:
    sagemaker = live("sagemaker")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://no-such-bucket/in/"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL") as caught:
        sagemaker.create_training_job(**request("wrong", "true", InputDataConfig=channels))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(ClientError, match="Requested resource not found"):
        sagemaker.describe_training_job(TrainingJobName="wrong")


def role(iam: Any, name: str, **allowed: list[str]) -> str:
    """The ARN of a new role that may do the S3 actions on the resources."""
    statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    trust = {"Version": "2012-10-17", "Statement": [{**statement, "Action": "sts:AssumeRole"}]}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    statements = [
        {"Effect": "Allow", "Action": f"s3:{action}", "Resource": resources}
        for action, resources in allowed.items()
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=policy)
    return made["Role"]["Arn"]


def test_a_role_that_may_only_write_its_output_will_do(live: Client) -> None:
    sagemaker = live("sagemaker")
    writer = role(live("iam"), "Writer", PutObject=["arn:aws:s3:::jobs/out/*"])
    sagemaker.create_training_job(**request("writes", "touch /opt/ml/model/m", RoleArn=writer))
    found = ended(sagemaker, "writes")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    elsewhere = request("not-there", "true", RoleArn=writer)
    elsewhere["OutputDataConfig"] = {"S3OutputPath": "s3://jobs/other"}
    with pytest.raises(ClientError, match="the role has no access to it"):
        sagemaker.create_training_job(**elsewhere)


def test_a_role_that_may_not_list_its_input_is_told_in_awss_words(live: Client) -> None:
    reader = role(
        live("iam"), "Reader", GetObject=["arn:aws:s3:::jobs/*"], PutObject=["arn:aws:s3:::jobs/*"]
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/in/"}}
    channels = [{"ChannelName": "train", "DataSource": source}]
    wanted = request("unlisted", "true", RoleArn=reader, InputDataConfig=channels)
    with pytest.raises(ClientError, match='has "s3:ListBucket" permissions') as caught:
        live("sagemaker").create_training_job(**wanted)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


class Killable:
    """A server in a process of its own, on one data directory."""

    def __init__(self, home: Path, isolation: str) -> None:
        self.home = home
        self.isolation = isolation
        self.process: subprocess.Popen[str] | None = None

    def up(self) -> None:
        script = str(Path(__file__).parent.with_name("liveserver.py"))
        argv = [sys.executable, script, str(self.home), self.isolation]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.state = json.loads(self.process.stdout.readline())

    def client(self, service: str) -> Any:
        key, secret = self.state["keys"]
        return SESSION.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.state['port']}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@pytest.fixture(params=["process", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def killable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Killable]:
    if request.param == "sandbox" and probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    made = Killable(tmp_path / "home", request.param)
    made.up()
    yield made
    made.kill()


@pytest.mark.full
@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.nightly)])
def test_a_job_outlives_kills_of_the_server_and_runs_once(killable: Killable, times: int) -> None:
    shell = "echo ran >> /opt/ml/model/runs; sleep 2; echo loss=0.5"
    s3 = killable.client("s3")
    s3.create_bucket(Bucket="jobs")
    killable.client("sagemaker").create_training_job(**request("kills", shell))
    chance = random.Random(7)
    for _ in range(times):
        time.sleep(chance.uniform(0.0, 0.4))
        killable.kill()
        killable.up()
    found = ended(killable.client("sagemaker"), "kills")
    assert found["TrainingJobStatus"] == "Completed", found.get("FailureReason")
    s3 = killable.client("s3")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="jobs")["Contents"]] == [
        "out/kills/output/model.tar.gz"
    ]
    body = s3.get_object(Bucket="jobs", Key="out/kills/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        assert tar.extractfile("runs").read() == b"ran\n"  # type: ignore[union-attr]
