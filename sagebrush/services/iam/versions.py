"""IAM: versions of managed policies. The default one is what the policy allows, wherever it is
attached or a permissions boundary (IAM user guide, "Versioning IAM policies")."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.iam.policies import checked
from sagebrush.services.iam.rows import (
    at_once,
    bounded_by,
    conflict,
    holders,
    managed,
    missing,
    own_policy,
    page,
    versions_of,
)
from sagebrush.store.changes import Changes
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

MOST = 5


def create_policy_version(ctx: Ctx, request: Doc) -> Doc:
    """The policy has another version, the default one with SetAsDefault; LimitExceeded (409),
    MalformedPolicyDocument."""
    arn, text = request["PolicyArn"], request["PolicyDocument"]
    default, now = bool(request.get("SetAsDefault")), moment(ctx.world.clock())
    checked(text)

    def work(changes: Changes) -> str:
        row = own_policy(ctx, arn, changes)
        versions = versions_of(row)
        if len(versions) >= MOST:
            raise AwsError(
                "LimitExceeded",
                f"A managed policy can have up to {MOST} versions. Before you create a new version,"
                " you must delete an existing version.",
                409,
            )
        last = row.plan.get("last", 1) + 1
        new = {**versions, f"v{last}": {"text": text, "created": now}}
        row = replace(
            row,
            doc={**row.doc, "UpdateDate": now},
            plan={**row.plan, "versions": new, "last": last},
        )
        if default:
            row = _defaulted(ctx, row, f"v{last}", changes)
        changes.store(row)
        return f"v{last}"

    version = at_once(ctx, work)
    told = {"VersionId": version, "IsDefaultVersion": default, "CreateDate": now}
    return {"PolicyVersion": told}


def _defaulted(ctx: Ctx, row: Row, version: str, changes: Changes) -> Row:
    """The policy's row with another default version, whose text all that it is attached to have."""
    arn, text = row.name, versions_of(row)[version]["text"]
    for holder in holders(ctx, changes):
        plan = dict(holder.plan)
        if arn in plan.get("attached", {}):
            plan["attached"] = {**plan["attached"], arn: text}
        if bounded_by(holder) == arn:
            plan["boundary"] = {"arn": arn, "text": text}
        if plan != holder.plan:
            changes.store(replace(holder, plan=plan))
    doc = {**row.doc, "DefaultVersionId": version}
    return replace(row, doc=doc, plan={**row.plan, "text": text, "document": json.loads(text)})


def get_policy_version(ctx: Ctx, request: Doc) -> Doc:
    """The version with its document; NoSuchEntity (404)."""
    version, found = request["VersionId"], managed(ctx, request["PolicyArn"])
    if version not in found["versions"]:
        raise _absent(request["PolicyArn"], version)
    document = quote(found["versions"][version]["text"], safe="")
    return {"PolicyVersion": {**_brief(found, version), "Document": document}}


def _brief(found: Doc, version: str) -> Doc:
    """A version as lists show it."""
    created = found["versions"][version].get("created")
    return {
        "VersionId": version,
        "IsDefaultVersion": version == found["doc"]["DefaultVersionId"],
        **({"CreateDate": created} if created else {}),
    }


def all_versions(found: Doc) -> list[Doc]:
    """The versions of what `managed` found with their documents, the newest first."""
    return [
        {**_brief(found, version), "Document": quote(kept["text"], safe="")}
        for version, kept in reversed(found["versions"].items())
    ]


def _absent(arn: str, version: str) -> AwsError:
    return missing(f"Policy {arn} version {version} does not exist or is not attachable.")


def list_policy_versions(ctx: Ctx, request: Doc) -> Doc:
    """The versions without their documents, the newest first; NoSuchEntity (404)."""
    found = managed(ctx, request["PolicyArn"])
    listed = [_brief(found, version) for version in reversed(found["versions"])]
    return page("Versions", listed, request)


def set_default_policy_version(ctx: Ctx, request: Doc) -> None:
    """What the policy allows is what that version says; NoSuchEntity (404)."""
    arn, version = request["PolicyArn"], request["VersionId"]

    def work(changes: Changes) -> None:
        row = own_policy(ctx, arn, changes)
        if version not in versions_of(row):
            raise _absent(arn, version)
        changes.store(_defaulted(ctx, row, version, changes))

    at_once(ctx, work)


def delete_policy_version(ctx: Ctx, request: Doc) -> None:
    """The version is gone; DeleteConflict (409) for the default one, NoSuchEntity (404)."""
    arn, version = request["PolicyArn"], request["VersionId"]

    def work(changes: Changes) -> None:
        row = own_policy(ctx, arn, changes)
        versions = versions_of(row)
        if version not in versions:
            raise _absent(arn, version)
        if version == row.doc["DefaultVersionId"]:
            raise conflict("Cannot delete the default version of a policy.")
        left = {name: kept for name, kept in versions.items() if name != version}
        changes.store(replace(row, plan={**row.plan, "versions": left}))

    at_once(ctx, work)
