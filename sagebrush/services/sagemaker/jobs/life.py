"""The life of a job, whatever its kind: one short, repeatable step for each stage.

start (capacity, environment) -> download (/opt/ml) -> run (the processes) -> upload (the results)
-> keep (ended; its directory stays for a while). A kind of job hands in what differs as a `JobKind`
and may put functions of its own around stages. Each step ends in one guarded update of the row; a
step that is repeated after a crash changes nothing new: /opt/ml is built aside and renamed, a launch
with the same key is the same job, an upload overwrites itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagebrush.compute.base import Exited, NoCapacity, NotYet, Spec, Unsupported
from sagebrush.engine.kinds import Reconcile, moment
from sagebrush.environments import standins
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity, estimates
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.position import Position
from sagebrush.scheduler.sizes import Size
from sagebrush.services.sagemaker.jobs import instances, reasons, steps
from sagebrush.services.sagemaker.jobs.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import instances_state, stage
from sagebrush.workload.instances_state import Standing
from sagebrush.workload.upload import Remarks
from sagebrush.world import World


def follow(world: World, row: Row, standing: Standing) -> Doc:
    """Asks the instances to stop where one has failed or the job is to stop; returns the members of
    the plan to change."""
    if standing.broken:
        instances_state.stop(world.backend, standing, steps.FOLLOW)
    elif "stop" in plan_of(row) and not plan_of(row).get("stopping"):
        instances_state.stop(world.backend, standing, world.settings.stop_grace)
        return {"stopping": True}
    return {}


def _watch(world: World, row: Row, standing: Standing) -> Next:
    return Next(plan=follow(world, row, standing), due=steps.POLL)


@dataclass(frozen=True)
class JobKind:
    """What one kind of job does differently from the others; `stages` turns it into a life.

    Every function gets the stored row and must not change it: a change is returned, as a `Next` or
    as members of the document or the plan, and the loop stores it if it still holds the row's
    lease. Functions with effects outside the row (`build`, `results`, `clear`) must be repeatable,
    since a step runs again after a crash. A job whose status is in `steps.ENDED` is final: no
    function may give it another status, only its directory is removed later.
    """

    group: str
    """The log group of its instances."""
    members: Callable[[Row], tuple[Member, ...]]
    """The instances of the job's present attempt."""
    image: Callable[[Row], str]
    """What memory peaks and run times are remembered by."""
    sizes: Callable[[World, Row], tuple[list[Size], str]]
    """What each instance gets of the host, and the sentence that says if it is less than its
    type."""
    build: Callable[[World, Row, Member, Callable[[], None]], None]
    """Builds an instance's /opt/ml, calling the check now and then. Raises StageError."""
    specs: Callable[[World, Row], list[Spec]]
    """What is launched, one Spec for each instance. Raises NotYet while the environment is
    built."""
    results: Callable[[World, Row, str, Remarks], object]
    """(end, remarks): stores in S3 the results of a job that ends so (`Completed` ...); what it
    leaves out is added to the remarks. Raises UploadError, AwsError."""
    ended: Callable[[World, Row, str, str], tuple[str, Doc]]
    """(end, reason) -> the status that the job ends in and the document's members then."""
    timeout: Callable[[Row], tuple[str, str]]
    """The end and the reason of a job that ran for as long as it may."""
    clear: Callable[[World, Path], None]
    """Removes from an instance's directory what is not needed after the end."""
    entered: Callable[[World, Row, str, str], Doc] = lambda world, row, to, words: {}
    """(stage, words) -> the document's members while in it. Besides the stages there is `queue`, while
    it waits for capacity; `words` say for what it waits there and in `start`."""
    admit: Callable[[World, Row], tuple[Position, Doc]] | None = None
    """Where the job stands in the queue, and the members of the plan that says; None: by `sizes`."""
    watch: Callable[[World, Row, Standing], Next] = _watch
    """The step of a running job; it must call `follow`."""
    exited: Callable[[World, Row, tuple[Member, Exited], int], Next] | None = None
    """The step after the processes ended (the deciding instance and its exit, bytes of peak memory);
    None: the `exited` of this module."""
    cause: Callable[[World, Row, Standing], tuple[Member, Exited]] = lambda w, r, standing: (
        standing.verdict
    )
    """The instance whose end decides the job's, and its exit."""
    seen: Callable[[Row, str], int] = lambda row, name: 0
    """The offset in bytes up to which an instance's log was read; 0 if it was not."""
    called_off: Callable[[World, Row], object] = lambda world, row: False
    """Whether a job must stop transferring its files."""
    look: Callable[[Row], float] = lambda row: steps.POLL
    """Seconds from the launch to the first look."""
    running: str = "run"
    """The name on disk of the stage in which the processes run."""
    results_name: str = "Output"
    """The name of the results in the FailureReason of a failed upload."""
    stop_prevails: bool = True
    """Whether a job that was asked to stop ends Stopped even if it was lost or ran out of time."""


