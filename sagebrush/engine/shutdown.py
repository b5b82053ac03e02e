"""A server that ends in peace: what runs is stopped as its user would, and has stored its results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sagebrush.compute.backends import Either
from sagebrush.engine.loop import Loop
from sagebrush.world import World

log = logging.getLogger(__name__)

STOPS = (
    ("hyper-parameter-tuning-job", "InProgress", "StopHyperParameterTuningJob",
     "HyperParameterTuningJobName"),
    ("training-job", "InProgress", "StopTrainingJob", "TrainingJobName"),
    ("processing-job", "InProgress", "StopProcessingJob", "ProcessingJobName"),
    ("notebook-instance", "InService", "StopNotebookInstance", "NotebookInstanceName"),
)  # fmt: skip
"""Kinds of rows: the status in which one is stopped, by which operation, and its name's member."""
RUNNING = {
    "hyper-parameter-tuning-job": ("InProgress", "Stopping"),
    "training-job": ("InProgress", "Stopping"),
    "processing-job": ("InProgress", "Stopping"),
    "notebook-instance": ("Stopping",),
}
"""Kinds of rows: the statuses in which the server's end waits for them."""
JOBS = ("training-job", "processing-job", "hyper-parameter-tuning-job", "warm-pool")
"""Kinds of rows that are looked at anew when a server starts."""


def stop_jobs(world: World, loop: Loop, backend: Either, impatient: Callable[[], bool]) -> None:
    """Jobs have been stopped as their Stop operations do and their models uploaded, notebook
    instances too, and no endpoint worker runs; or `impatient()` became true before."""
    ctx = world.service_ctx()
    for kind, status, operation, member in STOPS:
        for row in world.rows.select(kind, [status]):
            try:
                ctx.call("sagemaker", operation, {member: row.name})
            except Exception:
                log.exception("%s %s could not be stopped", kind, row.name)
    while any(world.rows.select(kind, each) for kind, each in RUNNING.items()):
        if impatient():
            break
        time.sleep(0.1)
    loop.stop(1.0)
    for key in backend.adopt():
        backend.stop(key, 5.0)
    while backend.adopt() and not impatient():
        time.sleep(0.05)


def look_again(world: World) -> None:
    """Jobs that may have ended while no server ran are due."""
    for kind in JOBS:
        for row in world.rows.select(kind):
            if row.due_at is not None and row.status not in ("Completed", "Failed", "Stopped"):
                world.rows.touch(row.id)
