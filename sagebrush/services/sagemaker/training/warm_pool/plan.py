"""What the row of a warm pool keeps."""

from __future__ import annotations

from typing import Required, TypedDict, cast

from sagebrush.errors import Doc
from sagebrush.services.sagemaker.training.facts import WARM_POOL
from sagebrush.store.rows import Row
from sagebrush.world import World

FREE = ("Loading", "Available")
"""Statuses in which the next job may take it."""
ENDING = "Ending"
"""The status in which no job may take it any more."""


class Pool(TypedDict, total=False):
    """The plan of a pool's row."""

    job: Required[int]
    """The id of the row of the job that left it."""
    fingerprint: Required[str]
    """What the next job must have in common with that one (`matching.fingerprint`)."""
    since: Required[float]
    until: Required[float]
    """When it ends unless a job takes it."""
    size: Required[Doc]
    """What it holds of the host: `cpu`, `memory`, `gpus`, `role`."""
    spec: Required[Doc]
    launched: bool
    taken: int
    """The id of the row of the job that took it."""
    by: str
    """That job's name."""


def pool_of(row: Row) -> Pool:
    """The pool's plan."""
    return cast(Pool, row.plan)


def free(world: World) -> list[Row]:
    """The pools that the next job may take."""
    return world.rows.select(WARM_POOL.kind, FREE)


def taken(world: World) -> list[Row]:
    """The pools that a job has taken, until that job has the pool's key as its own."""
    return world.rows.select(WARM_POOL.kind, ["InUse"])
