"""CloudWatch's metrics and alarms (Service Authorization Reference, "Amazon CloudWatch")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access.actions.entries import (
    Permission,
    RequestTags,
    Table,
    Target,
    at,
    given,
    key,
)
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)


def _tags(ctx: Ctx, name: str) -> Mapping[str, str]:
    """The tags of the alarm; none where it does not exist."""
    row = ctx.world.rows.get(ctx.account, ctx.region, "alarm", name)
    return row.plan.get("tags", {}) if row is not None else {}


def _target(ctx: Ctx, name: str) -> Target:
    arn = f"arn:aws:cloudwatch:{ctx.region}:{ctx.account}:alarm:{name}"
    return Target(arn, partial(_tags, ctx, name), TAG_KEYS)


@dataclass(frozen=True)
class Alarms:
    """The alarms that the members name; all of them (`alarm:*`) where they name none."""

    members: tuple[str, ...]
    kind: str = "alarm"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        names = [name for member in self.members for name in at(params, member)]
        return [_target(ctx, name) for name in names if isinstance(name, str)] or (
            [Target(_target(ctx, "*").arn)]
        )


@dataclass(frozen=True)
class ByArn:
    """The alarm whose ARN is at ResourceARN."""

    members: tuple[str, ...] = ("ResourceARN",)
    kind: str = "alarm"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params.get("ResourceARN")
        if not isinstance(arn, str):
            return ()
        return (Target(arn, partial(_tags, ctx, arn.split(":", 6)[-1]), TAG_KEYS),)


ALARM, LISTED, BY_ARN = Alarms(("AlarmName",)), Alarms(("AlarmNames",)), ByArn()
TAGS = RequestTags()
ACTIONS = key(
    "cloudwatch:AlarmActions", "AlarmActions", "OKActions", "InsufficientDataActions", many=True
)


def _puts(action: str) -> tuple[Permission, ...]:
    """An alarm is put with its actions, and its tags, where the request has some."""
    return (
        Permission(f"cloudwatch:{action}", ALARM, keys=(TAGS, ACTIONS)),
        Permission("cloudwatch:TagResource", ALARM, keys=(TAGS,), when=given("Tags")),
    )


TABLE: Table = {
    "DeleteAlarms": (Permission("cloudwatch:DeleteAlarms", LISTED),),
    "DescribeAlarmHistory": (Permission("cloudwatch:DescribeAlarmHistory", ALARM),),
    "DescribeAlarms": (Permission("cloudwatch:DescribeAlarms", LISTED),),
    "DescribeAlarmsForMetric": (Permission("cloudwatch:DescribeAlarmsForMetric"),),
    "DisableAlarmActions": (Permission("cloudwatch:DisableAlarmActions", LISTED),),
    "EnableAlarmActions": (Permission("cloudwatch:EnableAlarmActions", LISTED),),
    "GetMetricData": (Permission("cloudwatch:GetMetricData"),),
    "GetMetricStatistics": (Permission("cloudwatch:GetMetricStatistics"),),
    "ListMetrics": (Permission("cloudwatch:ListMetrics"),),
    "ListTagsForResource": (Permission("cloudwatch:ListTagsForResource", BY_ARN),),
    "PutCompositeAlarm": _puts("PutCompositeAlarm"),
    "PutMetricAlarm": _puts("PutMetricAlarm"),
    "PutMetricData": (
        Permission("cloudwatch:PutMetricData", keys=(key("cloudwatch:namespace", "Namespace"),)),
    ),
    "SetAlarmState": (Permission("cloudwatch:SetAlarmState", ALARM),),
    "TagResource": (Permission("cloudwatch:TagResource", BY_ARN, keys=(TAGS,)),),
    "UntagResource": (
        Permission(
            "cloudwatch:UntagResource", BY_ARN, keys=(key("aws:TagKeys", "TagKeys", many=True),)
        ),
    ),
}
