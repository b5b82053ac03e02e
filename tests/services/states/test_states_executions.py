"""Step Functions by boto3 on a running server: executions, Express, activities, clients and callers.

Wordings are those that AWS was recorded with (localstack's tests/aws/services/stepfunctions/v2).
"""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest
from botocore.config import Config

from sagebrush.services.states.port import port_of
from tests.conftest import Server
from tests.services.states.calling import ARN, LOGS, PASS, ROLE, WAIT, ended, made, refused
from tests.waiting import until


@pytest.fixture(scope="module")
def sfn(client: Any) -> Any:
    return client("stepfunctions")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[-70:]


# -- executions


def test_an_execution_and_its_history(sfn: Any, name: str) -> None:
    arn = made(sfn, name)
    run = sfn.start_execution(stateMachineArn=arn, name="e", input='{"a": 1}')["executionArn"]
    assert run == f"{ARN}execution:{name}:e"
    found = ended(sfn, run)
    del found["ResponseMetadata"]
    assert found.pop("startDate") <= found.pop("stopDate")
    assert found == {
        "executionArn": run,
        "stateMachineArn": arn,
        "name": "e",
        "status": "SUCCEEDED",
        "input": '{"a": 1}',
        "inputDetails": {"included": True},
        "output": '{"a":1}',
        "outputDetails": {"included": True},
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }
    events = sfn.get_execution_history(executionArn=run)["events"]
    assert [e["type"] for e in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert events[0]["executionStartedEventDetails"]["roleArn"] == ROLE
    pager = sfn.get_paginator("get_execution_history")
    pages = list(
        pager.paginate(executionArn=run, reverseOrder=True, PaginationConfig={"PageSize": 3})
    )
    assert [[e["id"] for e in page["events"]] for page in pages] == [[4, 3, 2], [1]]
    bare = sfn.get_execution_history(executionArn=run, includeExecutionData=False)["events"]
    assert bare[1]["stateEnteredEventDetails"] == {"name": "P"}
    sparse = sfn.describe_execution(executionArn=run, includedData="METADATA_ONLY")
    assert "input" not in sparse
    assert sparse["outputDetails"] == {"included": False}
    machine = sfn.describe_state_machine_for_execution(executionArn=run)
    assert (json.loads(machine["definition"]), machine["name"]) == (PASS, name)


def test_starting_twice(sfn: Any, name: str) -> None:
    start = sfn.start_execution
    wait = made(sfn, name, WAIT)
    first = start(stateMachineArn=wait, name="e", input="{}")
    assert start(stateMachineArn=wait, name="e", input="{}")["startDate"] == first["startDate"]
    words = refused("ExecutionAlreadyExists", start, stateMachineArn=wait, name="e", input="1")
    assert words == f"Execution Already Exists: '{first['executionArn']}'"
    stop = sfn.stop_execution(executionArn=first["executionArn"], error="E", cause="why")
    found = sfn.describe_execution(executionArn=first["executionArn"])
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "E", "why")
    assert abs((found["stopDate"] - stop["stopDate"]).total_seconds()) < 5
    refused("ExecutionAlreadyExists", start, stateMachineArn=wait, name="e", input="{}")
    assert sfn.stop_execution(executionArn=first["executionArn"])["stopDate"] == found["stopDate"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            "not",
            "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token"
            " 'null', 'true' or 'false')",
        ),
        (
            "{'a': 1}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        ),
        ("", "Invalid execution input."),
    ],
)
def test_inputs_that_are_refused(sfn: Any, given: str, why: str) -> None:
    arn = made(sfn, "inputs")
    start = sfn.start_execution
    words = refused("InvalidExecutionInput", start, stateMachineArn=arn, input=given)
    assert words == f"Invalid State Machine Execution Input: '{why}'"


def test_arns_that_are_refused(sfn: Any) -> None:
    describe = sfn.describe_execution
    words = refused("InvalidArn", describe, executionArn=f"{ARN}express:m:e:u")
    assert words == "Invalid Arn: 'Resource type not valid in this context: express'"
    words = refused("ExecutionDoesNotExist", describe, executionArn=f"{ARN}execution:m:e")
    assert words == f"Execution Does Not Exist: '{ARN}execution:m:e'"


def test_lists_of_executions(sfn: Any, name: str) -> None:
    arn = made(sfn, name)
    runs = [sfn.start_execution(stateMachineArn=arn)["executionArn"] for _ in range(3)]
    for run in runs:
        ended(sfn, run)
    pager = sfn.get_paginator("list_executions")
    pages = pager.paginate(stateMachineArn=arn, PaginationConfig={"PageSize": 2})
    found = [each["executionArn"] for page in pages for each in page["executions"]]
    assert found == runs[::-1]
    given = {"stateMachineArn": arn, "statusFilter": "FAILED"}
    assert sfn.list_executions(**given)["executions"] == []
    assert sfn.list_executions(stateMachineArn=arn, redriveFilter="REDRIVEN")["executions"] == []
    assert (
        len(sfn.list_executions(stateMachineArn=arn, redriveFilter="NOT_REDRIVEN")["executions"])
        == 3
    )
    refused("ValidationException", sfn.list_executions)
    given = {"stateMachineArn": arn, "statusFilter": "succeeded"}
    assert refused("ValidationException", sfn.list_executions, **given) == (
        "1 validation error detected: Value 'succeeded' at 'statusFilter' failed to satisfy"
        " constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE,"
        " ABORTED, FAILED, RUNNING]"
    )


