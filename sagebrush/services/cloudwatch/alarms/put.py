"""PutMetricAlarm and PutCompositeAlarm."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.cloudwatch.alarms import checks, composite, history, rows, rule
from sagebrush.services.cloudwatch.alarms.evaluation import INSUFFICIENT
from sagebrush.services.cloudwatch.alarms.facts import ALARM
from sagebrush.services.cloudwatch.alarms.plan import COMPOSITE, METRIC, plan_of
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

_STATE = (
    "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp",
    "StateTransitionedTimestamp", "EvaluationState", "ActionsSuppressedBy",
    "ActionsSuppressedReason",
)  # fmt: skip
"""Members of the document that an update leaves as they are."""
MOST_PERIOD = 86400
"""Seconds that a suppressor may be waited for at most."""


def put_metric_alarm(ctx: Ctx, request: Doc) -> None:
    """The alarm exists in INSUFFICIENT_DATA and is evaluated at once, or has this configuration and
    its state as before. Raises ValidationError, InvalidParameterValue/Combination and
    MissingParameter."""
    checks.metric_alarm(ctx, request)
    more = {} if "Metrics" in request else {"Dimensions": request.get("Dimensions", [])}
    doc = {**request, **more, "Threshold": float(request["Threshold"])}
    _put(ctx, doc, {"type": METRIC})


def put_composite_alarm(ctx: Ctx, request: Doc) -> None:
    """The composite alarm exists, or has this configuration, and its rule is evaluated at once.
    Raises ValidationError."""
    if "ActionConfiguration" in request:
        words = "ActionConfiguration: Sagebrush does not implement the propagation of alarm tags."
        raise checks.refused(words)
    checks.alarm(ctx, request)
    checks.composite_actions(request)
    try:
        parsed = rule.parse(request["AlarmRule"])
    except rule.RuleError as error:
        raise checks.refused(str(error)) from error
    names = list(dict.fromkeys(rows.name_in(named) for named in rule.alarms(parsed)))
    if lost := [name for name in names if rows.get(ctx, name) is None]:
        raise checks.refused(
            f"Could not save the composite alarm as alarms [{', '.join(lost)}] in the alarm rule"
            " do not exist"
        )
    _put(
        ctx,
        request,
        {"type": COMPOSITE, "children": names, "suppressor": _suppressor(ctx, request)},
    )


def _suppressor(ctx: Ctx, request: Doc) -> str:
    """The name of the alarm that suppresses actions; "" for none."""
    periods = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
    if "ActionsSuppressor" not in request:
        for member in periods:
            if member in request:
                raise checks.refused(f"{member} can be given only with ActionsSuppressor")
        return ""
    for member in periods:
        if member not in request:
            raise checks.missing(member)
        if not 0 <= request[member] <= MOST_PERIOD:
            raise checks.refused(f"{member} must be between 0 and {MOST_PERIOD}")
    name = rows.name_in(request["ActionsSuppressor"])
    if rows.get(ctx, name) is None:
        words = f"Could not save the composite alarm as its ActionsSuppressor {name} does not exist"
        raise checks.refused(words)
    return name


def _put(ctx: Ctx, request: Doc, plan: Doc) -> None:
    """The row is stored, due now, and the history says so."""
    name, now = request["AlarmName"], ctx.world.clock()
    doc = {
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **{k: v for k, v in request.items() if k != "Tags"},
        "AlarmArn": rows.arn(ctx.account, ctx.region, name),
        "AlarmConfigurationUpdatedTimestamp": moment(now),
    }

    def change(old: Row) -> Row:
        if plan_of(old)["type"] != plan["type"]:
            words = f"The alarm {name} exists already, and is a {plan_of(old)['type']}"
            raise checks.refused(words)
        kept = {k: old.doc[k] for k in _STATE if k in old.doc}
        why = {"why": composite.UPDATED} if plan["type"] == COMPOSITE else {}
        return replace(old, doc={**doc, **kept}, plan={**old.plan, **plan, **why}, due_at=now)

    there = rows.get(ctx, name)
    if there is None:
        row = _insert(ctx, doc, {**plan, "tags": checks.tags(request.get("Tags", []))})
        verb = "created"
    else:
        row, verb = ctx.world.rows.update(there.id, change), "updated"
    if row is None:  # created or deleted by another caller meanwhile
        raise AwsError("ConcurrentModificationException", f"The alarm {name} has just changed", 429)
    history.configured(ctx, row, verb)
    ctx.world.wake()


def _insert(ctx: Ctx, doc: Doc, plan: Doc) -> Row | None:
    now = ctx.world.clock()
    state = {
        "StateValue": INSUFFICIENT,
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": moment(now),
        "StateTransitionedTimestamp": moment(now),
    }
    why = {"why": composite.CREATED} if plan["type"] == COMPOSITE else {}
    row = Row(
        ctx.account, ctx.region, ALARM.kind, doc["AlarmName"], INSUFFICIENT,
        {**doc, **state}, {**plan, **why}, created=now, due_at=now,
    )  # fmt: skip
    try:
        return ctx.world.rows.insert(row)
    except Exists:
        return None
