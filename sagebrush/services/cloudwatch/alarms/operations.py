"""Operations on alarms that exist: delete, set their state, enable and disable actions, tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.aws.names import Arn
from sagebrush.aws.scalars import json_of
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms import checks, history, rows
from sagebrush.services.cloudwatch.alarms.plan import Change, plan_of
from sagebrush.store.rows import Row, merge
from sagebrush.world import Ctx


def delete_alarms(ctx: Ctx, request: Doc) -> None:
    """The alarms are gone; their history stays. Raises ResourceNotFound (404) for a name that is not
    there, after those that are there were deleted, and ValidationError for two composite alarms or
    one on which a composite alarm depends."""
    names = list(dict.fromkeys(request["AlarmNames"]))
    found = [row for name in names if (row := rows.get(ctx, name))]
    if sum(map(rows.is_composite, found)) > 1:
        raise checks.refused("Only one composite alarm can be deleted in one operation.")
    every = rows.composites(ctx.world, ctx.account, ctx.region)
    for row in found:
        others = [each for each in rows.of_interest(every, row.name) if each.name not in names]
        if others:
            raise checks.refused(
                f"Cannot delete {row.name} as there are composite alarm(s) depending on it."
            )
    for row in found:
        if ctx.world.rows.delete(row.id) is not None:
            history.configured(ctx, row, "deleted")
    if len(found) < len(names):
        lost = sorted(set(names) - {row.name for row in found})
        raise AwsError("ResourceNotFound", f"Unknown alarm(s): {', '.join(lost)}", 404)


def set_alarm_state(ctx: Ctx, request: Doc) -> None:
    """The alarm has this state until it is evaluated next, and its actions are under way where that
    is another state. Raises ResourceNotFound (404) and InvalidFormat."""
    data = request.get("StateReasonData")
    if data:
        try:
            json_of(data)
        except ValueError as error:
            raise AwsError("InvalidFormat", "StateReasonData is not valid JSON") from error
    row = rows.require(ctx, request["AlarmName"])
    now, value = ctx.world.clock(), request["StateValue"]

    def change(old: Row) -> Row:
        told: Change = {"at": round(now, 3), "old": rows.state_of(old)}
        doc = rows.changed(value, request["StateReason"], data, now, old.doc["StateValue"])
        plan = old.plan if value == old.status else {**old.plan, "change": told}
        return replace(old, status=value, doc=merge(old.doc, doc), plan=plan, due_at=now)

    after = ctx.world.rows.update(row.id, change)
    told = plan_of(after).get("change") if after else None
    if after is None:
        raise AwsError("ResourceNotFound", f"Unknown alarm {row.name}", 404)
    if told is not None:
        history.transitioned(ctx.world, after, told)
    ctx.world.wake()


def enable_alarm_actions(ctx: Ctx, request: Doc) -> None:
    """The alarms' actions are carried out from now on; names that are not there are passed over."""
    _switch(ctx, request, True)


def disable_alarm_actions(ctx: Ctx, request: Doc) -> None:
    """The alarms change their states without actions; names that are not there are passed over."""
    _switch(ctx, request, False)


def _switch(ctx: Ctx, request: Doc, on: bool) -> None:
    for name in dict.fromkeys(request["AlarmNames"]):
        row = rows.get(ctx, name)
        if row is None or row.doc["ActionsEnabled"] == on:
            continue
        after = ctx.world.rows.update(
            row.id, lambda old: replace(old, doc={**old.doc, "ActionsEnabled": on})
        )
        if after is not None:
            history.configured(ctx, after, "updated")


# -- tags


def tag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The alarm has these tags beside its others. Raises ResourceNotFoundException (404)."""
    new = checks.tags(request["Tags"])

    def change(tags: dict[str, str]) -> dict[str, str]:
        both = {**tags, **new}
        checks.tags([{"Key": key, "Value": value} for key, value in both.items()])
        return both

    _retag(ctx, request, change)
    return {}


def untag_resource(ctx: Ctx, request: Doc) -> Doc:
    """The alarm has no tags of these keys. Raises ResourceNotFoundException (404)."""
    gone = set(request["TagKeys"])
    _retag(ctx, request, lambda tags: {k: v for k, v in tags.items() if k not in gone})
    return {}


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of the alarm. Raises ResourceNotFoundException (404)."""
    tags = plan_of(_by_arn(ctx, request))["tags"]
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _retag(ctx: Ctx, request: Doc, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    row = _by_arn(ctx, request)
    ctx.world.rows.update(
        row.id, lambda old: replace(old, plan={**old.plan, "tags": change(plan_of(old)["tags"])})
    )


def _by_arn(ctx: Ctx, request: Doc) -> Row:
    text = request["ResourceARN"]
    arn = Arn.parse(text)
    if arn is None or arn.service != "cloudwatch":
        raise checks.refused(f"Invalid ARN: {text}", "InvalidParameterValue")
    here = (arn.region, arn.account) == (ctx.region, ctx.account)
    row = rows.get(ctx, rows.name_in(text)) if here and ":alarm:" in text else None
    if row is None:
        raise AwsError("ResourceNotFoundException", f"Unknown {text}", 404)
    return row
