"""Requests as universal targets are given them: JSON by the names of AWS's API references. Pure.

EventBridge Scheduler user guide, "Using universal targets": "The parameters and shape of the JSON you
set in Input are determined by the service API your schedule invokes."
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from sagebrush.aws import scalars
from sagebrush.errors import AwsError, Doc


def text(value: Any) -> str:
    """The value as JSON."""
    return json.dumps(value, separators=(",", ":"))


def shown(params: Doc) -> str:
    """The request as JSON by the names of AWS's API references, members first letters capital."""
    named = {name[:1].upper() + name[1:]: value for name, value in params.items()}
    return json.dumps(named, separators=(",", ":"), default=_shown)


def _shown(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read(shape: Any, value: Doc) -> Doc:
    """The request of that shape of botocore's that the JSON object stands for.

    Members may be written in PascalCase, whatever the service calls them; bytes are texts, moments are
    texts by ISO 8601 or seconds. What the shape does not have is left as it is, for the operation to refuse.
    Raises ValidationException for a moment that is none.
    """
    return _structure(shape, value) if shape is not None else dict(value)


def _structure(shape: Any, value: Doc) -> Doc:
    members: dict[str, Any] = shape.members
    called = {name.lower(): name for name in members}
    found: Doc = {}
    for name, given in value.items():
        own = name if name in members else called.get(name.lower(), name)
        found[own] = _value(members[own], given) if own in members else given
    return found


def _value(shape: Any, value: Any) -> Any:
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return _structure(shape, value)
    if kind == "list" and isinstance(value, list):
        return [_value(shape.member, each) for each in value]
    if kind == "map" and isinstance(value, dict):
        return {name: _value(shape.value, each) for name, each in value.items()}
    if kind == "blob":
        return (value if isinstance(value, str) else text(value)).encode()
    if kind == "timestamp":
        return _moment(value)
    if kind == "string" and isinstance(value, dict | list):
        return text(value)  # a document in a text: a policy, a state machine's input
    return value


def _moment(value: Any) -> dt.datetime:
    try:
        return scalars.time(value if isinstance(value, str) else text(value))
    except scalars.BadValue:
        raise AwsError("ValidationException", f"{value!r} is not a time.") from None
