"""The life of a processing job: `jobs.life`, with its outputs as the results, and with a layer for
what its script installs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sagebrush.engine.kinds import moment
from sagebrush.environments import standins
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.jobs import life, steps
from sagebrush.services.sagemaker.jobs.life import JobKind
from sagebrush.services.sagemaker.processing import stage
from sagebrush.services.sagemaker.processing.plan import plan_of
from sagebrush.store.rows import Next, Row
from sagebrush.workload import layers, upload
from sagebrush.workload.instances_state import Standing
from sagebrush.workload.stage import remove as remove_tree
from sagebrush.world import World

log = logging.getLogger(__name__)

CONTINUOUS = 5.0
"""Seconds between looks for new files of a Continuous output."""


def _entered(world: World, row: Row, to: str, words: str) -> Doc:
    """The document's members of a job that enters the stage `to`. What stands in for what its image's
    tag promises is its ExitMessage, unless its container writes one: AWS has no other member that
    says how a job runs."""
    if to == "download":
        return {"ProcessingStartTime": moment(world.clock())}
    if to == JOB.running and (environment := world.environments.built(plan_of(row)["environment"])):
        changes = standins.changes(plan_of(row).get("asked", {}), environment)
        if told := standins.told(changes):
            return {"ExitMessage": f"{environment.name} {told}"[:1024]}
    return {}


def _watch(world: World, row: Row, standing: Standing) -> Next:
    plan = {**_store(world, row), **life.follow(world, row, standing)}
    return Next(plan=plan, due=steps.POLL)


def _store(world: World, row: Row) -> Doc:
    """New files of Continuous outputs are in S3 (every CONTINUOUS seconds); returns the plan's
    changes.

    A fault of the store does not fail the job: the next time, or the job's end, stores them.
    """
    now, plan = world.clock(), plan_of(row)
    if now - plan.get("stored", plan.get("begun", 0.0)) < CONTINUOUS:
        return {}
    until = time.time() - steps.SETTLED  # files are dated by the system's clock
    try:
        times = (plan.get("stored_until", 0.0), until)
        stage.store(world, row, "Continuous", _noter(row), times)
    except (upload.UploadError, AwsError) as error:
        log.warning("processing job %s: outputs were not stored: %s", row.name, error)
        return {}
    return {"stored": now, "stored_until": until}


def _noter(row: Row) -> Callable[[str], None]:
    return lambda text: log.info("processing job %s: %s", row.name, text)


def _timeout(row: Row) -> tuple[str, str]:
    seconds = row.doc["StoppingCondition"]["MaxRuntimeInSeconds"]
    text = f"ClientError: the job ran for longer than MaxRuntimeInSeconds ({seconds})"
    return "Stopped", text


def _results(world: World, row: Row, end: str, remarks: upload.Remarks) -> None:
    """The outputs are in S3; of a job that did not complete, only the Continuous ones."""
    note = _noter(row)

    def tell(text: str) -> None:
        note(text)
        remarks(text)

    for mode in ("Continuous", "EndOfJob") if end == "Completed" else ("Continuous",):
        stage.store(world, row, mode, tell)


def _ended(world: World, row: Row, end: str, reason: str) -> tuple[str, Doc]:
    doc: Doc = {"ProcessingEndTime": moment(world.clock())}
    try:
        if text := stage.message(world, row):
            doc["ExitMessage"] = text
    except UnicodeDecodeError:
        end, reason = "Failed", "ClientError: /opt/ml/output/message is not UTF-8 encoded"
    if reason:
        doc["FailureReason"] = reason[:1024]
    return end, doc


def _clear(world: World, place: Path) -> None:
    for part in ("ml/processing", "tmp"):
        remove_tree(place / part)


def _download(world: World, row: Row) -> Next:
    """As for any job, and the packages are installed that its script asks for."""
    step = life.download(JOB, world, row)
    if plan_of(step).get("stage") != JOB.running or life.launched(JOB, world, row):
        return step
    if text := stage.installing(world, row):
        return Next(plan={"installing": text}, due=layers.LOOK)
    return step


JOB = JobKind(
    group=stage.GROUP,
    members=stage.members,
    image=stage.image,
    sizes=stage.sizes,
    build=stage.build,
    specs=stage.ready,
    results=_results,
    ended=_ended,
    timeout=_timeout,
    clear=_clear,
    entered=_entered,
    watch=_watch,
)
STAGES = {**life.stages(JOB), "download": _download}
reconcile = partial(life.reconcile, JOB, STAGES)
fail = partial(life.fail, JOB)
remove = partial(life.remove, JOB)
