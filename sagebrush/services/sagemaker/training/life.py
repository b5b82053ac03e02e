"""The life of a training job: one short, repeatable step for each stage.

Starting (capacity, environment) -> Downloading (/opt/ml) -> Training (the processes) -> Uploading
(model and output) -> Completed, Failed, Stopped or MaxRuntimeExceeded. A spot job whose room is
wanted goes from Training by Interrupted to Starting again, as a new attempt with keys of its own.
Each step ends in one guarded update of the row; a step that is repeated after a crash changes
nothing new: /opt/ml is built aside and renamed, a launch with the same key is the same job, an
upload overwrites itself.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited, NoCapacity, NotYet, Unsupported
from sagebrush.engine.kinds import moment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.members import Member
from sagebrush.services.sagemaker.jobs import reasons, steps
from sagebrush.services.sagemaker.training import attempts, metrics, spot, warm_pool
from sagebrush.services.sagemaker.training import cluster as processes
from sagebrush.services.sagemaker.training.status import status_doc, waiting
from sagebrush.store.rows import Next, Row
from sagebrush.workload import imports_of, instances_state, launch, layers, stage, upload
from sagebrush.workload.instances_state import Standing
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

METRICS = 2.0
"""Seconds between looks where log lines are read for metrics, unless the job's parent wants others."""
ECHO = 2.0
"""Seconds that the cause has to show where an instance only says that another has gone."""
CHECKPOINTS = 30.0
"""Seconds between savings of a running job's checkpoints."""
TIGHT = 64 << 20
"""Bytes of free disk below which an ended job's files go at once, not after `keep_jobs_days`."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the job."""
    stages: dict[str, Callable[[World, Row], Next]] = {
        "start": _start,
        "download": _download,
        "train": _train,
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
    """Nothing of the job's directories is left, those of earlier attempts included."""
    processes.forget(world, row)
    for key, instances in row.plan.get("past", ()):
        processes.forget(world, replace(row, plan={**row.plan, "key": key, "instances": instances}))


def _ctx(world: World, row: Row) -> Ctx:
    """A context that acts as the job's role."""
    return world.service_ctx(row.doc["RoleArn"])


def _move(world: World, row: Row, to: str, status: str, message: str, **doc: object) -> Next:
    """The job enters the stage `to`, at once."""
    now = world.clock()
    if row.status == "Stopping":  # its secondary status stays Stopping
        changes: Doc = {}
    else:
        changes = status_doc(row.doc, now, status, message)
    changes["LastModifiedTime"] = moment(now)
    return Next(doc={**changes, **doc}, plan={"stage": to, "waiting": None}, due=0.0)


def _start(world: World, row: Row) -> Next:
    """Capacity is reserved and the environment is there, or the job waits and says for what."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    now = world.clock()
    warm = warm_pool.take_over(world, row)
    key, turn, count = warm or (row.plan["key"], *processes.admit(world, row))
    if turn.place:
        left = _patience(row) - (now - row.created)
        if left <= 0:
            return _end(world, row, "MaxWaitTimeExceeded", "")
        due = min(steps.QUEUE + turn.place, left)
        plan = {"waiting": True, "instances": count}
        return Next(doc=waiting(row, turn, now), plan=plan, due=due)
    named = row.plan["environment"]
    if not processes.contained(row) and world.environments.ready(named) is None:
        message = f"Preparing the environment {named} (once on this machine)"
        doc = status_doc(row.doc, now, "Starting", message)
        return Next(doc=doc, plan={"waiting": None, "instances": count}, due=1.0)
    seconds, short = spot.limit(row, now)
    doc: Doc = {"TrainingStartTime": row.doc.get("TrainingStartTime") or moment(now)}
    if warm_pool.keep_alive(row):
        doc["WarmPoolStatus"] = {"Status": "InUse"}
    if row.plan.get("waiting"):  # it waits no more, and its past says so
        told = status_doc(row.doc, now, "Starting", "Starting the training job")
        row = replace(row, doc={**row.doc, **told})
    step = _move(world, row, "download", "Downloading", "Downloading input data", **doc)
    # Logs are named by the second in which their attempt began: no two may share one.
    begun = max(now, row.plan.get("begun_last", 0.0) + 1.0)
    plan = {"begun": begun, "seconds": seconds, "short": short, "gpus": list(turn.gpus)}
    plan |= {"key": key, "warm": bool(warm) or None, "instances": count}
    return replace(step, plan={**step.plan, **plan})


def _patience(row: Row) -> float:
    """Seconds that the job may wait for capacity."""
    condition = row.doc["StoppingCondition"]
    kinds = ("Wait",) if row.plan.get("attempts") else ("Wait", "Pending")
    limits = [condition.get(f"Max{kind}TimeInSeconds") for kind in kinds]
    return float(min((limit for limit in limits if limit), default=float("inf")))


def _download(world: World, row: Row) -> Next:
    """/opt/ml of each instance is there, whole, and what requirements.txt asks for is installed."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    job = processes.members(row)
    if not _launched(world, row):
        if why := spot.called_off(world, row):
            return attempts.interrupted(world, row, why)
        try:
            for member in job:
                _stage(world, row, job, member)
        except stage.StageError as error:
            return _end(world, row, "Failed", str(error))
        except steps.Interrupted:
            return Next(due=0.0)
        if row.plan.get("warm") and layers.wanted(processes.root(world, job[0])):
            return _cold(world, row)
        for member in job:
            place = processes.root(world, member)
            if message := layers.pending(world, row.plan["environment"], place):
                doc = status_doc(row.doc, world.clock(), "Downloading", message)
                return Next(doc=doc, due=layers.LOOK)
    message = "Training image download completed. Training in progress."
    environment = world.environments.built(row.plan["environment"])
    if environment is not None:
        message += f" It runs as environment {environment.told()}."
    return _move(world, row, "train", "Training", message)


def _launched(world: World, row: Row) -> bool:
    """Whether any of the job's processes was launched, one that only waits for it left aside."""
    if row.plan.get("warm"):
        return bool(row.plan.get("launched"))
    job = processes.members(row)
    return len(instances_state.stand(world.backend, job).gone) < len(job)


def _cold(world: World, row: Row) -> Next:
    """The job starts without the process that waited for it, as any other."""
    warm_pool.give_up(world, row.plan["key"])
    plan = {"stage": "start", "key": f"t-{short_id()}", "warm": None, "cold": True, "begun": None}
    return Next(plan=plan, due=0.0)


def _stage(world: World, row: Row, job: tuple[Member, ...], member: Member) -> None:
    """The instance's /opt/ml is there. Raises StageError and Interrupted."""
    root = processes.root(world, member)
    if layers.asked(root):
        return
    own = processes.contained(row)
    ml = "/opt/ml" if own else launch.place(world, root).ml
    ctx, check = _ctx(world, row), steps.watch(world, row, spot.called_off)
    staging = stage.Staging(ctx, row.doc, root, ml, check, job, member)
    stage.build(staging, bool(row.plan.get("warm")))
    if not own:
        layers.ask_training(ctx, row.doc, root)


def _train(world: World, row: Row) -> Next:
    """The processes run; their end leads on."""
    job = processes.members(row)
    standing = instances_state.stand(world.backend, job)
    if row.plan.get("warm") and not row.plan.get("launched"):
        return _begin(world, row)
    lost = lambda member, end: _exited(world, row, member, end, standing.peak)  # noqa: E731
    if standing.gone:
        if row.plan.get("launched"):
            return steps.vanished(world, row, standing, lost)
        return _launch(world, row, standing)
    if not row.plan.get("launched"):  # the server ended right after the launch
        processes.register(world, row)
    if not standing.alive:
        return _exited(world, row, *processes.cause(world, row, standing), standing.peak)
    plan: Doc = {"launched": True, "gone": None}
    news = metrics.read(world, row)
    plan |= {**news, **_save_checkpoints(world, row), **_load_next(world, row)}
    if standing.broken and not row.plan.get("echo") and processes.only_echoes(world, row, standing):
        return Next(plan={**plan, "echo": True}, due=ECHO)
    if standing.broken:
        instances_state.stop(world.backend, standing, steps.FOLLOW)
    elif "stop" in row.plan and not row.plan.get("stopping"):
        instances_state.stop(world.backend, standing, world.settings.stop_grace)
        plan["stopping"] = True
    elif not row.plan.get("noticed") and "stop" not in row.plan:
        plan |= _give_way(world, row, standing)
    measured = bool(row.doc["AlgorithmSpecification"].get("MetricDefinitions"))
    due = _look(row) if measured and standing.running else steps.POLL
    return Next(plan=plan, due=due, news=bool(news.get("finals")))


def _launch(world: World, row: Row, standing: Standing) -> Next:
    """All instances are launched, those again that were before, which changes nothing."""
    if len(standing.gone) == len(standing.states):
        if "stop" in row.plan:
            return _end(world, row, "Stopped", "")
        if why := spot.called_off(world, row):
            return attempts.interrupted(world, row, why)
    try:
        for spec in processes.ready(world, row):
            world.backend.launch(spec)
    except (NotYet, NoCapacity):
        return Next(due=1.0)
    except Unsupported as error:
        return _end(world, row, "Failed", f"ClientError: {error}")
    processes.register(world, row)
    return Next(plan={"launched": True}, due=_look(row))


def _begin(world: World, row: Row) -> Next:
    """The process that waited is the job's."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    try:
        warm_pool.begin(world, processes.ready(world, row)[0])
    except (warm_pool.Lost, NotYet):
        return _cold(world, row)
    except OSError:  # it is loading still, or what it loads hangs
        if world.clock() - row.plan["begun"] > warm_pool.LOADING:
            return _cold(world, row)
        return Next(due=warm_pool.LOOK)
    processes.register(world, row)
    return Next(plan={"launched": True}, due=_look(row))


def _look(row: Row) -> float:
    """Seconds until the job's log is read for metrics."""
    return row.plan.get("look", METRICS)


def _give_way(world: World, row: Row, standing: Standing) -> Doc:
    """A spot job that must give way has its notice and SIGTERM; what of the plan that changed."""
    why = spot.called_off(world, row)
    if not why:
        return {}
    spot.give_notice(world, row)
    instances_state.stop(world.backend, standing, world.settings.stop_grace)
    return {"noticed": why}


def _save_checkpoints(world: World, row: Row) -> Doc:
    """Checkpoints and the like that are new are in S3, now and then; what of the plan that changed.

    A fault of the store is no fault of the job's: the next time, or its end, tries again.
    """
    now, last = world.clock(), row.plan.get("saved", row.plan["begun"])
    if now - last < CHECKPOINTS or not any(member in row.doc for member, _, _ in upload.KEPT):
        return {}
    until = time.time() - steps.SETTLED  # files are dated by the system's clock
    try:
        processes.results(world, row).kept(row.plan.get("kept_until", 0.0), until)
    except (upload.UploadError, AwsError) as error:
        log.warning("training job %s: checkpoints were not saved: %s", row.name, error)
        return {}
    return {"saved": now, "kept_until": until}


def _exited(world: World, row: Row, member: Member, state: Exited, peak: int) -> Next:
    """The processes ended, and `state` of `member` says how: what they leave behind is stored next."""
    now, plan = world.clock(), metrics.read(world, row)
    if why := spot.gave_way(world, row, state):
        return attempts.interrupted(world, row, why, plan)
    with_stop = "stop" in row.plan or state.reason == "stopped"
    capacity.release(world, row.plan["key"])  # storing what it left behind needs no CPU of its own
    capacity.note_peak(world, processes.image(row), member.type, peak)
    if state.reason == "timeout":
        end = {"end": row.plan.get("short", "MaxRuntimeExceeded")}
    elif state.reason == "lost" or state.reason.startswith("sandbox"):
        if not with_stop and (again := attempts.again(world, row, state)):
            return again
        end = {"end": "Failed", "reason": reasons.platform(state)}
    elif with_stop:
        end = {"end": "Stopped"}
    elif state.code == 0 and state.reason == "":
        seconds = state.ended - max(state.started, row.plan["begun"])
        capacity.note_seconds(world, processes.image(row), member.type, seconds)
        end = {"end": "Completed"}
    else:
        end = {
            "end": "Failed",
            "reason": _why(world, replace(row, plan={**row.plan, **plan}), member, state),
        }
    step = _move(world, row, "upload", "Uploading", "Uploading generated training model")
    return Next(doc=step.doc, plan={**step.plan, **plan, **end, "ended": now}, due=0.0)


def _why(world: World, row: Row, member: Member, state: Exited) -> str:
    """The reason that the program of `member` gives for its failure."""
    sizes, _ = processes.sizes(world, row)
    seen = metrics.seen(row, member.name)
    return steps.why(world, processes.members(row), sizes, (member, state), seen)


def _upload(world: World, row: Row) -> Next:
    """Model and output are in S3 (after a failure the output alone), and the job has ended."""
    end, reason = row.plan["end"], row.plan.get("reason", "")
    if all((root / "ml").is_dir() for root in processes.roots(world, row)):
        results = processes.results(world, row)
        unstored = steps.unstored(lambda: results.run(model=end != "Failed"), end, "Artifact")
    else:
        unstored = reasons.platform(Exited(-1, "lost")) if end == "Completed" else ""
    return _end(world, row, "Failed", unstored) if unstored else _end(world, row, end, reason)


def _end(world: World, row: Row, end: str, reason: str) -> Next:
    """The job has ended: times, reason, capacity given back, directory kept for a while."""
    now, key = world.clock(), row.plan["key"]
    job = processes.members(row)
    instances_state.stop(world.backend, instances_state.stand(world.backend, job), 0)
    capacity.release(world, key)
    kept = _keep_warm(world, row, end)
    tight = shutil.disk_usage(world.settings.home).free < TIGHT
    for member in job:
        place = processes.root(world, member)
        stage.remove(place / "tmp")
        if tight:
            stage.remove(place / "ml")
        else:
            stage.remove_beneath(place / "ml", ("input", "data"))
    messages = {
        "Completed": "Training job completed",
        "Failed": "Training job failed",
        "Stopped": "Training job stopped",
        "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
        "MaxWaitTimeExceeded": "Training job wait time exceeded what its StoppingCondition allows",
    }
    doc = status_doc(row.doc, now, end, messages[end])
    doc |= {"TrainingEndTime": moment(now), "LastModifiedTime": moment(now)}
    doc |= {**spot.times(row, now), **metrics.final(row)}
    if warm_pool.keep_alive(row):
        doc["WarmPoolStatus"] = {"Status": "Available" if kept else "Terminated"}
    if end == "Failed":
        doc["FailureReason"] = reason[:1024]
    status = "Stopped" if end.endswith("Exceeded") else end
    keep = world.settings.keep_jobs_days * 86400.0
    return Next(status, doc, {"stage": "keep", "waiting": None}, keep)


def _keep_warm(world: World, row: Row, end: str) -> bool:
    """Whether a process waits for the next job like this one, which ended well, or was stopped and
    whose parent wants one."""
    standby = row.plan.get("standby", 0.0)
    if not warm_pool.wanted(row) or not (end == "Completed" or (standby and end == "Stopped")):
        return False
    if not row.plan.get("launched"):  # it was stopped before it began
        return False
    try:
        return warm_pool.offer(world, row, warm_pool.keep_alive(row) or standby)
    except Exception:  # a comfort: the job has ended as it has
        log.exception("training job %s: its instance is not kept", row.name)
        return False


def _load_next(world: World, row: Row) -> Doc:
    """The process for the next job of the same parent loads, where there is room, while this one runs:
    once its scripts are there, which tell what to load. Returns the members of the plan to change."""
    if not row.plan.get("standby") or row.plan.get("next") or "stop" in row.plan:
        return {}
    if not imports_of.modules(processes.roots(world, row)[0]):
        return {}
    _keep_warm(world, row, "Completed")
    return {"next": True}


def _keep(world: World, row: Row) -> Next:
    """The directory and the log of a job that ended long ago are gone."""
    remove(world, row)
    return Next(plan={"removed": True})
