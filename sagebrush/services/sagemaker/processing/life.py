"""The life of a processing job: one short, repeatable step for each stage.

Capacity and environment -> /opt/ml -> the processes -> outputs to S3 -> Completed, Failed or Stopped.
As in training_life, each step ends in one guarded update of the row and may be repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sagebrush.compute.base import Exited, NoCapacity, NotYet, Unsupported
from sagebrush.engine.kinds import moment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.members import Member
from sagebrush.services.sagemaker.jobs import reasons, steps
from sagebrush.services.sagemaker.processing import stage as processes
from sagebrush.store.rows import Next, Row
from sagebrush.workload import instances_state, stage, upload
from sagebrush.workload.instances_state import Standing
from sagebrush.world import World

log = logging.getLogger(__name__)

CONTINUOUS = 5.0
"""Seconds between looks for new files of a Continuous output."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the job."""
    stages: dict[str, Callable[[World, Row], Next]] = {
        "start": _start,
        "download": _download,
        "run": _run,
        "upload": _upload,
        "keep": _keep,
    }
    try:
        return stages[row.plan["stage"]](world, row)
    except BuildFailed as error:  # in whichever stage its environment was found missing
        return _end(world, row, "Failed", f"InternalServerError: {error}")


def fail(world: World, row: Row, reason: str) -> Next:
    """The job has failed for `reason`; nothing of it runs and it holds no capacity."""
    return _end(world, row, "Failed", reason)


def remove(world: World, row: Row) -> None:
    """Nothing of the job's directories is left."""
    processes.forget(world, row)


def _move(world: World, to: str, plan: Doc | None = None, **doc: object) -> Next:
    changes = {"LastModifiedTime": moment(world.clock()), **doc}
    return Next(doc=changes, plan={"stage": to, "waiting": None, **(plan or {})}, due=0.0)


def _start(world: World, row: Row) -> Next:
    """Capacity is reserved and the environment is there, or the job waits."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    turn = capacity.admit(world, processes.ask(world, row))
    if turn.place:
        return Next(plan={"waiting": True}, due=steps.QUEUE + turn.place)
    named = row.plan["environment"]
    if not processes.contained(row) and world.environments.ready(named) is None:
        return Next(plan={"waiting": None}, due=1.0)
    now = world.clock()
    plan = {"begun": now, "gpus": list(turn.gpus)}
    return _move(world, "download", plan, ProcessingStartTime=moment(now))


def _download(world: World, row: Row) -> Next:
    """/opt/ml of each instance is there, whole."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    job = processes.members(row)
    if len(instances_state.stand(world.backend, job).gone) == len(
        job
    ):  # else it was launched: too late
        try:
            for member in job:
                processes.build(world, row, member, steps.watch(world, row))
        except stage.StageError as error:
            return _end(world, row, "Failed", str(error))
        except steps.Interrupted:
            return _end(world, row, "Stopped", "")
    return _move(world, "run")


def _run(world: World, row: Row) -> Next:
    """The processes run; their end leads on."""
    standing = instances_state.stand(world.backend, processes.members(row))
    lost = lambda member, end: _exited(world, row, member, end, standing.peak)  # noqa: E731
    if standing.gone:
        if row.plan.get("launched"):
            return steps.vanished(world, row, standing, lost)
        return _launch(world, row, standing)
    if not row.plan.get("launched"):  # the server ended right after the launch
        processes.register(world, row)
    if not standing.alive:
        return _exited(world, row, *standing.verdict, standing.peak)
    plan: Doc = {"launched": True, "gone": None, **_store(world, row)}
    if standing.broken:
        instances_state.stop(world.backend, standing, steps.FOLLOW)
    elif "stop" in row.plan and not row.plan.get("stopping"):
        instances_state.stop(world.backend, standing, world.settings.stop_grace)
        plan["stopping"] = True
    return Next(plan=plan, due=steps.POLL)


def _launch(world: World, row: Row, standing: Standing) -> Next:
    if len(standing.gone) == len(standing.states) and "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    try:
        for spec in processes.ready(world, row):
            world.backend.launch(spec)
    except (NotYet, NoCapacity):
        return Next(due=1.0)
    except Unsupported as error:
        return _end(world, row, "Failed", f"ClientError: {error}")
    processes.register(world, row)
    return Next(plan={"launched": True}, due=steps.POLL)


