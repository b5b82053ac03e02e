"""Composite alarms: evaluated when an alarm of their rule changes; actions that a suppressor holds.

Source: CloudWatch API Reference, PutCompositeAlarm; User Guide, "Create a composite alarm" and
"Composite alarm action suppression".
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from sagebrush.errors import Doc
from sagebrush.services.cloudwatch.alarms import actions, history, rows, rule
from sagebrush.services.cloudwatch.alarms.evaluation import ALARM, INSUFFICIENT, OK
from sagebrush.services.cloudwatch.alarms.facts import ALARM as FACTS
from sagebrush.services.cloudwatch.alarms.plan import Change, Held, plan_of
from sagebrush.services.cloudwatch.alarms.reasons import stamp
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

CREATED, UPDATED = "created", "updated"
MOST_SHOWN = 10
"""Alarms of the rule that StateReasonData shows at most."""


def tell(world: World, row: Row) -> None:
    """The composite alarms that look at this alarm, which has changed, are due.

    One whose actions may be under way is touched alone: a step whose row was updated meanwhile is
    lost, and would carry them out again.
    """
    now = world.clock()

    def change(found: Row) -> Row | None:
        plan = plan_of(found)
        if plan.get("change") or plan.get("held"):
            return None
        seen = row.name in plan.get("children", ())
        why = {"why": row.name} if seen and plan.get("why") not in (CREATED, UPDATED) else {}
        return replace(found, plan={**found.plan, **why}, due_at=now)

    found = rows.of_interest(rows.composites(world, row.account, row.region), row.name)
    for each in found:
        world.rows.update(each.id, change)
        world.rows.touch(each.id)
    if found:
        world.wake()


def step(world: World, row: Row) -> Next:
    """One step of a composite alarm: its state follows its rule, its actions the suppressor."""
    plan = plan_of(row)
    change = plan.get("change")
    if change is not None:
        history.transitioned(world, row, change)
        tell(world, row)
        held: Held = {"change": change, "since": change["at"]}
        return _released(world, row, held, {"change": None})
    found = _evaluated(world, row)
    return found or _released(world, row, plan.get("held"), {"why": None})


def _evaluated(world: World, row: Row) -> Next | None:
    """The step to the state that the rule gives; None where it is that already, or where the rule
    leads back to the alarm itself: AWS stops to evaluate such a cycle."""
    if _cyclic(world, row):
        return None
    children = {name: _row(world, row, name) for name in plan_of(row).get("children", ())}
    states = {name: found.status if found else INSUFFICIENT for name, found in children.items()}
    on = rule.holds(rule.parse(row.doc["AlarmRule"]), lambda named: states[rows.name_in(named)])
    value, was, now = ALARM if on else OK, row.doc["StateValue"], world.clock()
    if value == was:
        return None
    there = {name: found for name, found in children.items() if found is not None}
    why = _reason(row, there, value)
    told: Change = {"at": round(now, 3), "old": rows.state_of(row)}
    data = json.dumps({"triggeringAlarms": _shown(row, there)}, separators=(",", ":"))
    return Next(
        value,
        rows.changed(value, why, data, now, was),
        {"change": told, "why": None},
        due=0.0,
    )


def _cyclic(world: World, row: Row) -> bool:
    graph = {
        each.name: plan_of(each).get("children", [])
        for each in rows.composites(world, row.account, row.region)
    }
    ahead, seen = list(graph.get(row.name, ())), set[str]()
    while ahead:
        name = ahead.pop()
        if name == row.name:
            return True
        if name not in seen:
            seen.add(name)
            ahead += graph.get(name, ())
    return False


def _row(world: World, row: Row, name: str) -> Row | None:
    return world.rows.get(row.account, row.region, FACTS.kind, name)


def _reason(row: Row, children: Mapping[str, Row], value: str) -> str:
    child = _changed(row, children)
    if child is None:
        why = plan_of(row).get("why")
        verb = why if why in (CREATED, UPDATED) else UPDATED
        return f"{row.doc['AlarmArn']} was {verb} and its alarm rule evaluates to {value}"
    at: dt.datetime = child.doc["StateTransitionedTimestamp"]
    moment = f"{at:%A %d %B, %Y %H:%M:%S} UTC"
    return f"{child.doc['AlarmArn']} transitioned to {child.doc['StateValue']} at {moment}"


def _changed(row: Row, children: Mapping[str, Row]) -> Row | None:
    """The child that made it due: the one that told so, else the last that changed; None where the
    alarm itself was created or updated."""
    why = plan_of(row).get("why") or ""
    if why in (CREATED, UPDATED) or why in children:
        return children.get(why)
    return max(children.values(), key=lambda c: c.doc["StateTransitionedTimestamp"], default=None)


def _shown(row: Row, children: Mapping[str, Row]) -> list[Doc]:
    child = _changed(row, children)
    chosen = [child] if child else list(children.values())[:MOST_SHOWN]
    return [
        {
            "arn": each.doc["AlarmArn"],
            "state": {
                "value": each.doc["StateValue"],
                "timestamp": stamp(each.doc["StateUpdatedTimestamp"].timestamp()),
            },
        }
        for each in chosen
    ]


# -- the suppressor


def _released(world: World, row: Row, held: Held | None, plan: Doc) -> Next:
    """The step after which held actions wait, with when to look again, or are done."""
    held = cast(Held, dict(held)) if held else None
    by, seconds, seen = _suppressed(world, row, held)
    plan = {**plan, **seen}
    if held is None:
        return Next(doc=_shows(row, None), plan=plan)
    if by is None:
        actions.perform(world, row, held["change"])
        return Next(doc=_shows(row, None), plan={**plan, "held": None, "done": None})
    return Next(doc=_shows(row, by), plan={**plan, "held": held}, due=seconds)


def _suppressed(world: World, row: Row, held: Held | None) -> tuple[str | None, float | None, Doc]:
    """What holds actions back (None: nothing), for how many seconds at most (None: until the
    suppressor changes), and what the plan is to remember of the suppressor."""
    plan, now = plan_of(row), world.clock()
    if held:  # no later than now, whatever the clock was set back by since
        held["since"] = min(held["since"], now)
    name = plan.get("suppressor", "")
    found = _row(world, row, name) if name else None
    if found is None:
        return None, None, {}
    if found.status == ALARM:
        return "Alarm", None, {"suppressing": True, "left": None}
    left = now if plan.get("suppressing") else plan.get("left")
    left = min(left, now) if left is not None else None
    seen: Doc = {"suppressing": None, "left": left}
    if left is not None:
        rest = left + row.doc["ActionsSuppressorExtensionPeriod"] - now
        if rest > 0:
            return "ExtensionPeriod", rest, seen
    rest = (held["since"] if held else now) + row.doc["ActionsSuppressorWaitPeriod"] - now
    if held and rest > 0 and (left is None or held["since"] > left):
        return "WaitPeriod", rest, seen
    return None, None, seen


def _shows(row: Row, by: str | None) -> Doc:
    """The members of the document that say that actions are suppressed."""
    if by is None:
        return {"ActionsSuppressedBy": None, "ActionsSuppressedReason": None}
    what = f"{row.doc['ActionsSuppressor']} is in ALARM" if by == "Alarm" else by
    return {"ActionsSuppressedBy": by, "ActionsSuppressedReason": f"Actions suppressed by {what}"}
