"""The plans of rows: of state machines, their versions, and activities."""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.store.rows import Row


class Plan(TypedDict, total=False):
    """`Row.plan`."""

    tags: dict[str, str]
    versions: int
    """The number of the latest version."""
    updated: float
    """When the revision was made, where it is not the first."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)
