"""The life of a training job: `jobs.life`, with additions to four of its stages.

start: elastic counts, waiting processes of warm pools, limits of the time in the queue; download:
packages of requirements.txt; train: metrics, checkpoints, interruptions of spot jobs, several
instances; its end: further attempts. A spot job whose capacity is needed goes from Training by
Interrupted to Starting again, as a new attempt with keys of its own.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited, NotYet
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity, estimates
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.position import Position
from sagebrush.services.sagemaker.jobs import instances, life, steps
from sagebrush.services.sagemaker.jobs.life import JobKind
from sagebrush.services.sagemaker.training import attempts, cluster, metrics, spot
from sagebrush.services.sagemaker.training.plan import interruptible, keep_alive, plan_of, pooled
from sagebrush.services.sagemaker.training.status import ENDS, entered, status_doc
from sagebrush.services.sagemaker.training.warm_pool import claims, matching, offers, process
from sagebrush.store.rows import Next, Row
from sagebrush.workload import imports_of, instances_state, launch, layers, stage, upload
from sagebrush.workload.instances_state import Standing
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

METRICS = 2.0
"""Seconds between looks where log lines are read for metrics, unless the job's parent sets
others."""
ECHO = 2.0
"""Seconds to wait for the cause where an ended instance only reports the loss of another."""
CHECKPOINTS = 30.0
"""Seconds between uploads of a running job's checkpoints."""
TIGHT = 64 << 20
"""Bytes of free disk below which an ended job's files go at once, not after `keep_jobs_days`."""


# ---- start


def _admit(world: World, row: Row) -> tuple[Position, Doc]:
    """The job's place in the queue and its number of instances; or the waiting process that it
    takes over, with the capacity of that process."""
    if pooled(row) and (warm := claims.take_over(world, row)):
        key, turn, count = warm
        return turn, {"key": key, "warm": True, "instances": count}
    turn, count = cluster.admit(world, row)
    return turn, {"instances": count, **({} if turn.place else {"warm": None})}


def _start(world: World, row: Row) -> Next:
    """As for any job, but at most for the job's longest wait; the times of the attempt are set."""
    step, now = life.start(JOB, world, row), world.clock()
    if plan_of(step).get("waiting"):
        left = _patience(row) - (now - row.created)
        if left <= 0:
            return life.end(JOB, world, row, "MaxWaitTimeExceeded", "")
        return replace(step, due=min(step.due or 0.0, left))
    if plan_of(step).get("stage") != "download":  # a waiting process's key is stored later
        return replace(step, plan={k: v for k, v in step.plan.items() if k not in ("key", "warm")})
    seconds, short = _limit(row, now)
    doc: Doc = {"TrainingStartTime": row.doc.get("TrainingStartTime") or moment(now)}
    if keep_alive(row):
        doc["WarmPoolStatus"] = {"Status": "InUse"}
    # Logs are named by the second in which their attempt began: no two may share one.
    begun = max(now, plan_of(row).get("begun_last", 0.0) + 1.0)
    plan = {"begun": begun, "seconds": seconds, "short": short}
    return replace(step, doc={**step.doc, **doc}, plan={**step.plan, **plan})


def _patience(row: Row) -> float:
    """Seconds that the job may wait for capacity; infinite without a limit."""
    condition = row.doc["StoppingCondition"]
    kinds = ("Wait",) if plan_of(row).get("attempts") else ("Wait", "Pending")
    limits = [condition.get(f"Max{kind}TimeInSeconds") for kind in kinds]
    return float(min((limit for limit in limits if limit), default=float("inf")))


def _limit(row: Row, now: float) -> tuple[float, str]:
    """(seconds that the attempt which begins now may run, secondary status when it reaches
    them)."""
    condition = row.doc["StoppingCondition"]
    left = condition["MaxRuntimeInSeconds"] - plan_of(row).get("ran", 0.0)
    wait = condition.get("MaxWaitTimeInSeconds")
    if wait is not None and row.created + wait - now < left:
        return max(row.created + wait - now, 1.0), "MaxWaitTimeExceeded"
    return max(float(left), 1.0), "MaxRuntimeExceeded"


def _called_off(world: World, row: Row) -> str:
    """Why the job must be interrupted now; "" where it need not be."""
    return spot.called_off(world, row) if interruptible(row) else ""


# ---- download


def _download(world: World, row: Row) -> Next:
    """/opt/ml of each instance is complete, and the packages of requirements.txt are installed."""
    if "stop" in plan_of(row):
        return life.end(JOB, world, row, "Stopped", "")
    warm = plan_of(row).get("warm")
    # the process of a warm pool runs before the job was launched in it
    if not (plan_of(row).get("launched") if warm else life.launched(JOB, world, row)):
        if why := _called_off(world, row):
            return attempts.interrupted(world, row, why)
        if step := life.build(JOB, world, row) or _installing(world, row):
            return step
    return life.move(JOB, world, row, "train")