def _store(world: World, row: Row) -> Doc:
    """New files of Continuous outputs are in S3, now and then; what of the plan that changed.

    A fault of the store is no fault of the job's: the next time, or its end, tries again.
    """
    now = world.clock()
    if now - row.plan.get("stored", row.plan["begun"]) < CONTINUOUS:
        return {}
    until = time.time() - steps.SETTLED  # files are dated by the system's clock
    try:
        times = (row.plan.get("stored_until", 0.0), until)
        processes.store(world, row, "Continuous", _noter(row), times)
    except (upload.UploadError, AwsError) as error:
        log.warning("processing job %s: outputs were not stored: %s", row.name, error)
        return {}
    return {"stored": now, "stored_until": until}


def _noter(row: Row) -> Callable[[str], None]:
    return lambda text: log.info("processing job %s: %s", row.name, text)


def _exited(world: World, row: Row, member: Member, state: Exited, peak: int) -> Next:
    """The processes ended, and `state` of `member` says how: what they leave is stored next."""
    capacity.release(world, row.plan["key"])  # storing what it left behind needs no CPU of its own
    capacity.note_peak(world, processes.image(row), member.type, peak)
    if "stop" in row.plan or state.reason == "stopped":
        end = {"end": "Stopped"}
    elif state.reason == "timeout":
        seconds = row.doc["StoppingCondition"]["MaxRuntimeInSeconds"]
        text = f"ClientError: the job ran for longer than MaxRuntimeInSeconds ({seconds})"
        end = {"end": "Stopped", "reason": text}
    elif state.reason == "lost" or state.reason.startswith("sandbox"):
        end = {"end": "Failed", "reason": reasons.platform(state)}
    elif state.code == 0:
        seconds = state.ended - state.started
        capacity.note_seconds(world, processes.image(row), member.type, seconds)
        end = {"end": "Completed"}
    else:
        job, (sizes, _) = processes.members(row), processes.sizes(world, row)
        end = {"end": "Failed", "reason": steps.why(world, job, sizes, (member, state), 0)}
    return _move(world, "upload", end)


def _upload(world: World, row: Row) -> Next:
    """The outputs are in S3 (after a failure the Continuous ones alone), and the job has ended."""
    end, reason = row.plan["end"], row.plan.get("reason", "")
    modes = ("Continuous", "EndOfJob") if end == "Completed" else ("Continuous",)

    def store() -> None:
        for mode in modes:
            processes.store(world, row, mode, _noter(row))

    if all((root / "ml").is_dir() for root in processes.roots(world, row)):
        unstored = steps.unstored(store, end, "Output")
    else:
        unstored = reasons.platform(Exited(-1, "lost")) if end == "Completed" else ""
    return _end(world, row, "Failed", unstored) if unstored else _end(world, row, end, reason)


def _end(world: World, row: Row, end: str, reason: str) -> Next:
    """The job has ended: times, message, reason, capacity given back, directory kept for a while."""
    now = world.clock()
    job = processes.members(row)
    instances_state.stop(world.backend, instances_state.stand(world.backend, job), 0)
    capacity.release(world, row.plan["key"])
    doc: Doc = {"ProcessingEndTime": moment(now), "LastModifiedTime": moment(now)}
    try:
        if said := processes.message(world, row):
            doc["ExitMessage"] = said
    except UnicodeDecodeError:
        end, reason = "Failed", "ClientError: /opt/ml/output/message is not UTF-8 encoded"
    if reason:
        doc["FailureReason"] = reason[:1024]
    for place in processes.roots(world, row):
        for part in ("ml/processing", "tmp"):
            stage.remove(place / part)
    keep = world.settings.keep_jobs_days * 86400.0
    return Next(end, doc, {"stage": "keep", "waiting": None}, keep)


def _keep(world: World, row: Row) -> Next:
    """The directory and the log of a job that ended long ago are gone."""
    remove(world, row)
    return Next(plan={"removed": True})
