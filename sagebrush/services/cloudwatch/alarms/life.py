"""The life of an alarm: evaluated when it is due; a change is stored first, then acted upon.

A policy that an action makes due reads the alarm, so the new state is on disk before any action: the
step that finds a change stores it with `change` in the plan, and the next one, at once, writes the
history, tells composite alarms, carries out the actions and removes `change`. A server that is killed
in between does that again: a history item is stored once, one action may be carried out twice. An
alarm that is updated in between has its actions carried out once (`actions.perform`).
"""

from __future__ import annotations

from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError
from sagebrush.services.cloudwatch.alarms import actions, composite, evaluation, history, reasons
from sagebrush.services.cloudwatch.alarms import rows as alarm_rows
from sagebrush.services.cloudwatch.alarms.facts import ALARM
from sagebrush.services.cloudwatch.alarms.plan import Change, plan_of
from sagebrush.services.cloudwatch.alarms.watched import period_of, points
from sagebrush.services.cloudwatch.datapoints import Source
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

RETRY = 60.0
"""Seconds to the next evaluation of an alarm that cannot be evaluated."""


def reconcile(world: World, row: Row) -> Next:
    """One step: what follows a change, or an evaluation."""
    change = plan_of(row).get("change")
    if alarm_rows.is_composite(row):
        return composite.step(world, row)
    if change is None:
        return _evaluated(world, row)
    told(world, row, change)
    actions.perform(world, row, change)
    return Next(plan={"change": None, "done": None}, due=_wait(world, row))


def told(world: World, row: Row, change: Change) -> None:
    """The history has the change, and composite alarms that depend on the alarm are due."""
    history.transitioned(world, row, change)
    composite.tell(world, row)


def _evaluated(world: World, row: Row) -> Next:
    doc, now = row.doc, world.clock()
    condition, period = evaluation.condition_of(doc), period_of(doc)
    within = evaluation.range_at(now, period, condition.periods)
    try:
        found = points(Source(world, row.account, row.region), doc, within)
    except AwsError as error:  # an expression that no longer makes sense
        changes = {"EvaluationState": "EVALUATION_ERROR", "StateReason": error.message[:1023]}
        return Next(doc=changes, due=_wait(world, row))
    verdict = evaluation.evaluate(found, condition)
    was = doc["StateValue"]
    if verdict.state is None or verdict.state == was:
        actions.repeat(world, row)
        return Next(doc={"EvaluationState": None}, due=_wait(world, row))
    why = reasons.reason(verdict, condition)
    data = reasons.reason_data(verdict, doc, period, now)
    change: Change = {"at": round(now, 3), "old": alarm_rows.state_of(row)}
    return Next(
        verdict.state,
        alarm_rows.changed(verdict.state, why, data, now, was),
        {"change": change},
        due=0.0,
    )


def _wait(world: World, row: Row) -> float:
    """Seconds to the next evaluation."""
    period = period_of(row.doc)
    every = evaluation.interval(period, row.doc["EvaluationPeriods"])
    return evaluation.next_due(world.clock(), every, row.id)


def fail(world: World, row: Row, reason: str) -> Next:
    """After repeated failures the alarm keeps its state, says so, and is tried again."""
    return Next(doc={"EvaluationState": "EVALUATION_FAILURE"}, due=RETRY)


KIND = Kind(ALARM.kind, ALARM.noun, running=ALARM, reconcile=reconcile, fail=fail)
