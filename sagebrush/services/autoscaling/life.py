"""How a scalable target, a policy and a scheduled action act: their reconcilers.

All that changes a target's capacity is decided in the target's own step, one after another: an alarm
makes its policy due, the policy makes its target due. A change is written into the target's plan
before it is begun, so that a step that is repeated begins the same one.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, cast

from sagebrush.engine.kinds import moment
from sagebrush.engine.schedules import firing
from sagebrush.errors import AwsError, Busy, Doc, Missing
from sagebrush.services.autoscaling import activities, capacity, decisions, readings, rows
from sagebrush.services.autoscaling import schedules as timetables
from sagebrush.services.autoscaling.capacity import Seen
from sagebrush.services.autoscaling.decisions import Decision, Note, Target
from sagebrush.services.autoscaling.plan import Task, change_of, plan_of
from sagebrush.services.autoscaling.resources import DIMENSIONS, Dimension
from sagebrush.services.autoscaling.targets import withdraw
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks at a change that is under way."""
RETRY = 300.0
"""Seconds after a change that failed until a policy tries again."""


def policy(world: World, row: Row) -> Next:
    """The policy's target is due: one of its alarms called."""
    owner = world.rows.get(row.account, row.region, rows.TARGET, rows.row_name(row.doc))
    if owner is not None:
        world.rows.touch(owner.id)
        world.wake()
    return Next()


def action(world: World, row: Row) -> Next:
    """The scheduled action has set its target's bounds where it was due."""

    def start(time: float) -> None:
        owner = world.rows.get(row.account, row.region, rows.TARGET, rows.row_name(row.doc))
        if owner is not None and not _suspended(owner, "ScheduledScalingSuspended"):
            _set_bounds(world, owner, row, time)

    return firing.fire(world, row, timetables.timetable(row.doc), start)


def target(world: World, row: Row) -> Next:
    """One step of a scalable target: a change under way goes on, or another one is decided."""
    step = Step(world, row)
    task = plan_of(row).get("task")
    if task is not None:
        return step.carry_out(task)
    try:
        return step.decide()
    except AwsError as error:  # the role was deleted, say: the next alarm finds it made again
        log.warning("%s cannot be scaled now: %s", row.name, error)
        return Next()


def give_up(world: World, row: Row, reason: str) -> Next:
    """What goes on failing unexpectedly has failed; the next alarm tries again."""
    task = plan_of(row).get("task")
    if task is not None:
        end = moment(world.clock())
        said = activities.failed(row, task["capacity"], reason)
        told = {"StatusCode": "Failed", "StatusMessage": said, "EndTime": end}
        activities.change(world, row, task["id"], **told)
    return Next(plan={"task": None, "failed": world.clock()})


def _set_bounds(world: World, owner: Row, action: Row, time: float) -> None:
    wanted: Doc = action.doc["ScalableTargetAction"]
    number = firing.child_name(action, time, "scheduled")  # the same for the same fire
    if activities.recorded(world, owner, number):
        return  # an earlier try of this step did, and the bounds may have been set again since

    def change(found: Row) -> Row:
        before = found.doc["MinCapacity"], found.doc["MaxCapacity"]
        least, most = timetables.bounds(wanted, *before)
        doc = {**found.doc, "MinCapacity": least, "MaxCapacity": most}
        plan = {**found.plan, "enforce": True}
        return replace(found, doc=doc, plan=plan, due_at=world.clock())

    if world.rows.update(owner.id, change) is None:
        return
    named = (("MinCapacity", "min capacity"), ("MaxCapacity", "max capacity"))
    words = " and ".join(f"{said} to {wanted[m]}" for m, said in named if m in wanted)
    doc = {
        "Description": f"Setting {words}",
        "Cause": f"scheduled action name {action.doc['ScheduledActionName']} was triggered",
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set {words}",
        "EndTime": moment(world.clock()),
    }
    activities.record(world, owner, number, doc, world.clock())
    world.wake()


def _suspended(row: Row, member: str) -> bool:
    return bool(row.doc.get("SuspendedState", {}).get(member))


