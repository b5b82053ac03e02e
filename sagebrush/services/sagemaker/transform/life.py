"""The life of a transform job: one short, repeatable step for each stage.

start (capacity) -> serve (the model's containers are launched) -> ping (they answer) -> run (the
drivers send records) -> end (everything has ended) -> keep (its logs stay for a while). What is lost,
as by a restart of the host, is begun again, and goes on with the objects that have no output yet.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

from sagebrush.compute.base import Exited, Gone, Limits, Unsupported
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity, estimates
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.placement import Part
from sagebrush.scheduler.sizes import Size
from sagebrush.services.sagemaker.jobs import life as jobs
from sagebrush.services.sagemaker.jobs import reasons, share_of_host, steps
from sagebrush.services.sagemaker.serving.process import Owner, Process, Waiting
from sagebrush.services.sagemaker.transform import driver, facts
from sagebrush.services.sagemaker.transform.driver import job
from sagebrush.services.sagemaker.transform.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import sources, stage
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

STARTUP = 480.0
"""Seconds within which each container must answer /ping, as for endpoints."""
PING = "/ping"
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL of what is ended."""
LOST = 3
"""Times that lost processes are begun again."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the job. Called by the loop under the row's lease; may be repeated."""
    return STAGES[plan_of(row)["stage"]](world, row)


def fail(world: World, row: Row, reason: str) -> Next:
    """The job has failed for `reason`: its processes are ended and its capacity is released."""
    for key in _keys(row):
        world.backend.stop(key, 0)
    capacity.release(world, plan_of(row)["key"])
    return _closed(world, row, "Failed", reason)


# ---- what there is of it


def processes(world: World, row: Row) -> Iterator[tuple[Member, Process]]:
    """The containers of the model, of each instance."""
    plan = plan_of(row)
    role = driver.checks.role_of(world, plan.get("role"), row.account)
    owner = Owner(
        facts.TRANSFORM_JOB,
        row.account,
        row.region,
        role,
        bool(plan.get("isolated")),
        facts.GROUP,
    )
    for member in job(row):
        stream = driver.stream_of(row, member)
        keys = facts.keys(member.key, len(plan["containers"]))
        for place, (key, each) in enumerate(zip(keys, plan["containers"], strict=True)):
            name = f"{stream}/{each['name']}" if len(keys) > 1 else stream
            yield member, Process(world, owner, each, key, place, name)


def _keys(row: Row) -> list[str]:
    """The keys of all its processes: drivers first."""
    several = len(plan_of(row)["containers"])
    return [
        *(driver.key(member) for member in job(row)),
        *(key for member in job(row) for key in facts.keys(member.key, several)),
    ]


def _sizes(world: World, row: Row) -> tuple[list[Size], str]:
    return share_of_host.sizes(world, row, [member.type for member in job(row)])


def _kind(row: Row, place: int) -> str:
    """The name under which a container's memory peak is recorded: that of the model's endpoints."""
    model = f"model/{row.doc['ModelName']}"
    return f"{model}/{place + 1}" if place else model