def _installing(world: World, row: Row) -> Next | None:
    """The step of a job whose packages are being installed; None once they are."""
    job = cluster.members(row)
    if plan_of(row).get("warm") and layers.wanted(cluster.root(world, job[0])):
        return _cold(world, row)
    for member in job:
        place = cluster.root(world, member)
        if message := layers.pending(world, plan_of(row)["environment"], place):
            doc = status_doc(row.doc, world.clock(), "Downloading", message)
            return Next(doc=doc, due=layers.LOOK)
    return None


def _cold(world: World, row: Row) -> Next:
    """The job starts again without a waiting process, under a key of its own."""
    claims.give_up(world, plan_of(row)["key"])
    plan = {"stage": "start", "key": f"t-{short_id()}", "warm": None, "cold": True, "begun": None}
    return Next(plan=plan, due=0.0)


def _stage(world: World, row: Row, member: Member, check: Any) -> None:
    """The instance's /opt/ml is complete. Raises StageError and Interrupted."""
    root = cluster.root(world, member)
    if layers.asked(root):
        return
    contained = instances.contained(row)
    ml = "/opt/ml" if contained else launch.place(world, root).ml
    ctx, job = _ctx(world, row), cluster.members(row)
    staging = stage.Staging(ctx, row.doc, root, ml, check, job, member)
    stage.build(staging, bool(plan_of(row).get("warm")))
    if not contained:
        layers.ask_training(ctx, row.doc, root)


def _ctx(world: World, row: Row) -> Ctx:
    """A context that acts as the job's role."""
    return world.service_ctx(row.doc["RoleArn"], row.region)


# ---- train


def _train(world: World, row: Row) -> Next:
    """The processes run, or the spot job is interrupted before its launch."""
    plan = plan_of(row)
    if plan.get("warm") and not plan.get("launched"):
        return _begin(world, row)
    why = "" if plan.get("launched") or "stop" in plan else _called_off(world, row)
    if why and not life.launched(JOB, world, row):
        return attempts.interrupted(world, row, why)
    return life.run(JOB, world, row)


def _begin(world: World, row: Row) -> Next:
    """The waiting process runs the job; or the job starts cold where that process cannot."""
    if "stop" in plan_of(row):
        return life.end(JOB, world, row, "Stopped", "")
    try:
        process.begin(world, cluster.ready(world, row)[0])
    except (process.Lost, NotYet):
        return _cold(world, row)
    except OSError:  # it is loading still, or what it loads hangs
        if world.clock() - plan_of(row).get("begun", 0.0) > process.LOADING:
            return _cold(world, row)
        return Next(due=process.LOOK)
    life.register(JOB, world, row)
    return Next(plan={"launched": True}, due=_look(row))


def _look(row: Row) -> float:
    """Seconds until the job's log is read for metrics again."""
    return plan_of(row).get("look", METRICS)


def _watch(world: World, row: Row, standing: Standing) -> Next:
    """The step of a running job: metrics, checkpoints, failed instances, a notice of
    interruption."""
    news = metrics.read(world, row)
    plan = {**news, **_save_checkpoints(world, row), **_load_next(world, row)}
    first = standing.broken and not plan_of(row).get("echo")
    if first and cluster.only_echoes(world, row, standing):
        return Next(plan={**plan, "echo": True}, due=ECHO)
    plan |= life.follow(world, row, standing)
    if not (standing.broken or "stop" in plan_of(row) or plan_of(row).get("noticed")):
        plan |= _give_way(world, row, standing)
    measured = bool(row.doc["AlgorithmSpecification"].get("MetricDefinitions"))
    due = _look(row) if measured and standing.running else steps.POLL
    return Next(plan=plan, due=due, news=bool(news.get("finals")))


def _give_way(world: World, row: Row, standing: Standing) -> Doc:
    """A spot job whose capacity is needed has its notice and SIGTERM; returns the plan's members to
    change."""
    why = _called_off(world, row)
    if not why:
        return {}
    spot.give_notice(world, row)
    instances_state.stop(world.backend, standing, world.settings.stop_grace)
    return {"noticed": why}


def _save_checkpoints(world: World, row: Row) -> Doc:
    """New checkpoints and other continuous outputs are in S3; returns the plan's members to change.

    A fault of the store does not fail the job: the next time, or the job's end, stores them.
    """
    now, plan = world.clock(), plan_of(row)
    last = plan.get("saved", plan.get("begun", 0.0))
    if now - last < CHECKPOINTS or not any(
        member in row.doc for member, _, _ in upload.CHECKPOINTED
    ):
        return {}
    until = time.time() - steps.SETTLED  # files are dated by the system's clock
    try:
        cluster.results(world, row).checkpoints(plan.get("kept_until", 0.0), until)
    except (upload.UploadError, AwsError) as error:
        log.warning("training job %s: checkpoints were not saved: %s", row.name, error)
        return {}
    return {"saved": now, "kept_until": until}


