"""IAM: roles, their trust and their inline policies; the account (IAM API Reference)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from sagebrush.access import principals
from sagebrush.credentials import fresh_role_id, role_id, user_name
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import boundaries
from sagebrush.services.iam.rows import (
    KIND,
    change_plan,
    change_role,
    find_role,
    insert_role,
    missing,
    no_role,
    page,
    parsed,
    shown,
    tag_list,
    tag_map,
)
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

LARGEST_INLINE = 10_240
"""Characters of all inline policies of a role together, white space not counted."""


def create_role(ctx: Ctx, request: Doc) -> Doc:
    """The role exists and allows nothing yet; EntityAlreadyExists (409), MalformedPolicyDocument,
    NoSuchEntity (404) for a permissions boundary that is not known here."""
    name, trust = request["RoleName"], request["AssumeRolePolicyDocument"]
    document = parsed(trust, trust=True)
    hours = request.get("MaxSessionDuration", 3600)
    path = request.get("Path", "/")
    doc = {
        "Path": path,
        "RoleName": name,
        "RoleId": fresh_role_id(),
        "Arn": f"arn:aws:iam::{ctx.account}:role{path}{name}",
        "CreateDate": moment(ctx.world.clock()),
        "MaxSessionDuration": hours,
        **({"Description": request["Description"]} if request.get("Description") else {}),
    }
    plan = {
        "trust": trust,
        "pins": principals.pins(ctx.world, document),
        "inline": {},
        "attached": {},
        "tags": tag_map(request),
    }
    arn = request.get("PermissionsBoundary")
    if arn is not None:
        plan["boundary"] = boundaries.found(ctx, arn)
    insert_role(ctx, doc, plan, boundaries.there(ctx, arn))
    return {"Role": shown(ctx, find_role(ctx, name))}


def get_role(ctx: Ctx, request: Doc) -> Doc:
    """The role; NoSuchEntity (404)."""
    return {"Role": shown(ctx, find_role(ctx, request["RoleName"]))}


def list_roles(ctx: Ctx, request: Doc) -> Doc:
    """The roles under PathPrefix, the seeded execution role first, then by name."""
    prefix = request.get("PathPrefix", "/")
    seeded = ctx.world.settings.role
    principals.seed(ctx.world, ctx.account)
    rows = [
        find_role(ctx, row.name) if row.status == principals.STAND_IN else row
        for row in ctx.world.rows.select(KIND)
        if row.account == ctx.account and row.status and row.doc["Path"].startswith(prefix)
    ]
    rows.sort(key=lambda row: (row.name != seeded, row.name))
    listed = [{k: v for k, v in shown(ctx, row).items() if k != "Tags"} for row in rows]
    return page("Roles", listed, request)


def delete_role(ctx: Ctx, request: Doc) -> None:
    """The role is deleted and its sessions may do nothing; DeleteConflict (409) while it has
    policies."""
    row = find_role(ctx, request["RoleName"])
    if row.name == ctx.world.settings.role:
        raise AwsError(
            "UnmodifiableEntity", f"The role {row.name} is this server's execution role."
        )

    def change(row: Row) -> Row:
        if not row.status:
            raise no_role(row.name)
        own = row.plan if row.status != principals.STAND_IN else {"attached": {}, "inline": {}}
        if own["attached"]:
            raise AwsError(
                "DeleteConflict", "Cannot delete entity, must detach all policies first.", 409
            )
        if own["inline"]:
            words = "Cannot delete entity, must delete policies first."
            raise AwsError("DeleteConflict", words, 409)
        return replace(row, status="", doc={}, plan={})

    if ctx.world.rows.update(row.id, change) is None:
        raise no_role(row.name)
    principals.forget(ctx.world)


def update_role(ctx: Ctx, request: Doc) -> Doc:
    """The role has the given Description and MaxSessionDuration."""
    row = find_role(ctx, request["RoleName"])
    changes = {k: request[k] for k in ("Description", "MaxSessionDuration") if k in request}
    change_role(ctx, row, lambda row: replace(row, doc={**row.doc, **changes}))
    return {}


def update_role_description(ctx: Ctx, request: Doc) -> Doc:
    """As `update_role`; answers the role."""
    update_role(ctx, request)
    return get_role(ctx, request)


def update_assume_role_policy(ctx: Ctx, request: Doc) -> None:
    """The role's trust policy is the given one; MalformedPolicyDocument."""
    text = request["PolicyDocument"]
    trust = parsed(text, trust=True)
    row = find_role(ctx, request["RoleName"])
    pins = principals.pins(ctx.world, trust)
    change_role(ctx, row, lambda row: replace(row, plan={**row.plan, "trust": text, "pins": pins}))


