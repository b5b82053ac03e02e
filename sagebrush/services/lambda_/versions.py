"""Published versions: snapshots of $LATEST that never change. Source: Lambda developer guide, "Manage
Lambda function versions"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from sagebrush.access.function_references import LATEST, VERSION
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import configuration, faults, lists, rows
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.changes import Changes, together
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

PAGE = 50
_SAME = ("RevisionId", "LastModified", "FunctionArn", "Version", "State", "StateReason",
         "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
         "LastUpdateStatusReasonCode")  # fmt: skip
"""Members in which a version differs from another that would be the same (but for its description)."""
_OF_VERSION = ("code", "image", "digest", "resolved", "layers", "revision")
"""Members of a function's plan that are its version's too."""


def publish_version(ctx: Ctx, request: Doc) -> Doc:
    """The newest version is a snapshot of $LATEST: a new one, or the last one where nothing changed.

    Raises ResourceNotFoundException, PreconditionFailedException for another RevisionId, and
    InvalidParameterValueException for another CodeSha256.
    """
    if request.get("PublishTo"):
        raise faults.unsupported(configuration.UNSUPPORTED["PublishTo"])
    of = rows.reference(ctx, request)
    row = rows.function(ctx.world, of)
    if request.get("RevisionId") not in (None, row.doc["RevisionId"]):
        raise faults.stale()
    if request.get("CodeSha256") not in (None, row.doc.get("CodeSha256")):
        raise faults.invalid(
            f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST"
            f" ({row.doc.get('CodeSha256')}). Please try again with the CodeSHA256 in $LATEST."
        )
    check_settled(row)
    made = published(ctx, row, request.get("Description"))
    ctx.world.wake()
    return configuration.shown(made.doc)


def check_settled(row: Row) -> None:
    """Returns where nothing is in the making; raises ResourceConflictException (409)."""
    if row.doc["State"] == "Pending":
        raise faults.conflict(
            "The operation cannot be performed at this time. The function is currently in the"
            " following state: Pending"
        )
    if row.doc.get("LastUpdateStatus") == "InProgress":
        raise faults.conflict(
            "The operation cannot be performed at this time. An update is in progress for resource:"
            f" {row.doc['FunctionArn']}"
        )


def published(ctx: Ctx, row: Row, description: str | None, pending: bool = False) -> Row:
    """The row of the function's newest version, whose configuration is that of $LATEST now.

    With `pending` it becomes active when the function does. Raises ResourceNotFoundException.
    """
    world = ctx.world

    def work(changes: Changes) -> Row:
        now = changes.by_id(row.id)
        if now is None:
            raise faults.no_function(row.doc["FunctionArn"])
        plan = plan_of(now)
        last = plan.get("last", 0)
        newest = changes.get(row.account, row.region, VERSION, f"{row.name}:{last}")
        doc = dict(now.doc)
        if description:
            doc["Description"] = description
        if newest is not None and _same(newest.doc, doc):
            return newest
        number = str(last + 1)
        doc |= {"Version": number, "FunctionArn": f"{now.doc['FunctionArn']}:{number}"}
        doc |= {"RevisionId": rows.revision()}
        doc |= configuration.PENDING if pending else configuration.DONE
        kept: Doc = {k: v for k, v in now.plan.items() if k in _OF_VERSION}
        made = changes.insert(
            Row(
                row.account, row.region, VERSION, f"{row.name}:{number}",
                "Pending" if pending else "Active",
                {k: v for k, v in doc.items() if v is not None}, kept,
                due_at=world.clock() if pending else None,
            )
        )  # fmt: skip
        latest = replace(now, doc={**now.doc, "RevisionId": rows.revision()})
        changes.store(rows.with_plan(latest, last=last + 1))
        return made

    return together(world.db, world.rows, work)


def _same(one: Doc, other: Doc) -> bool:
    left, right = ({k: v for k, v in doc.items() if k not in _SAME} for doc in (one, other))
    return left == right


def list_versions_by_function(ctx: Ctx, request: Doc) -> Doc:
    """A page of the function's versions, $LATEST first."""
    row = rows.function(ctx.world, rows.reference(ctx, request))
    found = [configuration.shown(row.doc, qualified=LATEST)]
    found += [configuration.shown(each.doc) for each in rows.versions(ctx.world.rows, row)]
    return lists.page([lists.listed(doc) for doc in found], "Versions", request, PAGE)


def forget(world: World, gone: Sequence[Row], revision: str = "") -> None:
    """Nothing runs of these versions any more (of that revision, where one is given), as soon as the event
    loop sees to it."""
    loop: asyncio.AbstractEventLoop | None = getattr(world.dispatch, "loop", None)
    if loop is None or loop.is_closed():
        return
    for row in gone:
        number = row.doc["Version"]
        arn = row.doc["FunctionArn"] if number != LATEST else f"{row.doc['FunctionArn']}:{LATEST}"
        loop.call_soon_threadsafe(partial(world.functions.forget, arn, revision))
