"""Schedules fire: each once, whatever happens to the server meanwhile.

Of fires that were missed while the server was off, the last one is made up for, as one whose server
was late (`engine.schedules.firing`).
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine.kinds import Kind
from sagebrush.engine.schedules.firing import SINCE
from sagebrush.services.scheduler import facts
from sagebrush.services.scheduler.calendars import Calendar, calendar
from sagebrush.services.scheduler.invocations import delivery
from sagebrush.services.scheduler.plan import plan_of
from sagebrush.store.db import Tx
from sagebrush.store.rows import Next, Reader, Row
from sagebrush.world import World

DISABLED = "DISABLED"


def due_at(row: Row, now: float) -> float | None:
    """When the schedule is to be looked at next, in seconds since the epoch."""
    if row.status == DISABLED:
        return None
    return calendar(row).next(_since(row), now)


def _since(row: Row) -> float:
    plan = plan_of(row)
    return plan.get("since", plan.get("made", row.created) - 1)


def reconcile(world: World, row: Row) -> Next:
    """Invokes the target where that is due; a schedule that has completed is deleted where it says
    so."""
    if row.status == DISABLED:
        return Next()
    found, now = calendar(row), world.clock()
    fire = found.due(_since(row), now)
    if fire is not None:
        _invoke(world, row, fire, found)
    since = _since(row) if fire is None else fire
    following = found.next(since, now)
    return Next(due=None if following is None else max(0.0, following - world.clock()))


def _invoke(world: World, row: Row, fire: float, found: Calendar) -> None:
    """The message is on its way, and the schedule knows it, in one transaction; the loop's own step is
    dropped then, for the row has changed, and the next one sees what is left."""
    made = delivery(row, fire)
    ends = found.over(fire) and row.doc.get("ActionAfterCompletion") == "DELETE"

    def work(tx: Tx) -> None:
        now = Reader(tx.all).by_id(row.id)
        if now is None or now.version != row.version:
            return  # changed or disabled at this moment: the next step decides
        world.deliveries.put_in(tx, [made])
        if ends:
            world.rows.delete_in(tx, now)
        else:
            world.rows.store_in(tx, replace(now, plan={**now.plan, SINCE: fire}), news=False)

    world.db.write(work, urgent=True)


def _later(world: World, row: Row, reason: str) -> Next:
    """What could not be sent is left; the schedule goes on."""
    return Next(due=600.0)


KIND = Kind(
    facts.SCHEDULE.kind,
    facts.SCHEDULE.noun,
    running=facts.SCHEDULE,
    reconcile=reconcile,
    fail=_later,
)
