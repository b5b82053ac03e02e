"""Step Functions by boto3 on a running server: state machines, versions, aliases.

Wordings are those that AWS was recorded with (localstack's tests/aws/services/stepfunctions/v2).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.states.calling import ARN, LOGS, PASS, ROLE, WAIT, ended, made, refused


@pytest.fixture(scope="module")
def sfn(client: Any) -> Any:
    return client("stepfunctions")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[-70:]


# -- state machines


def test_a_state_machines_life(sfn: Any) -> None:
    arn = made(sfn, "life", tags=[{"key": "a", "value": "1"}])
    assert arn == f"{ARN}stateMachine:life"
    assert made(sfn, "life", roleArn=f"{ROLE}-2") == arn  # roles and tags are not compared
    found = sfn.describe_state_machine(stateMachineArn=arn)
    assert json.loads(found["definition"]) == PASS
    assert (found["status"], found["type"], found["name"]) == ("ACTIVE", "STANDARD", "life")
    assert found["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert found["tracingConfiguration"] == {"enabled": False}
    assert found["encryptionConfiguration"] == {"type": "AWS_OWNED_KEY"}
    assert "revisionId" not in found
    changed = sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    again = sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT))
    assert changed["revisionId"] == again["revisionId"]
    found = sfn.describe_state_machine(stateMachineArn=arn)
    assert found["revisionId"] == changed["revisionId"]
    listed = sfn.list_state_machines()["stateMachines"]
    assert arn in [each["stateMachineArn"] for each in listed]
    sfn.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": ""}])
    sfn.untag_resource(resourceArn=arn, tagKeys=["a", "none"])
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": ""}]
    sfn.delete_state_machine(stateMachineArn=arn)
    sfn.delete_state_machine(stateMachineArn=arn)
    words = refused("StateMachineDoesNotExist", sfn.describe_state_machine, stateMachineArn=arn)
    assert words == f"State Machine Does Not Exist: '{arn}'"


def test_state_machines_that_are_refused(sfn: Any, name: str) -> None:
    create, text = sfn.create_state_machine, json.dumps(PASS)
    given = {"name": name, "definition": text, "roleArn": ROLE}
    words = refused("InvalidDefinition", create, **{**given, "definition": '{"StartAt": "A"}'})
    assert words == (
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required:"
        " [States] at /'"
    )
    assert refused("InvalidName", create, **{**given, "name": "a b"}) == "Invalid Name: 'a b'"
    words = refused("InvalidArn", create, **{**given, "roleArn": "role"})
    assert words == "Invalid Role Arn: 'role'"
    made(sfn, name)
    words = refused(
        "StateMachineAlreadyExists", create, **{**given, "definition": json.dumps(WAIT)}
    )
    assert words == f"State Machine Already Exists: '{ARN}stateMachine:{name}'"
    given["name"] = f"{name}-2"
    assert refused("ValidationException", create, **given, versionDescription="v") == (
        "Version description can only be set when publish is true"
    )
    key = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k"}
    refused("InvalidEncryptionConfiguration", create, **given, encryptionConfiguration=key)
    many = [{"key": str(at), "value": ""} for at in range(51)]
    refused("TooManyTags", create, **given, tags=many)
    words = refused("MissingRequiredParameter", sfn.update_state_machine, stateMachineArn=ARN)
    assert words.startswith("Either the definition, the role ARN, the LoggingConfiguration")
    words = refused("InvalidArn", sfn.describe_state_machine, stateMachineArn="not_a_valid_arn")
    assert words == "Invalid Arn: 'Invalid ARN prefix: not_a_valid_arn'"


def test_express_workflows_have_no_callbacks(sfn: Any, name: str) -> None:
    task = {"Type": "Task", "End": True}
    given = {"name": name, "roleArn": ROLE, "type": "EXPRESS"}
    for resource, why in (
        (f"{ARN}activity:a", "Activity ARN"),
        ("arn:aws:states:::states:startExecution.sync", "'.sync' service integration"),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", None),
    ):
        machine = {"StartAt": "T", "States": {"T": {**task, "Resource": resource}}}
        words = refused(
            "InvalidDefinition", sfn.create_state_machine, definition=json.dumps(machine), **given
        )
        why = why or "'.waitForTaskToken' service integration "
        assert words == (
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does"
            f" not support {why} at /States/T/Resource'"
        )


def test_the_role_must_trust_step_functions(sfn: Any, client: Any, name: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    role = client("iam").create_role(
        RoleName="no-states", AssumeRolePolicyDocument=json.dumps(document)
    )["Role"]["Arn"]
    given = {"name": name, "definition": json.dumps(PASS), "roleArn": role}
    assert refused("AccessDeniedException", sfn.create_state_machine, **given) == (
        "Neither the global service principal states.amazonaws.com, nor the regional one is"
        " authorized to assume the provided role."
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"level": "ALL"}, "Must specify exactly one Log Destination."),
        ({"level": "ALL", "destinations": []}, "Must specify exactly one Log Destination."),
        ({"level": "ALL", "destinations": [f"{LOGS}none:*"]}, "Log Destination not found."),
    ],
)
def test_logging_that_is_refused(sfn: Any, name: str, given: Any, why: str) -> None:
    places = [{"cloudWatchLogsLogGroup": {"logGroupArn": a}} for a in given.get("destinations", [])]
    logging = {**given, "destinations": places} if "destinations" in given else given
    more = {"definition": json.dumps(PASS), "roleArn": ROLE, "loggingConfiguration": logging}
    words = refused("InvalidLoggingConfiguration", sfn.create_state_machine, name="l", **more)
    assert words == f"Invalid Logging Configuration: {why}"


def test_definitions_are_validated(sfn: Any) -> None:
    found = sfn.validate_state_machine_definition(definition=json.dumps(PASS))
    assert (found["result"], found["diagnostics"], found["truncated"]) == ("OK", [], False)
    states = {f"S{at}": {"Type": "Nothing"} for at in range(3)}
    text = json.dumps({"StartAt": "S0", "States": states})
    found = sfn.validate_state_machine_definition(definition=text, maxResults=1)
    assert (found["result"], len(found["diagnostics"]), found["truncated"]) == ("FAIL", 1, True)
    assert found["diagnostics"][0]["severity"] == "ERROR"


def test_pages_and_tokens(sfn: Any, name: str) -> None:
    arns = {made(sfn, f"{name}-{at}") for at in range(3)}
    pages = sfn.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 1})
    found = [each["stateMachineArn"] for page in pages for each in page["stateMachines"]]
    assert arns <= set(found)
    assert len(found) == len(set(found))
    words = refused("InvalidToken", sfn.list_state_machines, nextToken="nonsense")
    assert words == "Invalid Token: 'Invalid token'"


# -- versions and aliases


def test_versions(sfn: Any, name: str) -> None:
    arn = made(sfn, name, publish=True, versionDescription="one")
    first = sfn.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    assert first == f"{arn}:1"
    found = sfn.describe_state_machine(stateMachineArn=first)
    assert (found["stateMachineArn"], found["description"]) == (first, "one")
    changed = sfn.update_state_machine(
        stateMachineArn=arn, definition=json.dumps(WAIT), publish=True
    )
    assert changed["stateMachineVersionArn"] == f"{arn}:2"
    assert json.loads(sfn.describe_state_machine(stateMachineArn=first)["definition"]) == PASS
    listed = sfn.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]
    assert [v["stateMachineVersionArn"] for v in listed] == [f"{arn}:2", f"{arn}:1"]
    words = refused(
        "ConflictException", sfn.publish_state_machine_version, stateMachineArn=arn, revisionId="r"
    )
    assert words == (
        "Failed to publish the State Machine version for revision r. The current State Machine"
        f" revision is {changed['revisionId']}."
    )
    sfn.delete_state_machine_version(stateMachineVersionArn=f"{arn}:2")
    sfn.delete_state_machine_version(stateMachineVersionArn=f"{arn}:2")
    again = sfn.publish_state_machine_version(stateMachineArn=arn)
    assert again["stateMachineVersionArn"] == f"{arn}:3"
    words = refused("ResourceNotFound", sfn.tag_resource, resourceArn=first, tags=[])
    assert words == f"Resource not found: '{first}'"


def test_aliases(sfn: Any, name: str) -> None:
    arn = made(sfn, name, publish=True)
    sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAIT), publish=True)

    def routes(*weights: int) -> list[Any]:
        return [
            {"stateMachineVersionArn": f"{arn}:{at + 1}", "weight": weight}
            for at, weight in enumerate(weights)
        ]

    create = sfn.create_state_machine_alias
    alias = create(name="live", routingConfiguration=routes(100))["stateMachineAliasArn"]
    assert alias == f"{arn}:live"
    assert create(name="live", routingConfiguration=routes(100))["stateMachineAliasArn"] == alias
    words = refused("ConflictException", create, name="live", routingConfiguration=routes(50, 50))
    assert words.startswith("Failed to create alias because an alias with the same name")
    words = refused("ValidationException", create, name="x", routingConfiguration=routes(5, 5, 90))
    assert f"RoutingConfigurationListItem(stateMachineVersionArn={arn}:3, weight=90)]' at" in words
    words = refused("ValidationException", create, name="x", routingConfiguration=routes(70, 29))
    assert words.endswith("weights must equal 100. Received: [70, 29]")
    run = sfn.start_execution(stateMachineArn=alias)["executionArn"]
    found = ended(sfn, run)
    assert found["stateMachineVersionArn"] == f"{arn}:1"
    assert found["stateMachineAliasArn"] == alias
    by_alias = sfn.list_executions(stateMachineArn=alias)["executions"]
    assert [each["executionArn"] for each in by_alias] == [run]
    assert sfn.list_executions(stateMachineArn=f"{arn}:2")["executions"] == []
    delete = sfn.delete_state_machine_version
    words = refused("ConflictException", delete, stateMachineVersionArn=f"{arn}:1")
    assert words.endswith("Current list of aliases referencing this version: [live]")
    sfn.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=routes(0, 100))
    described = sfn.describe_state_machine_alias(stateMachineAliasArn=alias)
    assert described["routingConfiguration"][1]["weight"] == 100
    stays = sfn.start_execution(stateMachineArn=alias)["executionArn"]
    assert sfn.describe_execution(executionArn=stays)["stateMachineVersionArn"] == f"{arn}:2"
    sfn.stop_execution(executionArn=stays)
    sfn.delete_state_machine_alias(stateMachineAliasArn=alias)
    assert sfn.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"] == []
