"""Warm pools: after a job that keeps its instance alive, a process waits for the next matching job.

The sandbox is new, its modules are loaded and no user's code has run in it; the next job takes it
over under its own key, and the one after that finds another. Source: "Train Using SageMaker AI
Managed Warm Pools" (developer guide).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Required, TypedDict, cast

from sagebrush.aws.names import short_id
from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone, Running, Spec
from sagebrush.engine import children
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import Doc
from sagebrush.net import dial
from sagebrush.scheduler import capacity
from sagebrush.services.sagemaker.training import cluster as processes
from sagebrush.services.sagemaker.training.facts import WARM_POOL
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import imports_of, launch, layers, stage, streamed_input
from sagebrush.world import World

PORT = 7070
"""Where the waiting process listens in its sandbox (toolkit/training/warm.py)."""
LOOK = 0.1
"""Seconds between looks at a process that is still loading."""
WAIT = 5.0
"""Seconds that a process which waits has to answer."""
LOADING = 60.0
"""Seconds that a job waits for a process that is still loading, until it starts without."""
FREE = ("Loading", "Available")
"""Statuses in which the next job may take it."""
ENDING = "Ending"
"""The status in which nobody may take it any more."""


class Pool(TypedDict, total=False):
    """The plan of a pool's row."""

    job: Required[int]
    """The id of the row of the job that left it."""
    fingerprint: Required[str]
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


class Lost(Exception):
    """The process that waited is gone; the job starts without it."""


def reconcile(world: World, pool: Row) -> Next:
    """The next step of a pool's life."""
    if pool.status == "InUse":
        return _handed_over(world, pool)
    now = world.clock()
    late = now >= pool_of(pool)["until"] or pool.status == ENDING
    if late or capacity.evicted(world, pool.name):
        return _terminate(world, pool)
    if not pool_of(pool).get("launched"):
        if not _launch(world, pool):
            return Next(due=min(30.0, pool_of(pool)["until"] - now))
        return Next(plan={"launched": True}, due=LOOK)
    state = world.backend.poll(pool.name)
    if isinstance(state, Exited | Gone):
        return _terminate(world, pool)
    if pool.status == "Loading" and isinstance(state, Running):
        try:
            _say(state.address, {"ask": "ready"})
        except OSError:
            return Next(due=LOOK)
        return Next("Available", due=max(0.0, pool_of(pool)["until"] - now))
    due = LOOK if pool.status == "Loading" else max(0.0, pool_of(pool)["until"] - now)
    return Next(due=due)


def fail(world: World, pool: Row, reason: str) -> Next:
    """The pool is gone; its job is told."""
    return _terminate(world, pool)


def _launch(world: World, pool: Row) -> bool:
    """Whether the process waits, or will: whether there is room for it that nobody else wants."""
    ask = capacity.Ask(pool.name, pool.id, idle=True, **pool_of(pool)["size"])
    turn = capacity.admit(world, ask)
    if turn.place:
        return False
    spec = record.from_json(pool_of(pool)["spec"])
    world.backend.launch(replace(spec, limits=replace(spec.limits, gpus=turn.gpus)))
    return True


KIND = Kind(WARM_POOL.kind, WARM_POOL.noun, running=WARM_POOL, reconcile=reconcile, fail=fail)


def fingerprint(world: World, row: Row) -> str:
    """What two jobs must have in common for one to take over the other's instance."""
    doc = row.doc
    first = processes.members(row)[0]
    common = [
        doc["RoleArn"],
        doc["AlgorithmSpecification"].get("TrainingImage"),
        first.type,
        len(processes.members(row)),
        processes.ask(world, row).cpu,  # of trials that share the host it is less than the type's
        bool(doc.get("EnableNetworkIsolation")),
        sorted(doc.get("Environment", {}).items()),
    ]
    return hashlib.sha256(json.dumps(common).encode()).hexdigest()


def wanted(row: Row) -> bool:
    """Whether the job takes over, and leaves, a waiting process: it keeps its instance alive, or what
    started it wants one."""
    if len(processes.members(row)) > 1 or processes.contained(row) or plan_of(row).get("cold"):
        return False
    if streamed_input.streams(row.doc):  # what feeds a job begins before its sandbox
        return False
    return bool(plan_of(row).get("standby") or keep_alive(row))


