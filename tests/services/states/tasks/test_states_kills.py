"""kill -9 of the server while an execution waits for a job, and while a map run goes on."""

from __future__ import annotations

import io
import json
import random
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.sagemaker.training.test_training_live import ROLE, Killable, request
from tests.waiting import until

pytestmark = (
    pytest.mark.full
)  # several servers; test_states_doing.py starts one again in its process


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Killable]:
    made = Killable(tmp_path / "home", "process")
    made.up()
    yield made
    made.kill()


def test_a_job_is_started_once_and_items_run_once(killable: Killable) -> None:
    shell = "echo ran >> /opt/ml/model/runs; sleep 1"
    waiting = {"W": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    definition = {
        "StartAt": "Train",
        "States": {
            "Train": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
                "Parameters": request("kills", shell),
                "Next": "Items",
            },
            "Items": {
                "Type": "Pass",
                "Result": [{"s": n % 2} for n in range(20)],
                "Next": "Map",
            },
            "Map": {
                "Type": "Map",
                "MaxConcurrency": 10,
                "ItemProcessor": {"ProcessorConfig": config, "StartAt": "W", "States": waiting},
                "End": True,
            },
        },
    }
    killable.client("s3").create_bucket(Bucket="jobs")
    sfn = killable.client("stepfunctions")
    given = {"name": "m", "definition": json.dumps(definition), "roleArn": ROLE}
    machine = sfn.create_state_machine(**given)["stateMachineArn"]
    arn = sfn.start_execution(stateMachineArn=machine)["executionArn"]
    chance = random.Random(13)
    for _ in range(6):
        threading.Event().wait(chance.uniform(0.05, 0.7))
        killable.kill()
        killable.up()
    sfn = killable.client("stepfunctions")

    def ended() -> Any:
        found = sfn.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    found = until(ended)
    assert found["status"] == "SUCCEEDED", (found.get("error"), found.get("cause"))
    assert len(json.loads(found["output"])) == 20
    jobs = killable.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in jobs] == ["kills"]
    body = killable.client("s3").get_object(Bucket="jobs", Key="out/kills/output/model.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body["Body"].read())) as tar:
        assert tar.extractfile("runs").read() == b"ran\n"  # type: ignore[union-attr]
    run = sfn.list_map_runs(executionArn=arn)["mapRuns"][0]
    counts = sfn.describe_map_run(mapRunArn=run["mapRunArn"])["executionCounts"]
    assert (counts["succeeded"], counts["total"]) == (20, 20)
    events = sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    types = [event["type"] for event in events]
    assert types[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert types.count("MapRunStarted") == 1
