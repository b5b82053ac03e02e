"""Tasks that call services of this server: as the machine's role, reported in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.asl.steps import Stopped
from sagebrush.services.states.tasks import children
from sagebrush.store.execution_values import Run, Work
from sagebrush.store.rows import Row
from tests.services.states.taskstand import TaskStand, task
from tests.waiting import until


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskStand]:
    found = TaskStand(tmp_path_factory.mktemp("home"))
    yield found
    found.close()


def test_a_message_is_sent_and_the_history_tells_of_it(stand: TaskStand) -> None:
    url = stand.call("sqs", "CreateQueue", QueueName="q")["QueueUrl"]
    run = stand.task("sqs:sendMessage", {"QueueUrl": url, "MessageBody": {"n": 1}})
    assert run.status == "SUCCEEDED", run
    output = json.loads(run.output or "")
    assert list(output) == [
        "MD5OfMessageBody",
        "MessageId",
        "SdkHttpMetadata",
        "SdkResponseMetadata",
    ]
    assert [event["type"] for event in stand.history(run)] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded",
        "TaskStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    queue = stand.world.rows.get(stand.account, stand.region, "queue", "q")
    assert queue is not None
    assert [m.body for m in stand.world.messages.peek(queue.id, 0, 5)] == ['{"n":1}']


def test_objects_are_written_and_read_as_text(stand: TaskStand) -> None:
    stand.call("s3", "CreateBucket", Bucket="texts")
    put = {"Bucket": "texts", "Key": "k", "Body": {"a": "ü"}}
    assert stand.task("aws-sdk:s3:putObject", put).status == "SUCCEEDED"
    run = stand.task("aws-sdk:s3:getObject", {"Bucket": "texts", "Key": "k"})
    output = json.loads(run.output or "")
    assert (output["Body"], list(output)[-1]) == ('{"a":"ü"}', "Body")


def test_a_refused_call_is_an_error_that_can_be_caught(stand: TaskStand) -> None:
    wanted = {"ErrorEquals": ["S3.NoSuchBucketException"], "Next": "Caught"}
    states = {
        "Do": task("aws-sdk:s3:listObjectsV2", {"Bucket": "not-there"}, Catch=[wanted]),
        "Caught": {"Type": "Pass", "End": True},
    }
    run = stand.run(states)
    assert run.status == "SUCCEEDED"
    cause = json.loads(run.output or "")["Cause"]
    assert cause.startswith(
        "The specified bucket does not exist (Service: S3, Status Code: 404, Request ID: "
    )


def test_the_machines_role_decides_what_a_task_may_do(stand: TaskStand) -> None:
    poor = stand.make_role("poor", {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
    run = stand.task("aws-sdk:s3:createBucket", {"Bucket": "mine"}, role=poor)
    assert (run.status, run.error) == ("FAILED", "S3.S3Exception")
    assert "is not authorized to perform: s3:CreateBucket" in (run.cause or "")


def test_credentials_need_the_right_to_assume_the_role(stand: TaskStand) -> None:
    states = {
        "Do": task("aws-sdk:s3:listBuckets", {}, Credentials={"RoleArn": stand.make_role("other")})
    }
    run = stand.run(states)
    assert (run.status, run.error) == ("FAILED", "States.Permissions"), run.cause
    events = [event["type"] for event in stand.history(run)]
    assert events[3:5] == ["TaskStarted", "TaskFailed"]


def test_parameters_that_cannot_be_used_end_the_execution(stand: TaskStand) -> None:
    run = stand.task("aws-sdk:s3:listBuckets", {"Nothing": 1})
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert run.cause == (
        "An error occurred while executing the state 'Do' (entered at the event id #2). The "
        "Parameters '{\"Nothing\":1}' could not be used to start the Task: [The field 'Nothing' is "
        "not supported by Step Functions]"
    )
    assert "TaskScheduled" not in [event["type"] for event in stand.history(run)]


IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def training(stand: TaskStand, name: str) -> dict[str, object]:
    """A training job's request; no loop runs here, so that its row changes as a test says."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": stand.role,
        "OutputDataConfig": {"S3OutputPath": "s3://texts/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def status(stand: TaskStand, name: str, to: str) -> None:
    """The job has that status."""
    row = job(stand, name)
    stand.world.rows.update(row.id, lambda old: replace(old, status=to, due_at=None))


def job(stand: TaskStand, name: str) -> Row:
    row = stand.world.rows.get(stand.account, stand.region, "training-job", name)
    assert row is not None
    return row


def submitted(stand: TaskStand, run: Run) -> Work:
    """The execution's only work, once its call was answered."""

    def found() -> Work | None:
        works = [w for w in stand.world.executions.works() if w.execution == run.id]
        return next((w for w in works if w.note.get("submitted")), None)

    return until(found)


def test_a_job_is_followed_to_its_end_without_being_polled(stand: TaskStand) -> None:
    run = stand.begin({"Train": task("sagemaker:createTrainingJob.sync", training(stand, "one"))})
    submitted(stand, run)
    # in the transaction by which a server that starts knows that the call was answered
    assert "TaskSubmitted" in [event["type"] for event in stand.history(run)]
    tags = stand.call("sagemaker", "ListTags", ResourceArn=job(stand, "one").doc["TrainingJobArn"])
    assert {tag["Key"] for tag in tags["Tags"]} == {
        "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "MANAGED_BY_AWS",
    }  # fmt: skip
    status(stand, "one", "Completed")
    end = stand.ended(run)
    output = json.loads(end.output or "")
    assert (output["TrainingJobName"], output["TrainingJobStatus"]) == ("one", "Completed")
    assert output["Tags"]["MANAGED_BY_AWS"] == "STARTED_BY_STEP_FUNCTIONS"
    assert [event["type"] for event in stand.history(run)][2:6] == [
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
    ]  # fmt: skip


def test_a_job_that_failed_fails_its_task_with_its_description(stand: TaskStand) -> None:
    run = stand.begin({"Train": task("sagemaker:createTrainingJob.sync", training(stand, "bad"))})
    submitted(stand, run)
    status(stand, "bad", "Failed")
    end = stand.ended(run)
    assert (end.status, end.error) == ("FAILED", "States.TaskFailed")
    assert json.loads(end.cause or "")["TrainingJobStatus"] == "Failed"


def test_a_name_that_somebody_else_gave_is_refused(stand: TaskStand) -> None:
    stand.call("sagemaker", "CreateTrainingJob", **training(stand, "taken"))
    run = stand.task("sagemaker:createTrainingJob.sync", training(stand, "taken"))
    assert (run.status, run.error) == ("FAILED", "SageMaker.ResourceInUseException")


def test_stopping_the_execution_stops_the_job(stand: TaskStand) -> None:
    run = stand.begin({"Train": task("sagemaker:createTrainingJob.sync", training(stand, "long"))})
    submitted(stand, run)
    stand.world.executing.report(run.id, Stopped("E", "c")).result(20)
    until(lambda: job(stand, "long").status in ("Stopping", "Stopped"))
    until(lambda: stand.world.executions.works() == [])
    assert stand.ended(run).status == "ABORTED"


def test_a_server_that_starts_goes_on_with_the_job_that_the_last_one_started(
    tmp_path: Path,
) -> None:
    first = TaskStand(tmp_path)
    first.call("s3", "CreateBucket", Bucket="texts")
    given = task("sagemaker:createTrainingJob.sync", training(first, "job"))
    run = first.begin({"Train": given})
    submitted(first, run)
    lost = first.begin({"Train": task("sagemaker:createTrainingJob.sync", training(first, "lost"))})
    work = submitted(first, lost)
    # as though the server had been killed between the call and the commit of its answer
    first.world.executions.note(lost.id, work.key, {}).result(20)
    first.close()
    again = TaskStand(tmp_path)
    try:
        submitted(again, lost)
        status(again, "job", "Completed")
        status(again, "lost", "Completed")
        assert again.ended(run).status == again.ended(lost).status == "SUCCEEDED"
        assert len(again.world.rows.select("training-job")) == 2
    finally:
        again.close()


def test_work_that_breaks_fails_its_task(stand: TaskStand, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("disk gone")

    monkeypatch.setattr(children, "found", broken)
    monkeypatch.setattr(children, "created", broken)
    run = stand.task("aws-sdk:s3:listBuckets", {})
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert "OSError: disk gone" in (run.cause or "")