def keep_alive(row: Row) -> int:
    """Seconds for which the job's instance is kept after its end."""
    return row.doc["ResourceConfig"].get("KeepAlivePeriodInSeconds") or 0


def offer(world: World, row: Row, seconds: float) -> bool:
    """Whether a process waits, for `seconds`, for the next job like `row`, which has ended and whose
    /opt/ml/code is still there. Where there is no room now, one comes when there is.

    A job with a parent leaves one when it begins too, which loads while it runs; of those of one
    kind that have no room yet there is but one. Repeatable."""
    job, ask = processes.members(row)[0], processes.ask(world, row)
    root = processes.root(world, job)
    if layers.wanted(root) or not (keep_alive(row) or awaited(world, row)):
        return False
    alike = fingerprint(world, row)
    for pool in _free(world):
        if pool_of(pool)["job"] == row.id or (
            not keep_alive(row)
            and pool_of(pool)["fingerprint"] == alike
            and not pool_of(pool).get("launched")
        ):
            _launch_now(world, pool)
            return True
    spec, here = processes.ready(world, row)[0], launch.place(world, root)
    name = f"w-{short_id()}"
    environment = world.environments.ready(plan_of(row)["environment"])
    if environment is None:
        return False
    waiting = replace(
        spec,
        key=name,
        root=world.settings.home / "jobs" / name,
        argv=(
            str(environment.python),
            f"{here.toolkit}/training/warm.py",
            *imports_of.modules(root),
        ),
        env={k: v for k, v in spec.env.items() if not k.startswith("TRAINING_JOB_")},
        port=PORT,
        time_limit=None,
        banner="",
        limits=replace(spec.limits, gpus=()),
    )
    now = world.clock()
    plan: Pool = {
        "job": row.id,
        "fingerprint": alike,
        "since": now,
        "until": now + seconds,
        "size": {"cpu": ask.cpu, "memory": ask.memory, "gpus": ask.gpus, "role": ask.role},
        "spec": record.to_json(waiting),
    }
    pool = world.rows.insert(
        Row(row.account, row.region, KIND.name, name, "Loading", {}, {**plan}, due_at=now + LOOK)
    )
    _launch_now(world, pool)
    return True


def _launch_now(world: World, pool: Row) -> None:
    """The process is launched if there is room: the next job may come before the loop sees the pool."""
    if not pool_of(pool).get("launched") and _launch(world, pool):
        world.rows.update(pool.id, lambda p: replace(p, plan={**p.plan, "launched": True}))


def awaited(world: World, row: Row) -> bool:
    """Whether a further job of the one's parent will start: one that is still to be created, or that
    waits for capacity."""
    parent = children.alive(world, row)
    if parent is None:
        return False
    if parent.get("more"):
        return True
    others = world.rows.select(row.kind, ["InProgress"], parent=row.parent)
    return any(plan_of(other)["stage"] == "start" for other in others)


def _free(world: World) -> list[Row]:
    return world.rows.select(KIND.name, FREE)


def claim(world: World, row: Row) -> str:
    """The key of the waiting process that is now the job's, "" where none waits for its like.
    Repeatable: a job has one."""
    if not wanted(row):
        return ""
    for pool in world.rows.select(KIND.name, ["InUse"]):
        if pool_of(pool).get("taken") == row.id:
            _reused(world, pool, row)
            return pool.name
    own = fingerprint(world, row)
    alike = [
        pool
        for pool in _free(world)
        if pool_of(pool)["fingerprint"] == own and pool_of(pool).get("launched")
    ]
    for pool in sorted(alike, key=lambda pool: pool.status != "Available"):
        if _take(world, pool, row):
            _reused(world, pool, row)
            return pool.name
    return ""


def take_over(world: World, row: Row) -> tuple[str, capacity.Turn, int] | None:
    """The key of the waiting process that is now the job's, what of the host it holds with it, and
    the number of its instances; None where none waits for its like. Repeatable."""
    key = claim(world, row)
    if not key:
        return None
    turn = capacity.hand_over(world, key, replace(processes.ask(world, row), key=key))
    if turn is None or turn.place:
        give_up(world, key)
        return None
    if plan_of(row)["key"] != key:
        capacity.release(world, plan_of(row)["key"])
    return key, turn, 1


