"""State machines that invoke functions, which really run."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Server
from tests.services.states.tasks.test_states_integrations import (  # noqa: F401
    ended,
    machine,
    role,
    sfn,
    task,
)
from tests.waiting import until

pytest.importorskip("sagebrush.services.lambda_.invoke")
CODE = """
def handler(event, context):
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("no good")
    return {"got": event}
"""


@pytest.fixture(scope="module")
def live(server: Server) -> Callable[..., Any]:
    return server.client


@pytest.fixture(scope="module")
def function(live: Any, role: str) -> str:  # noqa: F811
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("m.py", CODE)
    functions = live("lambda")
    made = functions.create_function(
        FunctionName="f",
        Runtime="python3.12",
        Role=role,
        Handler="m.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=30,
    )
    until(lambda: functions.get_function(FunctionName="f")["Configuration"]["State"] == "Active")
    return made["FunctionArn"]


def test_functions_answer_and_fail_as_awss_do(sfn: Any, machine: Any, function: str) -> None:  # noqa: F811
    def run(state: Any) -> Any:
        arn = machine({"T": state})
        return ended(sfn, sfn.start_execution(stateMachineArn=arn)["executionArn"])

    bare = {"Type": "Task", "Resource": function, "Parameters": {"a": 1}, "End": True}
    assert json.loads(run(bare)["output"]) == {"got": {"a": 1}}
    invoked = run(task("lambda:invoke", {"FunctionName": function, "Payload": {"a": 1}}))
    output = json.loads(invoked["output"])
    assert output["Payload"] == {"got": {"a": 1}}
    assert list(output) == [
        "ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode",
    ]  # fmt: skip
    failed = run({**bare, "Parameters": {"fail": True}})
    assert (failed["status"], failed["error"]) == ("FAILED", "ValueError")
    assert json.loads(failed["cause"])["errorMessage"] == "no good"
    missing = run(task("lambda:invoke", {"FunctionName": "nothing"}))
    assert missing["error"] == "Lambda.ResourceNotFoundException"
    assert "(Service: AWSLambda; Status Code: 404; Error Code: " in missing["cause"]
    text = run(task("aws-sdk:lambda:invoke", {"FunctionName": function, "Payload": {"a": 1}}))
    assert json.loads(json.loads(text["output"])["Payload"]) == {"got": {"a": 1}}
