"""Tasks over crashes, full disks and stops at bad moments: nothing begins twice, nothing is left."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagebrush.asl.steps import Stopped
from sagebrush.errors import AwsError
from sagebrush.services.states.tasks import children, doing
from sagebrush.services.states.tasks.doing import ServiceTasks
from sagebrush.store.execution_values import Run
from sagebrush.store.rows import Row
from sagebrush.world import StartedBy
from tests.conftest import Clock
from tests.services.states.tasks.test_states_doing import job, status, submitted, training
from tests.services.states.taskstand import TaskStand, task
from tests.waiting import until

FULL = AwsError("StorageFull", "The disk is full.", 507)
TRAIN = "sagemaker:createTrainingJob.sync"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskStand]:
    found = TaskStand(tmp_path_factory.mktemp("home"), quotas=("ml.m5.xlarge=20",))
    found.call("s3", "CreateBucket", Bucket="texts")
    yield found
    found.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doing, "AGAIN", 0.01)


def types(stand: TaskStand, run: Run) -> list[str]:
    return [event["type"] for event in stand.history(run)][2:]


def refusing(times: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, which is refused for want of room before it is made."""
    left = iter(range(times))

    def made(*given: Any, **more: Any) -> Any:
        if next(left, None) is not None:
            raise FULL
        return call(*given, **more)

    return made


def executions(stand: TaskStand, machine: str) -> list[Run]:
    return stand.world.executions.begun(machine)


def waiting_machine(stand: TaskStand, name: str) -> str:
    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 900, "End": True}}}
    given = {"name": name, "definition": json.dumps(wait), "roleArn": stand.role}
    return stand.call("stepfunctions", "CreateStateMachine", **given)["stateMachineArn"]


def test_a_call_is_made_once_the_disk_has_room_again(
    stand: TaskStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand.world, "begin", refusing(3, stand.world.begin))
    run = stand.begin({"T": task(TRAIN, training(stand, "room"))})
    submitted(stand, run)
    monkeypatch.setattr(children, "ended", refusing(2, children.ended))
    status(stand, "room", "Completed")
    assert stand.ended(run).status == "SUCCEEDED"
    assert types(stand, run)[:4] == [
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
    ]  # fmt: skip


def test_a_large_object_that_has_no_room_fails_its_task(
    stand: TaskStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand.world, "begin", refusing(1, stand.world.begin))
    run = stand.task("aws-sdk:s3:putObject", {"Bucket": "texts", "Key": "k", "Body": "b"})
    assert (run.status, run.error) == ("FAILED", "S3.S3Exception")


