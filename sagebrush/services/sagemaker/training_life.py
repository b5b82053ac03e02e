"""The life of a training job: one short, repeatable step for each stage.

Starting (capacity, environment) -> Downloading (/opt/ml) -> Training (the process) -> Uploading
(model and output) -> Completed, Failed, Stopped or MaxRuntimeExceeded. Each step ends in one
guarded update of the row; a step that is repeated after a crash changes nothing new: /opt/ml is
built aside and renamed, a launch with the same key is the same job, an upload overwrites itself.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from sagebrush.compute.base import Exited, Gone, NoCapacity, NotYet, Running, Spec
from sagebrush.compute.environments import BuildFailed, Environment
from sagebrush.engine import capacity, cluster, containers, joblog, launch, layers, stage, upload
from sagebrush.engine.kinds import moment
from sagebrush.names import short_id
from sagebrush.services.sagemaker import training_reasons as reasons
from sagebrush.store.rows import Next, Row
from sagebrush.store.series import Point
from sagebrush.world import AwsError, Ctx, Doc, World

log = logging.getLogger(__name__)

ENDED = ("Completed", "Failed", "Stopped")
GROUP = "/aws/sagemaker/TrainingJobs"
POLL = 5.0
"""Seconds between looks at a running job; its end is told by the backend at once."""
METRICS = 2.0
"""The same where log lines are read for metrics."""
QUEUE = 60.0
"""Seconds after which a waiting job asks again by itself; it is woken when something ends."""

GONE = 5.0
"""Seconds for which nothing may be known of a launched job."""
CHECKPOINTS = 30.0
"""Seconds between savings of a running job's checkpoints."""
TIGHT = 64 << 20
"""Bytes of free disk below which an ended job's files go at once, not after `keep_jobs_days`."""
LOOK = 0.5
"""Seconds between looks for a stop while files are on their way."""


class Interrupted(Exception):
    """The job was asked to stop while its files were on their way."""


def artifact(request: Doc) -> str:
    """Where the model goes: `<S3OutputPath>/<job>/output/model.tar.gz`."""
    output = request["OutputDataConfig"]
    name = "model/" if output.get("CompressionType") == "NONE" else "model.tar.gz"
    return f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output/{name}"


def begin(now: float) -> Doc:
    """The status members of a new job."""
    return status_doc({}, now, "Starting", "Starting the training job")


def status_doc(doc: Doc, now: float, status: str, message: str) -> Doc:
    """SecondaryStatus and its transitions after the job entered `status` (or says more in it)."""
    past = [dict(t) for t in doc.get("SecondaryStatusTransitions", ())]
    if past and past[-1]["Status"] == status:
        past[-1]["StatusMessage"] = message
    else:
        if past:
            past[-1]["EndTime"] = moment(now)
        past.append({"Status": status, "StartTime": moment(now), "StatusMessage": message})
    return {"SecondaryStatus": status, "SecondaryStatusTransitions": past}


def waiting(row: Row, place: int) -> Doc:
    """The status members of a job that waits its turn."""
    message = f"Starting the training job: waiting for capacity (position {place})"
    return status_doc(row.doc, row.created, "Starting", message)


def reconcile(world: World, row: Row) -> Next:
    """The next step of the job."""
    steps: dict[str, Callable[[World, Row], Next]] = {
        "start": _start,
        "download": _download,
        "train": _train,
        "upload": _upload,
        "keep": _keep,
    }
    try:
        return steps[row.plan["stage"]](world, row)
    except BuildFailed as error:  # in whichever stage its environment was found missing
        return _end(world, row, "Failed", f"InternalServerError: {error}")


def fail(world: World, row: Row, reason: str) -> Next:
    """The job has failed for `reason`; nothing of it runs and it holds no capacity."""
    return _end(world, row, "Failed", reason)


def remove(world: World, row: Row) -> None:
    """Nothing of the job's directory is left."""
    world.backend.forget(row.plan["key"])
    stage.remove(_root(world, row))


def _root(world: World, row: Row) -> Path:
    return world.settings.home / "jobs" / row.plan["key"]


def _type(row: Row) -> str:
    resources = row.doc["ResourceConfig"]
    groups = resources.get("InstanceGroups")
    return groups[0]["InstanceType"] if groups else resources["InstanceType"]


def _image(row: Row) -> str:
    return row.plan["algorithm"] or row.plan["environment"] or row.plan["container"]


