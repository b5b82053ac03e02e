"""The private state in a transform job's row.

The names are those on disk: a row written by an older version is read by the next one, so a name
must never get another meaning.
"""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.store.rows import Next, Row


class Plan(TypedDict, total=False):
    """The plan of a transform job's row."""

    key: Required[str]
    """Names its capacity, its processes and its directories."""
    stage: Required[str]
    """Which step of its life is next."""
    containers: Required[list[Container]]
    """Those of its model, as it was when the job was created, with the job's Environment."""
    role: str | None
    isolated: bool
    tags: dict[str, str]
    waiting: bool | None
    """Whether it waits for capacity."""
    preparing: str | None
    """What its containers wait for."""
    begun: float
    """When it got its capacity, in seconds since the epoch; part of its log streams' names."""
    gpus: list[int]
    """The GPUs that it holds."""
    launched: float
    """When its containers were launched."""
    driven: bool | None
    """Whether its drivers were launched."""
    losses: int
    """How often its processes were lost and begun again."""
    stop: float
    """When it was asked to stop."""
    stopping: bool
    """Whether its drivers were sent SIGTERM because of `stop`."""
    end: str
    """How it will end once its processes have."""
    reason: str
    """Its FailureReason then."""
    removed: bool
    """Whether its directories are gone."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
