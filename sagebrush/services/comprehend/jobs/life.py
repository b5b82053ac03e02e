"""The life of an asynchronous job: one processing job of Comprehend's account, begun and followed.

SUBMITTED until that has what it waits for, IN_PROGRESS while it runs, and then as it ended. What is
repeated after a crash finds it by its name, which follows from the JobId.
"""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.comprehend import arns, work
from sagebrush.services.comprehend.jobs import access, program
from sagebrush.services.comprehend.jobs.families import ENDED
from sagebrush.services.comprehend.jobs.plan import plan_of
from sagebrush.services.comprehend.work import INTERNAL, QUEUED, RUNNING, STOPPED
from sagebrush.store.rows import Next, Row
from sagebrush.world import World


def reconcile(world: World, row: Row) -> Next:
    """The next step of the job (`engine.kinds.Reconcile`)."""
    if row.status in ENDED:
        return Next()
    child = find(world, row)
    if row.status == "STOP_REQUESTED":
        return _stop(world, row, child)
    if child is not None:
        return _follow(world, row, child)
    if plan_of(row).get("started"):
        return ended(world, "FAILED", work.GONE)
    return _start(world, row)


def fail(world: World, row: Row, reason: str) -> Next:
    """The job has failed for a reason of the server's own."""
    return ended(world, "FAILED", f"{INTERNAL}{reason}")


def ended(world: World, status: str, message: str = "") -> Next:
    """The step that ends the job."""
    doc: Doc = {"EndTime": moment(world.clock())}
    return Next(status, {**doc, "Message": message or None})


def find(world: World, row: Row) -> Doc | None:
    """The description of the job's processing job; None where there is none, or it is not the job's."""
    return work.find(world, row, program.name(row))


def _start(world: World, row: Row) -> Next:
    """The processing job is there, or the job has failed since it could do nothing."""
    step = work.start(world, row, access.lacking(world, row, arns.of(row)), program.request)
    return ended(world, "FAILED", step) if isinstance(step, str) else step


def _follow(world: World, row: Row, child: Doc) -> Next:
    status = child["ProcessingJobStatus"]
    plan: Doc = {"started": True}
    if status in ("InProgress", "Stopping"):
        running = "ProcessingStartTime" in child
        return Next(
            "IN_PROGRESS" if running else None, plan=plan, due=RUNNING if running else QUEUED
        )
    if status == "Completed":
        return ended(world, "COMPLETED")
    if status == "Stopped":
        return ended(world, "STOPPED", STOPPED)
    return ended(world, "FAILED", work.reason(child))


def _stop(world: World, row: Row, child: Doc | None) -> Next:
    """The processing job ends, with the results that it has; one that is not there never began."""
    if child is None:
        return ended(world, "STOPPED")
    if child["ProcessingJobStatus"] == "Completed":  # before it could be stopped
        return ended(world, "COMPLETED")
    if child["ProcessingJobStatus"] in ("Failed", "Stopped"):
        return ended(world, "STOPPED")
    return Next(due=work.stop(world, row, child))
