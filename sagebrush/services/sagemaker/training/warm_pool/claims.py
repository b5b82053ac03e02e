"""Gives waiting processes to jobs: the one that matches, with the capacity that it holds."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.scheduler import capacity
from sagebrush.scheduler.position import Position
from sagebrush.services.sagemaker.training import cluster
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.services.sagemaker.training.warm_pool import life
from sagebrush.services.sagemaker.training.warm_pool.matching import fingerprint, wanted
from sagebrush.services.sagemaker.training.warm_pool.plan import FREE, free, pool_of, taken
from sagebrush.store.rows import Row
from sagebrush.world import World


def take_over(world: World, row: Row) -> tuple[str, Position, int] | None:
    """The key of the waiting process that is now the job's, what of the host it holds with it, and
    the number of its instances; None where none matches. Repeatable."""
    key = _claim(world, row)
    if not key:
        return None
    turn = capacity.hand_over(world, key, replace(cluster.ask(world, row), key=key))
    if turn is None or turn.place:
        give_up(world, key)
        return None
    if plan_of(row)["key"] != key:
        capacity.release(world, plan_of(row)["key"])
    return key, turn, 1


def give_up(world: World, key: str) -> None:
    """The process that waited under `key`, and was taken, is gone."""
    pool = next((pool for pool in taken(world) if pool.name == key), None)
    life.release(world, key)
    if pool is not None:
        world.rows.delete(pool.id)


def _claim(world: World, row: Row) -> str:
    """The key of the waiting process that is now the job's, "" where none matches. Repeatable: a job
    has one."""
    if not wanted(row):
        return ""
    for pool in taken(world):
        if pool_of(pool).get("taken") == row.id:
            _reused(world, pool, row)
            return pool.name
    own = fingerprint(world, row)
    alike = [
        pool
        for pool in free(world)
        if pool_of(pool)["fingerprint"] == own and pool_of(pool).get("launched")
    ]
    for pool in sorted(alike, key=lambda pool: pool.status != "Available"):
        if _take(world, pool, row):
            _reused(world, pool, row)
            return pool.name
    return ""


def _take(world: World, pool: Row, row: Row) -> bool:
    """True if this job won the pool; another may claim it concurrently."""

    def change(found: Row) -> Row | None:
        if found.status not in FREE:
            return None
        plan = {**found.plan, "taken": row.id, "by": row.name}
        return replace(found, status="InUse", plan=plan, due_at=world.clock())

    after = world.rows.update(pool.id, change)
    return after is not None and pool_of(after).get("taken") == row.id


def _reused(world: World, pool: Row, row: Row) -> None:
    life.report(world, pool, {"Status": "Reused", "ReusedByJob": row.name})
