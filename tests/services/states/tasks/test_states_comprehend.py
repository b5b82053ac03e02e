"""State machines that ask Comprehend (`aws-sdk:comprehend:*`)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, make_settings, started
from tests.services.comprehend.conftest import ended, modelled
from tests.services.states import calling
from tests.services.states.taskstand import task

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "states.amazonaws.com"},
        }
    ],
}
MAY = {"Effect": "Allow", "Action": "comprehend:Detect*", "Resource": "*"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with a role that asks Comprehend."""
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    role(made)
    yield made
    made.stop()


def role(server: Server) -> None:
    iam = server.client("iam")
    iam.create_role(RoleName="readers", AssumeRolePolicyDocument=json.dumps(TRUST))
    policy = json.dumps({"Version": "2012-10-17", "Statement": [MAY]})
    iam.put_role_policy(RoleName="readers", PolicyName="own", PolicyDocument=policy)


def run(server: Server, states: dict[str, Any], given: Any) -> Any:
    """The description of an execution of the states once it has ended."""
    sfn = server.client("stepfunctions")
    machine = sfn.create_state_machine(
        name=f"m-{uuid.uuid4().hex}",
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        roleArn="arn:aws:iam::123456789012:role/readers",
    )["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=machine, input=json.dumps(given))
    return calling.ended(sfn, execution["executionArn"])


def sentiment(**more: Any) -> dict[str, Any]:
    asked = {"Text.$": "$.text", "LanguageCode.$": "$.language"}
    return task("aws-sdk:comprehend:detectSentiment", asked, **more)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"text": "x" * 5_001, "language": "en"}, "Comprehend.TextSizeLimitExceededException"),
        ({"text": "x", "language": "fr"}, "Comprehend.UnsupportedLanguageException"),
        ({"text": "x", "language": "ro"}, "Comprehend.ComprehendException"),
    ],
)
def test_refusals_can_be_caught_by_their_names(server: Server, given: Any, error: str):
    caught = {"ErrorEquals": [error], "Next": "Caught"}
    states = {"Read": sentiment(Catch=[caught]), "Caught": {"Type": "Pass", "End": True}}
    found = run(server, states, given)
    assert found["status"] == "SUCCEEDED", found
    output = json.loads(found["output"])
    assert output["Error"] == error
    assert " (Service: Comprehend, Status Code: 400, Request ID: " in output["Cause"]


def test_the_machines_role_needs_the_action(server: Server):
    asked = {"Text": "x", "LanguageCode": "en"}
    states = {"Read": task("aws-sdk:comprehend:containsPiiEntities", asked)}
    found = run(server, states, {})
    assert (found["status"], found["error"]) == ("FAILED", "Comprehend.ComprehendException")
    assert "not authorized to perform: comprehend:ContainsPiiEntities" in found["cause"]


@pytest.mark.costs("starts the models, whose first answer takes seconds")
def test_a_machine_reads_a_text(tmp_path: Path):
    made = started(modelled(tmp_path / "home"))
    try:
        role(made)
        again = {"ErrorEquals": ["Comprehend.InternalServerException"], "MaxAttempts": 3}
        found = run(
            made,
            {"Read": sentiment(Retry=[again])},
            {"text": "I love it, it is wonderful!", "language": "en"},
        )
    finally:
        ended(made)
    assert found["status"] == "SUCCEEDED", found
    output = json.loads(found["output"])
    assert output["Sentiment"] == "POSITIVE"
    assert set(output["SentimentScore"]) == {"Positive", "Negative", "Neutral", "Mixed"}
