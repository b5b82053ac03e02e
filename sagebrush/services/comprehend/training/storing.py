"""New rows of custom models: what they have, and what is refused in the transaction that stores one."""

from __future__ import annotations

import secrets
from functools import partial

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns
from sagebrush.services.comprehend.requests import TOKEN_IN_USE
from sagebrush.services.comprehend.training.families import ACTIVE, TRAINING, Family, name_of
from sagebrush.services.comprehend.training.plan import Plan, plan_of
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx, StartedBy


def draft(ctx: Ctx, family: Family, names: tuple[str, str | None], doc: Doc, plan: Plan) -> Row:
    """A model of the (name, version) that is SUBMITTED, due at once. What starts it, as a flywheel does,
    passes on members of its document and plan (`Ctx.started_by`)."""
    by = ctx.started_by or StartedBy("")
    now = ctx.world.clock()
    whole: Doc = {"SubmitTime": moment(now), **doc, **by.doc}
    if names[1]:
        whole["VersionName"] = names[1]
    name = name_of(*names)
    made: Plan = {**plan, "id": secrets.token_hex(16)}
    row = Row(
        ctx.account, ctx.region, family.kind, name, "SUBMITTED", whole, {**made, **by.plan},
        parent=by.parent, created=now, due_at=now,
    )  # fmt: skip
    whole[family.arn_member] = arns.of(row)
    return row


def insert(ctx: Ctx, family: Family, row: Row) -> Row:
    """The row as stored: this one, or the one that the same request made before with its token.

    Raises ResourceInUseException for a name that is taken, or a token that is another request's, and
    ResourceLimitExceededException for more than ACTIVE models in training at once.
    """
    try:
        stored = ctx.world.rows.insert(row, partial(_check, family, row))
    except Exists:
        before = ctx.world.rows.get(row.account, row.region, row.kind, row.name)
        if before is not None and same(row, before):
            return before
        raise taken(family) from None
    ctx.world.wake()
    return stored


def same(row: Row, before: Row) -> bool:
    """Whether the stored row is of the same request as `row`. Raises ResourceInUseException where it is
    of another one with the same token."""
    ours, theirs = plan_of(row), plan_of(before)
    if "token" not in ours or ours["token"] != theirs.get("token"):
        return False
    if ours.get("request") != theirs.get("request"):
        raise AwsError("ResourceInUseException", TOKEN_IN_USE)
    return True


def taken(family: Family) -> AwsError:
    """The error for a name, or a version of one, that is there already."""
    return AwsError(
        "ResourceInUseException",
        f"The {family.label} name, or the version of it, is already in use. Use a different name and try"
        " your request again.",
    )


def _check(family: Family, row: Row, rows: Reader) -> None:
    if rows.get(row.account, row.region, row.kind, row.name) is not None:
        return  # `Rows.insert` says so
    token = plan_of(row).get("token")
    of_token = {"plan.token": token} if token else {}
    others = rows.select(row.kind, account=row.account, texts=of_token) if token else []
    if any(each.region == row.region for each in others):
        raise AwsError("ResourceInUseException", TOKEN_IN_USE)
    active = rows.select(row.kind, TRAINING, account=row.account)
    if sum(each.region == row.region for each in active) >= ACTIVE:
        raise AwsError(
            "ResourceLimitExceededException",
            f"The account has {ACTIVE} custom models of the kind {family.label} in training, as many as"
            " it may have at once. Try again when one has ended.",
        )
