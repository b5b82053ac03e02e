"""IAM: managed policies attached to roles, users and groups, and what they are attached to."""

from __future__ import annotations

from collections.abc import Mapping

from sagebrush.errors import Doc
from sagebrush.services.iam.holders import HOLDERS, Holder
from sagebrush.services.iam.rows import (
    attachable,
    bounded_by,
    exceeded,
    managed,
    missing,
    of_account,
    page,
    protect,
    seeded,
    under,
)
from sagebrush.store.rows import Reader, Row
from sagebrush.world import Ctx, Operation

MOST = 10
"""Managed policies of one role, user or group (IAM user guide, "IAM and AWS STS quotas")."""


def path_of(arn: str) -> str:
    """The path in a managed policy's ARN."""
    return arn.partition(":policy")[2].rpartition("/")[0] + "/"


def shown(row: Row, prefix: str = "/") -> list[Doc]:
    """What is attached, by ARN, as lists show it."""
    return [
        {"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn}
        for arn in sorted(row.plan.get("attached", {}))
        if path_of(arn).startswith(prefix)
    ]


def _attach(holder: Holder) -> Operation:
    """The managed policy is attached; NoSuchEntity (404), LimitExceeded (409), UnmodifiableEntity."""

    def attach(ctx: Ctx, request: Doc) -> None:
        row, arn = holder.find(ctx, request), request["PolicyArn"]
        protect(row)

        def work(old: Mapping[str, str], reader: Reader) -> dict[str, str]:
            text = attachable(ctx, arn, reader)
            if arn not in old and len(old) >= MOST:
                raise exceeded(f"PoliciesPer{holder.word}", MOST)
            return {**old, arn: text}

        holder.change_part(ctx, row, "attached", work)

    return attach


def _detach(holder: Holder) -> Operation:
    """The managed policy is not attached; NoSuchEntity (404) when it was not, UnmodifiableEntity."""

    def detach(ctx: Ctx, request: Doc) -> None:
        row, arn = holder.find(ctx, request), request["PolicyArn"]
        protect(row)

        def without(old: Mapping[str, str], _: Reader) -> dict[str, str]:
            if arn not in old:
                raise missing(f"Policy {arn} was not found.")
            return {k: v for k, v in old.items() if k != arn}

        holder.change_part(ctx, row, "attached", without)

    return detach


def _list(holder: Holder) -> Operation:
    """The attached policies under PathPrefix."""

    def attached(ctx: Ctx, request: Doc) -> Doc:
        found = shown(holder.find(ctx, request), request.get("PathPrefix", "/"))
        return page("AttachedPolicies", found, request)

    return attached


OPERATIONS: dict[str, Operation] = {
    name: operation
    for holder in HOLDERS
    for name, operation in (
        (f"Attach{holder.word}Policy", _attach(holder)),
        (f"Detach{holder.word}Policy", _detach(holder)),
        (f"ListAttached{holder.word}Policies", _list(holder)),
    )
}


def list_entities_for_policy(ctx: Ctx, request: Doc) -> Doc:
    """The groups, users and roles that the managed policy is attached to, or is the permissions
    boundary of; NoSuchEntity (404)."""
    arn, wanted = request["PolicyArn"], request.get("EntityFilter")
    usage = request.get("PolicyUsageFilter")
    managed(ctx, arn)
    seeded(ctx)
    found = []
    for holder in reversed(HOLDERS):
        if wanted in ("User", "Role", "Group") and wanted != holder.word:
            continue
        for row in under(of_account(ctx, ctx.world.rows, holder.kind), request):
            attached = usage != "PermissionsBoundary" and arn in row.plan.get("attached", {})
            if attached or (usage != "PermissionsPolicy" and bounded_by(row) == arn):
                found.append((holder.word, row))
    shown = page("Entities", found, request)
    entities = shown.pop("Entities")
    lists: Doc = {
        f"Policy{holder.word}s": [
            {name: row.doc[name] for name in (f"{word}Name", f"{word}Id")}
            for word, row in entities
            if word == holder.word
        ]
        for holder in HOLDERS
    }
    return {**lists, **shown}
