"""Removes what is no longer needed: directories of jobs, what still runs in them, and reservations that
belong to no row."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone
from sagebrush.routing.functions.blanks import PREFIX as FUNCTIONS
from sagebrush.scheduler import capacity, members
from sagebrush.store.alarm_history import AlarmHistory
from sagebrush.workload import layers, stage
from sagebrush.world import World

log = logging.getLogger(__name__)

DAY = 86400.0
METRIC_DAYS = 455
"""How long CloudWatch keeps metrics (User Guide, "Metrics retention": 15 months)."""

EXECUTION_DAYS = 90
"""How long Step Functions keeps executions that ended (quotas, "Execution history retention time")."""
REDRIVE_DAYS = 14
"""How long executions can be redriven (developer guide, "Restarting state machine executions")."""
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL of what belongs to nothing."""
ALARM_DAYS = 30
"""How long CloudWatch keeps the history of alarms (User Guide, "Common features of alarms")."""


def expire(world: World) -> None:
    """Removes metric points past CloudWatch's 15 months, alarms' history past 30 days, users' log
    events past their group's retention, queues' messages past theirs, executions past 90 days, and
    layers that no job has used for long. Repeatable."""
    world.series.expire(world.clock() - METRIC_DAYS * DAY)
    AlarmHistory(world.db).expire(world.clock() - ALARM_DAYS * DAY)
    world.streams.expire()
    world.messages.expire()
    world.executions.forget_redrives(world.clock() - REDRIVE_DAYS * DAY)
    while world.executions.expire(world.clock() - EXECUTION_DAYS * DAY):
        pass  # some at a time, each in a transaction of its own
    layers.expire(world)


def sweep(world: World) -> list[str]:
    """The keys of job directories that were removed: ended, named by no row, and old enough.

    Once at start. Jobs of rows that exist go by their own reconciler (`keep_jobs_days`).
    """
    capacity.sweep(world)
    jobs, gone = world.settings.home / "jobs", []
    for folder in (jobs, world.settings.home / "notebooks", world.settings.home / layers.FOLDER):
        stage.go_on(folder)
    if not jobs.is_dir():
        return gone
    before = world.clock() - world.settings.keep_jobs_days * DAY
    kept = (path for path in sorted(jobs.iterdir()) if not path.name.startswith(stage.GOING))
    old = [path for path in kept if _older(path, before)]
    if not old:
        return gone
    known = _keys(world)
    for path in old:
        if members.owner(path.name) in known:
            continue
        if isinstance(world.backend.poll(path.name), Gone | Exited):
            try:
                world.backend.forget(path.name)
                stage.remove(path)
                gone.append(path.name)
            except OSError:
                log.exception("the directory of the ended job %s could not be removed", path.name)
    return gone


def end_strangers(world: World, running: Iterable[str]) -> list[str]:
    """The keys of those running process trees that no row names, which have been told to end.

    Once at start, of what lives on from the last server (`running`: their keys). Builds of layers are
    named by no row, and environments of functions end with their server. What runs in another data
    directory, of which this one is a copy, is left alone: by its name a container is found from both.
    """
    others = (FUNCTIONS, layers.BUILDS)
    found = [key for key in running if not key.startswith(others)]
    known = _keys(world) if found else set()
    strangers = [
        key for key in found if not {key, members.owner(key)} & known and not _elsewhere(world, key)
    ]
    for key in strangers:
        log.warning("%s belongs to nothing that is stored, and is ended", key)
        try:
            world.backend.stop(key, GRACE)
        except OSError:  # a full disk, for example, with which a server starts all the same
            log.exception("%s could not be ended; the next start tries again", key)
    return strangers


def _elsewhere(world: World, key: str) -> bool:
    """Whether what was launched under the key lives in another data directory."""
    directory = world.settings.home / "jobs" / key
    found = record.read(directory, "spec.json")
    return found is not None and Path(found["spec"]["root"]).resolve() != directory.resolve()


def _keys(world: World) -> set[str]:
    """Everything that directories of jobs are named by, of all rows."""
    found: set[str] = set()
    for kind, name, plan in world.rows.plans(world.kinds):
        found |= {name, *world.kinds[kind].keys(plan)}
    return found


def _older(path: Path, before: float) -> bool:
    try:
        return os.lstat(path).st_mtime < before
    except OSError:
        return False
