"""What the tests of IAM share: documents, and what a refusal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}:"


def document(action: str = "s3:GetObject", **more: Any) -> dict[str, Any]:
    """A policy that allows the action on everything."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def text(action: str = "s3:GetObject", **more: Any) -> str:
    """The same as text."""
    return json.dumps(document(action, **more))


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def refused(call: Callable[..., Any], code: str, status: int, **given: Any) -> str:
    """The message with which the call is refused, with that code and status."""
    with pytest.raises(ClientError) as info:
        call(**given)
    found = info.value.response
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    return found["Error"]["Message"]


def unknown(call: Callable[..., Any], **given: Any) -> str:
    """The message of NoSuchEntity."""
    return refused(call, "NoSuchEntity", 404, **given)


def conflict(call: Callable[..., Any], **given: Any) -> str:
    """The message of DeleteConflict."""
    return refused(call, "DeleteConflict", 409, **given)


def exceeded(call: Callable[..., Any], **given: Any) -> str:
    """The message of LimitExceeded."""
    return refused(call, "LimitExceeded", 409, **given)


def taken(call: Callable[..., Any], **given: Any) -> str:
    """The message of EntityAlreadyExists."""
    return refused(call, "EntityAlreadyExists", 409, **given)
