"""IAM: roles and their trust (IAM API Reference)."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import grammar, policy, principals
from sagebrush.aws import linked_roles
from sagebrush.credentials import fresh_role_id
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam import boundaries, instance_profiles
from sagebrush.services.iam.rows import (
    KIND,
    briefly,
    change_role,
    conflict,
    exceeded,
    find_role,
    insert_role,
    last_used,
    no_role,
    page,
    parsed,
    protect,
    seeded,
    shown,
    tag_map,
)
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

LONGEST_TRUST = 2_048
"""Characters of a trust policy, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""


def create_role(ctx: Ctx, request: Doc) -> Doc:
    """The role exists and allows nothing yet; EntityAlreadyExists (409), MalformedPolicyDocument,
    InvalidInput for a path of AWS's own, NoSuchEntity (404) for a permissions boundary that is not known here."""
    name, trust = request["RoleName"], request["AssumeRolePolicyDocument"]
    document = _trust(trust)
    if request.get("Path", "/").startswith(linked_roles.PATH):
        words = f"The path {linked_roles.PATH} is reserved for service-linked roles."
        raise AwsError("InvalidInput", words)
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
    boundary = boundaries.found(ctx, arn, ctx.world.rows) if arn is not None else None
    if boundary:
        plan["boundary"] = boundary
    insert_role(ctx, doc, plan, boundaries.same(ctx, boundary))
    return {"Role": shown(ctx, find_role(ctx, name))}


def _trust(text: str) -> policy.Policy:
    """The trust policy; raises MalformedPolicyDocument, LimitExceeded (409)."""
    document = parsed(text, grammar.TRUST)
    if len("".join(text.split())) > LONGEST_TRUST:
        raise exceeded("ACLSizePerRole", LONGEST_TRUST)
    return document


def get_role(ctx: Ctx, request: Doc) -> Doc:
    """The role, and when it was last used; NoSuchEntity (404)."""
    row = find_role(ctx, request["RoleName"])
    return {"Role": {**shown(ctx, row), "RoleLastUsed": last_used(row)}}


def list_roles(ctx: Ctx, request: Doc) -> Doc:
    """The roles under PathPrefix, the seeded execution role first, then by name; without tags,
    boundary and last use (API reference, ListRoles)."""
    prefix = request.get("PathPrefix", "/")
    first = ctx.world.settings.role
    seeded(ctx)
    rows = [
        find_role(ctx, row.name) if row.status == principals.STAND_IN else row
        for row in ctx.world.rows.select(KIND, account=ctx.account)
        if row.status and row.doc["Path"].startswith(prefix)
    ]
    rows.sort(key=lambda row: (row.name != first, row.name))
    listed = [briefly(ctx, row) for row in rows]
    return page("Roles", listed, request)


def delete_role(ctx: Ctx, request: Doc) -> None:
    """The role is deleted and its sessions may do nothing; DeleteConflict (409) while it has
    policies or is in an instance profile."""
    row = find_role(ctx, request["RoleName"])
    protect(row)
    erase_role(ctx, row)


def erase_role(ctx: Ctx, row: Row) -> None:
    """`delete_role` for any role but the seeded one, which stays."""
    if row.name == ctx.world.settings.role:
        raise AwsError(
            "UnmodifiableEntity", f"The role {row.name} is this server's execution role."
        )

    def change(row: Row) -> Row:
        if not row.status:
            raise no_role(row.name)
        own = row.plan if row.status != principals.STAND_IN else {"attached": {}, "inline": {}}
        linked = row.doc.get("Path", "").startswith(linked_roles.PATH)  # its policy goes with it
        if own["attached"] and not linked:
            raise conflict("Cannot delete entity, must detach all policies first.")
        if own["inline"]:
            raise conflict("Cannot delete entity, must delete policies first.")
        return replace(row, status="", doc={}, plan={})

    def free(rows: Reader) -> None:
        if instance_profiles.holding(ctx, row.name, rows):
            raise conflict("Cannot delete entity, must remove roles from instance profile first.")

    if ctx.world.rows.update(row.id, change, free) is None:
        raise no_role(row.name)
    principals.forget(ctx.world)


def update_role(ctx: Ctx, request: Doc) -> Doc:
    """The role has the given Description and MaxSessionDuration."""
    row = find_role(ctx, request["RoleName"])
    changes = {k: request[k] for k in ("Description", "MaxSessionDuration") if k in request}
    if "MaxSessionDuration" in changes:
        protect(row)
    change_role(ctx, row, lambda row: replace(row, doc={**row.doc, **changes}))
    return {}


def update_role_description(ctx: Ctx, request: Doc) -> Doc:
    """As `update_role`; answers the role."""
    update_role(ctx, request)
    return get_role(ctx, request)


def update_assume_role_policy(ctx: Ctx, request: Doc) -> None:
    """The role's trust policy is the given one; MalformedPolicyDocument."""
    text = request["PolicyDocument"]
    trust = _trust(text)
    row = find_role(ctx, request["RoleName"])
    protect(row)
    pins = principals.pins(ctx.world, trust)
    change_role(ctx, row, lambda row: replace(row, plan={**row.plan, "trust": text, "pins": pins}))
