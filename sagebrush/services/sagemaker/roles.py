"""The roles that jobs and models run as."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.world import Ctx

SERVICE = "sagemaker.amazonaws.com"


def require(ctx: Ctx, arn: str, member: str) -> None:
    """Returns when SageMaker may assume the role; raises ValidationException in AWS's words.

    A role of this account that was never created here is taken for an administrator, so that code
    written for AWS runs with the role it names (docs/clients.md, trap 2). One that was deleted
    here, that does not trust SageMaker, or that is of another account is refused.
    """
    found = Arn.parse(arn)
    if found is None or not found.resource.startswith("role/"):
        raise AwsError("ValidationException", f"{member}: {arn} is not the ARN of a role.")
    if found.account != ctx.account:
        raise AwsError(
            "ValidationException",
            f"{member}: Cross-account pass role is not allowed. ({arn}; this account is"
            f" {ctx.account}, by the setting `account`)",
        )
    iam = ctx.world.service_ctx()
    try:
        # IAM makes the role that is asked about where it never existed
        question = {"PolicySourceArn": arn, "ActionNames": ["sts:GetCallerIdentity"]}
        iam.call("iam", "SimulatePrincipalPolicy", question)
        role = iam.call("iam", "GetRole", {"RoleName": arn.rsplit("/", 1)[-1]})["Role"]
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        raise _not_assumed(arn) from error
    if not _trusts(json.loads(unquote(role["AssumeRolePolicyDocument"]))):
        raise _not_assumed(arn)


def _not_assumed(arn: str) -> AwsError:
    return AwsError(
        "ValidationException",
        f"Could not assume role {arn}. Please ensure that the role exists and allows principal"
        f" '{SERVICE}' to assume the role.",
    )


def _trusts(document: Any) -> bool:
    """Whether the trust policy lets SageMaker in."""
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("Service", []) if isinstance(principal, dict) else principal
        names = named if isinstance(named, list) else [named]
        if statement.get("Effect") == "Allow" and (SERVICE in names or "*" in names):
            return True
    return False