def _contained(row: Row) -> bool:
    """Whether its image runs as a container: no environment stands for it."""
    return bool(row.plan.get("container"))


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
    limits, _ = capacity.limits(_type(row), capacity.host(world))
    memory = capacity.expected_memory(world, _image(row), limits)
    ask = capacity.Ask(row.plan["key"], row.id, limits.cpu, memory)
    place = capacity.admit(world, ask).place
    if place:
        left = _patience(row) - (world.clock() - row.created)
        if left <= 0:
            return _end(world, row, "MaxWaitTimeExceeded", "")
        due = min(QUEUE + place, left)
        return Next(doc=waiting(row, place), plan={"waiting": True}, due=due)
    if not _contained(row) and world.environments.ready(row.plan["environment"]) is None:
        message = f"Preparing the environment {row.plan['environment']} (once on this machine)"
        doc = status_doc(row.doc, world.clock(), "Starting", message)
        return Next(doc=doc, plan={"waiting": None}, due=1.0)
    return _move(
        world,
        row,
        "download",
        "Downloading",
        "Downloading input data",
        TrainingStartTime=moment(world.clock()),
    )


def _patience(row: Row) -> float:
    """Seconds that the job may wait for capacity."""
    condition = row.doc["StoppingCondition"]
    limits = [condition.get(f"Max{kind}TimeInSeconds") for kind in ("Wait", "Pending")]
    return float(min((limit for limit in limits if limit), default=float("inf")))


def _download(world: World, row: Row) -> Next:
    """/opt/ml is there, whole, and what requirements.txt asks for is installed."""
    if "stop" in row.plan:
        return _end(world, row, "Stopped", "")
    if isinstance(world.backend.poll(row.plan["key"]), Gone):  # else it was launched: too late
        root = _root(world, row)
        ml = "/opt/ml" if _contained(row) else launch.place(world, root).ml
        try:
            if not layers.asked(root):
                job = tuple(cluster.members(row.plan["key"], row.doc["ResourceConfig"]))
                ctx, check = _ctx(world, row), _watch(world, row)
                stage.build(stage.Staging(ctx, row.doc, root, ml, check, job, job[0]))
                if not _contained(row):
                    layers.ask_training(_ctx(world, row), row.doc, root)
        except stage.StageError as error:
            return _end(world, row, "Failed", str(error))
        except Interrupted:
            return _end(world, row, "Stopped", "")
        if message := layers.pending(world, row.plan["environment"], root):
            doc = status_doc(row.doc, world.clock(), "Downloading", message)
            return Next(doc=doc, due=layers.LOOK)
    message = "Training image download completed. Training in progress."
    environment = world.environments.built(row.plan["environment"])
    if environment is not None:
        message += f" It runs as environment {environment.told()}."
    return _move(world, row, "train", "Training", message)


def _watch(world: World, row: Row) -> Callable[[], None]:
    """Raises Interrupted once the job is asked to stop; looks every LOOK seconds at most."""
    last = time.monotonic()

    def check() -> None:
        nonlocal last
        if time.monotonic() - last < LOOK:
            return
        last = time.monotonic()
        now = world.rows.by_id(row.id)
        if now is None or ("stop" in now.plan and "stop" not in row.plan):
            raise Interrupted

    return check


def _train(world: World, row: Row) -> Next:
    """The process runs; its end leads on."""
    key = row.plan["key"]
    state = world.backend.poll(key)
    if isinstance(state, Gone):
        if row.plan.get("launched"):
            return _vanished(world, row)
        if "stop" in row.plan:
            return _end(world, row, "Stopped", "")
        try:
            world.backend.launch(_ready(world, row))
        except (NotYet, NoCapacity):
            return Next(due=1.0)
        _register(world, row)
        return Next(plan={"launched": True}, due=METRICS)
    if not row.plan.get("launched"):  # the server ended right after the launch
        _register(world, row)
    if isinstance(state, Exited):
        return _exited(world, row, state)
    plan = {
        "launched": True,
        "gone": None,
        **_read_metrics(world, row),
        **_save_checkpoints(world, row),
    }
    if "stop" in row.plan and not row.plan.get("stopping"):
        world.backend.stop(key, world.settings.stop_grace)
        plan["stopping"] = True
    measured = bool(row.doc["AlgorithmSpecification"].get("MetricDefinitions"))
    return Next(plan=plan, due=METRICS if measured and isinstance(state, Running) else POLL)


