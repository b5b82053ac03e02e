"""The life of a notebook instance: one short, repeatable step for each status.

Pending (capacity, environments, files, lifecycle scripts, Jupyter) -> InService -> Stopping ->
Stopped, Updating -> Stopped, Deleting, Failed. Each start is a job under a key of its own; only the
volume is kept between starts. A start is written into the plan before it is launched, so that a
launch repeated after a crash is the same job.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited, Gone, NoCapacity, NotYet, Pending, Running
from sagebrush.engine.kinds import moment
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import Doc
from sagebrush.scheduler import capacity, estimates
from sagebrush.services.sagemaker.notebook import logs, use
from sagebrush.services.sagemaker.notebook.plan import begin, plan_of
from sagebrush.services.sagemaker.notebook.stage import Start
from sagebrush.store.rows import Next, Row
from sagebrush.workload import dirfd, log_lines, stage
from sagebrush.workload.launch import Unstartable
from sagebrush.world import World

log = logging.getLogger(__name__)

STATUS_PATH = "/api"
"""Jupyter's own: answers 200 once its handlers are there, with or without a token."""
NEEDED = ("jupyter", "sagemaker2", "base")
"""Environments that each start waits for: Jupyter's own and those of its default kernel."""
BOOT = 2400.0
"""Seconds that scripts (AWS: 5 minutes each), clones and Jupyter may take together."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL: Jupyter ends its kernels meanwhile."""
GONE = 5.0
"""Seconds after which a launched start that the backend does not know counts as lost."""
LIVE = 1.0
"""Seconds between two looks at a start whose scripts run."""
QUEUE = 60.0
"""Seconds after which a waiting start tries again; it is also woken when something ends."""
TRIES = 3
"""Times that a start is launched again after its process was lost before it ever answered."""
REASON = 1024
"""Characters of a FailureReason."""
LINES = 8
"""Lines of the log's end that a FailureReason holds."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the instance by its status; Stopped and Failed have none.

    Called by the loop under the row's lease. It does not change the row: the status, the document's
    and the plan's members to store are returned, and the loop stores them if the lease still holds.
    Every step may be repeated after a crash. An exception means that the loop tries again later;
    after too many of them it calls `fail`.
    """
    steps: dict[str, Callable[[World, Row], Next]] = {
        "Pending": _pending,
        "InService": _serve,
        "Stopping": _stop,
        "Updating": lambda world, _: _enter(world, "Stopped"),
        "Deleting": _delete,
    }
    step = steps.get(row.status)
    return step(world, row) if step else Next()


def fail(world: World, row: Row, reason: str) -> Next:
    """The start or step is given up: the instance is Failed, its process is stopped, its volume
    stays."""
    if key := plan_of(row).get("key"):
        world.backend.stop(key, 0)
        capacity.release(world, key)
    return _enter(world, "Failed", {"FailureReason": reason})


# ---- Pending


def _pending(world: World, row: Row) -> Next:
    if failure := plan_of(row).get("failure"):
        return _fail(world, row, failure)
    if plan_of(row).get("stage") == "start":
        return _start(world, row)
    return _boot(world, row)


def _start(world: World, row: Row) -> Next:
    """The process is launched, or the instance waits and its plan says what for."""
    start = Start(world, row)
    memory = estimates.expected_memory(world, _image(row), start.size.limits())
    # CPU 0: notebooks, mostly idle, take CPU by share and hold up no job.
    ask = capacity.Ask(start.key, row.id, 0.0, memory, yields=True, gpus=start.size.gpus)
    turn = capacity.admit(world, ask)
    if turn.place:
        return _wait(world, row, turn.words, QUEUE + turn.place)
    built: dict[str, Environment] = {}
    for name in (*NEEDED, *start.named()):
        try:
            environment = world.environments.ready(name)
        except BuildFailed as error:
            if name not in NEEDED:  # the script that activates it is told
                continue
            return _fail(world, row, f"InternalServerError: {error}")
        if environment is None:
            text = f"preparing the environment {name} (once on this machine)"
            return _wait(world, row, text, LIVE)
        built[name] = environment
    if not start.sandbox and not plan_of(row).get("token"):
        # The port is the host's own there: every user of this machine could reach it.
        return Next(plan={"token": secrets.token_urlsafe(32)}, due=0.0)
    try:
        start.prepare()
        world.backend.launch(start.spec(built["jupyter"], built["base"]))
    except Unstartable as error:
        return _fail(world, row, str(error))
    except (NotYet, NoCapacity):
        return Next(due=LIVE)
    stream = f"{row.name}/jupyter.log"
    world.streams.register(row.account, row.region, logs.GROUP, stream, start.key)
    plan = {"stage": "boot", "launched": world.clock(), "waiting": None}
    return Next(plan=plan, due=0.0)


def _wait(world: World, row: Row, text: str, seconds: float) -> Next:
    """The start waits; the plan says what for, and the instance's log says so once."""
    if plan_of(row).get("waiting") != text:
        logs.put(world, row, "status", [f"Pending: {text}"])
    return Next(plan={"waiting": text}, due=seconds)


