"""Functions for tests: zipped, created, refused."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SagebrushExecutionRole"
ECHO = "def handler(event, context): return event"


def zipped(code: str = ECHO, name: str = "index.py") -> bytes:
    """A package of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(zipfile.ZipInfo(name), code)  # without the time: always the same bytes
    return out.getvalue()


def create(client: Any, name: str, code: str = ECHO, **more: Any) -> dict[str, Any]:
    """The function is active; what creating it answered."""
    given = {
        "Runtime": "python3.12", "Handler": "index.handler", "Role": ROLE,
        "Code": {"ZipFile": zipped(code)}, **more,
    }  # fmt: skip
    made = client.create_function(FunctionName=name, **given)
    active(client, name)
    return made


def active(client: Any, name: str) -> None:
    """The function is active, and no update of it is in progress."""
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})


def refused(code: str, call: Any, status: int = 400, **params: Any) -> str:
    """The message of the refusal, which has that code and status."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    assert response["Error"]["Code"] == code, response["Error"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    return response["Error"]["Message"]


def answer(client: Any, name: str, payload: Any = None, **more: Any) -> Any:
    """What the function answers to the payload."""
    found = client.invoke(FunctionName=name, Payload=json.dumps(payload or {}), **more)
    assert "FunctionError" not in found, found["Payload"].read()
    return json.loads(found["Payload"].read())
