"""Tuning jobs through boto3, a real server and real trials; kill -9 of the server on the way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import needs
import pytest
import tuninglive
from botocore.exceptions import ClientError

from sagebrush.compute.local import probe
from tests.aws_session import SESSION
from tests.services.sagemaker.liveserver import own

Client = Callable[..., Any]


@pytest.fixture(scope="module")
def live(server: Any) -> Client:
    own(server.app)
    tuninglive.prepare(server.client("s3"))
    return server.client


def test_a_tuning_job_really_tunes(live: Client) -> None:
    sagemaker = live("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**tuninglive.request("real", {}, jobs=4))
    found = tuninglive.ended(sagemaker, "real")
    trials = tuninglive.trials(sagemaker, "real")
    assert found["HyperParameterTuningJobStatus"] == "Completed", trials
    values = [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in trials]
    asked = [float(t["TunedHyperParameters"]["x"]) for t in trials]
    assert values == pytest.approx(asked, rel=1e-6)
    assert (
        found["BestTrainingJob"]["TrainingJobName"]
        == trials[values.index(max(values))]["TrainingJobName"]
    )
    listed = sagemaker.list_hyper_parameter_tuning_jobs(NameContains="rea")
    (summary,) = listed["HyperParameterTuningJobSummaries"]
    assert summary["ObjectiveStatusCounters"]["Succeeded"] == 4
    tags = sagemaker.list_tags(ResourceArn=found["HyperParameterTuningJobArn"])
    assert tags["Tags"] == []


def test_what_is_not_there_is_told_as_aws_does(live: Client) -> None:
    sagemaker = live("sagemaker")
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.delete_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        with pytest.raises(ClientError) as caught:
            call(HyperParameterTuningJobName="nobody")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    wrong = tuninglive.request("reversed", {})
    wrong["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "0"}]
    }
    with pytest.raises(ClientError, match="is greater than its MaxValue"):
        sagemaker.create_hyper_parameter_tuning_job(**wrong)


def test_a_role_that_the_caller_may_not_pass_is_refused(live: Client) -> None:
    """The role of a definition is handed to SageMaker as that of a training job is."""
    iam, sts, sagemaker = (live(name) for name in ("iam", "sts", "sagemaker"))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    allowed = {"Effect": "Allow", "Action": ["sagemaker:*", "s3:*"], "Resource": "*"}
    documents = [{"Version": "2012-10-17", "Statement": [one]} for one in (trust, allowed)]
    name = "tuner-without-pass"
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(documents[0]))
    iam.put_role_policy(RoleName=name, PolicyName="tunes", PolicyDocument=json.dumps(documents[1]))
    key = sts.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="test")["Credentials"]
    other = live(
        "sagemaker",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
    )
    with pytest.raises(ClientError, match="iam:PassRole"):
        other.create_hyper_parameter_tuning_job(**tuninglive.request("denied", {}))
    with pytest.raises(ClientError):
        sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="denied")


@pytest.mark.full
def test_early_stopping_ends_real_trials(live: Client) -> None:
    sagemaker = live("sagemaker")
    request = tuninglive.request(
        "early",
        {"epochs": "12", "pause": "0.25"},
        jobs=6,
        parallel=1,
        TrainingJobEarlyStoppingType="Auto",
        RandomSeed=3,
    )
    sagemaker.create_hyper_parameter_tuning_job(**request)
    found = tuninglive.ended(sagemaker, "early")
    trials = tuninglive.trials(sagemaker, "early")
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["ObjectiveStatusCounters"]["Succeeded"] == 6, trials
    x = [float(t["TunedHyperParameters"]["x"]) for t in trials]
    stopped = [t["TrainingJobStatus"] == "Stopped" for t in trials]
    assert not any(stopped[:3])
    hopeless = [i for i in range(3, 6) if x[i] < sorted(x[:3])[0] / 2]
    assert all(stopped[i] for i in hopeless)
    assert any(stopped)


class Killable:
    """A server in a process of its own. In a sandbox, what a trial asks S3 for waits for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.up()

    def up(self) -> None:
        """It answers."""
        script = Path(__file__).parent.with_name("liveserver.py")
        root = Path(__file__).resolve().parents[4]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(script.parent)])}
        command = [sys.executable, str(script), str(self.home), "sandbox"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        state = json.loads(self.process.stdout.readline())
        access, secret = state["keys"]
        self.s3, self.sagemaker = (
            SESSION.client(
                name,
                endpoint_url=f"http://127.0.0.1:{state['port']}",
                aws_access_key_id=access,
                aws_secret_access_key=secret,
                region_name="us-east-1",
            )  # pyright: ignore[reportCallIssue, reportArgumentType]
            for name in ("s3", "sagemaker")
        )

    def kill(self) -> None:
        """It had SIGKILL and is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.full
@pytest.mark.sandbox
@pytest.mark.timeout(180)
def test_a_killed_server_goes_on_tuning_and_runs_no_trial_twice(tmp_path: Path) -> None:
    if probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    chance, server = random.Random(5), Killable(tmp_path / "home")
    try:
        tuninglive.prepare(server.s3)
        request = tuninglive.request("killed", {"pause": "0.4"}, jobs=7, parallel=2)
        server.sagemaker.create_hyper_parameter_tuning_job(**request)
        for _ in range(3):
            time.sleep(chance.uniform(0.2, 1.2))  # it is killed whatever it is doing
            server.kill()
            server.up()
        found = tuninglive.ended(server.sagemaker, "killed")
        trials = tuninglive.trials(server.sagemaker, "killed")
        reasons = [t.get("FailureReason", "") for t in trials]
        assert found["HyperParameterTuningJobStatus"] == "Completed", reasons
        assert found["TrainingJobStatusCounters"]["Completed"] == 7, reasons
        assert [t["TrainingJobName"].split("-")[1] for t in trials] == [
            f"{n:03d}" for n in range(1, 8)
        ]
        jobs = server.sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        assert len(jobs) == 7
    finally:
        server.kill()