def test_a_job_is_stopped_once_the_disk_has_room_again(
    stand: TaskStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stand.begin({"T": task(TRAIN, training(stand, "full"))})
    submitted(stand, run)
    monkeypatch.setattr(children, "stop", refusing(2, children.stop))
    stand.world.executing.report(run.id, Stopped(None, None)).result(20)
    until(lambda: job(stand, "full").status == "Stopping")
    until(lambda: not stand.world.executions.works())


def test_what_is_stopped_while_its_call_is_made_is_stopped_then(
    stand: TaskStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    calling, go_on = threading.Event(), threading.Event()
    begin = stand.world.begin

    def slowly(*given: Any) -> Any:
        calling.set()
        assert go_on.wait(30)
        return begin(*given)

    monkeypatch.setattr(stand.world, "begin", slowly)
    run = stand.begin({"T": task(TRAIN, training(stand, "late"))})
    assert calling.wait(30)
    stand.world.executing.report(run.id, Stopped(None, None)).result(20)
    assert stand.ended(run).status == "ABORTED"
    go_on.set()
    until(lambda: not stand.world.executions.works())
    assert job(stand, "late").status == "Stopping"
    assert "TaskSubmitted" not in types(stand, run)


def test_what_is_stopped_before_its_call_is_never_called(stand: TaskStand) -> None:
    run = stand.begin({"T": task(TRAIN, training(stand, "never")), "W": {"Type": "Succeed"}})
    work = submitted(stand, run)
    tasks = ServiceTasks(stand.world)  # as one that has not called yet
    again = tasks._task(run, replace(work, note={}))
    again.stopping = True
    tasks._call(again, False)
    assert not again.calling
    tasks.close()
    status(stand, "never", "Stopped")
    assert stand.ended(run).error == "States.TaskFailed"


def test_nothing_is_called_for_what_was_deleted_meanwhile(stand: TaskStand) -> None:
    run = stand.begin({"T": task(TRAIN, training(stand, "emptied"))})
    tasks, called = ServiceTasks(stand.world), list[int]()
    waits = tasks._task(run, submitted(stand, run))
    tasks._go_on(waits, lambda _: called.append(1))
    until(lambda: called == [1])
    waits = replace(waits, generation=waits.generation - 1)  # as all was deleted since
    tasks._go_on(waits, lambda _: called.append(2))
    tasks._pool.shutdown()
    assert called == [1]
    status(stand, "emptied", "Completed")
    assert stand.ended(run).status == "SUCCEEDED"


def test_a_role_that_cannot_be_assumed_for_now_is_assumed_later(
    stand: TaskStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand.world, "service_ctx", refusing(2, stand.world.service_ctx))
    run = stand.task("aws-sdk:s3:listBuckets", {})
    assert (run.status, run.error) == ("SUCCEEDED", None)


def test_a_job_that_somebody_stops_or_deletes_fails_its_task(stand: TaskStand) -> None:
    run = stand.begin({"T": task(TRAIN, training(stand, "taken-away"))})
    submitted(stand, run)
    status(stand, "taken-away", "Stopped")
    end = stand.ended(run)
    assert (end.status, end.error) == ("FAILED", "States.TaskFailed")
    assert json.loads(end.cause or "")["TrainingJobStatus"] == "Stopped"
    run = stand.begin({"T": task(TRAIN, training(stand, "deleted"))})
    submitted(stand, run)
    stand.world.rows.delete(job(stand, "deleted").id)
    end = stand.ended(run)
    assert (end.status, end.error) == ("FAILED", "SageMaker.AmazonSageMakerException")
    assert "Requested resource not found" in (end.cause or "")


def test_many_jobs_end_and_the_quota_refuses_the_rest_in_awss_words(stand: TaskStand) -> None:
    def wide(name: str) -> dict[str, Any]:
        request = training(stand, name)
        size: Any = request["ResourceConfig"]
        return {**request, "ResourceConfig": {**size, "InstanceType": "ml.m5.xlarge"}}

    runs = [stand.begin({"T": task(TRAIN, wide(f"many-{n}"))}) for n in range(30)]

    def split() -> tuple[list[Row], list[Run]] | None:
        made = [
            row for row in stand.world.rows.select("training-job") if row.name.startswith("many-")
        ]
        refused = [run for run in map(lambda r: stand.world.executions.find(r.arn), runs)
                   if run is not None and run.status == "FAILED"]  # fmt: skip
        return (made, refused) if len(made) + len(refused) == 30 else None

    made, refused = until(split)
    assert (len(made), len(refused)) == (20, 10)
    assert {run.error for run in refused} == {"SageMaker.ResourceLimitExceededException"}
    assert "Error Code: ResourceLimitExceeded" in (refused[0].cause or "")
    for row in made:  # at once, while others are being submitted still
        status(stand, row.name, "Completed")
    ends = [stand.ended(run).status for run in runs]
    assert ends.count("SUCCEEDED") == 20


def test_an_update_of_an_endpoint_is_made_once_however_often_it_is_asked_for(
    stand: TaskStand,
) -> None:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    stand.call("s3", "PutObject", Bucket="texts", Key="m.tar.gz", Body=b"")
    container = {"Image": image, "ModelDataUrl": "s3://texts/m.tar.gz"}
    stand.call(
        "sagemaker", "CreateModel", ModelName="m", PrimaryContainer=container,
        ExecutionRoleArn=stand.role,
    )  # fmt: skip
    variant = {"VariantName": "A", "ModelName": "m", "InstanceType": "ml.m5.large"}
    for name in ("one", "two"):
        variants = [{**variant, "InitialInstanceCount": 1}]
        given = {"EndpointConfigName": name, "ProductionVariants": variants}
        stand.call("sagemaker", "CreateEndpointConfig", **given)
    stand.call("sagemaker", "CreateEndpoint", EndpointName="e", EndpointConfigName="one")

    def row() -> Row:
        found = stand.world.rows.get(stand.account, stand.region, "endpoint", "e")
        assert found is not None
        return found

    def deployed(old: Row) -> Row:
        plan = {**old.plan, "active": old.plan["pending"], "pending": None}
        doc = {**old.doc, "EndpointConfigName": plan["active"]["config"]}
        return replace(old, status="InService", plan=plan, doc=doc)

    def update(by: str) -> None:
        ctx = replace(stand.ctx, started_by=StartedBy(by))
        request = {"EndpointName": "e", "EndpointConfigName": "two"}
        stand.world.dispatch(ctx, "sagemaker", "UpdateEndpoint", request)

    stand.world.rows.update(row().id, deployed)
    update("execution#3")
    fleet = row().plan["pending"]["id"]
    update("execution#3")  # while it goes on
    assert row().plan["pending"]["id"] == fleet
    stand.world.rows.update(row().id, deployed)
    update("execution#3")  # and once it is over
    assert (row().status, row().plan["active"]["id"]) == ("InService", fleet)
    update("execution#9")  # another entry of the state
    assert row().status == "Updating"


def test_an_execution_that_a_killed_server_began_is_found_and_stopped(tmp_path: Path) -> None:
    first = TaskStand(tmp_path)
    plain = waiting_machine(first, "plain")
    published = first.call("stepfunctions", "PublishStateMachineVersion", stateMachineArn=plain)
    version = published["stateMachineVersionArn"]
    lost = [
        first.begin({"T": task("states:startExecution.sync", {"StateMachineArn": arn})})
        for arn in (plain, version)
    ]
    told = []
    for run in lost:
        work = submitted(first, run)
        # as though it had been killed before the answer of the call was durable
        told.append(first.world.executions.note(run.id, work.key, {}))
    free = first.begin({"T": task("states:startExecution", {"StateMachineArn": plain})})
    assert first.ended(free).status == "SUCCEEDED"
    assert [future.result(20) for future in told] == [True, True]
    first.app.executing.ports["states"]._doers = dict.fromkeys(  # type: ignore[attr-defined]
        ("Task", "MapRun"), Deaf()
    )
    for run in lost:
        first.world.executing.report(run.id, Stopped("E", "c")).result(20)
    first.close()
    again = TaskStand(tmp_path)
    try:
        until(lambda: not again.world.executions.works())
        ends = [run.status for run in executions(again, plain)]
        assert sorted(ends) == ["ABORTED", "ABORTED", "RUNNING"]
    finally:
        again.close()


def test_a_time_limit_stops_the_job_also_where_it_passed_while_no_server_ran(
    tmp_path: Path,
) -> None:
    clock = Clock(1.8e9)
    first = TaskStand(tmp_path, clock)
    first.call("s3", "CreateBucket", Bucket="texts")
    soon = first.begin({"T": task(TRAIN, training(first, "soon"), TimeoutSeconds=60)})
    submitted(first, soon)
    clock.forward(59)
    first.app.executing.wake()
    later = first.begin({"T": task(TRAIN, training(first, "later"), TimeoutSeconds=60)})
    submitted(first, later)
    clock.forward(2)
    first.app.executing.wake()
    end = first.ended(soon)
    assert (end.status, end.error, end.cause) == ("FAILED", "States.Timeout", None)
    assert types(first, soon) == [
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskTimedOut", "ExecutionFailed",
    ]  # fmt: skip
    until(lambda: job(first, "soon").status == "Stopping")
    assert job(first, "later").status == "InProgress"
    first.close()
    clock.forward(3600)
    again = TaskStand(tmp_path, clock)
    try:
        assert again.ended(later).error == "States.Timeout"
        until(lambda: job(again, "later").status == "Stopping")
        until(lambda: not again.world.executions.works())
    finally:
        again.close()


def test_a_role_that_loses_its_rights_midway_fails_the_task_and_stops_nothing(
    stand: TaskStand,
) -> None:
    role = stand.make_role("less", {"Effect": "Allow", "Action": "*", "Resource": "*"})

    def lose(*actions: str) -> None:
        denied = {"Effect": "Deny", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        given = {"RoleName": "less", "PolicyName": "less", "PolicyDocument": policy}
        stand.call("iam", "PutRolePolicy", **given)

    unseen, unstopped = (
        stand.begin({"T": task(TRAIN, training(stand, name))}, role=role)
        for name in ("unseen", "unstopped")
    )
    submitted(stand, unseen)
    submitted(stand, unstopped)
    lose("sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob")
    status(stand, "unseen", "Completed")
    end = stand.ended(unseen)
    assert end.error == "SageMaker.AmazonSageMakerException"
    assert "not authorized to perform: sagemaker:DescribeTrainingJob" in (end.cause or "")
    stand.world.executing.report(unstopped.id, Stopped(None, None)).result(20)
    until(lambda: not stand.world.executions.works())
    assert job(stand, "unstopped").status == "InProgress"


class Deaf:
    """Does no work, as a server that is killed in this moment."""

    def begin(self, *_: object) -> None: ...

    def stop(self, *_: object) -> None: ...
