"""The roles that jobs and models run as."""

from __future__ import annotations

from sagebrush.names import Arn
from sagebrush.world import AwsError, Ctx


def require(ctx: Ctx, arn: str, member: str) -> None:
    """Returns when the role exists in this account; raises ValidationException in AWS's words."""
    found = Arn.parse(arn)
    if found is None or found.account != ctx.account:
        raise AwsError(
            "ValidationException", f"{member}: Cross-account pass role is not allowed. ({arn})"
        )
    try:
        ctx.world.service_ctx().call("iam", "GetRole", {"RoleName": arn.rsplit("/", 1)[-1]})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        raise AwsError(
            "ValidationException",
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal"
            " 'sagemaker.amazonaws.com' to assume the role.",
        ) from error
