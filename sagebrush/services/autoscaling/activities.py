"""Scaling activities: what was done to a scalable target, and what was not, with AWS's words."""

from __future__ import annotations

import uuid
from typing import Any

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.autoscaling import resources, rows
from sagebrush.services.autoscaling.decisions import SET_BACK, Note
from sagebrush.services.autoscaling.plan import change_of, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

KEPT = 42 * 86400.0
"""Seconds: DescribeScalingActivities tells of "the previous six weeks"."""
_MOST = 50
_NOTES = uuid.UUID("5a3d8c1e-7f0b-4a53-9d35-0c5f6d2a7b11")
NOTED_AGAIN = 3600.0
"""Seconds until the same reason of the same policy is recorded again while it lasts."""


def describe_scaling_activities(ctx: Ctx, request: Doc) -> Doc:
    """A page of the activities of the last six weeks, newest first."""
    found = rows.of_request(ctx, rows.ACTIVITY, request, "ActivityId", "")
    since = ctx.world.clock() - KEPT
    whole = bool(request.get("IncludeNotScaledActivities"))
    shown = [
        row
        for row in reversed(found)
        if row.created >= since and (whole or "NotScaledReasons" not in row.doc)
    ]
    made = rows.page(request, shown, _MOST, lambda row: row.doc)
    return {"ScalingActivities": made.pop("Page"), **made}


def new_id() -> str:
    """The id of a new activity."""
    return str(uuid.uuid4())


def setting(target: Row, capacity: int) -> str:
    """What an activity intends: `Setting desired instance count to 2.`"""
    return f"Setting {_words(target)} to {capacity}."


def triggered(alarm: str, policy: str) -> str:
    """The cause of what a policy does."""
    return f"monitor alarm {alarm} in state ALARM triggered policy {policy}"


def waiting(target: Row, capacity: int) -> str:
    """The message of an activity whose capacity was set and is not there yet."""
    words = f"Successfully set {_words(target)} to {capacity}."
    return f"{words} Waiting for change to be fulfilled by {target.doc['ServiceNamespace']}."


def fulfilled(target: Row, capacity: int) -> str:
    """The message of an activity that succeeded."""
    words = f"Successfully set {_words(target)} to {capacity}."
    return f"{words} Change successfully fulfilled by {target.doc['ServiceNamespace']}."


def failed(target: Row, capacity: int, reason: str) -> str:
    """The message of an activity that failed."""
    return f"Failed to set {_words(target)} to {capacity}. Reason: {reason}"


def recorded(world: World, target: Row, number: str) -> bool:
    """Whether the activity of that id is there."""
    return world.rows.get(target.account, target.region, rows.ACTIVITY, number) is not None


def record(world: World, target: Row, number: str, doc: Doc, began: float) -> None:
    """The activity of that id is there; one that is there stays as it is."""
    if recorded(world, target, number):
        return
    members = {m: target.doc[m] for m in rows.IDENTITY}
    whole = {"ActivityId": number, **members, "StartTime": moment(began), **doc}
    world.rows.insert(
        Row(
            target.account,
            target.region,
            rows.ACTIVITY,
            number,
            whole["StatusCode"],
            whole,
            created=began,
        )
    )


def change(world: World, target: Row, number: str, **members: Any) -> None:
    """The activity has these members now."""
    found = world.rows.get(target.account, target.region, rows.ACTIVITY, number)
    if found is None:  # older than six weeks, or deleted with all else
        return

    def work(row: Row) -> Row:
        doc = {**row.doc, **members}
        return Row(**{**row.__dict__, "doc": doc, "status": doc["StatusCode"]})

    world.rows.update(found.id, work)


def note(world: World, target: Row, noted: dict[str, float], found: Note, now: float) -> None:
    """What was not scaled is recorded and put into `noted`, unless the same was within the hour."""
    key = f"{found.policy}: {found.code}"
    if now - NOTED_AGAIN < noted.get(key, -NOTED_AGAIN) <= now + SET_BACK:
        return
    made = change_of(target)
    before = plan_of(target).get("noted", {}).get(key), made.ended if made else None
    noted[key] = now
    doc = {
        "Description": "Attempting to scale due to alarm triggered",
        "Cause": triggered(found.alarm, found.policy),
        "StatusCode": "Failed",
        "NotScaledReasons": [found.reason],
    }
    # the same for a step that is repeated because the target was changed meanwhile
    number = str(uuid.uuid5(_NOTES, f"{target.id}/{key}/{before}"))
    record(world, target, number, doc, now)


def expire(world: World, target: Row) -> None:
    """The target's activities older than six weeks are gone."""
    before = world.clock() - KEPT
    for row in rows.of_target(world, rows.ACTIVITY, target):
        if row.created < before:
            world.rows.delete(row.id)


def _words(target: Row) -> str:
    return resources.DIMENSIONS[target.doc["ScalableDimension"]].words