def _ask(world: World, row: Row) -> capacity.Ask:
    found, _ = _sizes(world, row)
    several = range(len(plan_of(row)["containers"]))
    parts = []
    for size in found:
        memory = sum(
            estimates.expected_memory(world, _kind(row, place), size.limits()) for place in several
        )
        parts.append(Part(size.cpu, min(memory, size.memory or memory), size.gpus))
    return capacity.Ask(
        plan_of(row)["key"],
        row.id,
        sum(part.cpu for part in parts),
        sum(part.memory for part in parts),
        gpus=sum(part.gpus for part in parts),
        role=driver.checks.role_of(world, plan_of(row).get("role"), row.account),
        priority=capacity.priority(plan_of(row).get("tags", {})),
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _limits(world: World, row: Row) -> dict[str, tuple[Limits, str]]:
    """Instance -> what each of its containers may use, and the sentence that says if that is less."""
    (found, banner), held = _sizes(world, row), tuple(plan_of(row).get("gpus", ()))
    given = {}
    for member, size in zip(job(row), found, strict=True):
        given[member.name] = size.limits(held[: size.gpus]), banner
        held = held[size.gpus :]
    return given


# ---- steps


def _start(world: World, row: Row) -> Next:
    """Capacity is reserved, or the job waits for it."""
    if "stop" in plan_of(row):
        return _finish("Stopped", "")
    turn = capacity.admit(world, _ask(world, row))
    if turn.place:
        return Next(plan={"waiting": True}, due=steps.QUEUE + turn.place)
    plan = {"begun": world.clock(), "gpus": list(turn.gpus), "waiting": None, "stage": "serve"}
    return Next(plan=plan, due=0.0)


def _serve(world: World, row: Row) -> Next:
    """The model's containers are launched."""
    if "stop" in plan_of(row):
        return _finish("Stopped", "")
    limits = _limits(world, row)
    for member, process in processes(world, row):
        try:
            process.start(*limits[member.name])
        except Waiting as waiting:
            return Next(plan={"preparing": str(waiting)}, due=waiting.seconds)
        except Unstartable as error:
            return _finish("Failed", f"ClientError: {error}")
        except Unsupported as error:
            return _finish("Failed", f"ClientError: {error}")
    now = world.clock()
    doc: Doc = {"LastModifiedTime": moment(now)}
    if "TransformStartTime" not in row.doc:
        doc["TransformStartTime"] = moment(now)
    return Next(doc=doc, plan={"stage": "ping", "preparing": None, "launched": now}, due=0.0)


def _ping(world: World, row: Row) -> Next:
    """Each container answers; then the drivers are launched."""
    if "stop" in plan_of(row):
        return _finish("Stopped", "")
    if step := _ended(world, row):
        return step
    now, until = world.clock(), plan_of(row).get("launched", 0.0) + STARTUP
    waits = [
        (member, process)
        for member, process in processes(world, row)
        if not world.health.ready(process.key)
    ]
    if not waits:
        return _drive(world, row)
    if now > until:
        name = waits[0][1].container["name"]
        return _finish(
            "Failed",
            f"AlgorithmError: The container {name} did not pass the ping health check: it did not"
            f" answer GET /ping with 200 within {STARTUP:g} seconds. {SEE}",
        )
    for _, process in waits:
        world.health.watch(process.key, row.id, PING, until)
    return Next(due=until - now + 1.0)


SEE = "See job logs for more information."


def _drive(world: World, row: Row) -> Next:
    try:
        driver.start(world, row)
    except sources.StageError as error:
        return _finish("Failed", str(error))
    return Next(plan={"stage": "run", "driven": True}, due=steps.POLL)


def _run(world: World, row: Row) -> Next:
    """The drivers are at work; when all have ended, the job's end is known."""
    drivers = [(member, world.backend.poll(driver.key(member))) for member in job(row)]
    alive = [member for member, state in drivers if not isinstance(state, Exited | Gone)]
    if "stop" in plan_of(row) and not plan_of(row).get("stopping"):
        for member in alive:
            world.backend.stop(driver.key(member), GRACE)
        return Next(plan={"stopping": True}, due=1.0)
    stops = "stop" in plan_of(row)
    lost = any(_lost(state) or (not stops and _killed(state)) for _, state in drivers)
    if not alive and not lost:
        ends = [(m, state) for m, state in drivers if isinstance(state, Exited)]
        return _finish(*driver.verdict(world, row, ends))
    if step := _ended(world, row):
        return step
    if lost:
        return _again(row, "the process that sends records to the model")
    return Next(due=steps.POLL)


def _lost(state: object) -> bool:
    return isinstance(state, Gone) or (isinstance(state, Exited) and state.reason == "lost")


def _killed(state: object) -> bool:
    """Whether somebody else ended the driver, which runs no code of the user's: another one goes on."""
    return isinstance(state, Exited) and not state.reason and state.code == -signal.SIGKILL


def _ended(world: World, row: Row) -> Next | None:
    """The step where a container has ended by itself; None where all run, or will."""
    for member, process in processes(world, row):
        state = world.backend.poll(process.key)
        if _lost(state):
            return _again(row, "the model's container")
        if isinstance(state, Exited):
            if "stop" in plan_of(row):
                return _finish("Stopped", "")
            limits, _ = _limits(world, row)[member.name]
            name, why = process.container["name"], process.reason(state, limits)
            return _finish("Failed", _container_ended(name, why))
    return None


def _container_ended(name: str, why: str) -> str:
    whose = "" if why.startswith("OutOfMemory") else "AlgorithmError: "
    first = f"{whose}{SEE} (The container {name} ended: "
    room = reasons.LIMIT - len(first) - 1
    return f"{first}{why if len(why) <= room else '…' + why[-(room - 1) :]})"


def _again(row: Row, what: str) -> Next:
    """Everything is ended and begun again; after LOST times the job fails."""
    count = plan_of(row).get("losses", 0) + 1
    if count > LOST:
        reason = f"InternalServerError: We encountered an internal error. Please try again. ({what} was lost {count} times)"
        return _finish("Failed", reason)
    return Next(plan={"stage": "again", "losses": count, "driven": None}, due=0.0)


def _renew(world: World, row: Row) -> Next:
    """What was lost is as if it had not been launched; drivers keep their journals."""
    if not _all_ended(world, row):
        return Next(due=1.0)
    for member in job(row):
        driver.renew(world, member)
    for _, process in processes(world, row):
        world.health.forget(process.key)
        world.backend.forget(process.key)
        stage.remove(process.root)
    return Next(plan={"stage": "serve"}, due=0.0)


def _all_ended(world: World, row: Row) -> bool:
    """Whether no process of the job lives; those that do are told to end."""
    alive = [key for key in _keys(row) if not isinstance(world.backend.poll(key), Exited | Gone)]
    for key in alive:
        world.backend.stop(key, GRACE)
    return not alive


def _finish(end: str, reason: str) -> Next:
    """The job will end so once its processes have."""
    plan = {"stage": "end", "end": end, "reason": reason[: reasons.LIMIT], "waiting": None}
    return Next(plan={**plan, "preparing": None}, due=0.0)


def _end(world: World, row: Row) -> Next:
    """Every process has ended: nothing half-written is left, capacity is released, the status is
    final."""
    if not _all_ended(world, row):
        return Next(due=1.0)
    for place, (member, process) in enumerate(processes(world, row)):
        state = world.backend.poll(process.key)
        if isinstance(state, Exited):
            kind = _kind(row, place % len(plan_of(row)["containers"]))
            estimates.note_peak(world, kind, member.type, state.peak_memory)
        world.health.forget(process.key)
        process.dispose()
    capacity.release(world, plan_of(row)["key"])
    end, reason = plan_of(row).get("end", "Failed"), plan_of(row).get("reason", "")
    try:
        driver.abort(world, row)
        driver.capture(world, row)
    except AwsError as error:
        if error.status >= 500:
            raise
        if end == "Completed":
            end, reason = "Failed", f"ClientError: Data capture failed:{error.message}"
    return _closed(world, row, end, reason)


def _closed(world: World, row: Row, end: str, reason: str) -> Next:
    now = moment(world.clock())
    doc: Doc = {"LastModifiedTime": now, "TransformEndTime": now}
    if reason:
        doc["FailureReason"] = reason[: reasons.LIMIT]
    days = world.settings.keep_jobs_days * 86400.0
    return Next(end, doc, {"stage": "keep", "waiting": None, "gpus": []}, days)


def _keep(world: World, row: Row) -> Next:
    """The directories and logs of a job are removed once it ended longer ago than they are kept."""
    if left := jobs.kept(world, row):
        return Next(due=left)
    for member in job(row):
        world.backend.forget(driver.key(member))
        stage.remove(driver.root(world, member))
    for _, process in processes(world, row):
        world.backend.forget(process.key)
        stage.remove(process.root)
    return Next(plan={"removed": True})


STAGES = {
    "start": _start,
    "serve": _serve,
    "ping": _ping,
    "run": _run,
    "again": _renew,
    "end": _end,
    "keep": _keep,
}
