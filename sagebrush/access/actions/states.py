"""AWS Step Functions (Service Authorization Reference, "AWS Step Functions").

Versions and aliases have no policies of their own: their state machine is asked about, and the key
`states:StateMachineQualifier` says which is meant (developer guide, "Granting permissions to users for
versions and aliases").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access.actions.entries import (
    Entry,
    Fixed,
    Permission,
    RequestTags,
    Table,
    Target,
    Value,
    at,
    given,
    key,
)
from sagebrush.access.actions.iam import RoleArns
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)
_ROWS = {"stateMachine": "state-machine", "activity": "activity"}
_OF_MACHINES = ("execution", "express", "mapRun")


def _tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(ctx.account, ctx.region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


def _target(ctx: Ctx, kind: str, name: str) -> Target:
    arn = f"arn:aws:states:{ctx.region}:{ctx.account}:{kind}:{name}"
    return Target(arn, partial(_tags, ctx, _ROWS[kind], name), TAG_KEYS)


@dataclass(frozen=True)
class Named:
    """What is created under the name at `name`."""

    kind: str
    word: str
    members: tuple[str, ...] = ("name",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("name")
        return (_target(ctx, self.word, name),) if isinstance(name, str) else ()


@dataclass(frozen=True)
class ByArn:
    """What an ARN at one of the members names; of a version or an alias, its state machine. Executions
    have no tags of their own: their state machine's are asked for."""

    kind: str
    members: tuple[str, ...]
    word: str = ""
    """Of the ARNs that are looked at; all of them without it."""

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        found = [value for member in self.members for value in at(params, member)]
        texts = [arn for arn in found if isinstance(arn, str) and f":{self.word}" in arn]
        targets = [self._one(ctx, arn) for arn in texts]
        return tuple({target.arn: target for target in targets}.values())

    def _one(self, ctx: Ctx, arn: str) -> Target:
        parts = arn.split(":", 7)
        if len(parts) < 7 or parts[5] not in (*_ROWS, *_OF_MACHINES):
            return Target(arn)
        here = (parts[3], parts[4]) == (ctx.region, ctx.account)
        if parts[5] in _OF_MACHINES:
            tags = partial(_tags, ctx, "state-machine", parts[6].partition("/")[0])
            return Target(arn, tags, TAG_KEYS) if here else Target(arn)
        return _target(ctx, parts[5], parts[6]) if here else Target(":".join(parts[:7]))


@dataclass(frozen=True)
class Qualifier:
    """`states:StateMachineQualifier`: the version or alias that the ARN at a member ends in, or the
    alias that is created."""

    member: str
    names: tuple[str, ...] = ("states:StateMachineQualifier",)

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.names[0].lower():
            return None
        found = params.get(self.member)
        if not isinstance(found, str):
            return None
        if self.member == "name":
            return [found]
        rest = found.split(":", 7)
        return [rest[7]] if len(rest) == 8 else None


MACHINE = ByArn("statemachine", ("stateMachineArn",))
VERSION = ByArn("statemachine", ("stateMachineVersionArn",))
ALIAS = ByArn("statemachine", ("stateMachineAliasArn",))
ROUTES = ByArn("statemachine", ("routingConfiguration.stateMachineVersionArn",))
EXECUTION = ByArn("execution", ("executionArn",))
EXPRESS = ByArn("express", ("executionArn",), "express:")
ACTIVITY = ByArn("activity", ("activityArn",))
MAP_RUN = ByArn("maprun", ("mapRunArn",))
LISTED = ByArn("statemachine", ("stateMachineArn",))
TAGGED = ByArn("", ("resourceArn",))
TAGS = RequestTags("tags")
QUALIFIED = (Qualifier("stateMachineArn"),)


def plain(on: ByArn, *names: str) -> Table:
    return {name: (Permission(f"states:{name}", on),) for name in names}


def passed() -> Permission:
    """The role is handed to Step Functions."""
    service = Fixed("iam:PassedToService", "states.amazonaws.com")
    return Permission("iam:PassRole", RoleArns(("roleArn",)), keys=(service,), optional=True)