def stages(kind: JobKind) -> dict[str, Reconcile]:
    """Returns the steps of the kind's life by stage name, for the kind to wrap where it needs
    more."""
    return {
        "start": partial(start, kind),
        "download": partial(download, kind),
        kind.running: partial(run, kind),
        "upload": partial(upload, kind),
        "keep": partial(keep, kind),
    }


def reconcile(kind: JobKind, life: Mapping[str, Reconcile], world: World, row: Row) -> Next:
    """The next step of the job, run by the function of `life` for the stage in its plan.

    It is called by the loop under the row's lease, changes nothing of the row itself and returns
    what to store. A step may be repeated after a crash. BuildFailed, raised in any stage, ends the
    job as Failed; other exceptions go to the loop, which tries again later and at last calls
    `fail`.
    """
    try:
        return life[plan_of(row)["stage"]](world, row)
    except BuildFailed as error:  # in whichever stage its environment was found missing
        return end(kind, world, row, "Failed", f"InternalServerError: {error}")


def fail(kind: JobKind, world: World, row: Row, reason: str) -> Next:
    """The job has failed for `reason`: its FailureReason says so and its capacity is released."""
    return end(kind, world, row, "Failed", reason)


def roots(kind: JobKind, world: World, row: Row) -> tuple[Path, ...]:
    """The directories of all instances, algo-1's first."""
    return tuple(instances.root(world, member) for member in kind.members(row))


def move(kind: JobKind, world: World, row: Row, to: str, plan: Doc | None = None) -> Next:
    """Returns the step that enters the stage `to` immediately."""
    doc: Doc = {"LastModifiedTime": moment(world.clock()), **kind.entered(world, row, to, "")}
    return Next(doc=doc, plan={"stage": to, "waiting": None, **(plan or {})}, due=0.0)


def start(kind: JobKind, world: World, row: Row) -> Next:
    """Capacity is reserved and the environment is available; else the job waits, and its status
    says for what."""
    if "stop" in plan_of(row):
        return end(kind, world, row, "Stopped", "")
    turn, plan = kind.admit(world, row) if kind.admit else (_admit(kind, world, row), {})
    if turn.place:
        doc = kind.entered(world, row, "queue", turn.words)
        return Next(doc=doc, plan={"waiting": True, **plan}, due=steps.QUEUE + turn.place)
    named = plan_of(row)["environment"]
    if not instances.contained(row) and world.environments.ready(named) is None:
        doing = world.environments.doing(named)
        words = f"Preparing the environment {named} (once on this machine){doing and f': {doing}'}"
        doc = kind.entered(world, row, "start", words)
        return Next(doc=doc, plan={"waiting": None, **plan}, due=1.0)
    plan = {"begun": world.clock(), "gpus": list(turn.gpus), **plan}
    return move(kind, world, row, "download", plan)


def _admit(kind: JobKind, world: World, row: Row) -> Position:
    sizes, _ = kind.sizes(world, row)
    return capacity.admit(world, instances.ask(world, row, kind.image(row), sizes))


def download(kind: JobKind, world: World, row: Row) -> Next:
    """/opt/ml of each instance is complete."""
    if "stop" in plan_of(row):
        return end(kind, world, row, "Stopped", "")
    if not launched(kind, world, row) and (step := build(kind, world, row)):
        return step
    return move(kind, world, row, kind.running)


def launched(kind: JobKind, world: World, row: Row) -> bool:
    """Whether any of the job's processes was launched, so that /opt/ml must not be rebuilt."""
    job = kind.members(row)
    return len(instances_state.stand(world.backend, job).gone) < len(job)


def build(kind: JobKind, world: World, row: Row) -> Next | None:
    """Builds /opt/ml of each instance and returns None; or returns the step to take where one could
    not be built, or where the job was called off meanwhile."""
    try:
        for member in kind.members(row):
            kind.build(world, row, member, steps.watch(world, row, kind.called_off))
    except stage.StageError as error:
        return end(kind, world, row, "Failed", str(error))
    except steps.Interrupted:
        return Next(due=0.0)
    return None


def run(kind: JobKind, world: World, row: Row) -> Next:
    """The processes run; when they end, the job goes on to `upload`."""
    standing = instances_state.stand(world.backend, kind.members(row))
    if standing.gone:
        if plan_of(row).get("launched"):
            lost = partial(_lost, kind, world, row, standing.peak)
            return steps.vanished(world, row, standing, lost)
        return launch(kind, world, row, standing)
    if not plan_of(row).get("launched"):  # the server ended right after the launch
        register(kind, world, row)
    if not standing.alive:
        return _exit(kind, world, row, kind.cause(world, row, standing), standing.peak)
    step = kind.watch(world, row, standing)
    plan = {"launched": True, "gone": None, **step.plan}
    return Next(doc=step.doc, plan=plan, due=step.due, news=step.news)


