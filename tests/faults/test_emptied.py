"""Everything that can run is running when the account is emptied, and the server is killed meanwhile."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sagebrush.engine.reset import MARK
from tests.faults.conftest import Start
from tests.faults.stand import BUCKET, ROLE, Stand, definition
from tests.waiting import until

pytestmark = pytest.mark.sandbox
SLEEPS = """
import signal, time, boto3
signal.signal(signal.SIGTERM, signal.SIG_IGN)
s3 = boto3.client("s3")
print("begun", flush=True)
while True:
    try:
        s3.create_bucket(Bucket="from-a-job")
        s3.put_object(Bucket="from-a-job", Key="late", Body=b"x" * 100_000)
    except Exception:
        pass
"""
"""A job that does not end when it is asked to, and writes as fast as it can."""
ASKS = """
import boto3, os, urllib.error, urllib.request
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
url = os.environ["AWS_ENDPOINT_URL"] + "/_sagebrush/reset"
made = AWSRequest("POST", url)
SigV4Auth(boto3.Session().get_credentials(), "sagemaker", "us-east-1").add_auth(made)
try:
    said = urllib.request.urlopen(urllib.request.Request(url, method="POST", headers=dict(made.headers)))
except urllib.error.HTTPError as error:
    said = error
open("/opt/ml/model/m", "w").write(str(said.status))
"""
"""A job that would empty the account, were it let."""


def reset(stand: Stand, seconds: float = 30.0) -> dict[str, Any]:
    """What the server said of the accounts that it has emptied."""
    token = (stand.home / "keys" / "pages.token").read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{stand.state['port']}/_sagebrush/reset",
        method="POST",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return json.load(answer)


def programs(word: str) -> list[str]:
    """The processes of this machine with `word` in what they were started with."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def nothing(stand: Stand) -> None:
    """The account is empty, and nothing of a job is left on the disk or among the processes."""
    assert stand.s3.list_buckets()["Buckets"] == []
    assert stand.sm.list_training_jobs()["TrainingJobSummaries"] == []
    assert stand.sm.list_endpoints()["Endpoints"] == []
    assert stand.sm.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    assert stand.client("logs").describe_log_groups()["logGroups"] == []
    assert stand.client("cloudwatch").list_metrics()["Metrics"] == []
    assert [r["RoleName"] for r in stand.client("iam").list_roles()["Roles"]] == [
        ROLE.rpartition("/")[2]
    ]
    left = [p for p in (stand.home / "jobs").iterdir() if not p.name.startswith(".going-")]
    assert left == []
    assert programs(str(stand.home / "jobs")) == []


def tune(stand: Stand, name: str) -> None:
    """A tuning job whose trials fail at once, so that there are always new ones."""
    stand.sm.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "m"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        TrainingJobDefinition=definition(MetricDefinitions=[{"Name": "m", "Regex": "m=([0-9.]+)"}]),
    )


def test_what_runs_is_killed_and_nothing_comes_back(start: Start) -> None:
    stand = start()
    stand.train("stubborn", SLEEPS)
    stand.serve("served")
    tune(stand, "tuned")
    until(lambda: "begun" in stand.log("stubborn"), "the job begins")
    assert stand.in_service("served")["EndpointStatus"] == "InService"
    assert stand.invoke("served") == "served"
    began = time.monotonic()
    said = reset(stand)
    took = time.monotonic() - began
    nothing(stand)
    assert said["processes"] >= 2
    assert took < 10, f"it took {took:.1f} s"
    # the same names are free, for what runs as well as before
    stand.s3.create_bucket(Bucket=BUCKET)
    done = stand.outcome("stubborn", ASKS)
    assert done["TrainingJobStatus"] == "Completed"
    assert stand.model("stubborn")["m"] == b"404"
    assert stand.invoke("served") is None
    assert [b["Name"] for b in stand.s3.list_buckets()["Buckets"]] == [BUCKET]
    jobs = stand.sm.list_training_jobs()["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in jobs] == ["stubborn"]
    log = (stand.home / "logs" / "server.log").read_text()
    assert "Traceback" not in log, log[-3000:]


@pytest.mark.costs("starts the server four times")
def test_a_server_killed_meanwhile_goes_on_when_it_is_back(start: Start) -> None:
    stand, chance = start(), random.Random(1)
    stand.s3.delete_bucket(Bucket=BUCKET)
    for _ in range(2):
        stand.s3.create_bucket(Bucket=BUCKET)
        stand.train("killed", SLEEPS)
        until(lambda: "begun" in stand.log("killed"), "the job begins")
        asked = threading.Thread(target=lambda: _ignored(stand))
        asked.start()
        until((stand.home / MARK).exists, "it begins", 10)
        time.sleep(chance.uniform(0, 0.05))
        stand.kill()
        asked.join()
        stand.up()
        assert not (stand.home / MARK).exists()
        nothing(stand)
    assert stand.end(signal.SIGTERM) == 0


def _ignored(stand: Stand) -> None:
    with contextlib.suppress(OSError):
        reset(stand)
