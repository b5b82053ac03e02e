"""`logs`, `jobs` and `jobs show` on resources of every kind, at a server whose jobs really run."""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagebrush.commands import jobs, logs
from sagebrush.commands import running as commands
from sagebrush.commands.running import CommandError
from tests.conftest import Server, make_settings, started
from tests.services.sagemaker.liveserver import own
from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
SCRIPT = 'print("said by the script"); print("acc=0.5;")\n'
SCRIPT_MODE = {
    "sagemaker_program": "train.py",
    "sagemaker_submit_directory": "s3://mine/source.tar.gz",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a training, a processing and a tuning job that ended, and a model's endpoint."""
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    own(made.app)
    _fill(made)
    yield made
    made.stop()


def _fill(server: Server) -> None:
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket="mine")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("train.py")
        entry.size = len(SCRIPT)
        archive.addfile(entry, io.BytesIO(SCRIPT.encode()))
    s3.put_object(Bucket="mine", Key="source.tar.gz", Body=packed.getvalue())
    shared = {
        "OutputDataConfig": {"S3OutputPath": "s3://mine/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "RoleArn": ROLE,
    }  # fmt: skip
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File"}
    for name in ("churn", "both"):
        sagemaker.create_training_job(
            TrainingJobName=name, AlgorithmSpecification=algorithm, HyperParameters=SCRIPT_MODE,
            **shared,
        )  # fmt: skip
    cluster = {"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1}
    program = ["python3", "-c", 'print("cleaned")']
    for name in ("clean", "both"):
        sagemaker.create_processing_job(
            ProcessingJobName=name, RoleArn=ROLE, ProcessingResources={"ClusterConfig": cluster},
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": program},
        )  # fmt: skip
    metric = {"Name": "acc", "Regex": "acc=(.*?);"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="search",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "acc"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "IntegerParameterRanges": [{"Name": "n", "MinValue": "3", "MaxValue": "4"}]
            },
        },
        TrainingJobDefinition={
            "AlgorithmSpecification": {**algorithm, "MetricDefinitions": [metric]},
            "StaticHyperParameters": SCRIPT_MODE, **shared,
        },
    )  # fmt: skip
    ended: list[tuple[Callable[..., dict[str, Any]], str, str]] = [
        (sagemaker.describe_training_job, "TrainingJob", "churn"),
        (sagemaker.describe_training_job, "TrainingJob", "both"),
        (sagemaker.describe_processing_job, "ProcessingJob", "clean"),
        (sagemaker.describe_processing_job, "ProcessingJob", "both"),
        (sagemaker.describe_hyper_parameter_tuning_job, "HyperParameterTuningJob", "search"),
    ]
    for describe, noun, name in ended:
        done = lambda d=describe, m=noun, n=name: (  # noqa: E731
            d(**{f"{m}Name": n})[f"{m}Status"] == "Completed"
        )
        until(done, name)


@pytest.fixture
def sagebrush(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs `jobs ...` or `logs ...`; what it printed. Raises CommandError."""
    here = commands.Server(1, "127.0.0.1", server.app.port, 0)
    monkeypatch.setattr(commands, "settings", lambda: server.app.settings)
    monkeypatch.setattr(commands, "require", lambda _: here)
    monkeypatch.setattr(
        commands,
        "client",
        lambda _, __, service, region: server.client(service, region_name=region),
    )

    def run(command: str, *words: str) -> str:
        module = {"jobs": jobs, "logs": logs}[command]
        parser = argparse.ArgumentParser()
        module.configure(parser)
        assert module.run(parser.parse_args(words)) == 0
        return capsys.readouterr().out

    return run


def test_logs_finds_a_name_of_any_kind(sagebrush: Callable[..., str]) -> None:
    assert "said by the script" in sagebrush("logs", "churn")
    assert sagebrush("logs", "clean").splitlines()[-1] == "cleaned"
    assert sagebrush("logs", "-f", "clean").splitlines()[-1] == "cleaned"
    trials = sagebrush("logs", "search")
    assert "Completed  acc 0.5 (best)" in trials
    trial = trials.split()[0]
    assert "said by the script" in sagebrush("logs", trial)
    assert sagebrush("logs", "-f", "search").startswith(f"{trial}  Completed  acc 0.5")


def test_a_name_of_two_kinds_asks_which(sagebrush: Callable[..., str]) -> None:
    for command in (("logs",), ("jobs", "show")):
        with pytest.raises(CommandError) as error:
            sagebrush(*command, "both")
        words = " ".join(command)
        assert str(error.value).splitlines() == [
            "2 are named both; say which:",
            f"  sagebrush {words} job both",
            f"  sagebrush {words} processing both",
        ]
    assert sagebrush("logs", "processing", "both").splitlines()[-1] == "cleaned"
    assert "said by the script" in sagebrush("logs", "training", "both")
    assert sagebrush("jobs", "show", "processing", "both").startswith("processing job  both")
    for command in (("logs",), ("jobs", "show")):
        with pytest.raises(CommandError, match=r"^pod is no kind: \w+, "):
            sagebrush(*command, "pod", "both")


def test_an_unknown_name_says_what_is_near_and_what_there_is(sagebrush: Callable[..., str]) -> None:
    for command in (("logs",), ("jobs", "show")):
        with pytest.raises(CommandError) as error:
            sagebrush(*command, "chrun")
        first, second, *rows = str(error.value).splitlines()
        assert first.startswith("there is no job, endpoint or notebook named chrun; near it: churn")
        assert second == "What there is:"
        assert len(rows) == 6
        assert any(row.split()[:3] == ["processing", "clean", "Completed"] for row in rows)
    with pytest.raises(
        CommandError, match=r"^there is no endpoint named churn, and none at all yet"
    ):
        sagebrush("logs", "endpoint", "churn")


def test_the_log_of_what_was_deleted_is_still_shown(
    server: Server, sagebrush: Callable[..., str]
) -> None:
    """Deleting an endpoint leaves its log group, as on AWS."""
    group = {"logGroupName": "/aws/sagemaker/Endpoints/past"}
    client = server.client("logs")
    client.create_log_group(**group)
    for stream in ("A/1", "A/2"):
        client.create_log_stream(**group, logStreamName=stream)
        event = {"timestamp": int(server.world.clock() * 1000), "message": f"line of {stream}"}
        client.put_log_events(**group, logStreamName=stream, logEvents=[event])
    assert sagebrush("logs", "past").splitlines() == [
        "==> A/1 <==", "line of A/1", "==> A/2 <==", "line of A/2",
    ]  # fmt: skip


def test_the_table_and_each_resource_tell_what_they_would_have_cost(
    sagebrush: Callable[..., str],
) -> None:
    *rows, last = sagebrush("jobs").splitlines()
    assert len(rows) == 6
    assert all(" on AWS" in row for row in rows), rows
    assert last.startswith("together would have cost ")
    assert last.endswith("on AWS (us-east-1 on demand, prices of 2026-09-27)")
    shown = sagebrush("jobs", "show", "search")
    assert "best acc 0.5" in shown
    assert "Maximize acc" in shown
    assert "acc 0.5 (best)" in shown
    assert "together would have cost" in shown
