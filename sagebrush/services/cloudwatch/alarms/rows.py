"""Alarms as rows: found, named, touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sagebrush.aws.names import Arn
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms.facts import ALARM
from sagebrush.services.cloudwatch.alarms.plan import COMPOSITE, State, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World


def arn(account: str, region: str, name: str) -> str:
    """The ARN of the alarm of that name."""
    return str(Arn("cloudwatch", region, account, f"alarm:{name}"))


def name_in(text: str) -> str:
    """The name of the alarm that a name or an ARN names."""
    found = Arn.parse(text)
    if found and found.service == "cloudwatch" and found.resource.startswith("alarm:"):
        return found.resource.removeprefix("alarm:")
    return text


def get(ctx: Ctx, name: str) -> Row | None:
    """The alarm of that name in the caller's account and region."""
    return ctx.world.rows.get(ctx.account, ctx.region, ALARM.kind, name)


def require(ctx: Ctx, name: str) -> Row:
    """The alarm of that name; raises ResourceNotFound (404)."""
    row = get(ctx, name)
    if row is None:
        raise AwsError("ResourceNotFound", f"Unknown alarm {name}", 404)
    return row


def every(
    world: World, account: str, region: str, types: Sequence[str] = (), holding: str = ""
) -> list[Row]:
    """All alarms of the account in the region (of these types, with that text in their documents,
    where given), by name."""
    texts = {"plan.type": types[0]} if len(types) == 1 else {}
    rows = world.rows.select(ALARM.kind, account=account, texts=texts, holding=holding)
    return sorted((row for row in rows if row.region == region), key=lambda row: row.name)


def composites(world: World, account: str, region: str) -> list[Row]:
    """The composite alarms of the account in the region."""
    return every(world, account, region, [COMPOSITE])


def state_of(row: Row) -> State:
    """What the alarm's state is."""
    doc = row.doc
    return {
        "value": doc["StateValue"],
        "reason": doc.get("StateReason", ""),
        "data": doc.get("StateReasonData"),
        "at": doc["StateUpdatedTimestamp"].timestamp(),
    }


def is_composite(row: Row) -> bool:
    """Whether the alarm is one over others."""
    return plan_of(row)["type"] == COMPOSITE


def changed(value: str, reason: str, data: str | None, now: float, was: str) -> Doc:
    """The members of the document that a new state sets; None removes one."""
    found = {
        "StateValue": value,
        "StateReason": reason,
        "StateReasonData": data,
        "StateUpdatedTimestamp": moment(now),
        "EvaluationState": None,
    }
    return {**found, "StateTransitionedTimestamp": moment(now)} if value != was else found


def of_interest(rows: Iterable[Row], name: str) -> list[Row]:
    """Those of the composite alarms whose rule or suppressor names the alarm."""
    return [
        row
        for row in rows
        if name in plan_of(row).get("children", ()) or plan_of(row).get("suppressor") == name
    ]
