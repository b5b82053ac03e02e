"""IAM's rows: roles and customer-managed policies. IAM has no region.

A role's plan holds `trust` (the trust policy's text), `pins` (ARN -> unique id of the roles that it
names), `inline` (name -> text), `attached` (policy ARN -> text), `tags` and `boundary` (`arn` and
`text` of its permissions boundary). A deleted role leaves a row that allows nothing, and so does not
become a stand-in (`principals`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sagebrush.access import managed_policies, policy, principals
from sagebrush.access.principals import KIND, REGION
from sagebrush.credentials import role_id
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Check, Exists, Reader, Row
from sagebrush.world import Ctx

POLICY = "policy"


def insert_role(ctx: Ctx, doc: Doc, plan: Doc, check: Check | None = None) -> None:
    """The role's row, new or in place of a deleted role's or of a stand-in.

    Raises EntityAlreadyExists (409), also where only the case of a name differs (IAM user guide,
    "IAM identifiers"), and what `check` raises in the transaction.
    """
    rows, name = ctx.world.rows, doc["RoleName"]
    clash = AwsError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
    principals.seed(ctx.world, ctx.account)
    for row in rows.select(KIND):
        if row.account == ctx.account and row.name.lower() == name.lower() and _real(row):
            raise clash

    def revive(row: Row) -> Row:
        if _real(row):
            raise clash
        return replace(row, status="Active", doc=doc, plan=plan)

    try:
        rows.insert(Row(ctx.account, REGION, KIND, name, "Active", doc, plan), check)
    except Exists:
        row = rows.get(ctx.account, REGION, KIND, name)
        if row is not None:
            rows.update(row.id, revive, check)
    principals.forget(ctx.world)


def _real(row: Row) -> bool:
    """Whether the role was created and not deleted."""
    return row.status not in ("", principals.STAND_IN)


def find_role(ctx: Ctx, name: str) -> Row:
    """The role's row; raises NoSuchEntity (404)."""
    row = principals.find(ctx.world, ctx.account, name)
    if row is None:
        raise no_role(name)
    return row


def no_role(name: str) -> AwsError:
    """The error for a role that does not exist."""
    return missing(f"The role with name {name} cannot be found.")


def change_role(
    ctx: Ctx, row: Row, change: Callable[[Row], Row], check: Check | None = None
) -> None:
    """The row is changed, and the policies that requests are checked by are read again.

    Raises NoSuchEntity (404) for a role that was deleted meanwhile and for a stand-in, which has
    nothing of its own to change, and what `change` and `check` raise in the transaction that
    changes it.
    """

    def there(row: Row) -> Row:
        if not row.status:
            raise no_role(row.name)
        if row.status == principals.STAND_IN:
            raise missing(
                f"The role with name {row.name} cannot be found: it was never created here, and"
                f" stands for {ctx.world.settings.role}."
            )
        return change(row)

    if ctx.world.rows.update(row.id, there, check) is None:
        raise no_role(row.name)
    principals.forget(ctx.world)


def change_plan(
    ctx: Ctx, row: Row, part: str, change: Callable[[Any], Any], check: Check | None = None
) -> None:
    def work(r: Row) -> Row:
        return replace(r, plan={**r.plan, part: change(r.plan.get(part, {}))})

    change_role(ctx, row, work, check)


def shown(ctx: Ctx, row: Row) -> Doc:
    """The role as Get and Create answer it: policies travel URL-encoded (RFC 3986)."""
    trust = principals.shown_trust(ctx.world, row)
    shown = {**row.doc, "AssumeRolePolicyDocument": quote(trust, safe="")}
    if row.plan.get("tags"):
        shown["Tags"] = tag_list(row.plan["tags"])
    if row.plan.get("boundary"):
        arn = row.plan["boundary"]["arn"]
        shown["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",  # what IAM answers; its model knows another word
            "PermissionsBoundaryArn": arn,
        }
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
        }  # without dates: the documents here are not AWS's versions of them
        return {"doc": doc, "document": document}
    row = own_policy(ctx, arn, ctx.world.rows)
    return {"doc": row.doc, "document": row.plan["document"]}


def own_policy(ctx: Ctx, arn: str, rows: Reader) -> Row:
    """The customer-managed policy; raises NoSuchEntity (404)."""
    row = rows.get(ctx.account, principals.REGION, POLICY, arn)
    if row is None:
        raise missing(f"Policy {arn} does not exist or is not attachable.")
    return row


def bounded(ctx: Ctx, arn: str, rows: Reader) -> int:
    """How many roles have the managed policy as their permissions boundary."""
    roles = rows.select(principals.KIND)
    found = (r.plan.get("boundary") or {} for r in roles if r.account == ctx.account)
    return sum(1 for boundary in found if boundary.get("arn") == arn)


def attachments(ctx: Ctx, arn: str, rows: Reader) -> int:
    """How many roles the managed policy is attached to."""
    roles = rows.select(principals.KIND)
    return sum(1 for r in roles if r.account == ctx.account and arn in r.plan.get("attached", {}))
