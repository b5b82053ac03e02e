"""IAM (Service Authorization Reference, "AWS Identity and Access Management").

A role is named without its path; policies are asked about its real ARN, which has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access import references
from sagebrush.access.actions.entries import (
    Anything,
    Entry,
    Fixed,
    Key,
    Permission,
    RequestTags,
    Resource,
    Table,
    Target,
    at,
    given,
    key,
)
from sagebrush.aws import linked_roles
from sagebrush.errors import Doc
from sagebrush.store.rows import Row
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
class Named:
    """The role, user, group or instance profile that `member` names, under its own path.

    Where a request names no user, it is about the one whose key signed it.
    """

    kind: str
    member: str
    limited: bool = False
    """Whether policies may ask for its own permissions boundary, which the request has not."""

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member,)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get(self.member)
        if not isinstance(name, str):
            kind, _, own = ctx.caller.arn.split(":", 5)[-1].partition("/")
            user = self.kind == kind == "user"
            return (self.target(ctx, own.rpartition("/")[2]),) if user else ()
        return (self.target(ctx, name),)

    def target(self, ctx: Ctx, name: str) -> Target:
        """The one of that name."""
        row = _row(ctx, self.kind, name)
        if row is None:
            return Target(f"arn:aws:iam::{ctx.account}:{self.kind}/{name}")
        boundary = row.plan.get("boundary") if self.limited else None
        return Target(
            row.doc["Arn"],
            partial(_tags, ctx, self.kind, name),
            TAG_KEYS if self.kind in ("role", "user") else TAG_KEYS[:1],
            {"iam:permissionsboundary": boundary["arn"]} if boundary else {},
        )


def _row(ctx: Ctx, kind: str, name: str) -> Row | None:
    if kind == "role":
        return references.role_row(ctx, name)
    return ctx.world.rows.get(ctx.account, "", kind, name)


def _tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    row = _row(ctx, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


@dataclass(frozen=True)
class New:
    """What is created under `Path`."""

    kind: str
    member: str

    @property
    def members(self) -> tuple[str, ...]:
        return (self.member, "Path")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name, path = params.get(self.member), params.get("Path", "/")
        return (Target(f"arn:aws:iam::{ctx.account}:{self.kind}{path}{name}"),)


@dataclass(frozen=True)
class Renamed:
    """The user or group under its new name and path (IAM API Reference, UpdateUser: the permission
    is needed on both)."""

    word: str

    @property
    def kind(self) -> str:
        return self.word.lower()

    @property
    def members(self) -> tuple[str, ...]:
        return (f"{self.word}Name", f"New{self.word}Name", "NewPath")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        old = params.get(f"{self.word}Name")
        row = _row(ctx, self.kind, old) if isinstance(old, str) else None
        path = params.get("NewPath") or (row.doc["Path"] if row is not None else "/")
        name = params.get(f"New{self.word}Name") or old
        return (Target(f"arn:aws:iam::{ctx.account}:{self.kind}{path}{name}"),)


@dataclass(frozen=True)
class Linked:
    """The service-linked role of a service, by its principal or by the task that deletes it."""

    members: tuple[str, ...]
    kind: str = "role"

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        task = params.get("DeletionTaskId")
        if isinstance(task, str):
            path = task.removeprefix("task").rpartition("/")[0]
            known = path.startswith(linked_roles.PATH)
            return (Target(f"arn:aws:iam::{ctx.account}:role{path}"),) if known else ()
        principal = str(params.get("AWSServiceName"))
        name = linked_roles.name_of(principal, params.get("CustomSuffix"))
        path = f"{linked_roles.PATH}{principal}/"
        return (Target(f"arn:aws:iam::{ctx.account}:role{path}{name}"),)


@dataclass(frozen=True)
class KeyOwner:
    """The user whose access key `AccessKeyId` names."""

    kind: str = "user"
    members: tuple[str, ...] = ("AccessKeyId",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        row = ctx.world.rows.get("", "", "access-key", str(params.get("AccessKeyId")))
        if row is None or row.plan.get("account") != ctx.account:
            return ()
        return (USER.target(ctx, row.doc["UserName"]),)


@dataclass(frozen=True)
class Source:
    """The role, user or group of `PolicySourceArn`."""

    kind: str = "role"
    members: tuple[str, ...] = ("PolicySourceArn",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        arn = params.get("PolicySourceArn")
        if not isinstance(arn, str):
            return ()
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if kind not in ("user", "group"):
            return (role(ctx, references.role_arn(ctx, arn)),)
        return (Target(arn, partial(_tags, ctx, kind, name.rpartition("/")[2]), TAG_KEYS),)


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


ROLE, USER, GROUP = (Named(kind.lower(), f"{kind}Name") for kind in ("Role", "User", "Group"))
LIMITED_ROLE, LIMITED_USER = (
    Named(kind.lower(), f"{kind}Name", limited=True) for kind in ("Role", "User")
)
PROFILE = Named("instance-profile", "InstanceProfileName")
POLICY, TAGS = Policy(), RequestTags()
BOUNDARY = key("iam:PermissionsBoundary", "PermissionsBoundary")
POLICY_ARN = key("iam:PolicyARN", "PolicyArn")
TAG_NAMES = key("aws:TagKeys", "TagKeys", many=True)


def _about(resource: Resource, *names: str, keys: tuple[Key, ...] = ()) -> dict[str, Entry]:
    """One permission each, named as the operation."""
    return {name: (Permission(f"iam:{name}", resource, keys=keys),) for name in names}


def _created(resource: New, name: str, *keys: Key) -> dict[str, Entry]:
    """The permission to create, and that to tag where the request has tags."""
    return {
        f"Create{name}": (
            Permission(f"iam:Create{name}", resource, keys=(TAGS, *keys)),
            Permission(f"iam:Tag{name}", resource, keys=(TAGS,), when=given("Tags")),
        )
    }


def _renamed(word: str, resource: Resource) -> dict[str, Entry]:
    action, renamed = f"iam:Update{word}", given(f"New{word}Name", "NewPath")
    both = (Permission(action, resource), Permission(action, Renamed(word), when=renamed))
    return {f"Update{word}": both}


TABLE: Table = {
    # Roles
    **_created(New("role", "RoleName"), "Role", BOUNDARY),
    **_about(
        LIMITED_ROLE, "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "GetRole",
        "PutRolePolicy", "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription",
    ),
    **_about(
        ROLE, "GetRolePolicy", "ListAttachedRolePolicies", "ListInstanceProfilesForRole",
        "ListRolePolicies", "ListRoleTags", "DeleteServiceLinkedRole",
    ),
    **_about(LIMITED_ROLE, "AttachRolePolicy", "DetachRolePolicy", keys=(POLICY_ARN,)),
    **_about(ROLE, "PutRolePermissionsBoundary", keys=(BOUNDARY,)),
    **_about(
        Linked(("AWSServiceName", "CustomSuffix")), "CreateServiceLinkedRole",
        keys=(key("iam:AWSServiceName", "AWSServiceName"),),
    ),
    **_about(Linked(("DeletionTaskId",)), "GetServiceLinkedRoleDeletionStatus"),
    # Users and their keys
    **_created(New("user", "UserName"), "User", BOUNDARY),
    **_renamed("User", USER),
    **_about(LIMITED_USER, "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "PutUserPolicy"),
    **_about(LIMITED_USER, "AttachUserPolicy", "DetachUserPolicy", keys=(POLICY_ARN,)),
    **_about(USER, "PutUserPermissionsBoundary", keys=(BOUNDARY,)),
    **_about(
        USER, "CreateAccessKey", "DeleteAccessKey", "DeleteLoginProfile", "DeleteUser",
        "GetLoginProfile", "GetUser", "GetUserPolicy", "ListAccessKeys",
        "ListAttachedUserPolicies", "ListGroupsForUser", "ListMFADevices", "ListSSHPublicKeys",
        "ListServiceSpecificCredentials", "ListSigningCertificates", "ListUserPolicies",
        "ListUserTags", "UpdateAccessKey",
    ),
    **_about(KeyOwner(), "GetAccessKeyLastUsed"),
    # Groups
    **_about(New("group", "GroupName"), "CreateGroup"),
    **_renamed("Group", GROUP),
    **_about(
        GROUP, "AddUserToGroup", "DeleteGroup", "DeleteGroupPolicy", "GetGroup", "GetGroupPolicy",
        "ListAttachedGroupPolicies", "ListGroupPolicies", "PutGroupPolicy", "RemoveUserFromGroup",
    ),
    **_about(GROUP, "AttachGroupPolicy", "DetachGroupPolicy", keys=(POLICY_ARN,)),
    # Managed policies
    **_created(New("policy", "PolicyName"), "Policy"),
    **_about(
        POLICY, "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "GetPolicy",
        "GetPolicyVersion", "ListEntitiesForPolicy", "ListPolicyTags", "ListPolicyVersions",
        "SetDefaultPolicyVersion",
    ),
    # Instance profiles
    **_created(New("instance-profile", "InstanceProfileName"), "InstanceProfile"),
    **_about(
        PROFILE, "DeleteInstanceProfile", "GetInstanceProfile", "ListInstanceProfileTags",
        "RemoveRoleFromInstanceProfile",
    ),
    "AddRoleToInstanceProfile": (
        Permission("iam:AddRoleToInstanceProfile", PROFILE),
        Permission("iam:PassRole", ROLE, (Fixed("iam:PassedToService", "ec2.amazonaws.com"),)),
    ),
    # Tags
    **_about(ROLE, "TagRole", keys=(TAGS,)),
    **_about(USER, "TagUser", keys=(TAGS,)),
    **_about(POLICY, "TagPolicy", keys=(TAGS,)),
    **_about(PROFILE, "TagInstanceProfile", keys=(TAGS,)),
    **_about(ROLE, "UntagRole", keys=(TAG_NAMES,)),
    **_about(USER, "UntagUser", keys=(TAG_NAMES,)),
    **_about(POLICY, "UntagPolicy", keys=(TAG_NAMES,)),
    **_about(PROFILE, "UntagInstanceProfile", keys=(TAG_NAMES,)),
    # The account, and what policies decide
    **_about(
        Anything(), "CreateAccountAlias", "DeleteAccountAlias", "DeleteAccountPasswordPolicy",
        "GetAccountAuthorizationDetails", "GetAccountPasswordPolicy", "GetAccountSummary",
        "GetContextKeysForCustomPolicy", "ListAccountAliases", "ListGroups",
        "ListInstanceProfiles", "ListPolicies", "ListRoles", "ListUsers", "ListVirtualMFADevices",
        "SimulateCustomPolicy", "UpdateAccountPasswordPolicy",
    ),
    **_about(Source(), "GetContextKeysForPrincipalPolicy", "SimulatePrincipalPolicy"),
}  # fmt: skip
