"""Amazon EventBridge Scheduler (Service Authorization Reference, "Amazon EventBridge Scheduler")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access.actions.entries import (
    Fixed,
    Permission,
    RequestTags,
    Table,
    Target,
    given,
    key,
)
from sagebrush.access.actions.iam import RoleArns
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.world import Ctx

DEFAULT = "default"
TAG_KEYS = ("aws:resourcetag/",)


def _tags(ctx: Ctx, group: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(ctx.account, ctx.region, "schedule-group", group)
    return row.plan.get("tags", {}) if row is not None else {}


def _arn(ctx: Ctx, resource: str) -> str:
    return str(Arn("scheduler", ctx.region, ctx.account, resource))


@dataclass(frozen=True)
class Schedule:
    """The schedule of the request's group and name; `*` for all of a group. Its tags are the group's."""

    members: tuple[str, ...] = ("GroupName", "Name")
    kind: str = "schedule"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        group = params.get(self.members[0]) or DEFAULT
        name = params.get("Name", "*") if len(self.members) > 1 else "*"
        tags = partial(_tags, ctx, group)
        return (Target(_arn(ctx, f"schedule/{group}/{name}"), tags, TAG_KEYS),)


@dataclass(frozen=True)
class Group:
    """The group of that name."""

    members: tuple[str, ...] = ("Name",)
    kind: str = "schedule-group"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params[self.members[0]]
        return (Target(_arn(ctx, f"schedule-group/{name}"), partial(_tags, ctx, name), TAG_KEYS),)


@dataclass(frozen=True)
class Tagged:
    """The group whose ARN the request has."""

    members: tuple[str, ...] = ("ResourceArn",)
    kind: str = "schedule-group"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params["ResourceArn"]
        tags = partial(_tags, ctx, arn.partition(":schedule-group/")[2])
        return (Target(arn, tags, TAG_KEYS),)


SCHEDULE, GROUP, TAGGED, TAGS = Schedule(), Group(), Tagged(), RequestTags()
PASSED = Permission(
    "iam:PassRole",
    RoleArns(("Target.RoleArn",)),
    keys=(Fixed("iam:PassedToService", "scheduler.amazonaws.com"),),
    optional=True,
)
TABLE: Table = {
    "CreateSchedule": (Permission("scheduler:CreateSchedule", SCHEDULE), PASSED),
    "UpdateSchedule": (Permission("scheduler:UpdateSchedule", SCHEDULE), PASSED),
    "DeleteSchedule": (Permission("scheduler:DeleteSchedule", SCHEDULE),),
    "GetSchedule": (Permission("scheduler:GetSchedule", SCHEDULE),),
    "ListSchedules": (Permission("scheduler:ListSchedules"),),
    "CreateScheduleGroup": (
        Permission("scheduler:CreateScheduleGroup", GROUP, keys=(TAGS,)),
        Permission("scheduler:TagResource", GROUP, keys=(TAGS,), when=given("Tags")),
    ),
    "DeleteScheduleGroup": (
        Permission("scheduler:DeleteScheduleGroup", GROUP),
        Permission("scheduler:DeleteSchedule", Schedule(("Name",))),
    ),
    "GetScheduleGroup": (Permission("scheduler:GetScheduleGroup", GROUP),),
    "ListScheduleGroups": (Permission("scheduler:ListScheduleGroups"),),
    "ListTagsForResource": (Permission("scheduler:ListTagsForResource", TAGGED),),
    "TagResource": (Permission("scheduler:TagResource", TAGGED, keys=(TAGS,)),),
    "UntagResource": (
        Permission(
            "scheduler:UntagResource",
            TAGGED,
            keys=(key("aws:TagKeys", "TagKeys", many=True),),
        ),
    ),
}
