"""IAM: customer-managed policies, and those of AWS's that are known here."""

from __future__ import annotations

from collections import Counter

from sagebrush.access import grammar, managed_policies, principals
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.rows import (
    POLICY,
    at_once,
    attachments,
    bounded,
    bounded_by,
    conflict,
    exceeded,
    fresh_id,
    holders,
    managed,
    of_account,
    own_policy,
    page,
    parsed,
    seeded,
    tag_list,
    tag_map,
    versions_of,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx

LARGEST = 6_144
"""Characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS
quotas")."""


def checked(text: str) -> Doc:
    """The managed policy's document; raises MalformedPolicyDocument, LimitExceeded (409)."""
    document = parsed(text, grammar.MANAGED)
    if len("".join(text.split())) > LARGEST:
        raise exceeded("PolicySize", LARGEST)
    return dict(document)


def create_policy(ctx: Ctx, request: Doc) -> Doc:
    """The customer-managed policy exists; EntityAlreadyExists (409), MalformedPolicyDocument.

    The description is not told: "it is included in the response to the GetPolicy operation" (API
    reference, Policy).
    """
    name, path, text = request["PolicyName"], request.get("Path", "/"), request["PolicyDocument"]
    document, now = checked(text), moment(ctx.world.clock())
    arn = f"arn:aws:iam::{ctx.account}:policy{path}{name}"
    doc = {
        "PolicyName": name,
        "PolicyId": fresh_id("ANPA"),
        "Arn": arn,
        "Path": path,
        "DefaultVersionId": "v1",
        "IsAttachable": True,
        "CreateDate": now,
        "UpdateDate": now,
        **({"Description": request["Description"]} if request.get("Description") else {}),
    }
    plan = {
        "document": document,
        "text": text,
        "versions": {"v1": {"text": text, "created": now}},
        "last": 1,
        "tags": tag_map(request),
    }

    def work(changes: Changes) -> Row:
        names = {row.doc["PolicyName"].lower() for row in of_account(ctx, changes, POLICY)}
        if name.lower() in names:
            words = f"A policy called {name} already exists. Duplicate names are not allowed."
            raise AwsError("EntityAlreadyExists", words, 409)
        return changes.insert(Row(ctx.account, principals.REGION, POLICY, arn, "Active", doc, plan))

    at_once(ctx, work)
    told = {name: value for name, value in doc.items() if name != "Description"}
    tags = {"Tags": tag_list(plan["tags"])} if plan["tags"] else {}
    return {"Policy": {**told, "AttachmentCount": 0, "PermissionsBoundaryUsageCount": 0, **tags}}


def get_policy(ctx: Ctx, request: Doc) -> Doc:
    """The managed policy, ours or one of AWS's that are known here, with its tags, also where it has
    none; NoSuchEntity (404)."""
    seeded(ctx)
    arn, rows = request["PolicyArn"], ctx.world.rows
    shown = {
        **managed(ctx, arn)["doc"],
        "AttachmentCount": attachments(ctx, arn, rows),
        "PermissionsBoundaryUsageCount": bounded(ctx, arn, rows),
    }
    row = rows.get(ctx.account, principals.REGION, POLICY, arn)
    tags = (row.plan.get("tags") if row is not None else None) or {}
    return {"Policy": {**shown, "Tags": tag_list(tags)}}


def all_policies(ctx: Ctx, scope: str) -> list[Doc]:
    """The managed policies, ours (scope Local), AWS's that are known here (AWS) or both (All), with
    how often they are used."""
    seeded(ctx)
    rows = ctx.world.rows
    found: list[Doc] = []
    if scope in ("All", "Local"):
        found += [row.doc for row in of_account(ctx, rows, POLICY)]
    if scope in ("All", "AWS"):
        found += [managed(ctx, arn)["doc"] for arn in managed_policies.KNOWN]
    having = holders(ctx, rows)
    attached = Counter(arn for row in having for arn in row.plan.get("attached", {}))
    limits = Counter(map(bounded_by, having))
    return [
        {
            **doc,
            "AttachmentCount": attached[doc["Arn"]],
            "PermissionsBoundaryUsageCount": limits[doc["Arn"]],
        }
        for doc in found
    ]


def list_policies(ctx: Ctx, request: Doc) -> Doc:
    """Managed policies under PathPrefix, without descriptions and tags, as AWS lists them."""
    usage, prefix = request.get("PolicyUsageFilter"), request.get("PathPrefix", "/")
    counts = {
        "PermissionsPolicy": ("AttachmentCount",),
        "PermissionsBoundary": ("PermissionsBoundaryUsageCount",),
    }.get(usage or "", ("AttachmentCount", "PermissionsBoundaryUsageCount"))
    found = [
        {name: value for name, value in doc.items() if name != "Description"}
        for doc in all_policies(ctx, request.get("Scope", "All"))
        if doc["Path"].startswith(prefix)
        and (not (request.get("OnlyAttached") or usage) or any(doc[count] for count in counts))
    ]
    return page("Policies", found, request)


def delete_policy(ctx: Ctx, request: Doc) -> None:
    """The customer-managed policy is gone; DeleteConflict (409) while it is attached, a permissions
    boundary, or has versions besides the default one."""
    arn = request["PolicyArn"]

    def work(changes: Changes) -> None:
        row = own_policy(ctx, arn, changes)
        _must_be_unused(ctx, arn, changes)
        if len(versions_of(row)) > 1:
            raise conflict(
                "This policy has more than one version. Before you delete a policy, you must delete"
                " the policy's versions. The default version is deleted with the policy."
            )
        changes.delete(row)

    at_once(ctx, work)


def _must_be_unused(ctx: Ctx, arn: str, rows: Reader) -> None:
    if attachments(ctx, arn, rows):
        raise conflict("Cannot delete a policy attached to entities.")
    if bounded(ctx, arn, rows):
        raise conflict("Cannot delete a policy that is a permissions boundary.")
