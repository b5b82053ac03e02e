"""The private state in the rows of scalable targets, policies and scheduled actions."""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.services.autoscaling.decisions import Change
from sagebrush.store.rows import Row


class Made(TypedDict, total=False):
    """A change of capacity by a policy, as `decisions.Change` has it."""

    base: Required[int]
    before: Required[int]
    after: Required[int]
    ended: float | None
    cooldown: Required[float]


class Task(TypedDict, total=False):
    """A change of capacity that is under way: written before it is begun, so that a step that is
    repeated begins the same one."""

    id: Required[str]
    """The scaling activity's."""
    capacity: Required[int]
    before: Required[int]
    cause: Required[str]
    began: Required[float]
    base: int
    """Of a policy's: see `decisions.Change`; absent for one of the bounds."""
    cooldown: float
    asked: bool
    """Whether the target's service has taken the new capacity."""


class Plan(TypedDict, total=False):
    """The plan of a scalable target's row, or of a policy's or action's, which have tags alone."""

    tags: dict[str, str]
    task: Task
    change: Made
    """The last change by a policy, for cooldowns."""
    enforce: bool
    """Whether the capacity must come within the bounds, which were set since it last did."""
    noted: dict[str, float]
    """Policy and reason of what was not scaled -> when that was last recorded."""
    failed: float
    """When a policy's change last failed; others wait a while."""
    since: float
    """See `engine.schedules.firing`."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)


def change_of(row: Row) -> Change | None:
    """The last change of the target's capacity by a policy, one under way included."""
    plan = plan_of(row)
    task = plan.get("task")
    if task is not None and "base" in task:
        cooldown = task.get("cooldown", 0.0)
        return Change(task["base"], task["before"], task["capacity"], None, cooldown)
    made = plan.get("change")
    if made is None:
        return None
    return Change(made["base"], made["before"], made["after"], made.get("ended"), made["cooldown"])
