"""The data access roles as which Comprehend reads its users' documents and writes their results.

Source: Amazon Comprehend developer guide, "Role-based permissions required for asynchronous operations"
and "Cross-service confused deputy prevention".
"""

from __future__ import annotations

from sagebrush.access import principals
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.world import Ctx, World

SERVICE = "comprehend.amazonaws.com"


def require(ctx: Ctx, arn: str, source: str) -> None:
    """Returns when Comprehend may assume the caller's role for the resource `source` (an ARN); raises
    InvalidRequestException (400) for a role of another account, or one that does not exist or does not
    trust Comprehend. Where AWS says so is a job that fails later; the words are Sagebrush's.

    A name that was never created here stands for the execution role when the owner's own key names it
    (docs/clients.md, trap 2).
    """
    found = Arn.parse(arn)
    if found is None or found.account != ctx.account:
        raise AwsError(
            "InvalidRequestException",
            f"Cross-account pass role is not allowed: the role {arn} is not one of the account"
            f" {ctx.account}.",
        )
    if not trusted(ctx, arn, source):
        raise AwsError(
            "InvalidRequestException",
            f"Could not assume the role {arn}. Please ensure that the role exists and allows the"
            f" principal {SERVICE} to assume it.",
        )


def trusted(ctx: Ctx, arn: str, source: str) -> bool:
    """Whether the role exists, may be named by the context's caller, and lets Comprehend assume it for
    the resource `source`."""
    role = principals.named(ctx.world, ctx.caller, arn)
    comprehend, keys = principals.service(ctx, source, SERVICE)
    return role is not None and principals.trust(role, comprehend, "sts:AssumeRole", keys).allowed


def still_trusted(world: World, account: str, region: str, role: tuple[str, str]) -> bool:
    """Whether the same holds now of (the role's ARN, the resource's ARN), for whatever caller began it."""
    return trusted(world.service_ctx(region=region, account=account), *role)
