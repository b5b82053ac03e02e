"""Any operation as a target: `aws-sdk:service:operation`, with its request as the payload. Pure.

EventBridge Scheduler user guide, "Using universal targets": the members of the request are written in
PascalCase, whatever the service itself calls them.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

from botocore.model import OperationNotFoundError

from sagebrush.aws import models
from sagebrush.errors import AwsError, Doc

START = "aws-sdk:"


def call(target: str, payload: str) -> tuple[str, str, Doc]:
    """The service, the operation and its request. Raises AwsError (ValidationException) for what names
    no operation, or has no request in it."""
    service, _, operation = target.removeprefix(START).partition(":")
    try:
        shape = models.model(service).operation_model(operation).input_shape
    except (KeyError, OperationNotFoundError) as error:
        raise _unknown(target) from error
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AwsError("ValidationException", "The input of the target is not a JSON object.")
    return service, operation, {} if shape is None else _named(shape, found)


def _unknown(target: str) -> AwsError:
    return AwsError("NotImplemented", f"Sagebrush knows no operation {target}.")


def _named(shape: Any, value: Any) -> Any:
    """The value with its members called as the shape calls them, and what JSON has no type for read as
    the shape says; what does not fit stays, for the check of the request to refuse."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = shape.members
        called = {name.lower(): name for name in members}
        found: Doc = {}
        for name, each in value.items():
            own = name if name in members else called.get(name.lower(), name)
            found[own] = _named(members[own], each) if own in members else each
        return found
    if kind == "list" and isinstance(value, list):
        return [_named(shape.member, each) for each in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _named(shape.value, each) for name, each in value.items()}
    if kind == "timestamp":
        return _moment(value)
    if kind == "blob" and isinstance(value, str):
        return _blob(value)
    return value


def _moment(value: Any) -> Any:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
        found = dt.datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return value
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()
