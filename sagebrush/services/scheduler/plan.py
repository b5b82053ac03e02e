"""The private state in the rows of schedules and their groups."""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.store.rows import Row


class Plan(TypedDict, total=False):
    """Of a schedule: when it fired. Of a group: its tags."""

    tags: dict[str, str]
    token: str
    """The ClientToken with which it was created."""
    made: float
    """When the schedule was set, in seconds since the epoch: rates count from then."""
    since: float
    """Fires up to then are done or do not count (`engine.schedules.firing.SINCE`)."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)
