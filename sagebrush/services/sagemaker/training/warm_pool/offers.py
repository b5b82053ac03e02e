"""What a job leaves waiting for the next: warm pools begun, extended and dismissed."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.aws.names import short_id
from sagebrush.compute import record
from sagebrush.compute.base import Spec
from sagebrush.services.sagemaker.training import cluster
from sagebrush.services.sagemaker.training.facts import WARM_POOL
from sagebrush.services.sagemaker.training.plan import keep_alive, plan_of
from sagebrush.services.sagemaker.training.warm_pool import life
from sagebrush.services.sagemaker.training.warm_pool.matching import awaited, fingerprint
from sagebrush.services.sagemaker.training.warm_pool.plan import FREE, Pool, free, pool_of
from sagebrush.services.sagemaker.training.warm_pool.process import LOOK, PORT
from sagebrush.store.rows import Row
from sagebrush.workload import imports_of, launch, layers
from sagebrush.world import World


def offer(world: World, row: Row, seconds: float) -> bool:
    """Whether a process waits, for `seconds`, for the next job like `row`, which has ended and whose
    /opt/ml/code is still there. Where there is no room now, one comes when there is.

    A job with a parent leaves one when it begins too, which loads while it runs; of those of one
    fingerprint that have no room yet there is but one. Repeatable."""
    if layers.wanted(cluster.root(world, cluster.members(row)[0])):
        return False
    if not (keep_alive(row) or awaited(world, row)):
        return False
    alike = fingerprint(world, row)
    for pool in free(world):
        if pool_of(pool)["job"] == row.id or (
            not keep_alive(row)
            and pool_of(pool)["fingerprint"] == alike
            and not pool_of(pool).get("launched")
        ):
            _launch_now(world, pool)
            return True
    waiting = _waiting(world, row)
    if waiting is None:
        return False
    now, ask = world.clock(), cluster.ask(world, row)
    plan: Pool = {
        "job": row.id,
        "fingerprint": alike,
        "since": now,
        "until": now + seconds,
        "size": {"cpu": ask.cpu, "memory": ask.memory, "gpus": ask.gpus, "role": ask.role},
        "spec": record.to_json(waiting),
    }
    place = (row.account, row.region, WARM_POOL.kind, waiting.key)
    pool = world.rows.insert(Row(*place, "Loading", {}, {**plan}, due_at=now + LOOK))
    _launch_now(world, pool)
    return True


def extend(world: World, row: Row, seconds: int) -> bool:
    """The pool that the job left waits until `seconds` after it began to; 0 ends it. False where
    nothing waits any more: the next job has taken it, or it has ended."""
    done = False
    for pool in free(world):
        if pool_of(pool)["job"] != row.id:
            continue

        def change(found: Row) -> Row | None:
            if found.status not in FREE:
                return None
            until = pool_of(found)["since"] + seconds
            return replace(found, plan={**found.plan, "until": until}, due_at=world.clock())

        after = world.rows.update(pool.id, change)
        done = done or (after is not None and after.status in FREE)
    world.wake()
    return done


def dismiss(world: World, parent: str) -> None:
    """No process waits for a further job of that parent (its ARN), unless the job that left it asked
    for that by a period of its own."""
    for pool in free(world):
        job = world.rows.by_id(pool_of(pool)["job"])
        if job and job.parent == parent and not keep_alive(job):
            extend(world, job, 0)


def _waiting(world: World, row: Row) -> Spec | None:
    """The process that is to wait after the job; None where its environment is not there."""
    spec, name = cluster.ready(world, row)[0], f"w-{short_id()}"
    root = cluster.root(world, cluster.members(row)[0])
    here = launch.place(world, root)
    program = f"{here.toolkit}/training/warm.py"
    environment = world.environments.ready(plan_of(row)["environment"])
    if environment is None:
        return None
    return replace(
        spec,
        key=name,
        root=world.settings.home / "jobs" / name,
        argv=(launch.python(environment, here), program, *imports_of.modules(root)),
        env={k: v for k, v in spec.env.items() if not k.startswith("TRAINING_JOB_")},
        port=PORT,
        time_limit=None,
        banner="",
        limits=replace(spec.limits, gpus=()),
    )


def _launch_now(world: World, pool: Row) -> None:
    """The process is launched if there is room: the next job may come before the loop sees the pool."""
    if not pool_of(pool).get("launched") and life.launch(world, pool):
        world.rows.update(pool.id, lambda p: replace(p, plan={**p.plan, "launched": True}))
