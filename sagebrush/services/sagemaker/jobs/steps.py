"""What the lives of training and processing jobs have in common: times, file transfers, lost
instances, reasons, results, and how a job is asked to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sagebrush.compute.base import Exited
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler.members import Member
from sagebrush.scheduler.sizes import Size
from sagebrush.services.sagemaker.jobs import reasons
from sagebrush.services.sagemaker.jobs.instances import root
from sagebrush.services.sagemaker.jobs.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import instances_state, log_lines, upload
from sagebrush.workload.instances_state import Standing
from sagebrush.world import Ctx, World

ENDED = ("Completed", "Failed", "Stopped")
POLL = 5.0
"""Seconds between looks at a running job; the backend reports its end immediately."""
QUEUE = 60.0
"""Seconds after which a waiting job tries again; it is also woken when its turn comes."""
GONE = 5.0
"""Seconds after which a launched job that the backend does not know counts as lost."""
FOLLOW = 10.0
"""Seconds that the other instances have to end after one of them failed."""
SETTLED = 1.0
"""Seconds since its last change after which a file of a running job is taken to be whole."""
LOOK = 0.5
"""Seconds between looks for a stop while files are being transferred."""


class Interrupted(Exception):
    """The job was asked to stop, or to give way, while its files were being transferred."""


def watch(
    world: World, row: Row, called_off: Callable[[World, Row], object] = lambda _, __: False
) -> Callable[[], None]:
    """A check that raises Interrupted once the job is asked to stop or is called off; it reads the
    row every LOOK seconds at most."""
    last = time.monotonic()

    def check() -> None:
        nonlocal last
        if time.monotonic() - last < LOOK:
            return
        last = time.monotonic()
        now = world.rows.by_id(row.id)
        if (
            now is None
            or ("stop" in plan_of(now) and "stop" not in plan_of(row))
            or called_off(world, now)
        ):
            raise Interrupted

    return check


def vanished(
    world: World, row: Row, standing: Standing, lost: Callable[[Member, Exited], Next]
) -> Next:
    """The step for launched instances unknown to the backend: `lost` once they are given up.

    One may only be starting: the server may have been killed right after the launch and be back
    before its supervisor. `lost` also waits until the other instances have ended.
    """
    now = world.clock()
    since = plan_of(row).get("gone", now)
    if now - since < GONE:
        return Next(plan={"gone": since}, due=1.0)
    if standing.alive:
        instances_state.stop(world.backend, standing, 0)
        return Next(plan={"gone": since}, due=1.0)
    return lost(standing.gone[0], Exited(-1, "lost"))


def why(
    world: World,
    job: Sequence[Member],
    sizes: Sequence[Size],
    end: tuple[Member, Exited],
    seen: int,
    note: Callable[[str], str],
) -> str:
    """The reason that an instance's program gives for its failure; `seen` is an offset near the end
    of its log, where known, and `note(text)` what is added to a failure with that text."""
    member, state = end
    limits = sizes[job.index(member)].limits()
    where = (member, root(world, member))
    reason = reasons.algorithm(world.backend, where, state, limits, seen, note)
    return reason if len(job) == 1 else reasons.of_instance(member.name, reason)


def unstored(store: Callable[[], object], end: str, what: str) -> str:
    """Runs `store` and returns why the results, called `what`, could not be stored through the
    user's fault; "" where they were, or where the job failed anyway. Raises AwsError for a fault of
    the store."""
    try:
        store()
    except upload.UploadError as error:
        return str(error) if end != "Failed" else ""
    except AwsError as error:
        if error.status >= 500 and error.code != "StorageFull":
            raise
        text = f"ClientError: {what} upload failed:{error.code}: {error.message}"
        return text if end != "Failed" else ""
    return ""


def remark(world: World, job: Sequence[Member], remarks: upload.Remarks) -> None:
    """The log of the ended job's first instance says what was left out of its results."""
    if not isinstance(world.backend.poll(job[0].key), Exited):
        return  # its log is still being written
    lines = remarks.lines()
    log_lines.append(root(world, job[0]), world.settings.log_limit, lines, world.clock())


def rejected(words: str, row: Row, code: str = "ValidationException") -> AwsError:
    """Returns the error for an operation that the job's status does not allow; `words` name its
    kind."""
    return AwsError(
        code, f"The request was rejected because the {words} is in status {row.status}."
    )


def delete(
    ctx: Ctx,
    kind: Kind,
    name: str,
    require_free: Callable[[Row], None],
    remove: Callable[[World, Row], object],
) -> None:
    """`remove` has run and the job's row is deleted.

    Raises the kind's not-found error, and what `require_free` raises for a job that may not be
    deleted. An ended job does not run again, so its files may go first: a server that ends between
    the two leaves a row that can be deleted, not files without a row.
    """
    row = kinds.find(ctx, kind, name)
    require_free(row)
    remove(ctx.world, row)
    if ctx.world.rows.delete(row.id) is None:  # deleted concurrently by another request
        raise AwsError(kind.missing_code, kind.say(kind.missing, ctx, name))


def stop(
    ctx: Ctx,
    kind: Kind,
    name: str,
    words: str,
    more: Callable[[Row, float], Doc] = lambda _, __: {},
) -> None:
    """The job is Stopping, and its document has the members that `more` returns. Raises
    ValidationException when it has ended, and the kind's not-found error."""

    def change(found: Row) -> Row | None:
        if found.status in ENDED:
            raise rejected(words, found)
        if found.status == "Stopping":
            return None
        now = ctx.world.clock()
        doc = {**found.doc, **more(found, now), "LastModifiedTime": moment(now)}
        plan = {**found.plan, "stop": now}
        return replace(found, status="Stopping", doc=doc, plan=plan, due_at=now)

    kinds.update(ctx, kind, name, change)
    ctx.world.wake()