def _vanished(world: World, row: Row) -> Next:
    """A launched job of which nothing is known is lost, unless its supervisor is only starting.

    (The server may have been killed right after the launch and be back before the supervisor.)
    """
    now = world.clock()
    since = row.plan.get("gone", now)
    if now - since < GONE:
        return Next(plan={"gone": since}, due=1.0)
    return _exited(world, row, Exited(-1, "lost"))


def _save_checkpoints(world: World, row: Row) -> Doc:
    """Checkpoints and the like that are new are in S3, now and then; what of the plan that changed.

    A fault of the store is no fault of the job's: the next time, or its end, tries again.
    """
    now, last = world.clock(), row.plan.get("saved", row.created)
    if now - last < CHECKPOINTS or not any(member in row.doc for member, _, _ in upload.KEPT):
        return {}
    try:
        upload.Upload(_ctx(world, row), row.doc, _root(world, row)).kept(last)
    except (upload.UploadError, AwsError) as error:
        log.warning("training job %s: checkpoints were not saved: %s", row.name, error)
        return {}
    return {"saved": now}


def _exited(world: World, row: Row, state: Exited) -> Next:
    """The process ended: what it leaves behind is stored next."""
    plan = _read_metrics(world, row)
    capacity.release(world, row.plan["key"])  # storing what it left behind needs no CPU of its own
    capacity.note_peak(world, _image(row), _type(row), state.peak_memory)
    with_stop = "stop" in row.plan or state.reason == "stopped"
    if state.reason == "timeout":
        end = {"end": "MaxRuntimeExceeded"}
    elif state.reason == "lost" or state.reason.startswith("sandbox"):
        if not with_stop and (again := _again(world, row)):
            return again
        end = {"end": "Failed", "reason": reasons.platform(state)}
    elif with_stop:
        end = {"end": "Stopped"}
    elif state.code == 0 and state.reason == "":
        end = {"end": "Completed"}
    else:
        limits = capacity.limits(_type(row), capacity.host(world))[0]
        root = _root(world, row)
        seen = plan.get("log_offset", row.plan.get("log_offset", 0))
        reason = reasons.algorithm(world.backend, row.plan["key"], root, state, limits, seen)
        end = {"end": "Failed", "reason": reason}
    step = _move(world, row, "upload", "Uploading", "Uploading generated training model")
    return Next(doc=step.doc, plan={**step.plan, **plan, **end, "ended": world.clock()}, due=0.0)


def _again(world: World, row: Row) -> Next | None:
    """The job from its start once more, where its RetryStrategy allows; with a log of its own."""
    tries = row.plan.get("retries", 0) + 1
    if tries > row.doc.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0):
        return None
    text = f"Restarting the training job after an internal error (attempt {tries})"
    plan = {
        "stage": "start",
        "key": f"t-{short_id()}",
        "launched": None,
        "log_offset": None,
        "gone": None,
        "retries": tries,
    }
    return Next(doc=status_doc(row.doc, world.clock(), "Restarting", text), plan=plan, due=0.0)


def _upload(world: World, row: Row) -> Next:
    """Model and output are in S3 (after a failure the output alone), and the job has ended."""
    end, reason = row.plan["end"], row.plan.get("reason", "")
    root = _root(world, row)
    job = upload.Upload(_ctx(world, row), row.doc, root)
    try:
        if (root / "ml").is_dir():
            job.run(model=end != "Failed")
        elif end == "Completed":
            return _end(world, row, "Failed", reasons.platform(Exited(-1, "lost")))
    except upload.UploadError as error:
        if end != "Failed":
            return _end(world, row, "Failed", str(error))
    except AwsError as error:
        if error.status >= 500 and error.code != "StorageFull":
            raise
        if end != "Failed":
            text = f"ClientError: Artifact upload failed:{error.code}: {error.message}"
            return _end(world, row, "Failed", text)
    return _end(world, row, end, reason)