def launch(kind: JobKind, world: World, row: Row, standing: Standing) -> Next:
    """All instances are launched. Repeatable: a launch with the same key is the same process."""
    if len(standing.gone) == len(standing.states) and "stop" in plan_of(row):
        return end(kind, world, row, "Stopped", "")
    try:
        for spec in kind.specs(world, row):
            world.backend.launch(spec)
    except (NotYet, NoCapacity):
        return Next(due=1.0)
    except Unsupported as error:
        return end(kind, world, row, "Failed", f"ClientError: {error}")
    register(kind, world, row)
    return Next(plan={"launched": True}, due=kind.look(row))


def register(kind: JobKind, world: World, row: Row) -> None:
    """Each instance's log is a stream of the group. Repeatable."""
    instances.register(world, row, kind.group, kind.members(row))


def _lost(kind: JobKind, world: World, row: Row, peak: int, member: Member, state: Exited) -> Next:
    return _exit(kind, world, row, (member, state), peak)


def _exit(kind: JobKind, world: World, row: Row, how: tuple[Member, Exited], peak: int) -> Next:
    if kind.exited is not None:
        return kind.exited(world, row, how, peak)
    return exited(kind, world, row, how, peak)


def exited(kind: JobKind, world: World, row: Row, how: tuple[Member, Exited], peak: int) -> Next:
    """The processes have ended, and the job goes on to store its results. `how` is the instance
    whose end decides the job's, and its exit."""
    capacity.release(
        world, plan_of(row)["key"]
    )  # storing what it left behind needs no CPU of its own
    estimates.note_peak(world, kind.image(row), how[0].type, peak)
    ending, reason = _outcome(kind, world, row, how)
    return move(kind, world, row, "upload", {"end": ending, "reason": reason or None})


def _outcome(kind: JobKind, world: World, row: Row, how: tuple[Member, Exited]) -> tuple[str, str]:
    """(end, reason): how the job ends, and its FailureReason or an empty text."""
    member, state = how
    stopped = "stop" in plan_of(row) or state.reason == "stopped"
    if stopped and kind.stop_prevails:
        return "Stopped", ""
    if state.reason == "timeout":
        return kind.timeout(row)
    if platform(state):
        return "Failed", reasons.platform(state)
    if stopped:
        return "Stopped", ""
    if state.code == 0 and state.reason == "":
        seconds = state.ended - max(state.started, plan_of(row).get("begun", 0.0))
        estimates.note_seconds(world, kind.image(row), member.type, seconds)
        return "Completed", ""
    sizes, _ = kind.sizes(world, row)
    seen = kind.seen(row, member.name)
    environment = world.environments.built(plan_of(row)["environment"])
    changes = standins.changes(plan_of(row).get("asked", {}), environment) if environment else ()
    note = partial(standins.blame, changes)
    return "Failed", steps.why(world, kind.members(row), sizes, how, seen, note)


def platform(state: Exited) -> bool:
    """Whether the platform caused the end, not the program: the process was lost, or its sandbox
    failed."""
    return state.reason == "lost" or state.reason.startswith("sandbox")


def upload(kind: JobKind, world: World, row: Row) -> Next:
    """The results are in S3, and the job has ended."""
    ending, reason = plan_of(row).get("end", "Failed"), plan_of(row).get("reason", "")
    if all((root / "ml").is_dir() for root in roots(kind, world, row)):
        remarks = Remarks()
        store = partial(kind.results, world, row, ending, remarks)
        unstored = steps.unstored(store, ending, kind.results_name)
        steps.remark(world, kind.members(row), remarks)
    else:
        unstored = reasons.platform(Exited(-1, "lost")) if ending == "Completed" else ""
    if unstored:
        return end(kind, world, row, "Failed", unstored)
    return end(kind, world, row, ending, reason)


def end(kind: JobKind, world: World, row: Row, ending: str, reason: str) -> Next:
    """The job has ended: times and reason are set, capacity is released, its directory is kept for
    a while."""
    standing = instances_state.stand(world.backend, kind.members(row))
    instances_state.stop(world.backend, standing, 0)
    capacity.release(world, plan_of(row)["key"])
    status, doc = kind.ended(world, row, ending, reason)
    for place in roots(kind, world, row):
        kind.clear(world, place)
    doc = {"LastModifiedTime": moment(world.clock()), **doc}
    days = world.settings.keep_jobs_days * 86400.0
    return Next(status, doc, {"stage": "keep", "waiting": None}, days)


def keep(kind: JobKind, world: World, row: Row) -> Next:
    """The directory and the log of a job are removed once it ended longer ago than they are
    kept."""
    if left := kept(world, row):
        return Next(due=left)
    remove(kind, world, row)
    return Next(plan={"removed": True})


def kept(world: World, row: Row) -> float:
    """Seconds for which the ended job's directory is still kept; 0.0 where that is over.

    A row may be due before: all rows are once a clock was set back (`Rows.rush`).
    """
    days = world.settings.keep_jobs_days * 86400.0
    left = row.updated + days - world.clock()
    return min(left, days) if left > 1.0 else 0.0  # rows tell whole milliseconds


def remove(kind: JobKind, world: World, row: Row) -> None:
    """The job's directories are removed."""
    instances.forget(world, kind.members(row))