def _creates(name: str, on: Named, *more: Permission) -> Entry:
    return (
        Permission(f"states:{name}", on, keys=(TAGS,)),
        *more,
        Permission("states:TagResource", on, keys=(TAGS,), when=given("tags")),
    )


NEW_MACHINE = Named("statemachine", "stateMachine")
TABLE: Table = {
    "CreateActivity": _creates("CreateActivity", Named("activity", "activity")),
    "CreateStateMachine": _creates(
        "CreateStateMachine",
        NEW_MACHINE,
        passed(),
        Permission("states:PublishStateMachineVersion", NEW_MACHINE, when=given("publish")),
    ),
    "CreateStateMachineAlias": (
        Permission("states:CreateStateMachineAlias", ROUTES, keys=(Qualifier("name"),)),
    ),
    "DeleteStateMachineAlias": (
        Permission(
            "states:DeleteStateMachineAlias", ALIAS, keys=(Qualifier("stateMachineAliasArn"),)
        ),
    ),
    "DeleteStateMachineVersion": (
        Permission(
            "states:DeleteStateMachineVersion",
            VERSION,
            keys=(Qualifier("stateMachineVersionArn"),),
        ),
    ),
    "DescribeStateMachineAlias": (
        Permission(
            "states:DescribeStateMachineAlias", ALIAS, keys=(Qualifier("stateMachineAliasArn"),)
        ),
    ),
    "UpdateStateMachineAlias": (
        Permission(
            "states:UpdateStateMachineAlias", ALIAS, keys=(Qualifier("stateMachineAliasArn"),)
        ),
    ),
    "ListExecutions": (
        Permission("states:ListExecutions", LISTED, keys=QUALIFIED, when=given("stateMachineArn")),
        Permission("states:ListExecutions", MAP_RUN, when=given("mapRunArn")),
    ),
    **{
        name: (Permission(f"states:{name}", MACHINE, keys=QUALIFIED),)
        for name in (
            "DescribeStateMachine",
            "ListStateMachineAliases",
            "StartExecution",
            "StartSyncExecution",
        )
    },
    "UpdateStateMachine": (
        Permission("states:UpdateStateMachine", MACHINE),
        passed(),
        Permission("states:PublishStateMachineVersion", MACHINE, when=given("publish")),
    ),
    **plain(
        MACHINE, "DeleteStateMachine", "ListStateMachineVersions", "PublishStateMachineVersion"
    ),
    "DescribeExecution": (
        Permission("states:DescribeExecution", EXECUTION),
        Permission("states:DescribeExecution", EXPRESS, optional=True),
    ),
    **plain(
        EXECUTION,
        "DescribeStateMachineForExecution",
        "GetExecutionHistory",
        "RedriveExecution",
        "StopExecution",
    ),
    **plain(MAP_RUN, "DescribeMapRun", "UpdateMapRun"),
    "ListMapRuns": (Permission("states:ListMapRuns", EXECUTION),),
    "TestState": (
        Permission("states:TestState"),
        passed(),
        Permission("states:RevealSecrets", when=given("revealSecrets")),
    ),
    **plain(ACTIVITY, "DeleteActivity", "DescribeActivity", "GetActivityTask"),
    "ListActivities": (Permission("states:ListActivities"),),
    "ListStateMachines": (Permission("states:ListStateMachines"),),
    "ValidateStateMachineDefinition": (Permission("states:ValidateStateMachineDefinition"),),
    "SendTaskFailure": (Permission("states:SendTaskFailure"),),
    "SendTaskHeartbeat": (Permission("states:SendTaskHeartbeat"),),
    "SendTaskSuccess": (Permission("states:SendTaskSuccess"),),
    "ListTagsForResource": (Permission("states:ListTagsForResource", TAGGED),),
    "TagResource": (Permission("states:TagResource", TAGGED, keys=(TAGS,)),),
    "UntagResource": (
        Permission(
            "states:UntagResource", TAGGED, keys=(key("aws:TagKeys", "tagKeys", many=True),)
        ),
    ),
}
