"""Scheduled actions: put, described, deleted."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.engine.schedules.firing import SINCE
from sagebrush.errors import AwsError, Doc
from sagebrush.services.autoscaling import checks, resources, rows, schedules
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

_MOST, MOST_ACTIONS = 50, 200
"""Actions of a page, and of a target (Application Auto Scaling quotas)."""
_GIVEN = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


def put_scheduled_action(ctx: Ctx, request: Doc) -> None:
    """The scheduled action is as the request has it; members that are not given stay.

    Raises ValidationException, ObjectNotFoundException and LimitExceededException.
    """
    rows.place(request)
    owner = rows.required(ctx, request)
    old = _find(ctx, request)
    doc = {**(old.doc if old else {}), **{m: request[m] for m in _GIVEN if m in request}}
    for member in ("Schedule", "ScalableTargetAction"):
        if member not in doc:
            raise resources.invalid(f"A new scheduled action needs {member}.")
    _check_bounds(doc["ScalableTargetAction"])
    now = ctx.world.clock()
    schedules.check(doc, now)
    name = request["ScheduledActionName"]
    doc |= {
        "ScheduledActionName": name,
        **{m: request[m] for m in rows.IDENTITY},
        "CreationTime": moment(now),
    }
    if old is not None:
        plan = {**old.plan, SINCE: now}  # what the earlier schedule missed stays missed
        due = _due(doc, now)
        ctx.world.rows.update(old.id, lambda r: replace(r, doc=doc, plan=plan, due_at=due))
        ctx.world.wake()
        return
    doc["ScheduledActionARN"] = rows.arn(
        ctx, "scheduledAction", request, "scheduledActionName", name
    )
    _insert(ctx, owner, request, doc)
    ctx.world.wake()


def _insert(ctx: Ctx, owner: Row, request: Doc, doc: Doc) -> None:
    def room(reader: Reader) -> None:
        if reader.by_id(owner.id) is None:
            raise rows.missing(f"No scalable target registered for {rows.identity(request)}")
        texts = {"doc.ResourceId": doc["ResourceId"]}
        same = reader.select(rows.ACTION, account=ctx.account, texts=texts)
        if sum(r.region == ctx.region for r in same) >= MOST_ACTIONS:
            raise AwsError(
                "LimitExceededException",
                f"A scalable target can have at most {MOST_ACTIONS} scheduled actions.",
            )

    now = ctx.world.clock()
    row = Row(
        ctx.account,
        ctx.region,
        rows.ACTION,
        rows.row_name(request, request["ScheduledActionName"]),
        rows.ACTIVE,
        doc,
        {"tags": {}, SINCE: now},
        due_at=_due(doc, now),
    )
    try:
        ctx.world.rows.insert(row, room)
    except Exists as error:
        words = "Another request changes the same scheduled action."
        raise AwsError("ConcurrentUpdateException", words, 500) from error


def _due(doc: Doc, now: float) -> float | None:
    return schedules.timetable(doc).next(now, now)


def _check_bounds(action: Doc) -> None:
    least, most = action.get("MinCapacity"), action.get("MaxCapacity")
    if least is None and most is None:
        raise resources.invalid("ScalableTargetAction needs MinCapacity, MaxCapacity or both.")
    checks.check_bounds(least or 0, most if most is not None else least)


def describe_scheduled_actions(ctx: Ctx, request: Doc) -> Doc:
    """A page of the scheduled actions of a namespace."""
    names = ("ScheduledActionName", "ScheduledActionNames")
    found = rows.of_request(ctx, rows.ACTION, request, *names)
    made = rows.page(request, found, _MOST, lambda row: row.doc)
    return {"ScheduledActions": made.pop("Page"), **made}


def delete_scheduled_action(ctx: Ctx, request: Doc) -> None:
    """The scheduled action is gone. Raises ObjectNotFoundException."""
    rows.place(request)
    row = _find(ctx, request)
    if row is None:
        raise rows.missing(
            f"No scheduled action found for {rows.identity(request)},"
            f" scheduled action name: {request['ScheduledActionName']}"
        )
    ctx.world.rows.delete(row.id)


def _find(ctx: Ctx, request: Doc) -> Row | None:
    name = rows.row_name(request, request["ScheduledActionName"])
    return ctx.world.rows.get(ctx.account, ctx.region, rows.ACTION, name)