def test_deletion_waits_for_executions(sfn: Any, name: str) -> None:
    arn = made(sfn, name, WAIT, publish=True)
    run = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    sfn.delete_state_machine(stateMachineArn=arn)
    assert sfn.describe_state_machine(stateMachineArn=arn)["status"] == "DELETING"
    words = refused("StateMachineDeleting", sfn.start_execution, stateMachineArn=arn)
    assert words == f"State Machine is being deleted: '{arn}'"
    sfn.stop_execution(executionArn=run)

    def gone() -> bool:
        return arn not in str(sfn.list_state_machine_versions(stateMachineArn=arn))

    until(gone)
    refused("StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=arn)


# -- Express


def test_express(sfn: Any, client: Any, server: Server, name: str) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName=name)
    place = {"cloudWatchLogsLogGroup": {"logGroupArn": f"{LOGS}{name}:*"}}
    logging = {"level": "ALL", "includeExecutionData": True, "destinations": [place]}
    arn = made(sfn, name, type="EXPRESS", loggingConfiguration=logging)
    found = sfn.start_sync_execution(stateMachineArn=arn, input='{"x":1}', name="e")
    assert (found["status"], found["output"]) == ("SUCCEEDED", '{"x":1}')
    assert found["executionArn"].startswith(f"{ARN}express:{name}:e:")
    assert found["billingDetails"]["billedDurationInMilliseconds"] >= 100
    words = refused("StateMachineTypeNotSupported", sfn.list_executions, stateMachineArn=arn)
    assert words == "This operation is not supported by this type of state machine"
    again = sfn.start_execution(stateMachineArn=arn, name="e")["executionArn"]
    assert again != found["executionArn"]

    def lines() -> list[Any]:
        events = logs.filter_log_events(logGroupName=name)["events"]
        return [json.loads(event["message"]) for event in events]

    until(lambda: len(lines()) == 8)
    first = [line for line in lines() if line["execution_arn"] == found["executionArn"]]
    assert [line["type"] for line in first][-1] == "ExecutionSucceeded"
    del first[3]["event_timestamp"]
    assert first[3] == {
        "id": "4",
        "type": "ExecutionSucceeded",
        "details": {"output": '{"x":1}', "outputDetails": {"truncated": False}},
        "previous_event_id": "3",
        "execution_arn": found["executionArn"],
        "redrive_count": "0",
    }
    port_of(server.world).records.flush_metrics()
    metrics = client("cloudwatch").list_metrics(
        Namespace="AWS/States", Dimensions=[{"Name": "StateMachineArn", "Value": arn}]
    )["Metrics"]
    names = {metric["MetricName"] for metric in metrics}
    assert names == {"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionTime"}
    standard = made(sfn, f"{name}-2")
    refused("StateMachineTypeNotSupported", sfn.start_sync_execution, stateMachineArn=standard)


def test_a_failed_express_execution_answers(sfn: Any, name: str) -> None:
    fail = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E", "Cause": "C"}}}
    arn = made(sfn, name, fail, type="EXPRESS")
    found = sfn.start_sync_execution(stateMachineArn=arn)
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "E", "C")


# -- activities


def worked(resource: str) -> Any:
    task = {"Type": "Task", "Resource": resource, "TimeoutSeconds": 60, "HeartbeatSeconds": 30}
    return {"StartAt": "T", "States": {"T": {**task, "End": True}}}


