"""The life of an asynchronous job: one processing job of Comprehend's account, begun and followed.

SUBMITTED until that has what it waits for, IN_PROGRESS while it runs, and then as it ended. The processing
job has this one's ARN as its parent, so its end makes this one due (`store.rows`); when it leaves the
queue is looked at. What is repeated after a crash finds it by its name, which follows from the JobId.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, fleet
from sagebrush.services.comprehend.jobs import access, program
from sagebrush.services.comprehend.jobs.families import ENDED
from sagebrush.services.comprehend.jobs.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.world import Ctx, StartedBy, World

CHILD = "processing-job"
"""The type in the ARN of what does the work."""
QUEUED, RUNNING, FULL = 1.0, 30.0, 30.0
"""Seconds between looks at a processing job that waits, at one that runs (a safeguard: its end is told),
and between tries to create one that a quota forbids."""
SETTLED = 10.0
"""Seconds after which a job fails that lacks an input or a permission: AWS looks at one minutes after it
was submitted, so scripts describe and stop it meanwhile, or complete a role's policy."""
STOPPED = "The job was stopped with the server that ran it."
INTERNAL = "INTERNAL_SERVER_ERROR: "
"""How AWS's error codes of documents call what is the service's fault."""
PLATFORM = ("OutOfMemory:", "InternalServerError:", "ClientError:")
"""How FailureReasons begin that SageMaker wrote itself; the program's own words are its message."""


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
        return ended(world, "FAILED", f"{INTERNAL}What did the job is gone.")
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
    there = world.rows.get(fleet.ctx(world).account, row.region, CHILD, program.name(row))
    if there is None or there.parent != arns.of(row):
        return None
    wanted = {"ProcessingJobName": there.name}
    try:
        return fleet.ctx(world, row.region).call("sagemaker", "DescribeProcessingJob", wanted)
    except AwsError as error:
        if error.status >= 500:
            raise
        return None  # it was deleted meanwhile


def _start(world: World, row: Row) -> Next:
    """The processing job is there, or the job has failed since it could do nothing."""
    lacking = access.lacking(world, row, arns.of(row))
    if lacking and world.clock() < row.created + SETTLED:
        return Next(due=row.created + SETTLED - world.clock())
    if lacking:
        return ended(world, "FAILED", lacking)
    by = StartedBy(arns.of(row))
    ctx: Ctx = replace(fleet.ctx(world, row.region), started_by=by)
    try:
        world.dispatch(ctx, "sagemaker", "CreateProcessingJob", program.request(world, row))
    except AwsError as error:
        if error.status >= 500:
            raise
        if error.code == "ResourceLimitExceeded":
            return Next(due=FULL)
        return ended(world, "FAILED", f"{INTERNAL}{error.message}")
    return Next(plan={"started": True}, due=QUEUED)


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
    return ended(world, "FAILED", reason(child))


def reason(child: Doc) -> str:
    """The Message of a job whose processing job failed: what its program said, which names no document,
    or what SageMaker says of its process. Of a program's traceback nothing is told."""
    said = child.get("ExitMessage", "")
    why = child.get("FailureReason", "")
    if why.startswith(PLATFORM):
        return f"{INTERNAL}{why}"
    return said or f"{INTERNAL}The job's program failed."


def _stop(world: World, row: Row, child: Doc | None) -> Next:
    """The processing job ends, with the results that it has; one that is not there never began."""
    if child is None:
        return ended(world, "STOPPED")
    if child["ProcessingJobStatus"] == "Completed":  # before it could be stopped
        return ended(world, "COMPLETED")
    if child["ProcessingJobStatus"] in ("Failed", "Stopped"):
        return ended(world, "STOPPED")
    if child["ProcessingJobStatus"] == "InProgress":
        wanted = {"ProcessingJobName": program.name(row)}
        try:
            fleet.ctx(world, row.region).call("sagemaker", "StopProcessingJob", wanted)
        except AwsError as error:
            if error.status >= 500:
                raise
            return Next(due=QUEUED)  # it has just ended
    return Next(due=RUNNING)