def _end(world: World, row: Row, end: str, reason: str) -> Next:
    """The job has ended: times, reason, capacity given back, directory kept for a while."""
    now, key = world.clock(), row.plan["key"]
    if not isinstance(world.backend.poll(key), Gone | Exited):
        world.backend.stop(key, 0)
    capacity.release(world, key)
    root = _root(world, row)
    tight = shutil.disk_usage(world.settings.home).free < TIGHT
    for part in ("ml", "tmp") if tight else ("ml/input/data", "tmp"):
        stage.remove(root / part)
    messages = {
        "Completed": "Training job completed",
        "Failed": "Training job failed",
        "Stopped": "Training job stopped",
        "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
        "MaxWaitTimeExceeded": "Training job wait time exceeded what its StoppingCondition allows",
    }
    doc = status_doc(row.doc, now, end, messages[end])
    doc |= {"TrainingEndTime": moment(now), "LastModifiedTime": moment(now)}
    if started := row.doc.get("TrainingStartTime"):
        seconds = max(1, round(now - started.timestamp()))
        doc |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    if end == "Failed":
        doc["FailureReason"] = reason[:1024]
    if finals := row.plan.get("finals"):
        doc["FinalMetricDataList"] = [
            {"MetricName": name, "Value": value, "Timestamp": moment(at)}
            for name, (at, value) in finals.items()
        ]
    status = "Stopped" if end.endswith("Exceeded") else end
    keep = world.settings.keep_jobs_days * 86400.0
    return Next(status, doc, {"stage": "keep", "waiting": None}, keep)


def _keep(world: World, row: Row) -> Next:
    """The directory and the log of a job that ended long ago are gone."""
    remove(world, row)
    return Next(plan={"removed": True})


def _read_metrics(world: World, row: Row) -> Doc:
    """Metric values of the log's new lines are in the series; what of the plan that changed."""
    patterns = joblog.compiled(row.doc["AlgorithmSpecification"].get("MetricDefinitions", ()))
    if not patterns:
        return {}
    offset, finals = row.plan.get("log_offset", 0), dict(row.plan.get("finals", {}))
    before = offset
    while lines := world.backend.logs(row.plan["key"], offset):
        offset = lines[-1].offset + 1
        found = joblog.values(lines, patterns)
        points = [
            Point(GROUP, name, at, value, {"TrainingJobName": row.name})
            for name, at, value in found
        ]
        if points:
            world.series.append(row.account, row.region, points)
        finals.update({name: (at, value) for name, at, value in found})
    return {"log_offset": offset, "finals": finals} if offset != before else {}


def _register(world: World, row: Row) -> None:
    """The job's log is a stream of its group. Repeatable: its name holds when the job started."""
    stream = f"{row.name}/algo-1-{int(row.doc['TrainingStartTime'].timestamp())}"
    world.streams.register(row.account, row.region, GROUP, stream, row.plan["key"])


def _ready(world: World, row: Row) -> Spec:
    """What is launched. Raises NotYet while its environment is built."""
    root = _root(world, row)
    if _contained(row):
        limits, banner = capacity.limits(_type(row), capacity.host(world))
        return containers.training(world, row.plan["key"], root, row.doc, limits, banner)
    environment = world.environments.ready(row.plan["environment"])
    if environment is None:
        raise NotYet(f"the environment {row.plan['environment']} is built")
    return layers.over(world, environment, root, _spec(world, row, environment))


def _spec(world: World, row: Row, environment: Environment) -> Spec:
    """The process of the job."""
    root, doc = _root(world, row), row.doc
    here = launch.place(world, root)
    limits, scaled = capacity.limits(_type(row), capacity.host(world))
    isolated = bool(doc.get("EnableNetworkIsolation"))
    own = {
        **doc.get("Environment", {}),
        "TRAINING_JOB_NAME": row.name,
        "TRAINING_JOB_ARN": doc["TrainingJobArn"],
    }
    env = launch.variables(world, environment, here, limits, isolated, own)
    env |= launch.carried(row.plan["algorithm"], row.plan.get("framework"))
    image = doc["AlgorithmSpecification"]["TrainingImage"]
    return Spec(
        key=row.plan["key"],
        argv=_argv(doc["AlgorithmSpecification"], environment, here),
        env=env,
        root=root,
        role=doc["RoleArn"],
        binds=launch.binds(world, environment),
        cwd=here.ml,
        limits=limits,
        listeners=launch.listeners(isolated),
        time_limit=float(doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=launch.banner(image, environment, scaled),
    )


def _argv(spec: Doc, environment: Environment, here: launch.Place) -> tuple[str, ...]:
    """The request's own entry point, else the toolkit that stands for the image's."""
    arguments = list(spec.get("ContainerArguments", ()))
    if entry := spec.get("ContainerEntrypoint"):
        argv = [*entry, *arguments]
    else:
        argv = [str(environment.python), f"{here.toolkit}/train.py", *arguments]
    if not here.sandbox:
        argv = [text.replace("/opt/ml", here.ml) for text in argv]
    return tuple(argv)
