"""Rules that fire by a schedule: the event "Scheduled Event" goes to the rule's own targets.

Source: EventBridge user guide, "Creating an Amazon EventBridge rule that runs on a schedule"; how what
was missed is treated: `engine.schedules.firing`.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine.kinds import Kind
from sagebrush.engine.schedules import firing
from sagebrush.engine.schedules.expressions import RULES, parse
from sagebrush.engine.schedules.firing import SINCE, Timetable
from sagebrush.services.events import facts
from sagebrush.services.events.envelopes import Arrived, envelope
from sagebrush.services.events.matched import DISABLED, of_rule, points
from sagebrush.services.events.names import DEFAULT
from sagebrush.services.events.plan import plan_of, targets_of
from sagebrush.store.db import Tx
from sagebrush.store.rows import Next, Reader, Row
from sagebrush.world import World

WHAT = ("aws.events", "Scheduled Event")


def timetable(row: Row) -> Timetable | None:
    """When the rule fires; None where it has no schedule, or is disabled."""
    expression = row.doc.get("ScheduleExpression")
    if not expression or row.status == DISABLED:
        return None
    return Timetable(parse(expression, RULES), plan_of(row).get("made", row.created))


def due_at(row: Row, now: float) -> float | None:
    """When the rule is to be looked at next, in seconds since the epoch."""
    found = timetable(row)
    return found.next(plan_of(row).get("since"), now) if found is not None else None


def reconcile(world: World, row: Row) -> Next:
    """Fires the rule where that is due."""
    found = timetable(row)
    if found is None:
        return Next()
    return firing.fire(world, row, found, lambda fire: _fire(world, row, fire))


def _fire(world: World, row: Row, fire: float) -> None:
    """The targets get the event of that fire, once: it is stored in one transaction that it was. The
    loop's own step is dropped then, for the row has changed, and the next one sees what is left."""
    there = (row.account, row.region)
    event = envelope(WHAT, there, fire, {}, [row.doc["Arn"]])
    deliveries = [*of_rule(world, row, Arrived(event, *there, DEFAULT, fire))]
    counts = {row.doc["Name"]: len(targets_of(row))}

    def work(tx: Tx) -> None:
        now = Reader(tx.all).by_id(row.id)
        if now is None or now.version != row.version:
            return  # put again or disabled at this moment: the next step decides
        world.rows.store_in(tx, replace(now, plan={**now.plan, SINCE: fire}), news=False)
        world.deliveries.put_in(tx, deliveries)
        world.series.append_in(tx, *there, points(counts, world.clock()))

    world.db.write(work, urgent=True)


def _later(world: World, row: Row, reason: str) -> Next:
    """What could not be sent is left; the schedule goes on."""
    return Next(due=600.0)


KIND = Kind(facts.RULE.kind, facts.RULE.noun, running=facts.RULE, reconcile=reconcile, fail=_later)
