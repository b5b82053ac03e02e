"""IAM's rows: roles and customer-managed policies. IAM has no region.

A role's plan holds `trust` (the trust policy's text), `inline` (name -> text), `attached`
(policy ARN -> text) and `tags`. A deleted role leaves a row that allows nothing, because a role
that was never created here is taken for an administrator (clients.md, trap 2).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sagebrush.access import managed_policies, policy
from sagebrush.credentials import role_id
from sagebrush.engine.kinds import moment, paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx, World

REGION = ""
KIND = "role"
POLICY = "policy"


def seed(world: World) -> None:
    """The execution role of the settings exists: trusted by the services, an administrator."""
    account, name = world.settings.account, world.settings.role
    if world.rows.get(account, REGION, KIND, name) is not None:
        return
    doc, plan = _administrator(world, name, "Sagebrush's execution role")
    with contextlib.suppress(Exists):
        world.rows.insert(Row(account, REGION, KIND, name, "Active", doc, plan))


def _administrator(world: World, name: str, description: str) -> tuple[Doc, Doc]:
    """Document and plan of a role that may do everything and that services may assume."""
    account = world.settings.account
    services = [f"{service}.amazonaws.com" for service in _TRUSTED]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": services, "AWS": f"arn:aws:iam::{account}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    doc = {
        "Path": "/",
        "RoleName": name,
        "RoleId": role_id(account, name),
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "CreateDate": moment(world.clock()),
        "MaxSessionDuration": 43200,
        "Description": description,
    }
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    attached = {arn: json.dumps(managed_policies.KNOWN[arn])}
    return doc, {"trust": json.dumps(trust), "inline": {}, "attached": attached, "tags": {}}


_TRUSTED = ("sagemaker", "bedrock", "lambda", "states", "events", "scheduler", "comprehend")


def insert_role(world: World, account: str, name: str, doc: Doc, plan: Doc) -> None:
    """The role's row, new or in place of a deleted role's."""
    if name == world.settings.role:
        seed(world)
    try:
        world.rows.insert(Row(account, REGION, KIND, name, "Active", doc, plan))
    except Exists:
        row = world.rows.get(account, REGION, KIND, name)

        def revive(row: Row) -> Row:
            if row.status:
                words = f"Role with name {name} already exists."
                raise AwsError("EntityAlreadyExists", words, 409)
            return replace(row, status="Active", doc=doc, plan=plan)

        if row is not None:
            world.rows.update(row.id, revive)
    world.cache.pop(policy.ROLES, None)


def find_role(ctx: Ctx, name: str) -> Row:
    """The role's row; raises NoSuchEntity (404)."""
    if name == ctx.world.settings.role:
        seed(ctx.world)
    row = ctx.world.rows.get(ctx.account, REGION, KIND, name)
    if row is None or not row.status:
        raise missing(f"The role with name {name} cannot be found.")
    return row


def change_role(ctx: Ctx, row: Row, change: Callable[[Row], Row]) -> None:
    """The row is changed, and the policies that requests are checked by are read again."""
    ctx.world.rows.update(row.id, change)
    ctx.world.cache.pop(policy.ROLES, None)


def change_plan(ctx: Ctx, row: Row, part: str, change: Callable[[Any], Any]) -> None:
    change_role(ctx, row, lambda r: replace(r, plan={**r.plan, part: change(r.plan.get(part, {}))}))


def shown(row: Row) -> Doc:
    """The role as Get and Create answer it: policies travel URL-encoded (RFC 3986)."""
    shown = {**row.doc, "AssumeRolePolicyDocument": quote(row.plan["trust"], safe="")}
    if row.plan.get("tags"):
        shown["Tags"] = tag_list(row.plan["tags"])
    return shown


def parsed(text: str, trust: bool = False) -> policy.Policy:
    """The policy; raises MalformedPolicyDocument."""
    try:
        return policy.parse(text, trust)
    except policy.Malformed as error:
        raise AwsError("MalformedPolicyDocument", str(error)) from error


def tag_map(request: Doc) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags") or ()}


def tag_list(tags: Mapping[str, str]) -> list[Doc]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def page(member: str, found: Sequence[Any], request: Doc) -> Doc:
    """One page of a list, in IAM's words; raises ValidationError for a foreign Marker."""
    try:
        page, marker = paginate(found, request.get("Marker"), request.get("MaxItems", 100))
    except AwsError as error:
        raise AwsError("ValidationError", "Invalid Marker.") from error
    shown: Doc = {member: list(page), "IsTruncated": marker is not None}
    return {**shown, "Marker": marker} if marker else shown


def missing(message: str) -> AwsError:
    return AwsError("NoSuchEntity", message, 404)


def managed(ctx: Ctx, arn: str) -> Doc:
    """`doc` and `document` of a managed policy; raises NoSuchEntity (404)."""
    document = managed_policies.KNOWN.get(arn)
    if document is not None:
        name = arn.rsplit("/", 1)[-1]
        doc = {
            "PolicyName": name,
            "PolicyId": "ANPA" + role_id("aws", arn)[4:],
            "Arn": arn,
            "Path": arn.split(":policy", 1)[1].removesuffix(name),
            "DefaultVersionId": "v1",
            "IsAttachable": True,
            "CreateDate": moment(managed_policies.SINCE),
            "UpdateDate": moment(managed_policies.SINCE),
        }
        return {"doc": doc, "document": document}
    row = ctx.world.rows.get(ctx.account, REGION, POLICY, arn)
    if row is None:
        raise missing(f"Policy {arn} does not exist or is not attachable.")
    return {"doc": row.doc, "document": row.plan["document"]}


def attachments(ctx: Ctx, arn: str) -> int:
    rows = ctx.world.rows.select(KIND)
    return sum(1 for r in rows if r.account == ctx.account and arn in r.plan.get("attached", {}))


def accept(ctx: Ctx, name: str) -> Row:
    """The role, made an administrator that the services may assume if it was never created here.

    Notebooks written for AWS name roles of their own (clients.md, trap 2). NoSuchEntity (404) for
    one that was deleted here.
    """
    seed(ctx.world)
    if ctx.world.rows.get(ctx.account, REGION, KIND, name) is None:
        doc, plan = _administrator(ctx.world, name, "Named by a client, never created here")
        insert_role(ctx.world, ctx.account, name, doc, plan)
    return find_role(ctx, name)
