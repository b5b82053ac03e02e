"""STS (Service Authorization Reference, "AWS Security Token Service")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.access.actions.entries import Permission, RequestTags, Table, Target, given, key
from sagebrush.access.actions.iam import RoleArns
from sagebrush.credentials import user_name
from sagebrush.errors import Doc
from sagebrush.world import Ctx

ROLE, TAGS = RoleArns(("RoleArn",)), RequestTags()
SOURCE_IDENTITY = key("sts:SourceIdentity", "SourceIdentity")
TRANSITIVE = key("sts:TransitiveTagKeys", "TransitiveTagKeys", many=True)


@dataclass(frozen=True)
class FederatedUser:
    """The federated user that is to be."""

    kind: str = "federated-user"
    members: tuple[str, ...] = ("Name",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("Name")
        return (Target(f"arn:aws:sts::{ctx.account}:federated-user/{name}"),) if name else ()


@dataclass(frozen=True)
class Lender:
    """The user that asks for a federated user's credentials, whose tags they get."""

    kind: str = "user"
    members: tuple[str, ...] = ()

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        itself = f"arn:aws:iam::{ctx.account}:user/{user_name()}"
        return (Target(ctx.caller.arn if ctx.caller.user is not None else itself),)


FEDERATED = FederatedUser()

TABLE: Table = {
    "AssumeRole": (
        Permission(
            "sts:AssumeRole",
            ROLE,
            keys=(
                key("sts:ExternalId", "ExternalId"),
                key("sts:RoleSessionName", "RoleSessionName"),
                SOURCE_IDENTITY,
                TRANSITIVE,
                TAGS,
            ),
        ),
        Permission("sts:TagSession", ROLE, keys=(TRANSITIVE, TAGS), when=given("Tags")),
        Permission(
            "sts:SetSourceIdentity", ROLE, keys=(SOURCE_IDENTITY,), when=given("SourceIdentity")
        ),
    ),
    "GetAccessKeyInfo": (Permission("sts:GetAccessKeyInfo"),),
    "GetCallerIdentity": (Permission("sts:GetCallerIdentity"),),
    "GetFederationToken": (
        Permission("sts:GetFederationToken", FEDERATED, keys=(TAGS,)),
        Permission("sts:TagSession", Lender(), keys=(TAGS,), when=given("Tags")),
    ),
    "GetSessionToken": (Permission("sts:GetSessionToken"),),
}
