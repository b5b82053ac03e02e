"""What SageMaker's operations are on, their condition keys, and the forms that entries have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import references
from sagebrush.access.actions.entries import (
    Entry,
    Fixed,
    Key,
    Permission,
    RequestTags,
    Resource,
    Target,
    Value,
    at,
    given,
    key,
)
from sagebrush.access.actions.iam import RoleArns
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/", "sagemaker:resourcetag/")


def resource_tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    """The tags of the resource; none where it does not exist."""
    row = ctx.world.rows.get_lower(ctx.account, ctx.region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class Named:
    """The resource of that kind whose name is at `member`. SageMaker's ARNs are in lower case."""

    kind: str
    member: str

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get(self.member)
        if not isinstance(name, str):
            return ()
        arn = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:{self.kind}/{name.lower()}"
        return (Target(arn, partial(resource_tags, ctx, self.kind, name), TAG_KEYS),)


@dataclass(frozen=True)
class ByArn:
    """The resources whose ARNs are at these members, of whatever kind where `kind` is empty."""

    members: tuple[str, ...] = ("ResourceArn",)
    kind: str = ""

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        given = [value for member in self.members for value in at(params, member)]
        return [self._target(ctx, references.sagemaker_arn(ctx, value)) for value in given]

    @staticmethod
    def _target(ctx: Ctx, text: str) -> Target:
        arn = Arn.parse(text)
        kind, _, name = (arn.resource if arn else text).partition("/")
        return Target(text, partial(resource_tags, ctx, kind, name), TAG_KEYS)


PUBLIC_HUB, PUBLIC_ACCOUNT = "SageMakerPublicHub", "aws"
"""JumpStart's hub, and what stands for an account in its ARNs."""


@dataclass(frozen=True)
class Hub:
    """The hub, or what it contains, whose name or ARN is at `HubName`."""

    kind: str
    members: tuple[str, ...] = ("HubName",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        given = params.get("HubName")
        if not isinstance(given, str):
            return ()
        hub = given.rpartition("/")[2]
        account = PUBLIC_ACCOUNT if hub == PUBLIC_HUB else ctx.account
        inside = [str(params.get(name) or "*") for name in self.members[1:]]
        path = "/".join((self.kind, hub, *inside))
        arn = f"arn:aws:sagemaker:{ctx.region}:{account}:{path}"
        return (Target(arn, dict, TAG_KEYS),)


@dataclass(frozen=True)
class Models:
    """`sagemaker:ModelArn` of the models that an endpoint configuration names."""

    members: tuple[str, ...]
    names: tuple[str, ...] = ("sagemaker:ModelArn",)

    def value(self, ctx: Ctx, name: str, params: Doc) -> Value | None:
        if name != self.names[0].lower():
            return None
        found = [value.lower() for member in self.members for value in at(params, member)]
        model = f"arn:aws:sagemaker:{ctx.region}:{ctx.account}:model/"
        return [f"{model}{each}" for each in dict.fromkeys(found)] or None


TAGS = RequestTags()


def under(parents: Sequence[str], *members: str) -> tuple[str, ...]:
    """The members in each of the structures; `""` is the request itself."""
    return tuple(f"{each}.{member}" if each else member for each in parents for member in members)


def instance_types(*members: str) -> Key:
    return key("sagemaker:InstanceTypes", *members, many=True)


def vpc(*configs: str) -> tuple[Key, ...]:
    return (
        key("sagemaker:VpcSecurityGroupIds", *under(configs, "SecurityGroupIds"), many=True),
        key("sagemaker:VpcSubnets", *under(configs, "Subnets"), many=True),
    )


def plain(on: Resource, *names: str) -> dict[str, Entry]:
    """Operations that are the action of their name on one resource."""
    return {name: (Permission(f"sagemaker:{name}", on),) for name in names}


def lists(*names: str) -> dict[str, Entry]:
    """Operations that list, which have no resource."""
    return {name: (Permission(f"sagemaker:{name}"),) for name in names}


def passed(*members: str) -> Permission:
    """The roles at these members are handed to SageMaker."""
    service = Fixed("iam:PassedToService", "sagemaker.amazonaws.com")
    return Permission("iam:PassRole", RoleArns(members), keys=(service,), optional=True)


def creates(
    name: str,
    on: Resource,
    *more: Permission,
    keys: tuple[Key, ...] = (),
    parts: tuple[tuple[str, ...], ...] = (),
) -> Entry:
    """A new resource: with `Tags` the caller needs `sagemaker:AddTags` on it too."""
    tagging = (TAGS, Fixed("sagemaker:TaggingAction", name))
    return (
        Permission(f"sagemaker:{name}", on, keys=(*keys, TAGS), parts=parts),
        *more,
        Permission("sagemaker:AddTags", on, keys=tagging, when=given("Tags")),
    )