def test_an_activity_and_its_worker(sfn: Any, name: str) -> None:
    activity = sfn.create_activity(name=name)["activityArn"]
    assert sfn.create_activity(name=name)["activityArn"] == activity
    assert sfn.describe_activity(activityArn=activity)["name"] == name
    assert activity in str(sfn.list_activities())
    arn = made(sfn, f"m-{name}", worked(activity))
    got: list[Any] = []

    def work() -> None:
        got.append(sfn.get_activity_task(activityArn=activity, workerName="w"))

    worker = threading.Thread(target=work)
    worker.start()
    run = sfn.start_execution(stateMachineArn=arn, input='{"a":1}')["executionArn"]
    worker.join(30)
    assert json.loads(got[0]["input"]) == {"a": 1}
    token = got[0]["taskToken"]
    sfn.send_task_heartbeat(taskToken=token)
    words = refused("InvalidOutput", sfn.send_task_success, taskToken=token, output="{")
    assert words.startswith(
        "Invalid Output: 'Unexpected end-of-input: expected close marker for Object"
    )
    sfn.send_task_success(taskToken=token, output='{"b": 2}')
    assert json.loads(ended(sfn, run)["output"]) == {"b": 2}
    types = [e["type"] for e in sfn.get_execution_history(executionArn=run)["events"]]
    assert types[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    words = refused("TaskTimedOut", sfn.send_task_success, taskToken=token, output="1")
    assert words == "Task Timed Out: 'Provided task does not exist anymore'"
    words = refused("InvalidToken", sfn.send_task_failure, taskToken="none")
    assert words == "Invalid Token: 'Invalid token'"


def test_redrive_and_an_activity_that_is_gone(sfn: Any, name: str) -> None:
    activity = f"{ARN}activity:{name}"
    arn = made(sfn, name, worked(activity))
    run = sfn.start_execution(stateMachineArn=arn)["executionArn"]
    found = ended(sfn, run)
    assert (found["status"], found["redriveStatus"]) == ("FAILED", "REDRIVABLE")
    assert found["cause"] == f"Activity Does Not Exist: '{activity}'"
    sfn.create_activity(name=name)
    sfn.redrive_execution(executionArn=run)
    token = sfn.get_activity_task(activityArn=activity)["taskToken"]
    refused("ExecutionNotRedrivable", sfn.redrive_execution, executionArn=run)
    sfn.send_task_success(taskToken=token, output="1")
    found = ended(sfn, run)
    assert (found["status"], found["redriveCount"]) == ("SUCCEEDED", 1)
    events = sfn.get_execution_history(executionArn=run)["events"]
    types = [event["type"] for event in events]
    assert types[4:8] == [
        "ExecutionFailed",
        "ExecutionRedriven",
        "ActivityScheduled",
        "ActivityStarted",
    ]
    sfn.delete_activity(activityArn=activity)
    words = refused("ActivityDoesNotExist", sfn.get_activity_task, activityArn=activity)
    assert words == f"Activity Does Not Exist: '{activity}'"
    words = refused("ExecutionNotRedrivable", sfn.redrive_execution, executionArn=run)
    assert words == "Execution is SUCCEEDED and cannot be redriven"


# -- clients and callers


def test_a_client_that_prefixes_the_host(
    server: Server, name: str, sfn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `sync-` names resolve, unmodified clients need no variable."""
    arn = made(sfn, name, type="EXPRESS")
    real, asked = socket.getaddrinfo, list[str]()

    def resolve(host: Any, *more: Any, **given: Any) -> Any:
        asked.append(host)
        return real(str(host).removeprefix("sync-"), *more, **given)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = server.client(
        "stepfunctions",
        endpoint_url=f"http://localhost:{server.app.port}",
        config=Config(retries={"total_max_attempts": 1}),
    )
    assert client.start_sync_execution(stateMachineArn=arn)["status"] == "SUCCEEDED"
    assert "sync-localhost" in asked


def test_policies_decide(server: Server, client: Any, sfn: Any, name: str) -> None:
    arn = made(sfn, name, publish=True)
    sfn.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": f"{arn}:1", "weight": 100}]
    )
    statements = [
        {
            "Effect": "Allow",
            "Action": "states:StartExecution",
            "Resource": arn,
            "Condition": {"ForAnyValue:StringEquals": {"states:StateMachineQualifier": ["live"]}},
        },
        {
            "Effect": "Allow",
            "Action": "states:StopExecution",
            "Resource": f"{ARN}execution:{name}:*",
        },
    ]
    iam = client("iam")
    iam.create_user(UserName=name[:60])
    iam.put_user_policy(
        UserName=name[:60],
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    key = iam.create_access_key(UserName=name[:60])["AccessKey"]
    caller = server.client(
        "stepfunctions",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    run = caller.start_execution(stateMachineArn=f"{arn}:live")["executionArn"]
    caller.stop_execution(executionArn=run)
    refused("AccessDeniedException", caller.start_execution, stateMachineArn=arn)
    words = refused("AccessDeniedException", caller.describe_execution, executionArn=run)
    assert "states:DescribeExecution" in words
    given = {"name": "x", "definition": json.dumps(PASS), "roleArn": ROLE}
    refused("AccessDeniedException", caller.create_state_machine, **given)


def test_all_goes_when_the_accounts_are_emptied(server: Server, sfn: Any, name: str) -> None:
    arn = made(sfn, name, WAIT)
    run = sfn.start_execution(stateMachineArn=arn, name="e")["executionArn"]
    server.world.reset()
    refused("ExecutionDoesNotExist", sfn.describe_execution, executionArn=run)
    assert made(sfn, name, WAIT) == arn
    again = sfn.start_execution(stateMachineArn=arn, name="e")["executionArn"]
    assert sfn.stop_execution(executionArn=again)["stopDate"]
    assert sfn.describe_execution(executionArn=again)["status"] == "ABORTED"
