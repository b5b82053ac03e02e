"""Statements, and roles that have them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sagebrush.access import dispatch
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {
                "AWS": f"arn:aws:iam::{ACCOUNT}:root",
                "Service": "sagemaker.amazonaws.com",
            },
            "Action": "sts:AssumeRole",
        }
    ],
}


def statement(action: Any, resource: Any = "*", effect: str = "Allow", **more: Any) -> Doc:
    """One statement of a policy."""
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> Doc:
    """A statement that denies."""
    return statement(action, resource, "Deny", **more)


def document(*statements: Doc) -> str:
    """A policy's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


Answer = Callable[[str, str, Doc], str]
NUMBERS = itertools.count()
"""Of roles whose names must differ."""


class Limited:
    """A role, as a context and as a function that gives it a policy."""

    def __init__(self, ctx: Ctx) -> None:
        self._owner, self._held = ctx, ""
        self.name = f"limited-{next(NUMBERS)}"
        ctx.call("iam", "CreateRole", {
            "RoleName": self.name, "AssumeRolePolicyDocument": json.dumps(TRUST),
        })  # fmt: skip
        self.ctx = ctx.as_role(f"arn:aws:iam::{ACCOUNT}:role/{self.name}")

    def __call__(self, *statements: Doc) -> Answer:
        """The role has these statements; what is asked for then and refused.

        That is `answer(service, operation, params)`: `action on resource: …`, the first that the
        role lacks, or "" when nothing is.
        """
        text = document(*(statements or [statement("nothing:AtAll")]))

        def answer(service: str, operation: str, params: Doc) -> str:
            self._hold(text)
            try:
                dispatch.authorise(self.ctx, service, operation, params)
            except AwsError as error:
                if error.status != (400 if service in dispatch.BY_JSON else 403):
                    raise
                words = error.message.partition("perform: ")[2]
                return words.partition(" with an explicit")[0].partition(" because ")[0]
            return ""

        self._hold(text)
        return answer

    def _hold(self, text: str) -> None:
        if text != self._held:
            self._owner.call("iam", "PutRolePolicy", {
                "RoleName": self.name, "PolicyName": "p", "PolicyDocument": text,
            })  # fmt: skip
            self._held = text


def refused(call: Callable[..., Any], **params: Any) -> str:
    """The error's code, or "" for an answer."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""
