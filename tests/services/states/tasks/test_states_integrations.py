"""State machines through boto3 on a running server: jobs that really run, nested executions, callbacks."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import Server
from tests.services.sagemaker.liveserver import own
from tests.services.sagemaker.training.test_training_live import request as training
from tests.waiting import until

Client = Callable[..., Any]
TRUSTED = ("states", "sagemaker", "lambda")
DONE = {"P": {"Type": "Pass", "End": True}}


@pytest.fixture(scope="module")
def live(server: Server) -> Client:
    own(server.app)
    server.client("s3").create_bucket(Bucket="jobs")
    return server.client


@pytest.fixture(scope="module")
def role(server: Server) -> str:
    iam = server.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": [f"{name}.amazonaws.com" for name in TRUSTED]},
            }
        ],
    }
    made = iam.create_role(RoleName="machines", AssumeRolePolicyDocument=json.dumps(trust))
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="machines", PolicyName="all", PolicyDocument=policy)
    return made["Role"]["Arn"]


@pytest.fixture(scope="module")
def sfn(live: Client) -> Any:
    return live("stepfunctions")


@pytest.fixture(scope="module")
def machine(sfn: Any, role: str) -> Callable[..., str]:
    def made(states: dict[str, Any], **more: Any) -> str:
        text = json.dumps({"StartAt": next(iter(states)), "States": states, **more})
        name = f"m-{uuid.uuid4().hex}"
        given = {"name": name, "definition": text, "roleArn": role}
        return sfn.create_state_machine(**given)["stateMachineArn"]

    return made


def ended(sfn: Any, arn: str, patience: float = 60.0) -> Any:
    """The description of the execution once it has ended."""

    def look() -> Any:
        found = sfn.describe_execution(executionArn=arn)
        return found if found["status"] != "RUNNING" else None

    return until(look, f"the end of {arn}", patience)


def task(action: str, parameters: Any, **more: Any) -> dict[str, Any]:
    resource = f"arn:aws:states:::{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **more}


def types(sfn: Any, arn: str) -> list[str]:
    events = sfn.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    return [event["type"] for event in events]


def test_a_training_job_runs_between_two_states(live: Client, sfn: Any, machine: Any) -> None:
    shell = 'printf "%s" "$TRAINING_JOB_NAME" > /opt/ml/model/name.txt'
    job = training("placeholder", shell)
    job.pop("TrainingJobName")
    states = {
        "Train": {
            **task(
                "sagemaker:createTrainingJob.sync",
                {**job, "TrainingJobName.$": "$.name"},
                ResultSelector={"model.$": "$.ModelArtifacts.S3ModelArtifacts"},
            ),
            "Next": "Done",
        },
        "Done": {"Type": "Pass", "End": True},
    }
    states["Train"].pop("End")
    started = sfn.start_execution(stateMachineArn=machine(states), input='{"name": "by-states"}')
    found = ended(sfn, started["executionArn"])
    assert found["status"] == "SUCCEEDED", found.get("cause")
    assert json.loads(found["output"]) == {"model": "s3://jobs/out/by-states/output/model.tar.gz"}
    body = live("s3").get_object(Bucket="jobs", Key="out/by-states/output/model.tar.gz")["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        assert tar.extractfile("name.txt").read() == b"by-states"  # type: ignore[union-attr]


def test_stopping_the_execution_stops_the_job_that_runs(
    live: Client, sfn: Any, machine: Any
) -> None:
    states = {"Train": task("sagemaker:createTrainingJob.sync", training("endless", "sleep 50"))}
    arn = sfn.start_execution(stateMachineArn=machine(states))["executionArn"]
    until(lambda: "TaskSubmitted" in types(sfn, arn))
    sfn.stop_execution(executionArn=arn, error="Enough")
    sagemaker = live("sagemaker")

    def status() -> str:
        return sagemaker.describe_training_job(TrainingJobName="endless")["TrainingJobStatus"]

    until(lambda: status() == "Stopped")
    assert ended(sfn, arn)["status"] == "ABORTED"


@pytest.mark.parametrize(("pattern", "parsed"), [("sync", False), ("sync:2", True)])
def test_an_execution_is_waited_for(sfn: Any, machine: Any, pattern: str, parsed: bool) -> None:
    inner = machine(DONE)
    given = {"StateMachineArn": inner, "Input": {"n": 1}}
    outer = machine({"Do": task(f"states:startExecution.{pattern}", given)})
    arn = sfn.start_execution(stateMachineArn=outer)["executionArn"]
    output = json.loads(ended(sfn, arn)["output"])
    assert output["Output"] == ({"n": 1} if parsed else '{"n":1}')
    assert output["Status"] == "SUCCEEDED"
    assert list(output) == sorted(output)
    assert isinstance(output["StartDate"], int)
    assert types(sfn, arn)[2:6] == [
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
    ]  # fmt: skip


def test_an_execution_that_fails_or_is_stopped_fails_its_task(sfn: Any, machine: Any) -> None:
    broken = machine({"F": {"Type": "Fail", "Error": "E", "Cause": "why"}})
    outer = machine({"Do": task("states:startExecution.sync:2", {"StateMachineArn": broken})})
    found = ended(sfn, sfn.start_execution(stateMachineArn=outer)["executionArn"])
    assert (found["status"], found["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(found["cause"])["Error"] == "E"


def test_stopping_an_execution_stops_the_one_that_it_waits_for(sfn: Any, machine: Any) -> None:
    slow = machine({"W": {"Type": "Wait", "Seconds": 600, "End": True}})
    outer = machine({"Do": task("states:startExecution.sync:2", {"StateMachineArn": slow})})
    arn = sfn.start_execution(stateMachineArn=outer)["executionArn"]
    until(lambda: sfn.list_executions(stateMachineArn=slow)["executions"])
    inner = sfn.list_executions(stateMachineArn=slow)["executions"][0]["executionArn"]
    until(lambda: "TaskSubmitted" in types(sfn, arn))
    sfn.stop_execution(executionArn=arn)
    found = ended(sfn, inner)
    assert found["status"] == "ABORTED"
    assert found["cause"] == (
        f"The Task state in AWS Step Functions execution [{arn}] which was managing this resource "
        "was aborted"
    )


def test_who_gets_the_token_says_how_the_task_ended(live: Client, sfn: Any, machine: Any) -> None:
    sqs = live("sqs")
    url = sqs.create_queue(QueueName="tokens")["QueueUrl"]
    body = {"token.$": "$$.Task.Token", "n.$": "$.n"}
    states = {
        "Ask": task("sqs:sendMessage.waitForTaskToken", {"QueueUrl": url, "MessageBody": body})
    }
    arn = sfn.start_execution(stateMachineArn=machine(states), input='{"n": 7}')["executionArn"]
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    said = json.loads(messages[0]["Body"])
    assert said["n"] == 7
    sfn.send_task_success(taskToken=said["token"], output='{"approved": true}')
    found = ended(sfn, arn)
    assert json.loads(found["output"]) == {"approved": True}
    assert "TaskSubmitted" in types(sfn, arn)


def test_jsonata_calls_services_too(sfn: Any, machine: Any) -> None:
    states = {
        "Put": {
            "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Next": "Get",
            "Arguments": {"Bucket": "jobs", "Key": "k", "Body": "{% $states.input %}"},
            "Output": "{% $states.result.ETag %}",
        },
        "Get": {
            "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "End": True,
            "Arguments": {"Bucket": "jobs", "Key": "k"}, "Output": "{% $parse($states.result.Body) %}",
        },
    }  # fmt: skip
    made = machine(states, QueryLanguage="JSONata")
    found = ended(
        sfn, sfn.start_execution(stateMachineArn=made, input='{"a": [1]}')["executionArn"]
    )
    assert json.loads(found["output"]) == {"a": [1]}


def test_a_state_is_tested_alone(sfn: Any, role: str) -> None:
    state = {
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "End": True,
        "ResultSelector": {"names.$": "$.Buckets[*].Name"},
    }  # fmt: skip
    found = sfn.test_state(definition=json.dumps(state), roleArn=role, inspectionLevel="DEBUG")
    assert found["status"] == "SUCCEEDED", found
    assert json.loads(found["output"]) == {"names": ["jobs"]}
    assert json.loads(found["inspectionData"]["result"])["Buckets"][0]["Name"] == "jobs"


def test_what_this_server_lacks_is_refused_when_a_machine_is_created(sfn: Any, role: str) -> None:
    inner = {"StartAt": "I", "States": {"I": task("dynamodb:getItem", {"TableName": "t"})}}
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "P", "States": DONE}, inner],
            "End": True,
        }
    }
    definition = json.dumps({"StartAt": "Both", "States": states})
    said = (
        "Sagebrush does not implement the integration arn:aws:states:::dynamodb:getItem: it has no "
        "dynamodb getItem."
    )
    with pytest.raises(ClientError) as found:
        sfn.create_state_machine(name="lacks", definition=definition, roleArn=role)
    error = found.value.response["Error"]
    assert error["Code"] == "InvalidDefinition"
    assert error["Message"] == (
        f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {said} at "
        "/States/Both/Branches[1]/States/I/Resource'"
    )
    judged = sfn.validate_state_machine_definition(definition=definition)
    assert judged["result"] == "FAIL"
    assert judged["diagnostics"][0]["message"] == said
