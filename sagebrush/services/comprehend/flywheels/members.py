"""What belongs to a flywheel, as rows: its data sets and iterations; and rows that a token begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.facts import Running
from sagebrush.services.comprehend import arns, requests
from sagebrush.services.comprehend.flywheels import facts, inputs
from sagebrush.services.comprehend.flywheels.plan import Plan, plan_of
from sagebrush.store.rows import Check, Exists, Reader, Row
from sagebrush.world import Ctx


def required(ctx: Ctx, arn: str, kind: Running) -> Row:
    """The row of that kind that the ARN names; raises ResourceNotFoundException (404)."""
    row = arns.require(ctx, arn)
    if row.kind != kind.kind:
        raise arns.missing()
    return row


def of(rows: Reader, flywheel: Row, kind: Running, statuses: Sequence[str] = ()) -> list[Row]:
    """The flywheel's rows of the kind, oldest first; those in one of the statuses, where some are given."""
    found = rows.select(kind.kind, statuses, account=flywheel.account)
    start = f"{flywheel.name}/"
    return [row for row in found if row.region == flywheel.region and row.name.startswith(start)]


def busy(rows: Reader, flywheel: Row, kind: Running) -> list[Row]:
    """Those of which something still goes on."""
    return of(rows, flywheel, kind, kind.busy)


def flywheel_of(rows: Reader, row: Row) -> Row | None:
    """The flywheel of the data set or iteration in `row`; None where it is gone."""
    name = row.name.partition("/")[0]
    return rows.get(row.account, row.region, facts.FLYWHEEL.kind, name)


def active(rows: Reader, flywheel: Row) -> Row:
    """The flywheel, which is ACTIVE, as the transaction of `rows` sees it. Raises
    ResourceNotFoundException, and InvalidRequestException for any other."""
    found = rows.by_id(flywheel.id)
    if found is None:
        raise arns.missing()
    if found.status != "ACTIVE":
        requests.refuse(f"The flywheel is not ACTIVE: it is in status {found.status}.")
    return found


def unused(rows: Reader, flywheel: Row) -> list[Row]:
    """The COMPLETED data sets that neither an iteration that COMPLETED nor the first model had."""
    used: set[str] = set()
    for iteration in of(rows, flywheel, facts.ITERATION, ("COMPLETED",)):
        plan = plan_of(iteration)
        used |= {*plan.get("train", ()), *plan.get("test", ())}
    return [
        row
        for row in of(rows, flywheel, facts.DATASET, ("COMPLETED",))
        if not plan_of(row).get("first") and row.name not in used
    ]


def in_part(rows: Sequence[Row], part: str) -> list[str]:
    """The names of the data sets for TRAIN, or for TEST."""
    return [row.name for row in rows if (row.doc.get("DatasetType") or inputs.TRAIN) == part]


def inserted(ctx: Ctx, row: Row, request: Doc, check: Check | None = None) -> Row:
    """The row as stored now, or before by the same request with that token.

    Raises ResourceInUseException (400) for a name that is taken, or a token that is another request's,
    and what `check` raises in the transaction.
    """
    token, digest = request.get("ClientRequestToken"), requests.digest(request)
    plan: Plan = {"request": digest}
    if token:
        plan["token"] = token
    stored = replace(row, plan={**row.plan, **plan})
    try:
        found = ctx.world.rows.insert(stored, check)
        ctx.world.wake()
        return found
    except Exists:
        found = ctx.world.rows.get(row.account, row.region, row.kind, row.name)
    if found is None:
        raise AwsError("InternalServerException", "Try the request again.", 500)
    if token is None or plan_of(found).get("token") != token:
        words = f"The specified resource name is already in use: {row.name.rpartition('/')[2]}."
        raise AwsError("ResourceInUseException", words)
    if plan_of(found).get("request") != digest:
        raise AwsError("ResourceInUseException", requests.TOKEN_IN_USE)
    return found
