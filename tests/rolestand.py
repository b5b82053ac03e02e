"""Roles made, assumed and passed in a world without HTTP, for tests of who may what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sagebrush.access import principals
from sagebrush.errors import AwsError, Doc
from sagebrush.world import Ctx

ROOT = "arn:aws:iam::123456789012:root"
EXECUTION = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"


def arn(name: str, path: str = "/") -> str:
    return f"arn:aws:iam::123456789012:role{path}{name}"


def allow(*actions: str, **more: Any) -> Doc:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def trusting(principal: Any, *actions: str, **more: Any) -> Doc:
    wanted = list(actions or ("sts:AssumeRole",))
    return {"Effect": "Allow", "Principal": principal, "Action": wanted, **more}


def text(*statements: Doc) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def make(ctx: Ctx, name: str, *statements: Doc, trust: Any = ({"AWS": "*"},), **more: Any) -> str:
    """The ARN of a new role; `trust` are statements, or principals that may assume it."""
    found = [each if "Effect" in each else trusting(each) for each in trust]
    given = {"RoleName": name, "AssumeRolePolicyDocument": text(*found), **more}
    made = ctx.call("iam", "CreateRole", given)["Role"]
    if statements:
        put(ctx, name, *statements)
    return made["Arn"]


def put(ctx: Ctx, name: str, *statements: Doc) -> None:
    given = {"RoleName": name, "PolicyName": "p", "PolicyDocument": text(*statements)}
    ctx.call("iam", "PutRolePolicy", given)


def delete(ctx: Ctx, name: str) -> None:
    for policy in ctx.call("iam", "ListRolePolicies", {"RoleName": name})["PolicyNames"]:
        ctx.call("iam", "DeleteRolePolicy", {"RoleName": name, "PolicyName": policy})
    ctx.call("iam", "DeleteRole", {"RoleName": name})


def assume(ctx: Ctx, role: str, name: str = "me", **more: Any) -> Ctx:
    """A context with the credentials that AssumeRole gives."""
    given = {"RoleArn": role, "RoleSessionName": name, **more}
    found = ctx.call("sts", "AssumeRole", given)["Credentials"]
    key = ctx.world.credentials.resolve(found["AccessKeyId"], found["SessionToken"])
    return ctx.world.ctx(key.caller)


def code(call: Callable[..., object], *args: Any, **more: Any) -> str:
    """The error's code; empty for an answer."""
    try:
        call(*args, **more)
    except AwsError as error:
        return error.code
    return ""


def may(ctx: Ctx, service: str = "s3", operation: str = "ListBuckets", **params: Any) -> bool:
    return not code(ctx.call, service, operation, params)


def model(ctx: Ctx, name: str, role: str) -> str:
    """The error of a model that is to run as the role; empty when it was made."""
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn"
    given = {"ModelName": name, "PrimaryContainer": {"Image": image}, "ExecutionRoleArn": role}
    return code(ctx.call, "sagemaker", "CreateModel", given)


def as_job(ctx: Ctx, role: str) -> Ctx:
    """What a job has that runs as `role`."""
    found = principals.service_credentials(ctx.world, role)
    key = ctx.world.credentials.resolve(found["AccessKeyId"], found["Token"])
    return ctx.world.ctx(key.caller)
