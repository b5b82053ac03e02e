"""The life of a custom model: trained by one processing job of Comprehend's account, or copied from another
model; deleted with its artifacts.

SUBMITTED until the processing job has what it waits for, TRAINING while it runs, and then as it ended. The
program stores what training found last, so a model is TRAINED only where all of it is in the bucket; what
is repeated after a crash finds the processing job by its name, which no other model has.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.aws.scalars import json_of
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.comprehend import work
from sagebrush.services.comprehend.training import access, artifacts, program
from sagebrush.services.comprehend.training.families import DELETING, ENDED, FAMILIES
from sagebrush.services.comprehend.training.plan import plan_of
from sagebrush.services.comprehend.work import INTERNAL, QUEUED, RUNNING
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

STOPPED = "The training was stopped with the server that ran it."
LOST = f"{INTERNAL}The training ended without a model."
SOURCE_GONE = "SOURCE_MODEL_NOT_FOUND: The model to import was deleted before it was copied."
WARNING = "Warning"
"""The member of what training found that says why a model is TRAINED_WITH_WARNING; no member of AWS's."""


def reconcile(world: World, row: Row) -> Next:
    """The next step of the model (`engine.kinds.Reconcile`)."""
    if row.status in ENDED:
        return Next()
    if row.status == DELETING:
        return _delete(world, row)
    if "source" in plan_of(row):
        return _copy(world, row)
    child = find(world, row)
    if row.status == "STOP_REQUESTED":
        return _stop(world, row, child)
    if child is not None:
        return _follow(world, row, child)
    if plan_of(row).get("started"):
        return ended(world, "IN_ERROR", work.GONE)
    return _start(world, row)


def fail(world: World, row: Row, reason: str) -> Next:
    """The model has failed for a reason of the server's own; one that is to go still goes."""
    if row.status == DELETING:
        return Next(due=RUNNING)
    return ended(world, "IN_ERROR", f"{INTERNAL}{reason}")


def ended(world: World, status: str, message: str = "", child: Doc | None = None) -> Next:
    """The step that ends the training; `child` is the processing job that did it."""
    doc: Doc = {"EndTime": moment(world.clock()), "Message": message or None, **_times(child or {})}
    return Next(status, doc)


def find(world: World, row: Row) -> Doc | None:
    """The description of the model's processing job; None where there is none."""
    return work.find(world, row, program.name(row))


def _times(child: Doc) -> Doc:
    """When training began and ended, by its processing job."""
    known = {"TrainingStartTime": "ProcessingStartTime", "TrainingEndTime": "ProcessingEndTime"}
    return {ours: child[theirs] for ours, theirs in known.items() if theirs in child}


def _start(world: World, row: Row) -> Next:
    """The processing job is there, or the model has failed since it could do nothing."""
    step = work.start(world, row, access.lacking(world, row), program.request)
    return ended(world, "IN_ERROR", step) if isinstance(step, str) else step


def _follow(world: World, row: Row, child: Doc) -> Next:
    status = child["ProcessingJobStatus"]
    if status in ("InProgress", "Stopping"):
        running = "ProcessingStartTime" in child
        return Next(
            "TRAINING" if running else None,
            _times(child),
            plan={"started": True},
            due=RUNNING if running else QUEUED,
        )
    if status == "Completed":
        return _trained(world, row, child) or ended(world, "IN_ERROR", LOST, child)
    if status == "Stopped":
        return _trained(world, row, child) or ended(world, "STOPPED", STOPPED, child)
    return ended(world, "IN_ERROR", work.reason(child), child)


def _stop(world: World, row: Row, child: Doc | None) -> Next:
    """The processing job ends. One that had stored its model before has trained it; one that is not
    there never began."""
    if child is None:
        return ended(world, "STOPPED")
    if child["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"):
        return _trained(world, row, child) or ended(world, "STOPPED", child=child)
    return Next(due=work.stop(world, row, child))


def _trained(world: World, row: Row, child: Doc) -> Next | None:
    """The step after which the model is trained; None where its artifacts are not all there."""
    raw = artifacts.read(world, row, artifacts.METADATA)
    if raw is None or not artifacts.exists(world, row, artifacts.MODEL):
        return None
    try:
        found = json_of(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return None
    warning = found.pop(WARNING, "")
    step = ended(world, "TRAINED_WITH_WARNING" if warning else "TRAINED", warning, child)
    doc = {**step.doc, FAMILIES[row.kind].metadata: found}
    return replace(step, doc=doc, plan={"model": artifacts.uri(world, row)})


def _copy(world: World, row: Row) -> Next:
    """The imported model is a copy of its source; what describes it was told when it was imported."""
    if row.status == "STOP_REQUESTED":
        return ended(world, "STOPPED")
    if not artifacts.copy(world, plan_of(row).get("source", ""), row):
        return ended(world, "IN_ERROR", SOURCE_GONE)
    return _trained(world, row, {}) or ended(world, "IN_ERROR", SOURCE_GONE)


def _delete(world: World, row: Row) -> Next:
    """The model is gone, with its artifacts, once nothing can store any more."""
    child = find(world, row)
    if child is not None and child["ProcessingJobStatus"] in ("InProgress", "Stopping"):
        work.stop(world, row, child)
        return Next(due=QUEUED)
    artifacts.delete(world, row)
    world.rows.delete(row.id)
    return Next()


def waiting(world: World, row: Row) -> str:
    """What a model that is SUBMITTED waits for; "" where nothing says so."""
    child = find(world, row) if "source" not in plan_of(row) else None
    return child.get("ExitMessage", "") if child is not None else ""
