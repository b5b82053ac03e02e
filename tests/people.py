"""Users and accounts of a running server, with boto3 clients that have their keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sagebrush.access import accounts
from sagebrush.errors import Doc
from tests.conftest import Server

MAIN = "123456789012"


@dataclass(frozen=True)
class Person:
    """Who holds credentials: `person("s3")` is a client with them."""

    server: Server
    key: str
    secret: str
    token: str = ""

    def __call__(self, service: str, **given: Any) -> Any:
        return self.server.client(
            service,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            aws_session_token=self.token or None,
            **given,
        )


def allow(*actions: str, on: Any = "*", **more: Any) -> Doc:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def text(*statements: Doc) -> str:
    """A policy's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def owner(server: Server) -> Person:
    """The owner of the server."""
    return Person(server, *server.world.credentials.user_key)


def account(server: Server, number: str = "") -> tuple[str, Person]:
    """The id of a new account, and its administrator."""
    made = accounts.add(server.world, number)
    key = made["AccessKeyId"]
    return made["Id"], Person(server, key, server.world.credentials.secret_of(key))


def user(admin: Person, name: str, *statements: Doc, **more: Any) -> Person:
    """A new user with an inline policy of these statements, and a key."""
    iam = admin("iam")
    iam.create_user(UserName=name, **more)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=text(*statements))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Person(admin.server, made["AccessKeyId"], made["SecretAccessKey"])


def role(admin: Person, name: str, trusted: Any, *statements: Doc, **more: Any) -> str:
    """The ARN of a new role that `trusted` (a Principal element) may assume."""
    iam = admin("iam")
    actions = ["sts:AssumeRole", "sts:TagSession"]
    trust = {"Effect": "Allow", "Principal": trusted, "Action": actions, **more}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=text(trust))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=text(*statements))
    return made["Arn"]


def holder(server: Server, given: Mapping[str, Any]) -> Person:
    """Who holds the credentials that STS gave."""
    return Person(server, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def assumed(who: Person, arn: str, name: str = "session", **more: Any) -> Person:
    """The session of the role."""
    found = who("sts").assume_role(RoleArn=arn, RoleSessionName=name, **more)
    return holder(who.server, found["Credentials"])


def refused(call: Callable[..., Any], **params: Any) -> str:
    """The error's code, or "" for an answer."""
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""
