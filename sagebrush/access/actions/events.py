"""Amazon EventBridge (Service Authorization Reference, "Amazon EventBridge")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sagebrush.access.actions.entries import (
    Fixed,
    Key,
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
from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import Doc
from sagebrush.world import Ctx

DEFAULT = "default"
TAG_KEYS = ("aws:resourcetag/",)
BUS, RULE = "event-bus", "event-rule"


def _tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    row = ctx.world.rows.get(ctx.account, ctx.region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


def _bus(ctx: Ctx, given: str) -> Target:
    arn = given if given.startswith("arn:") else _arn(ctx, f"event-bus/{given}")
    name = arn.partition(":event-bus/")[2]
    return Target(arn, partial(_tags, ctx, BUS, name), TAG_KEYS)


def _arn(ctx: Ctx, resource: str) -> str:
    return str(Arn("events", ctx.region, ctx.account, resource))


@dataclass(frozen=True)
class Bus:
    """The buses that a member names, by name or ARN; the default one where it names none."""

    members: tuple[str, ...] = ("Name",)
    kind: str = "event-bus"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        parent, _, last = self.members[0].rpartition(".")
        owners = at(params, parent) if parent else [params]
        if owners and isinstance(owners[0], list):
            owners = owners[0]
        found = dict.fromkeys(owner.get(last) or DEFAULT for owner in owners)
        return [_bus(ctx, name) for name in found or {DEFAULT: None}]


@dataclass(frozen=True)
class Rule:
    """The rule that the request names, on the bus that it names."""

    custom: bool
    """Whether this is the resource type of rules of other buses than the default one."""
    member: str = "Name"

    @property
    def kind(self) -> str:
        return f"rule-on-{'custom' if self.custom else 'default'}-event-bus"

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member, "EventBusName")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        bus = (params.get("EventBusName") or DEFAULT).rpartition("event-bus/")[2]
        name = params[self.member]
        if (bus != DEFAULT) != self.custom:
            return ()
        path = f"{bus}/{name}" if self.custom else name
        tags = partial(_tags, ctx, RULE, f"{bus}/{name}")
        return (Target(_arn(ctx, f"rule/{path}"), tags, TAG_KEYS),)


@dataclass(frozen=True)
class Tagged:
    """The resource of one of the types whose ARN the request has."""

    kind: str
    members: tuple[str, ...] = ("ResourceARN",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        text = params["ResourceARN"]
        arn = Arn.parse(text)
        kind, _, path = arn.resource.partition("/") if arn else ("", "", "")
        custom = "/" in path
        actual = "event-bus" if kind == "event-bus" else (
            f"rule-on-{'custom' if custom else 'default'}-event-bus"
        )  # fmt: skip
        if arn is None or arn.service != "events" or actual != self.kind:
            return ()
        row = path if kind == "event-bus" or custom else f"{DEFAULT}/{path}"
        tags = partial(_tags, ctx, BUS if kind == "event-bus" else RULE, row)
        return (Target(text, tags, TAG_KEYS),)


@dataclass(frozen=True)
class Patterned:
    """A key whose values are those that the pattern of a rule names for a field."""

    name: str
    path: tuple[str, ...]
    members: tuple[str, ...] = ("EventPattern",)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.name.lower() or not params.get("EventPattern"):
            return None
        try:
            found: Any = json_of(params["EventPattern"])
        except ValueError:  # which the operation refuses
            return None
        for step in self.path:
            found = found.get(step) if isinstance(found, dict) else None
        if not isinstance(found, list):
            return None
        return [each if isinstance(each, str) else json.dumps(each) for each in found]


@dataclass(frozen=True)
class Creator:
    """`events:creatorAccount`: the account that made the rule, which is the caller's own."""

    name: str = "events:creatorAccount"
    members: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        return ctx.account if name == self.name.lower() else None


TAGS, CREATOR = RequestTags(), Creator()
PUT_KEYS: tuple[Key, ...] = (
    Patterned("events:source", ("source",)),
    Patterned("events:detail-type", ("detail-type",)),
    Patterned("events:detail.service", ("detail", "service")),
    Patterned("events:detail.eventTypeCode", ("detail", "eventTypeCode")),
    Patterned("events:detail.userIdentity.principalId", ("detail", "userIdentity", "principalId")),
    CREATOR,
    TAGS,
)


def _of_rule(name: str, member: str = "Name", keys: tuple[Key, ...] = (CREATOR,)) -> Table:
    """An operation on one rule."""
    return {
        name: tuple(
            Permission(f"events:{name}", Rule(custom, member), keys=keys, optional=True)
            for custom in (True, False)
        )
    }


def _of_tagged(name: str, keys: tuple[Key, ...]) -> Table:
    kinds = ("event-bus", "rule-on-custom-event-bus", "rule-on-default-event-bus")
    return {
        name: tuple(
            Permission(f"events:{name}", Tagged(kind), keys=keys, optional=True) for kind in kinds
        )
    }


def _without(*names: str) -> Table:
    return {name: (Permission(f"events:{name}"),) for name in names}


def _passed(*members: str) -> Permission:
    service = Fixed("iam:PassedToService", "events.amazonaws.com")
    return Permission("iam:PassRole", RoleArns(members), keys=(service,), optional=True)


PUT_RULE = _of_rule("PutRule", keys=PUT_KEYS)
PUT_TARGETS = _of_rule(
    "PutTargets", "Rule", (CREATOR, key("events:TargetArn", "Targets.Arn", many=True))
)
TABLE: Table = {
    "CreateEventBus": (
        Permission("events:CreateEventBus", Bus(), keys=(TAGS,)),
        Permission("events:TagResource", Bus(), keys=(TAGS, CREATOR), when=given("Tags")),
    ),
    "DeleteEventBus": (Permission("events:DeleteEventBus", Bus()),),
    "DescribeEventBus": (Permission("events:DescribeEventBus", Bus()),),
    "UpdateEventBus": (Permission("events:UpdateEventBus", Bus()),),
    "PutEvents": (
        Permission(
            "events:PutEvents",
            Bus(("Entries.EventBusName",)),
            keys=(
                key("events:source", "Entries.Source", many=True),
                key("events:detail-type", "Entries.DetailType", many=True),
            ),
            parts=(("Entries",),),
            apart=True,
        ),
    ),
    **_without(
        "ListEventBuses", "ListRuleNamesByTarget", "ListRules", "PutPermission", "RemovePermission",
        "TestEventPattern",
    ),
    "PutRule": (*PUT_RULE["PutRule"], _passed("RoleArn")),
    "PutTargets": (*PUT_TARGETS["PutTargets"], _passed("Targets.RoleArn")),
    **_of_rule("DeleteRule"),
    **_of_rule("DescribeRule"),
    **_of_rule("DisableRule"),
    **_of_rule("EnableRule"),
    **_of_rule("ListTargetsByRule", "Rule"),
    **_of_rule("RemoveTargets", "Rule"),
    **_of_tagged("TagResource", (TAGS, CREATOR)),
    **_of_tagged("UntagResource", (key("aws:TagKeys", "TagKeys", many=True), CREATOR)),
    **_of_tagged("ListTagsForResource", (CREATOR,)),
}  # fmt: skip
