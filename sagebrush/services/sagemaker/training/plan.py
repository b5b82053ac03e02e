"""The private state in a training job's row."""

from __future__ import annotations

from typing import Any, TypedDict, cast

from sagebrush.services.sagemaker.jobs import plan
from sagebrush.store.rows import Next, Row


class Attempt(plan.Attempt, total=False):
    """Members that belong to one attempt; `attempts.anew` removes them all."""

    instances: int | None
    """The number of its instances, where it is smaller than the job requests."""
    offsets: dict[str, int] | None
    """The offset up to which each instance's log was read for metrics: instance -> bytes."""
    noticed: str
    """Why its instances were given their interruption notice."""
    saved: float
    """When checkpoints were last stored, in seconds since the epoch."""
    kept_until: float
    """The latest time of change of a checkpoint that is stored, by the system's clock."""
    echo: bool
    """Whether every ended instance only reported the loss of another."""


class Handed(TypedDict, total=False):
    """Members that a job's parent may set (`engine.children.start`)."""

    standby: float
    """Seconds for which the job's process waits for the next job of the same parent."""
    look: float
    """Seconds between looks at its logs for metrics."""


class Plan(plan.Job, Attempt, Handed, total=False):
    """The plan of a training job's row."""

    warm: bool
    """Whether it takes over a process that waited (`warm_pool.claims`)."""
    cold: bool
    """Whether it must start without a waiting process."""
    next: bool
    """Whether a process for the parent's next job was offered already."""
    seconds: float
    """How long the attempt may run."""
    short: str
    """The secondary status of a job that ran for that long."""
    ended: float
    attempts: int
    """The number of interruptions so far."""
    retries: int
    """The number of further attempts after internal errors so far."""
    spent: float
    """Seconds for which earlier attempts had instances."""
    ran: float
    """Seconds for which earlier attempts ran."""
    past: list[list[Any]]
    """[key, instances] of each earlier attempt."""
    begun_last: float
    """`begun` of the previous attempt."""
    finals: dict[str, list[float]]
    """The last value of each metric: name -> [seconds since the epoch, value]."""


ATTEMPT = tuple(Attempt.__annotations__)
"""The members that a new attempt removes."""


def keep_alive(row: Row) -> int:
    """Seconds for which the job's instance is kept after its end; 0 where it is not."""
    return row.doc["ResourceConfig"].get("KeepAlivePeriodInSeconds") or 0


def pooled(row: Row) -> bool:
    """Whether the request, or what started the job, asks for warm pools (`training.warm_pool`)."""
    return bool(keep_alive(row) or plan_of(row).get("standby"))


def interruptible(row: Row) -> bool:
    """Whether the request asks for managed spot training (`training.spot`)."""
    return bool(row.doc.get("EnableManagedSpotTraining"))


def plan_of(row: Row | Next) -> Plan:
    """The row's plan; of a step's result, the members to change."""
    return cast(Plan, row.plan)
