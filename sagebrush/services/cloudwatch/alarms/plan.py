"""The private state in an alarm's row."""

from __future__ import annotations

from typing import NotRequired, Required, TypedDict, cast

from sagebrush.store.rows import Next, Row

METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
"""AWS's AlarmType."""


class State(TypedDict):
    """What an alarm's state was."""

    value: str
    reason: str
    data: str | None
    at: NotRequired[float]
    """Since when, in seconds since the epoch; absent in changes that an earlier version stored."""


class Change(TypedDict):
    """A change of state that is stored, and whose history and actions are to follow."""

    at: float
    """When, in seconds since the epoch."""
    old: State


class Held(TypedDict):
    """Actions of a composite alarm that its suppressor holds back."""

    change: Change
    since: float
    """When the composite alarm changed, in seconds since the epoch."""


class Done(TypedDict):
    """Actions that were carried out in a step that is not stored yet."""

    at: float
    """When the change was that they are for."""
    actions: list[str]


class Plan(TypedDict, total=False):
    """The plan of an alarm's row."""

    tags: Required[dict[str, str]]
    type: Required[str]
    """METRIC or COMPOSITE."""
    change: Change
    """Absent where there is nothing left to do for the last change."""
    done: Done
    children: list[str]
    """The names of the alarms in the rule of a composite one."""
    suppressor: str
    """The name of its suppressor; "" for none."""
    why: str
    """What the next evaluation of a composite alarm is for: `created`, `updated`, or the name of
    the alarm that changed."""
    held: Held
    left: float
    """When the suppressor was last seen to have left ALARM, in seconds since the epoch."""
    suppressing: bool
    """Whether the suppressor was in ALARM when it was last looked at."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
