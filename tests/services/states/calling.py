"""What tests of Step Functions ask of a server, and what they expect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/states-role"
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 100, "End": True}}}
ARN = "arn:aws:states:us-east-1:123456789012:"
LOGS = "arn:aws:logs:us-east-1:123456789012:log-group:"


def made(sfn: Any, name: str, definition: Any = PASS, **more: Any) -> str:
    given = {"name": name, "definition": json.dumps(definition), "roleArn": ROLE, **more}
    return sfn.create_state_machine(**given)["stateMachineArn"]


def refused(code: str, call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Message"]


def ended(sfn: Any, arn: str) -> Any:
    """DescribeExecution once it has ended."""
    found: Any = {}

    def look() -> bool:
        nonlocal found
        found = sfn.describe_execution(executionArn=arn)
        return found["status"] != "RUNNING"

    until(look)
    return found
