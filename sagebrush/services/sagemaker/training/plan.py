"""What the row of a training job keeps for Sagebrush alone."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from sagebrush.services.sagemaker.jobs import plan
from sagebrush.store.rows import Next, Row


class Attempt(plan.Attempt, total=False):
    """Members that belong to one attempt; `attempts.anew` removes them all."""

    instances: int | None
    """How many instances it has, where they are fewer than the job asks for."""
    offsets: dict[str, int] | None
    """How far each instance's log was read for metrics."""
    noticed: str
    """Why its instances had their interruption notice."""
    saved: float
    """When checkpoints were last stored."""
    kept_until: float
    """The latest time of change of a checkpoint that is stored, by the system's clock."""
    echo: bool
    """Whether all that ended so far only say that another instance has gone."""


class Handed(TypedDict, total=False):
    """Members that the resource which starts the job may hand over (`engine.children.start`)."""

    standby: float
    """Seconds for which the job's process waits for the next job of the same parent."""
    look: float
    """Seconds between looks at its logs for metrics."""


class Plan(plan.Job, Attempt, Handed, total=False):
    """The plan of a training job's row."""

    warm: bool
    """Whether it takes over a process that waited (`warm_pool.claims`)."""
    cold: bool
    """Whether it must start without one."""
    next: bool
    """Whether a process for the parent's next job loads already."""
    seconds: float
    """How long the attempt may run."""
    short: str
    """The end that running for so long means."""
    ended: float
    attempts: int
    """Interruptions so far."""
    retries: int
    """Further attempts after internal errors so far."""
    spent: float
    """Seconds for which earlier attempts had instances."""
    ran: float
    """Seconds for which earlier attempts ran."""
    past: list[list[Any]]
    """[key, instances] of each earlier attempt."""
    begun_last: float
    """`begun` of the attempt before."""
    finals: dict[str, list[float]]
    """The last value of each metric: name -> [seconds since the epoch, value]."""


ATTEMPT = tuple(Attempt.__annotations__)
"""What a new attempt begins without."""


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step, the members that it changes."""
    return cast(Plan, row.plan)
