"""IAM: everything that the account has of users, groups, roles and policies, in one answer."""

from __future__ import annotations

from urllib.parse import quote

from sagebrush.access import managed_policies
from sagebrush.errors import Doc
from sagebrush.services.iam import attached, instance_profiles, policies, versions
from sagebrush.services.iam.holders import GROUP, HOLDERS, ROLE, USER, Holder
from sagebrush.services.iam.rows import (
    extras,
    find_role,
    last_used,
    managed,
    of_account,
    page,
    seeded,
    shown,
)
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def get_account_authorization_details(ctx: Ctx, request: Doc) -> Doc:
    """Users, groups, roles and managed policies with what is attached to and written into them.

    Filter chooses among them. AWS's managed policies are those that are known here.
    """
    wanted = request.get("Filter") or (
        "User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy",
    )  # fmt: skip
    seeded(ctx)
    found: list[tuple[str, Doc]] = []
    for holder in (USER, GROUP, ROLE):
        if holder.word in wanted:
            rows = of_account(ctx, ctx.world.rows, holder.kind)
            found += [(holder.word, _detail(ctx, holder, row)) for row in rows]
    for scope, word in (("Local", "LocalManagedPolicy"), ("AWS", "AWSManagedPolicy")):
        if word in wanted:
            listed = policies.all_policies(ctx, scope)
            found += [("Policy", _policy(ctx, doc)) for doc in listed]
    told = page("Found", found, request)
    chosen = told.pop("Found")
    lists: Doc = {
        f"{holder.word}DetailList": [doc for word, doc in chosen if word == holder.word]
        for holder in HOLDERS
    }
    return {**lists, "Policies": [doc for word, doc in chosen if word == "Policy"], **told}


def _detail(ctx: Ctx, holder: Holder, row: Row) -> Doc:
    if holder is ROLE:
        row = find_role(ctx, row.name)  # a stand-in with what it stands for
    detail = {
        **row.doc,
        f"{holder.word}PolicyList": [
            {"PolicyName": name, "PolicyDocument": quote(text, safe="")}
            for name, text in sorted(row.plan.get("inline", {}).items())
        ],
        "AttachedManagedPolicies": attached.shown(row),
    }
    if holder is USER:
        return {**detail, **extras(row), "GroupList": list(row.plan.get("groups", ()))}
    if holder is GROUP:
        return detail
    profiles = instance_profiles.holding(ctx, row.name, ctx.world.rows)
    listed = [instance_profiles.brief(ctx, each) for each in profiles]
    told = {**shown(ctx, row), "RoleLastUsed": last_used(row)}
    return {**detail, **told, "InstanceProfileList": listed}


def _policy(ctx: Ctx, doc: Doc) -> Doc:
    """A managed policy with all its versions, of AWS's the one that is known here."""
    found = managed(ctx, doc["Arn"])
    ours = doc["Arn"] not in managed_policies.KNOWN
    chosen = versions.all_versions(found)
    return {**doc, "PolicyVersionList": chosen if ours else chosen[:1]}
