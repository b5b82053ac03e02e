"""The rows of schedules and groups: their names, ARNs, pages and errors."""

from __future__ import annotations

import re

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

SCHEDULE, GROUP = "schedule", "schedule-group"
"""Kinds. A schedule's row is called `<group>/<name>`; the default group has no row."""
DEFAULT = "default"
SERVICE = "scheduler.amazonaws.com"


def schedule_arn(account: str, region: str, group: str, name: str) -> str:
    """The schedule's ARN."""
    return str(Arn("scheduler", region, account, f"schedule/{group}/{name}"))


def group_arn(account: str, region: str, name: str) -> str:
    """The group's ARN."""
    return str(Arn("scheduler", region, account, f"schedule-group/{name}"))


def group_of(ctx: Ctx, name: str | None) -> str:
    """The name of a group that is there: the default one where none is named. Raises
    ResourceNotFoundException (404)."""
    name = name or DEFAULT
    if name != DEFAULT and ctx.world.rows.get(ctx.account, ctx.region, GROUP, name) is None:
        raise no_group(name)
    return name


def schedule(ctx: Ctx, request: Doc) -> Row:
    """The schedule that the request names. Raises ResourceNotFoundException (404)."""
    group, name = request.get("GroupName") or DEFAULT, request["Name"]
    row = ctx.world.rows.get(ctx.account, ctx.region, SCHEDULE, f"{group}/{name}")
    if row is None:
        group_of(ctx, group)
        raise missing(f"Schedule {name} does not exist.")
    return row


def no_group(name: str) -> AwsError:
    """AWS's error for a group that is not there."""
    return missing(f"Schedule group {name} does not exist.")


def missing(message: str) -> AwsError:
    """AWS's error for what is not there."""
    return AwsError("ResourceNotFoundException", message, 404)


def conflict(message: str) -> AwsError:
    """AWS's error for what is there already."""
    return AwsError("ConflictException", message, 409)


def invalid(message: str) -> AwsError:
    """AWS's error for a request that is wrong."""
    return AwsError("ValidationException", message)


def page(request: Doc, found: list[Doc], member: str, most: int = 100) -> Doc:
    """The page of `found` that the request's token names. Raises ValidationException."""
    token, size = request.get("NextToken"), request.get("MaxResults", most)
    if token is not None and not re.fullmatch(r"[0-9]{1,9}", token, re.ASCII):
        raise invalid("Invalid NextToken provided.")
    start = int(token or 0)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {member: found[start : start + size], **more}
