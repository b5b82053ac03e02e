"""Application Auto Scaling (Service Authorization Reference, "AWS Application Auto Scaling")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given, key
from sagebrush.errors import Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

_KIND = "scalable-target"


@dataclass(frozen=True)
class Registered:
    """The target of a resource and its dimension; one that is not registered yet has no id, and its
    ARN ends in `*`."""

    kind: str = "ScalableTarget"
    members: tuple[str, ...] = ("ResourceId", "ScalableDimension")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = f"{params['ScalableDimension']}/{params['ResourceId']}"
        row = ctx.world.rows.get(ctx.account, ctx.region, _KIND, name)
        if row is None:
            arn = f"arn:aws:application-autoscaling:{ctx.region}:{ctx.account}:{_KIND}/*"
            return (Target(arn),)
        return (_target(row.doc["ScalableTargetARN"], row),)


@dataclass(frozen=True)
class Tagged:
    """The target whose ARN the request has."""

    kind: str = "ScalableTarget"
    members: tuple[str, ...] = ("ResourceARN",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params["ResourceARN"]
        texts = {"doc.ScalableTargetARN": arn}
        found = ctx.world.rows.select(_KIND, account=ctx.account, texts=texts)
        return (_target(arn, found[0] if found else None),)


def _target(arn: str, row: Row | None) -> Target:
    def tags() -> Mapping[str, str]:
        return row.plan.get("tags", {}) if row else {}

    return Target(arn, tags, ("aws:resourcetag/",))


TARGET, TAGGED = Registered(), Tagged()
WHICH = (
    key("application-autoscaling:service-namespace", "ServiceNamespace"),
    key("application-autoscaling:scalable-dimension", "ScalableDimension"),
)
TAGS = RequestTags("Tags")


def _about(*names: str) -> Table:
    """Operations on one target that it names by resource and dimension."""
    return {n: (Permission(f"application-autoscaling:{n}", TARGET, keys=WHICH),) for n in names}


def _without(*names: str) -> Table:
    """Operations without a resource."""
    return {n: (Permission(f"application-autoscaling:{n}"),) for n in names}


TABLE: Table = {
    **_about(
        "DeleteScalingPolicy",
        "DeleteScheduledAction",
        "DeregisterScalableTarget",
        "PutScalingPolicy",
        "PutScheduledAction",
    ),
    **_without(
        "DescribeScalableTargets",
        "DescribeScalingActivities",
        "DescribeScalingPolicies",
        "DescribeScheduledActions",
    ),
    "GetPredictiveScalingForecast": (
        Permission("application-autoscaling:GetPredictiveScalingForecast", TARGET),
    ),
    "ListTagsForResource": (Permission("application-autoscaling:ListTagsForResource", TAGGED),),
    "RegisterScalableTarget": (
        Permission("application-autoscaling:RegisterScalableTarget", TARGET, keys=(*WHICH, TAGS)),
        Permission("application-autoscaling:TagResource", TARGET, keys=(TAGS,), when=given("Tags")),
    ),
    "TagResource": (Permission("application-autoscaling:TagResource", TAGGED, keys=(TAGS,)),),
    "UntagResource": (
        Permission(
            "application-autoscaling:UntagResource",
            TAGGED,
            keys=(key("aws:TagKeys", "TagKeys", many=True),),
        ),
    ),
}
