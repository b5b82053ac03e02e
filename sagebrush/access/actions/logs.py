"""CloudWatch Logs (Service Authorization Reference, "Amazon CloudWatch Logs").

A log group has two ARNs, one of them with `:*`, and CloudWatch Logs asks policies about
`log-group:NAME:log-stream:` ("Overview of managing access permissions"; the resource of its own
refusals). Allows are asked so; a Deny of the plain ARN, which the reference lists, holds too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.access import references
from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given
from sagebrush.errors import Doc
from sagebrush.world import Ctx


def _arn(ctx: Ctx, name: str) -> str:
    return f"arn:aws:logs:{ctx.region}:{ctx.account}:log-group:{name}"


@dataclass(frozen=True)
class LogGroup:
    """The group that `logGroupName` or `logGroupIdentifier` names, or its stream."""

    stream: bool = False

    @property
    def kind(self) -> str:
        return "log-stream" if self.stream else "log-group"

    @property
    def members(self) -> tuple[str, ...]:
        named = (*references.LOG_GROUP_NAMES, *references.LOG_GROUP_IDENTIFIERS)
        return (*named, "logStreamName") if self.stream else named

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        stream = params.get("logStreamName", "") if self.stream else ""
        arns = [_arn(ctx, name) for name in references.log_groups(ctx, params)]
        return [Target(f"{arn}:log-stream:{stream}", aliases=(arn,)) for arn in arns]


@dataclass(frozen=True)
class AllLogGroups:
    """Groups that are listed: an empty name; a Deny of one that the request names holds."""

    kind: str = ""
    members: tuple[str, ...] = ("logGroupIdentifiers",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        named = params.get("logGroupIdentifiers") or ()
        arns = [_arn(ctx, references.log_group(ctx, identifier)) for identifier in named]
        also = [spelt for arn in arns for spelt in (arn, f"{arn}:log-stream:")]
        return (Target(f"{_arn(ctx, '')}:log-stream:", aliases=tuple(also)),)


GROUP, STREAM = LogGroup(), LogGroup(stream=True)
TAGS = RequestTags("tags")

TABLE: Table = {
    "CreateLogGroup": (
        Permission("logs:CreateLogGroup", GROUP, keys=(TAGS,)),
        Permission("logs:TagResource", GROUP, keys=(TAGS,), when=given("tags")),
    ),
    "CreateLogStream": (Permission("logs:CreateLogStream", STREAM),),
    "DeleteLogGroup": (Permission("logs:DeleteLogGroup", GROUP),),
    "DeleteLogStream": (Permission("logs:DeleteLogStream", STREAM),),
    "DeleteRetentionPolicy": (Permission("logs:DeleteRetentionPolicy", GROUP),),
    "DeleteResourcePolicy": (Permission("logs:DeleteResourcePolicy"),),
    "DescribeResourcePolicies": (Permission("logs:DescribeResourcePolicies"),),
    "PutResourcePolicy": (Permission("logs:PutResourcePolicy"),),
    "DescribeLogGroups": (Permission("logs:DescribeLogGroups", AllLogGroups()),),
    "DescribeLogStreams": (Permission("logs:DescribeLogStreams", GROUP),),
    "FilterLogEvents": (Permission("logs:FilterLogEvents", GROUP),),
    "GetLogEvents": (Permission("logs:GetLogEvents", STREAM),),
    "PutLogEvents": (Permission("logs:PutLogEvents", STREAM),),
    "PutRetentionPolicy": (Permission("logs:PutRetentionPolicy", GROUP),),
}
