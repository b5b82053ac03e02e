"""The roles that jobs, models and notebooks run as."""

from __future__ import annotations

from sagebrush.access import principals
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.settings import COMPREHEND
from sagebrush.world import Ctx


def require(ctx: Ctx, arn: str, member: str, kind: str, name: str) -> None:
    """Returns when SageMaker may assume the role for the resource; raises ValidationException.

    `kind` and `name` are the resource's (`training-job`): trust policies may test its ARN. The role
    must exist and trust SageMaker; a name that was never created here stands for the execution role
    when the owner's own key names it (docs/clients.md, trap 2). The messages are AWS's.

    Comprehend's jobs run as the roles of its users, in whose accounts it has asked whether the caller
    may pass the role and whether that trusts Comprehend.
    """
    found = Arn.parse(arn)
    if found is None or not found.resource.startswith("role/"):
        raise AwsError("ValidationException", f"{member}: {arn} is not the ARN of a role.")
    if ctx.account == COMPREHEND:
        return
    if found.account != ctx.account:
        own = ctx.account == ctx.world.settings.account  # others' are not by a setting
        by = ", by the setting `account`" if own else ""
        raise AwsError(
            "ValidationException",
            f"{member}: Cross-account pass role is not allowed. ({arn}; this account is"
            f" {ctx.account}{by})",
        )
    role = principals.named(ctx.world, ctx.caller, arn)
    source = str(Arn("sagemaker", ctx.region, ctx.account, f"{kind}/{name.lower()}"))
    sagemaker, keys = principals.service(ctx, source)
    if role is None or not principals.trust(role, sagemaker, "sts:AssumeRole", keys).allowed:
        raise AwsError(
            "ValidationException",
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal"
            f" '{principals.SERVICE}' to assume the role.",
        )
