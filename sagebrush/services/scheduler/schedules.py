"""Schedules: created, described, listed, updated, deleted. Source: EventBridge Scheduler API
Reference."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import principals
from sagebrush.credentials import role_of
from sagebrush.engine.kinds import moment
from sagebrush.engine.schedules.expressions import SCHEDULER, ScheduleError, check_zone, parse
from sagebrush.engine.schedules.firing import SINCE
from sagebrush.errors import Doc
from sagebrush.services.scheduler import life, rows, target_checks
from sagebrush.services.scheduler.plan import plan_of
from sagebrush.services.scheduler.rows import SCHEDULE, conflict, invalid
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

PAST = 300.0
"""Seconds that a StartDate may lie back."""
RETRIES, AGE = 185, 86400
"""The retry policy of a target that has none."""
_GIVEN = (
    "Description", "EndDate", "FlexibleTimeWindow", "ScheduleExpression", "StartDate", "Target",
)  # fmt: skip


def create_schedule(ctx: Ctx, request: Doc) -> Doc:
    """The schedule is there. Raises ValidationException, ConflictException and
    ResourceNotFoundException."""
    group, name = rows.group_of(ctx, request.get("GroupName")), request["Name"]
    doc = _checked(ctx, request, group)
    now = ctx.world.clock()
    arn = rows.schedule_arn(ctx.account, ctx.region, group, name)
    doc |= {"Arn": arn, "Name": name, "GroupName": group, "CreationDate": moment(now)}
    doc["LastModificationDate"] = moment(now)
    token = request.get("ClientToken", "")
    plan: Doc = {"made": now, SINCE: _before(now), **({"token": token} if token else {})}
    status = request.get("State", "ENABLED")
    row = Row(ctx.account, ctx.region, SCHEDULE, f"{group}/{name}", status, doc, plan, created=now)
    row = replace(row, due_at=life.due_at(row, now))

    def there(reader: Reader) -> None:
        if group != rows.DEFAULT:
            found = reader.get(ctx.account, ctx.region, rows.GROUP, group)
            if found is None:
                raise rows.no_group(group)

    try:
        ctx.world.rows.insert(row, there)
    except Exists:
        old = ctx.world.rows.get(ctx.account, ctx.region, SCHEDULE, row.name)
        if old is not None and token and plan_of(old).get("token") == token:
            return {"ScheduleArn": arn}
        raise conflict(f"Schedule {name} already exists.") from None
    ctx.world.wake()
    return {"ScheduleArn": arn}


def _before(now: float) -> float:
    """Just before: a schedule may fire at the very time at which it is made."""
    return now - 1.0


def _checked(ctx: Ctx, request: Doc, group: str) -> Doc:
    if request.get("KmsKeyArn"):
        raise target_checks.lacking("encryption by AWS KMS (KmsKeyArn)")
    expression, zone = request["ScheduleExpression"], request.get("ScheduleExpressionTimezone")
    try:
        parse(expression, SCHEDULER)
        if zone:
            check_zone(zone)
    except ScheduleError as error:
        raise invalid(str(error)) from error
    _check_bounds(ctx, request)
    _check_window(request["FlexibleTimeWindow"])
    target = request["Target"]
    target_checks.check(target, ctx.region)
    check_role(ctx, target["RoleArn"], group)
    doc: Doc = {member: request[member] for member in _GIVEN if request.get(member) is not None}
    retry = {"MaximumEventAgeInSeconds": AGE, "MaximumRetryAttempts": RETRIES}
    doc["Target"] = {**target, "RetryPolicy": {**retry, **(target.get("RetryPolicy") or {})}}
    doc["ScheduleExpressionTimezone"] = zone or "UTC"
    doc["ActionAfterCompletion"] = request.get("ActionAfterCompletion", "NONE")
    return doc


def _check_bounds(ctx: Ctx, request: Doc) -> None:
    start, end = request.get("StartDate"), request.get("EndDate")
    if request["ScheduleExpression"].startswith("at("):
        return  # one-time schedules ignore both
    if start is not None and start.timestamp() < ctx.world.clock() - PAST:
        raise invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and end.timestamp() <= ctx.world.clock():
        raise invalid("The EndDate you specify must be in the future.")
    if start is not None and end is not None and start >= end:
        raise invalid("The StartDate you specify must come before the EndDate.")


def _check_window(window: Doc) -> None:
    minutes = window.get("MaximumWindowInMinutes")
    if window["Mode"] == "FLEXIBLE" and minutes is None:
        raise invalid(
            "MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE."
        )
    if window["Mode"] == "OFF" and minutes is not None:
        raise invalid(
            "MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF."
        )


def check_role(ctx: Ctx, arn: str, group: str) -> None:
    """Returns when the Scheduler may assume the role for schedules of the group; raises
    ValidationException."""
    account, name = role_of(arn)
    role = principals.named(ctx.world, ctx.caller, arn) if name and account == ctx.account else None
    source = rows.group_arn(ctx.account, ctx.region, group)
    who, keys = principals.service(ctx, source, rows.SERVICE)
    if role is None or not principals.trust(role, who, "sts:AssumeRole", keys).allowed:
        raise invalid(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        )


def update_schedule(ctx: Ctx, request: Doc) -> Doc:
    """The schedule is as the request has it: what is not given is as for a new one. Raises
    ValidationException, ResourceNotFoundException."""
    row = rows.schedule(ctx, request)
    doc = _checked(ctx, request, row.doc["GroupName"])
    now, status = ctx.world.clock(), request.get("State", "ENABLED")

    def change(row: Row) -> Row:
        kept = {m: row.doc[m] for m in ("Arn", "Name", "GroupName", "CreationDate")}
        new = {**kept, **doc, "LastModificationDate": moment(now)}
        plan = {**row.plan}
        if _timing(row.doc) != _timing(new):
            plan |= {"made": now, SINCE: _before(now)}
        elif row.status == life.DISABLED:
            plan[SINCE] = now  # what it missed meanwhile stays missed
        row = replace(row, doc=new, status=status, plan=plan)
        return replace(row, due_at=life.due_at(row, now))

    if ctx.world.rows.update(row.id, change) is None:
        raise rows.missing(f"Schedule {request['Name']} does not exist.")
    ctx.world.wake()
    return {"ScheduleArn": row.doc["Arn"]}


def _timing(doc: Doc) -> tuple[object, ...]:
    members = ("ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate")
    return tuple(doc.get(member) for member in members)


def get_schedule(ctx: Ctx, request: Doc) -> Doc:
    """The schedule. Raises ResourceNotFoundException."""
    row = rows.schedule(ctx, request)
    return {**row.doc, "State": row.status}


def delete_schedule(ctx: Ctx, request: Doc) -> Doc:
    """The schedule is gone. Raises ResourceNotFoundException."""
    row = rows.schedule(ctx, request)
    if ctx.world.rows.delete(row.id) is None:
        raise rows.missing(f"Schedule {request['Name']} does not exist.")
    return {}


def list_schedules(ctx: Ctx, request: Doc) -> Doc:
    """A page of the schedules, by group and name."""
    group = request.get("GroupName")
    if group:
        rows.group_of(ctx, group)
    prefix, state = request.get("NamePrefix", ""), request.get("State")
    found = [
        row
        for row in ctx.world.rows.select(SCHEDULE, account=ctx.account)
        if row.region == ctx.region
        and (not group or row.doc["GroupName"] == group)
        and row.doc["Name"].startswith(prefix)
        and state in (None, row.status)
    ]
    members = ("Arn", "Name", "GroupName", "CreationDate", "LastModificationDate")
    shown = [
        {
            **{m: row.doc[m] for m in members},
            "State": row.status,
            "Target": {"Arn": row.doc["Target"]["Arn"]},
        }
        for row in sorted(found, key=lambda row: row.name)
    ]
    return rows.page(request, shown, "Schedules")
