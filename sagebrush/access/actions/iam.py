"""IAM (Service Authorization Reference, "AWS Identity and Access Management").

A role is named without its path; policies are asked about its real ARN, which has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import references
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

TAG_KEYS = ("aws:resourcetag/", "iam:resourcetag/")


def role_tags(ctx: Ctx, name: str) -> Mapping[str, str]:
    """The tags of the role."""
    row = references.role_row(ctx, name)
    return row.plan.get("tags", {}) if row is not None else {}


def role(ctx: Ctx, arn: str) -> Target:
    """The role of that ARN, whose path is as it was given."""
    return Target(arn, partial(role_tags, ctx, arn.rsplit("/", 1)[-1]), TAG_KEYS)


@dataclass(frozen=True)
class Role:
    """The role that `RoleName` names, under its own path."""

    kind: str = "role"
    members: tuple[str, ...] = ("RoleName",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("RoleName")
        if not isinstance(name, str):
            return ()
        row = references.role_row(ctx, name)
        arn = row.doc["Arn"] if row is not None else f"arn:aws:iam::{ctx.account}:role/{name}"
        return (role(ctx, arn),)


@dataclass(frozen=True)
class New:
    """The role or policy that is created under `Path`."""

    kind: str
    member: str

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member, "Path")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name, path = params.get(self.member), params.get("Path", "/")
        return (Target(f"arn:aws:iam::{ctx.account}:{self.kind}{path}{name}"),)


@dataclass(frozen=True)
class RoleArns:
    """The roles whose ARNs are at these members, each once."""

    members: tuple[str, ...]
    kind: str = "role"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        given = [value for member in self.members for value in at(params, member)]
        return [
            role(ctx, arn)
            for arn in dict.fromkeys(references.role_arn(ctx, value) for value in given)
        ]


@dataclass(frozen=True)
class Policy:
    """The managed policy of `PolicyArn`."""

    kind: str = "policy"
    members: tuple[str, ...] = ("PolicyArn",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params.get("PolicyArn")
        if not isinstance(arn, str):
            return ()
        return (Target(arn, partial(self._tags, ctx, arn), TAG_KEYS[:1]),)

    @staticmethod
    def _tags(ctx: Ctx, arn: str) -> Mapping[str, str]:
        row = ctx.world.rows.get(ctx.account, "", "policy", arn)
        return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class User:
    """The user that `UserName` names."""

    kind: str = "user"
    members: tuple[str, ...] = ("UserName",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("UserName")
        return (Target(f"arn:aws:iam::{ctx.account}:user/{name}"),) if name else ()


ROLE, POLICY, TAGS = Role(), Policy(), RequestTags()
BOUNDARY = key("iam:PermissionsBoundary", "PermissionsBoundary")
POLICY_ARN = key("iam:PolicyARN", "PolicyArn")


def _about_roles(*names: str) -> dict[str, tuple[Permission, ...]]:
    return {name: (Permission(f"iam:{name}", ROLE),) for name in names}


TABLE: Table = {
    **_about_roles(
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "GetRole",
        "GetRolePolicy",
        "ListAttachedRolePolicies",
        "ListInstanceProfilesForRole",
        "ListRolePolicies",
        "ListRoleTags",
        "PutRolePolicy",
        "UpdateAssumeRolePolicy",
        "UpdateRole",
        "UpdateRoleDescription",
    ),
    "AttachRolePolicy": (Permission("iam:AttachRolePolicy", ROLE, keys=(POLICY_ARN,)),),
    "DetachRolePolicy": (Permission("iam:DetachRolePolicy", ROLE, keys=(POLICY_ARN,)),),
    "TagRole": (Permission("iam:TagRole", ROLE, keys=(TAGS,)),),
    "UntagRole": (
        Permission("iam:UntagRole", ROLE, keys=(key("aws:TagKeys", "TagKeys", many=True),)),
    ),
    "CreateRole": (
        Permission("iam:CreateRole", New("role", "RoleName"), keys=(TAGS, BOUNDARY)),
        Permission("iam:TagRole", New("role", "RoleName"), keys=(TAGS,), when=given("Tags")),
    ),
    "PutRolePermissionsBoundary": (
        Permission("iam:PutRolePermissionsBoundary", ROLE, keys=(BOUNDARY,)),
    ),
    "CreatePolicy": (
        Permission("iam:CreatePolicy", New("policy", "PolicyName"), keys=(TAGS,)),
        Permission("iam:TagPolicy", New("policy", "PolicyName"), keys=(TAGS,), when=given("Tags")),
    ),
    "DeletePolicy": (Permission("iam:DeletePolicy", POLICY),),
    "GetPolicy": (Permission("iam:GetPolicy", POLICY),),
    "GetPolicyVersion": (Permission("iam:GetPolicyVersion", POLICY),),
    "GetUser": (Permission("iam:GetUser", User()),),
    "ListAccountAliases": (Permission("iam:ListAccountAliases"),),
    "ListPolicies": (Permission("iam:ListPolicies"),),
    "ListRoles": (Permission("iam:ListRoles"),),
    "SimulatePrincipalPolicy": (
        Permission("iam:SimulatePrincipalPolicy", RoleArns(("PolicySourceArn",))),
    ),
}
