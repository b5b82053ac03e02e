"""DescribeMapRun, ListMapRuns, UpdateMapRun.

Source: Step Functions API reference, the pages of these; developer guide, "Viewing Map Run details".
"""

from __future__ import annotations

import math
from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.services.states import arns, tokens
from sagebrush.services.states.executions import run_of
from sagebrush.services.states.map_runs import rows
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

STATUSES = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}
LIMITS = ("maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage")


def describe_map_run(ctx: Ctx, request: Doc) -> Doc:
    """A map run with its counts. Raises InvalidArn, ResourceNotFound."""
    row = _row(ctx, request["mapRunArn"])
    tally = ctx.world.executions.tally(row.doc["mapRunArn"])
    plan = rows.plan_of(row)
    left = max(plan.get("total", 0) - sum(items for _, items in tally.values()), 0)
    batches = math.ceil(left / plan.get("batch", 0)) if plan.get("batch") else left
    written = plan.get("written", False)
    executions = {status: count for status, (count, _) in tally.items()}
    items = {status: count for status, (_, count) in tally.items()}
    return {
        "redriveCount": 0,
        **row.doc,
        "status": row.status,
        "itemCounts": _counts(items, left, written),
        "executionCounts": _counts(executions, batches, written),
    }


def _counts(found: dict[str, int], pending: int, written: bool) -> Doc:
    counts = {name: found.get(status, 0) for status, name in STATUSES.items()}
    total = sum(counts.values()) + pending
    return {
        "pending": pending,
        **counts,
        "total": total,
        "resultsWritten": total if written else 0,
        "failuresNotRedrivable": 0,
        "pendingRedrive": 0,
    }


def list_map_runs(ctx: Ctx, request: Doc) -> Doc:
    """The map runs that an execution began. Raises InvalidArn, ExecutionDoesNotExist, InvalidToken."""
    run = run_of(ctx, request["executionArn"])
    place = tokens.read(request, float, int)
    found = ctx.world.rows.select(
        rows.KIND, account=ctx.account, texts={"doc.executionArn": run.arn}
    )
    found = [row for row in found if not place or (row.created, row.id) > (place[0], place[1])]
    most = tokens.size(request)
    listed = [
        {
            "executionArn": run.arn,
            "mapRunArn": row.doc["mapRunArn"],
            "stateMachineArn": _machine(row.doc["mapRunArn"]),
            "startDate": row.doc["startDate"],
            **({"stopDate": row.doc["stopDate"]} if "stopDate" in row.doc else {}),
        }
        for row in found[:most]
    ]
    more: Doc = {}
    if len(found) > most:
        last = found[most - 1]
        more = {"nextToken": tokens.write([last.created, last.id])}
    return {"mapRuns": listed, **more}


def _machine(map_run: str) -> str:
    """The ARN of the machine as a map run's children have it: with the label."""
    return map_run.replace(":mapRun:", ":stateMachine:", 1).rpartition(":")[0]


def update_map_run(ctx: Ctx, request: Doc) -> Doc:
    """The run goes on under the given limits. Raises InvalidArn, ResourceNotFound, and
    ValidationException where it has ended."""
    row = _row(ctx, request["mapRunArn"])
    given = {name: request[name] for name in LIMITS if name in request}

    def change(old: Row) -> Row:
        if old.status != rows.RUNNING:
            raise AwsError("ValidationException", f"Map Run is already {old.status}")
        return replace(old, doc={**old.doc, **given})

    if given and ctx.world.rows.update(row.id, change) is None:
        raise arns.not_found(request["mapRunArn"])
    return {}


def _row(ctx: Ctx, arn: str) -> Row:
    arns.read(arn, "mapRun")
    row = rows.find(ctx.world, ctx.account, ctx.region, arn)
    if row is None:
        raise arns.not_found(arn)
    return row