def _boot(world: World, row: Row) -> Next:
    """Scripts run, repositories are cloned, Jupyter starts; InService once it answers."""
    start, now = Start(world, row), world.clock()
    state = world.backend.poll(start.key)
    if isinstance(state, Gone):
        since = plan_of(row).get("gone") or now
        if now - since < GONE:
            return Next(plan={"gone": since}, due=LIVE)
        state = Exited(-1, "lost")
    plan = logs.copy_hooks(world, row, start.root, isinstance(state, Exited))
    if isinstance(state, Exited):
        if state.reason in ("lost", "stopped") and (plan_of(row).get("tries") or 0) < TRIES:
            return _again(world, row, start)
        return _fail(world, row, _why(start, state), plan)
    if world.health.ready(start.key):
        step = _enter(world, "InService")
        made = {"stage": None, "created": True, "gone": None, "since": now, "tries": None}
        return Next(step.status, step.doc, {**plan, **made}, due=0.0)
    until = (plan_of(row).get("launched") or now) + BOOT
    if now > until:
        return _fail(world, row, f"Jupyter did not answer within {BOOT / 60:.0f} minutes.", plan)
    world.health.watch(start.key, row.id, STATUS_PATH, until)
    return Next(plan={**plan, "gone": None}, due=LIVE if plan_of(row).get("logs") or plan else 2.0)


def _again(world: World, row: Row, start: Start) -> Next:
    """The start is repeated under another key, because the machine or the server ended its
    process."""
    _dispose(world, row, start)
    plan = {**begin(short_id()), "tries": (plan_of(row).get("tries") or 0) + 1}
    return Next(plan=plan, due=0.0)


# ---- InService


def _serve(world: World, row: Row) -> Next:
    """Jupyter is watched: its end is a failure, idleness stops it, further kernels are built
    meanwhile."""
    start = Start(world, row)
    state = world.backend.poll(start.key)
    if isinstance(state, Gone):
        state = Exited(-1, "lost")
    plan = logs.copy_hooks(world, row, start.root, isinstance(state, Exited))
    if isinstance(state, Exited):
        return _fail(world, row, _why(start, state), plan)
    due, built = use.build_next(world, row)
    stop, told = use.look(world, row, state)
    plan |= {**built, **told}
    if stop:
        step = _enter(world, "Stopping")
        return Next(step.status, step.doc, plan, due=0.0)
    return Next(plan=plan, due=due)


# ---- ends


def _stop(world: World, row: Row) -> Next:
    """The instance is Stopped once its process has ended and its files are removed; the volume
    stays."""
    start = Start(world, row)
    if not _ended(world, start):
        return Next(due=LIVE)
    logs.copy_hooks(world, row, start.root, True)
    _dispose(world, row, start)
    step = _enter(world, "Stopped")
    gone = ("key", "token", "logs", "built", "waiting")
    return Next(step.status, step.doc, dict.fromkeys(gone))


def _fail(world: World, row: Row, reason: str, plan: Doc | None = None) -> Next:
    """The instance is Failed once its process has ended."""
    start = Start(world, row)
    reason = reason if len(reason) <= REASON else reason[: REASON // 2] + "…" + reason[-500:]
    plan = {**(plan or {}), "failure": reason}
    if not _ended(world, start):
        return Next(plan=plan, due=LIVE) if row.status == "Pending" else Next(due=LIVE)
    logs.put(world, row, "status", [f"Failed: {line}" for line in reason.splitlines()])
    _dispose(world, row, start)
    ends = {"failure": None, "key": None, "token": None, "waiting": None, "built": None}
    return _enter(world, "Failed", {"FailureReason": reason}, {**plan, **ends})


def _ended(world: World, start: Start) -> bool:
    """Whether the process has ended; one that runs is asked to stop."""
    if isinstance(world.backend.poll(start.key), Pending | Running):
        world.backend.stop(start.key, GRACE)
    return isinstance(world.backend.poll(start.key), Exited | Gone)


def _dispose(world: World, row: Row, start: Start) -> None:
    """The ended start's capacity is released, and its files are removed except its log."""
    state = world.backend.poll(start.key)
    if isinstance(state, Exited):
        estimates.note_peak(world, _image(row), row.doc["InstanceType"], state.peak_memory)
    capacity.release(world, start.key)
    world.notebooks.forget(start.key)
    world.health.forget(start.key)
    for name in ("ml", "tmp", "mnt"):
        stage.remove(start.root / name)


def _delete(world: World, row: Row) -> Next:
    """The volume, the files and the row are deleted."""
    if plan_of(row).get("key"):
        start = Start(world, row)
        if not _ended(world, start):
            return Next(due=LIVE)
        _dispose(world, row, start)
    stage.remove(Start(world, row).own)
    world.rows.delete(row.id)
    world.notebooks.gone(row.id)
    return Next()


def _enter(world: World, status: str, doc: Doc | None = None, plan: Doc | None = None) -> Next:
    changes = {"LastModifiedTime": moment(world.clock()), **(doc or {})}
    return Next(status, changes, plan or {})


def _image(row: Row) -> str:
    """The name under which the instance's memory peak is recorded."""
    return f"notebook/{row.name}"


def _why(start: Start, state: Exited) -> str:
    """Why the process ended, in one text."""
    limits = start.limits[0]
    if state.reason == "oom":
        return (
            f"OutOfMemory: the notebook instance exceeded {limits.memory / 2**30:.3g} GiB of"
            f" {limits.name}."
        )
    if state.reason == "lost":
        return "InternalServerError: its processes are gone and no exit status was recorded."
    if state.reason.startswith("sandbox"):
        return f"InternalServerError: it could not be started: {state.message or state.reason}"
    try:
        with dirfd.opened(start.root / "ml") as ml:
            told = dirfd.read_text(ml, ("output", "failure"), REASON)
    except OSError:
        told = ""
    if told:
        return told
    if state.reason == "stopped":
        return "Its process was stopped, by nobody who asked Sagebrush to."
    lines = log_lines.tail(start.world.backend, start.key, 0)[-LINES:]
    return f"The Jupyter server ended with exit code {state.code}:\n" + "\n".join(lines).strip()