def _load_next(world: World, row: Row) -> Doc:
    """A process for the next job of the same parent starts importing, where there is capacity, once
    this job's scripts are there to name the modules. Returns the plan's members to change."""
    plan = plan_of(row)
    if not plan.get("standby") or plan.get("next") or "stop" in plan:
        return {}
    if not imports_of.modules(cluster.roots(world, row)[0]):
        return {}
    _keep_warm(world, row, "Completed")
    return {"next": True}


# ---- the end


def _exited(world: World, row: Row, how: tuple[Member, Exited], peak: int) -> Next:
    """As for any job, unless the end is an interruption or the job gets a further attempt."""
    news, (member, state) = metrics.read(world, row), how
    if interruptible(row) and (why := spot.gave_way(world, row, state)):
        return attempts.interrupted(world, row, why, news)
    if life.platform(state) and "stop" not in plan_of(row):
        capacity.release(world, plan_of(row)["key"])
        estimates.note_peak(world, cluster.image(row), member.type, peak)
        if again := attempts.again(world, row, state):
            return again
    step = life.exited(JOB, world, replace(row, plan={**row.plan, **news}), how, peak)
    return replace(step, plan={**step.plan, **news, "ended": world.clock()})


def _timeout(row: Row) -> tuple[str, str]:
    return plan_of(row).get("short", "MaxRuntimeExceeded"), ""


def _results(world: World, row: Row, end: str, remarks: upload.Remarks) -> None:
    """Model and output are in S3; after a failure only the output."""
    cluster.results(world, row, remarks).run(model=end != "Failed")


def _ended(world: World, row: Row, end: str, reason: str) -> tuple[str, Doc]:
    now, kept = world.clock(), _keep_warm(world, row, end)
    doc = status_doc(row.doc, now, end, ENDS[end])
    doc |= {"TrainingEndTime": moment(now), **spot.times(row, now), **metrics.final(row)}
    if keep_alive(row):
        doc["WarmPoolStatus"] = {"Status": "Available" if kept else "Terminated"}
    if end == "Failed":
        doc["FailureReason"] = reason[:1024]
    return "Stopped" if end.endswith("Exceeded") else end, doc


def _clear(world: World, place: Path) -> None:
    stage.remove(place / "tmp")
    if shutil.disk_usage(world.settings.home).free < TIGHT:
        stage.remove(place / "ml")
    else:
        stage.remove_inside(place / "ml", ("input", "data"))


def _keep_warm(world: World, row: Row, end: str) -> bool:
    """Whether a process waits for the next job like this one: this one completed, or it was stopped
    and its parent asks for a waiting process."""
    standby = plan_of(row).get("standby", 0.0)
    if not matching.wanted(row) or not (end == "Completed" or (standby and end == "Stopped")):
        return False
    if not plan_of(row).get("launched"):  # it was stopped before its launch
        return False
    try:
        return offers.offer(world, row, keep_alive(row) or standby)
    except Exception:  # a comfort: the job has ended as it has
        log.exception("training job %s: its instance is not kept", row.name)
        return False


def remove(world: World, row: Row) -> None:
    """The job's directories are removed, those of earlier attempts included."""
    life.remove(JOB, world, row)
    for key, count in plan_of(row).get("past", ()):
        past = {**row.plan, "key": key, "instances": count}
        life.remove(JOB, world, replace(row, plan=past))


def _keep(world: World, row: Row) -> Next:
    """The directory and the log of a job are removed once it ended longer ago than they are
    kept."""
    if left := life.kept(world, row):
        return Next(due=left)
    remove(world, row)
    return Next(plan={"removed": True})


JOB = JobKind(
    group=cluster.GROUP,
    members=cluster.members,
    image=cluster.image,
    sizes=cluster.sizes,
    build=_stage,
    specs=cluster.ready,
    results=_results,
    ended=_ended,
    timeout=_timeout,
    clear=_clear,
    entered=entered,
    admit=_admit,
    watch=_watch,
    exited=_exited,
    cause=cluster.cause,
    seen=metrics.seen,
    called_off=_called_off,
    look=_look,
    running="train",
    results_name="Artifact",
    stop_prevails=False,
)
STAGES = {
    **life.stages(JOB),
    "start": _start,
    "download": _download,
    "train": _train,
    "keep": _keep,
}
reconcile = partial(life.reconcile, JOB, STAGES)
fail = partial(life.fail, JOB)