def tag_role(ctx: Ctx, request: Doc) -> None:
    """The tags are added, replacing those of the same keys."""
    row, tags = find_role(ctx, request["RoleName"]), tag_map(request)
    change_plan(ctx, row, "tags", lambda old: {**old, **tags})


def untag_role(ctx: Ctx, request: Doc) -> None:
    """No tag has one of the given keys."""
    row, gone = find_role(ctx, request["RoleName"]), set(request["TagKeys"])
    change_plan(ctx, row, "tags", lambda old: {k: v for k, v in old.items() if k not in gone})


def list_role_tags(ctx: Ctx, request: Doc) -> Doc:
    """The role's tags."""
    row = find_role(ctx, request["RoleName"])
    return page("Tags", tag_list(row.plan.get("tags", {})), request)


def list_instance_profiles_for_role(ctx: Ctx, request: Doc) -> Doc:
    """None: there are no EC2 instances here, so no role is in an instance profile."""
    find_role(ctx, request["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


def put_role_policy(ctx: Ctx, request: Doc) -> None:
    """The role has the inline policy; MalformedPolicyDocument, LimitExceeded (409)."""
    text = request["PolicyDocument"]
    parsed(text)
    row = find_role(ctx, request["RoleName"])

    def change(old: Mapping[str, str]) -> dict[str, str]:
        new = {**old, request["PolicyName"]: text}
        if sum(len("".join(value.split())) for value in new.values()) > LARGEST_INLINE:
            raise AwsError(
                "LimitExceeded",
                f"Maximum policy size of {LARGEST_INLINE} bytes exceeded for role {row.name}",
                409,
            )
        return new

    change_plan(ctx, row, "inline", change)


def get_role_policy(ctx: Ctx, request: Doc) -> Doc:
    """The inline policy; NoSuchEntity (404)."""
    row, name = find_role(ctx, request["RoleName"]), request["PolicyName"]
    text = row.plan["inline"].get(name)
    if text is None:
        raise missing(f"The role policy with name {name} cannot be found.")
    return {"RoleName": row.name, "PolicyName": name, "PolicyDocument": quote(text, safe="")}


def list_role_policies(ctx: Ctx, request: Doc) -> Doc:
    """The names of the inline policies."""
    row = find_role(ctx, request["RoleName"])
    return page("PolicyNames", sorted(row.plan["inline"]), request)


def delete_role_policy(ctx: Ctx, request: Doc) -> None:
    """The inline policy is deleted; NoSuchEntity (404)."""
    row, name = find_role(ctx, request["RoleName"]), request["PolicyName"]

    def without(old: Mapping[str, str]) -> dict[str, str]:
        if name not in old:
            raise missing(f"The role policy with name {name} cannot be found.")
        return {k: v for k, v in old.items() if k != name}

    change_plan(ctx, row, "inline", without)


def get_user(ctx: Ctx, request: Doc) -> Doc:
    """The operating system's user, who owns the long-lived key; NoSuchEntity (404)."""
    me, wanted = user_name(), request.get("UserName")
    owner = principals.owns(ctx.world, ctx.caller)
    if wanted is None and not owner:
        raise AwsError(
            "ValidationError", "Must specify userName when calling with non-User credentials"
        )
    if wanted not in (None, me):
        raise missing(f"The user with name {wanted} cannot be found.")
    user = {
        "Path": "/",
        "UserName": me,
        "UserId": "AIDA" + role_id(ctx.account, f"user/{me}")[4:],
        "Arn": f"arn:aws:iam::{ctx.account}:user/{me}",
        "CreateDate": moment(ctx.world.credentials.user_since),
    }
    return {"User": user}


def list_account_aliases(ctx: Ctx, request: Doc) -> Doc:
    """None: the account has no alias."""
    return {"AccountAliases": [], "IsTruncated": False}
