"""`down` stops jobs as StopTrainingJob does; `down --keep-jobs` leaves them to the next server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.aws_session import SESSION
from tests.waiting import until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
SCRIPT = (
    "m=${SAGEBRUSH_ML:-/opt/ml}/model; trap 'echo > $m/partial; exit 0' TERM; echo started; "
    "n=0; while [ $n -lt %d ]; do sleep 0.1; n=$((n+1)); done; echo > $m/whole"
)


class Stand:
    """A user's machine: commands, and clients of the server that runs."""

    def __init__(self, folder: Path) -> None:
        environments = Path("~/.cache/sagebrush/environments").expanduser()
        self.home = folder / "data"
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SAGEBRUSH_HOME": str(self.home),
            "SAGEBRUSH_ENVIRONMENTS": os.environ.get("SAGEBRUSH_ENVIRONMENTS", str(environments)),
            "SAGEBRUSH_PORT": "0",
        }
        self._clients: dict[str, Any] = {}
        self._exported: dict[str, str] = {}

    def run(self, *words: str) -> str:
        if words[0] == "up":
            self._clients.clear()
            self._exported = {}
        done = subprocess.run(
            [sys.executable, "-m", "sagebrush", *words],
            capture_output=True,
            text=True,
            env=self.variables,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _env(self) -> dict[str, str]:
        lines = self.run("env").splitlines()
        return dict(line[7:-1].split("=", 1) for line in lines if line.startswith("export "))

    def client(self, service: str) -> Any:
        if service not in self._clients:
            given = self._exported = self._exported or self._env()
            self._clients[service] = SESSION.client(  # pyright: ignore[reportCallIssue]
                service,  # pyright: ignore[reportArgumentType]
                endpoint_url=given["AWS_ENDPOINT_URL"],
                aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
                region_name="us-east-1",
            )
        return self._clients[service]

    def job(self, tenths: int) -> None:
        """A training job that runs and says so; it needs `tenths` of a second."""
        self.client("s3").create_bucket(Bucket="models")
        sagemaker = self.client("sagemaker")
        sagemaker.create_training_job(
            TrainingJobName="long",
            RoleArn="arn:aws:iam::123456789012:role/SagebrushExecutionRole",
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/sh", "-c"],
                "ContainerArguments": [SCRIPT % tenths],
            },
            OutputDataConfig={"S3OutputPath": "s3://models/"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        until(self._started, "the job at work")

    def _started(self) -> bool:
        logs, group = self.client("logs"), "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="long/")
        except logs.exceptions.ResourceNotFoundException:
            return False
        return any(
            event["message"] == "started"
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        )

    def status(self) -> str:
        found = self.client("sagemaker").describe_training_job(TrainingJobName="long")
        return found["TrainingJobStatus"]

    def model(self) -> list[str]:
        """What the uploaded model holds."""
        self.client("s3").download_file("models", "long/output/model.tar.gz", str(self.home / "m"))
        listed = subprocess.run(["tar", "-tzf", self.home / "m"], capture_output=True, text=True)
        return [Path(name).name for name in listed.stdout.split() if not name.endswith("/")]


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    made.run("up", "-d")
    yield made
    made.run("down")


def test_ctrl_c_lets_a_job_save_its_model(stand: Stand) -> None:
    """As `down` does (tests/faults/test_server_life.py)."""
    stand.job(tenths=6000)
    pid = json.loads((stand.home / "server.json").read_text())["pid"]
    os.kill(pid, signal.SIGINT)
    until(lambda: not (stand.home / "server.json").exists())
    until(lambda: "no server" in stand.run("down"))
    stand.run("up", "-d")
    assert stand.status() == "Stopped"
    assert stand.model() == ["partial"]


def test_kept_jobs_go_on_to_their_true_end(stand: Stand) -> None:
    stand.job(tenths=30)
    assert stand.run("down", "--keep-jobs") == "stopped, jobs go on\n"
    stand.run("up", "-d")
    until(lambda: stand.status() != "InProgress")
    assert stand.status() == "Completed"
    assert stand.model() == ["whole"]