def give_up(world: World, key: str) -> None:
    """The process that waited under `key`, and was taken, is gone."""
    pool = next((p for p in world.rows.select(KIND.name, ["InUse"]) if p.name == key), None)
    world.backend.forget(key)
    capacity.release(world, key)
    stage.remove(world.settings.home / "jobs" / key)
    if pool is not None:
        world.rows.delete(pool.id)


def _take(world: World, pool: Row, row: Row) -> bool:
    """Whether the pool is now the job's: nobody was faster."""

    def change(found: Row) -> Row | None:
        if found.status not in FREE:
            return None
        plan = {**found.plan, "taken": row.id, "by": row.name}
        return replace(found, status="InUse", plan=plan, due_at=world.clock())

    after = world.rows.update(pool.id, change)
    return after is not None and pool_of(after).get("taken") == row.id


def _reused(world: World, pool: Row, row: Row) -> None:
    _tell(world, pool, {"Status": "Reused", "ReusedByJob": row.name})


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
    """Nothing of the pool is left, unless a job was faster."""
    if pool.status in FREE:

        def change(found: Row) -> Row | None:
            return replace(found, status=ENDING) if found.status in FREE else None

        after = world.rows.update(pool.id, change)
        if after is None or after.status != ENDING:
            return Next(due=0.0)
    world.backend.forget(pool.name)
    capacity.release(world, pool.name)
    stage.remove(world.settings.home / "jobs" / pool.name)
    if pool.status in (*FREE, ENDING):
        _tell(world, pool, {"Status": "Terminated"})
    world.rows.delete(pool.id)
    return Next()


def _tell(world: World, pool: Row, status: Doc) -> None:
    """The job that left the pool says what became of it."""
    now = world.clock()
    held = max(0, round(now - pool_of(pool)["since"]))

    def change(job: Row) -> Row | None:
        if job.doc.get("WarmPoolStatus", {}).get("Status") not in ("Available", "InUse"):
            return None  # none is told of, or it was told before
        told = {**status, "ResourceRetainedBillableTimeInSeconds": held}
        return replace(
            job, doc={**job.doc, "WarmPoolStatus": told, "LastModifiedTime": moment(now)}
        )

    world.rows.update(pool_of(pool)["job"], change)


def extend(world: World, row: Row, seconds: int) -> bool:
    """The pool that the job left waits until `seconds` after it began to; 0 ends it. False where
    nobody can be kept waiting any more: the next job has taken it, or it has ended."""
    done = False
    for pool in _free(world):
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
    for pool in _free(world):
        job = world.rows.by_id(pool_of(pool)["job"])
        if job and job.parent == parent and not keep_alive(job):
            extend(world, job, 0)


def begin(world: World, spec: Spec) -> None:
    """The process that waited under `spec.key` is the job `spec`, whose /opt/ml is there. Repeatable.

    Raises Lost where it ended before, and OSError while it does not listen yet.
    """
    state = world.backend.poll(spec.key)
    if isinstance(state, Exited) and _begun(world, spec):
        return  # while no server ran
    if not isinstance(state, Running):
        raise Lost if isinstance(state, Exited | Gone) else OSError("it is starting")
    seconds = spec.time_limit or 0.0
    with dial.control(Path(spec.root) / "ctl", f"begin {seconds}", WAIT) as talk:
        talk.recv(8)  # its files are its own before it begins
    job = {"argv": list(spec.argv), "env": dict(spec.env), "banner": spec.banner}
    try:
        _say(state.address, job)
    except dial.Refused:
        if not _begun(world, spec):
            raise  # it is loading still


def _begun(world: World, spec: Spec) -> bool:
    """Whether the process has the job already: it has written the banner."""
    first = world.backend.logs(spec.key, 0, 1)
    return bool(first) and first[0].text == spec.banner.partition("\n")[0]


def _say(address: str, message: Doc) -> bytes:
    """The answer of a waiting process; raises OSError (dial.Refused where nothing listens)."""
    with dial.connect_sync(address, WAIT) as talk:
        talk.sendall(json.dumps(message).encode() + b"\n")
        answer = talk.recv(64)
    if not answer:
        raise OSError("it said nothing")
    return answer