class Step:
    """One step of one scalable target, whose row is not changed: the loop stores what is returned."""

    def __init__(self, world: World, row: Row) -> None:
        self.world = world
        self.row = row
        self.now = world.clock()
        self.dimension: Dimension = DIMENSIONS[row.doc["ScalableDimension"]]
        self.resource: str = row.doc["ResourceId"]

    def decide(self) -> Next:
        """The target's capacity comes within its bounds, or a policy changes it, or nothing is to be
        done before the next alarm."""
        try:
            seen = capacity.see(rows.scaler(self.world, self.row), self.dimension, self.resource)
        except Missing as error:
            return self._vanished(error)
        doc = self.row.doc
        if plan_of(self.row).get("enforce"):
            bounded = min(max(seen.desired, doc["MinCapacity"]), doc["MaxCapacity"])
            if seen.changing and bounded != seen.desired:
                return Next(due=LOOK)
            if bounded != seen.desired:
                side = "minimum" if bounded > seen.desired else "maximum"
                return self._begin(seen, bounded, f"{side} capacity was set to {bounded}")
        now = Target(
            seen.desired,
            doc["MinCapacity"],
            doc["MaxCapacity"],
            _suspended(self.row, "DynamicScalingInSuspended"),
            _suspended(self.row, "DynamicScalingOutSuspended"),
        )
        policies = readings.read(self.world, self.row)
        return self._decided(seen, decisions.decide(now, policies, change_of(self.row), self.now))

    def _decided(self, seen: Seen, found: Decision) -> Next:
        noted = dict(plan_of(self.row).get("noted", {}))
        for note in found.notes:
            activities.note(self.world, self.row, noted, note, self.now)
        wish = found.wish
        failed = plan_of(self.row).get("failed", -RETRY)
        # a time of the future is one of a clock that was set back since
        if wish is None or failed - decisions.SET_BACK <= self.now < failed + RETRY:
            return Next(plan={"noted": noted, "enforce": None})
        if seen.changing:
            note = Note(wish.policy, wish.alarm, decisions.UNSCALABLE, seen.desired)
            activities.note(self.world, self.row, noted, note, self.now)
            return Next(plan={"noted": noted, "enforce": None})
        cause = activities.triggered(wish.alarm, wish.policy)
        more: Any = {"base": wish.base, "cooldown": wish.cooldown}
        return self._begin(seen, wish.capacity, cause, **more)

    def _begin(self, seen: Seen, wanted: int, cause: str, **more: Any) -> Next:
        """The change is written down; the next step begins it."""
        task: Task = {
            "id": activities.new_id(),
            "capacity": wanted,
            "before": seen.desired,
            "cause": cause,
            "began": self.now,
        }
        whole = {**task, **more}
        return Next(plan={"task": whole, "enforce": None, "noted": {}}, due=0.0)

    def carry_out(self, task: Task) -> Next:
        """The change is begun, or its end is recorded."""
        ctx = rows.scaler(self.world, self.row)
        wanted = task["capacity"]
        doc = {
            "Description": activities.setting(self.row, wanted),
            "Cause": task["cause"],
            "StatusCode": "Pending",
        }
        activities.record(self.world, self.row, task["id"], doc, task["began"])
        try:
            seen = capacity.see(ctx, self.dimension, self.resource)
            if not task.get("asked"):
                if seen.desired != wanted:  # else an earlier try of this step has asked
                    capacity.set_to(ctx, self.dimension, self.resource, wanted)
                said = activities.waiting(self.row, wanted)
                self._tell(task, StatusCode="InProgress", StatusMessage=said)
                return Next(plan={"task": {**task, "asked": True}}, due=LOOK)
        except AwsError as error:
            return self._refused(task, error)
        return self._followed(task, seen)

    def _followed(self, task: Task, seen: Seen) -> Next:
        """What became of a change that the resource's service has taken."""
        wanted, end = task["capacity"], moment(self.now)
        if seen.changing:
            return Next(due=LOOK)
        if seen.status in ("Failed", "FAILED"):
            said = activities.failed(self.row, wanted, seen.reason or "the resource has failed")
            self._tell(task, StatusCode="Failed", StatusMessage=said, EndTime=end)
            return self._ended(task, seen.desired, failed=self.now)
        if seen.desired != wanted and seen.current != wanted:
            code = "Unfulfilled" if seen.reason else "Overridden"
            said = activities.failed(self.row, wanted, seen.reason)
            if code == "Overridden":
                said = f"The desired capacity was set to {seen.desired} by another request."
            self._tell(task, StatusCode=code, StatusMessage=said, EndTime=end)
            return self._ended(task, seen.desired, failed=self.now if seen.reason else None)
        # an endpoint that sleeps has none of the instances that it has taken for its own
        if seen.current != wanted and seen.status not in ("InService", "IN_SERVICE"):
            return Next(due=LOOK)
        said = activities.fulfilled(self.row, wanted)
        self._tell(task, StatusCode="Successful", StatusMessage=said, EndTime=end)
        return self._ended(task, wanted)

    def _ended(self, task: Task, after: int, failed: float | None = None) -> Next:
        """The change is over, or `failed` then; one by a policy begins its cooldown."""
        plan: Doc = {"task": None, "failed": failed}
        if "base" in task:
            made = {m: cast(Doc, task)[m] for m in ("base", "before", "cooldown")}
            plan["change"] = {**made, "after": after, "ended": self.now}
        activities.expire(self.world, self.row)
        return Next(plan=plan, due=0.0 if plan_of(self.row).get("enforce") else None)

    def _refused(self, task: Task, error: AwsError) -> Next:
        """The resource's service does not take the change."""
        if isinstance(error, Missing):
            return self._vanished(error, task)
        end = moment(self.now)
        if isinstance(error, Busy):
            if "base" not in task:  # bounds hold whenever the resource can be changed again
                return Next(due=LOOK)
            current = task["before"]
            reason = {"Code": decisions.UNSCALABLE, "CurrentCapacity": current}
            self._tell(task, StatusCode="Failed", EndTime=end, NotScaledReasons=[reason])
            return Next(plan={"task": None})
        said = activities.failed(self.row, task["capacity"], error.message)
        self._tell(task, StatusCode="Failed", StatusMessage=said, EndTime=end)
        return Next(plan={"task": None, "failed": self.now})

    def _vanished(self, error: AwsError, task: Task | None = None) -> Next:
        """The resource is deleted: what was under way failed, and the target is deregistered."""
        if task is not None:
            said = activities.failed(self.row, task["capacity"], error.message)
            self._tell(task, StatusCode="Failed", StatusMessage=said, EndTime=moment(self.now))
        withdraw(self.world, self.row)
        return Next()

    def _tell(self, task: Task, **members: Any) -> None:
        activities.change(self.world, self.row, task["id"], **members)
