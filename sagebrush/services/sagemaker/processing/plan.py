"""The private state in a processing job's row."""

from __future__ import annotations

from typing import cast

from sagebrush.services.sagemaker.jobs import plan
from sagebrush.store.rows import Next, Row


class Plan(plan.Job, total=False):
    """The plan of a processing job's row."""

    stored: float
    """When its Continuous outputs were last stored, in seconds since the epoch."""
    stored_until: float
    """The latest time of change of a file that is stored, by the system's clock."""
    installing: str
    """What a job waited for last in `download`."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
