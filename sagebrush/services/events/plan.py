"""The private state in the rows of rules and buses."""

from __future__ import annotations

from typing import TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.store.rows import Row


class Plan(TypedDict, total=False):
    """Of a rule: its targets and when it last fired. Of a bus: tags alone."""

    tags: dict[str, str]
    targets: dict[str, Doc]
    """Id -> the target as PutTargets has it, in the order in which they were put."""
    made: float
    """When the schedule was set, in seconds since the epoch: rates count from then."""
    since: float
    """`engine.schedules.firing.SINCE`."""


def plan_of(row: Row) -> Plan:
    """The row's plan."""
    return cast(Plan, row.plan)


def targets_of(row: Row) -> dict[str, Doc]:
    """The rule's targets by their ids."""
    return plan_of(row).get("targets", {})
