"""The life of a warm pool: launched when there is room, loaded, taken by a job or at its end."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone, Running
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.training.facts import WARM_POOL
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.services.sagemaker.training.warm_pool import process
from sagebrush.services.sagemaker.training.warm_pool.plan import ENDING, FREE, pool_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import stage
from sagebrush.world import World


def reconcile(world: World, pool: Row) -> Next:
    """The next step of a pool's life."""
    if pool.status == "InUse":
        return _handed_over(world, pool)
    now = world.clock()
    late = now >= pool_of(pool)["until"] or pool.status == ENDING
    if late or capacity.evicted(world, pool.name):
        return _terminate(world, pool)
    if not pool_of(pool).get("launched"):
        if not launch(world, pool):
            return Next(due=min(30.0, pool_of(pool)["until"] - now))
        return Next(plan={"launched": True}, due=process.LOOK)
    state = world.backend.poll(pool.name)
    if isinstance(state, Exited | Gone):
        return _terminate(world, pool)
    if pool.status == "Loading" and isinstance(state, Running):
        try:
            process.require_ready(state.address)
        except OSError:
            return Next(due=process.LOOK)
        return Next("Available", due=max(0.0, pool_of(pool)["until"] - now))
    due = process.LOOK if pool.status == "Loading" else max(0.0, pool_of(pool)["until"] - now)
    return Next(due=due)


def fail(world: World, pool: Row, reason: str) -> Next:
    """The pool is gone, and the job that left it says so."""
    return _terminate(world, pool)


KIND = Kind(WARM_POOL.kind, WARM_POOL.noun, running=WARM_POOL, reconcile=reconcile, fail=fail)


def launch(world: World, pool: Row) -> bool:
    """Whether the process waits, or will: there is room for it that nothing else wants."""
    ask = capacity.Ask(pool.name, pool.id, idle=True, **pool_of(pool)["size"])
    turn = capacity.admit(world, ask)
    if turn.place:
        return False
    spec = record.from_json(pool_of(pool)["spec"])
    world.backend.launch(replace(spec, limits=replace(spec.limits, gpus=turn.gpus)))
    return True


def report(world: World, pool: Row, status: Doc) -> None:
    """The job that left the pool says what became of it: `status` in its WarmPoolStatus."""
    now = world.clock()
    held = max(0, round(now - pool_of(pool)["since"]))

    def change(job: Row) -> Row | None:
        if job.doc.get("WarmPoolStatus", {}).get("Status") not in ("Available", "InUse"):
            return None  # it says nothing of a pool, or has said it before
        after = {**status, "ResourceRetainedBillableTimeInSeconds": held}
        return replace(
            job, doc={**job.doc, "WarmPoolStatus": after, "LastModifiedTime": moment(now)}
        )

    world.rows.update(pool_of(pool)["job"], change)


def release(world: World, key: str) -> None:
    """Nothing of the process `key` still runs, holds capacity or is on the disk."""
    world.backend.forget(key)
    capacity.release(world, key)
    stage.remove(world.settings.home / "jobs" / key)


def _handed_over(world: World, pool: Row) -> Next:
    """The pool's row is gone once its job has taken the key over, or has ended without."""
    job = world.rows.by_id(pool_of(pool).get("taken", 0))
    if job is not None and plan_of(job)["key"] == pool.name:
        world.rows.delete(pool.id)
        return Next()
    if job is None or job.status not in ("InProgress", "Stopping"):
        return _terminate(world, pool)
    return Next(due=1.0)


def _terminate(world: World, pool: Row) -> Next:
    """Nothing of the pool is left, unless a job took it meanwhile."""
    if pool.status in FREE:

        def change(found: Row) -> Row | None:
            return replace(found, status=ENDING) if found.status in FREE else None

        after = world.rows.update(pool.id, change)
        if after is None or after.status != ENDING:
            return Next(due=0.0)
    release(world, pool.name)
    if pool.status in (*FREE, ENDING):
        report(world, pool, {"Status": "Terminated"})
    world.rows.delete(pool.id)
    return Next()
