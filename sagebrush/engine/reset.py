"""All accounts are empty again, as a new server's is: what runs is killed, what is stored is deleted.

For tests of users' own code, each of which begins with an empty account. In this order: no step of a
reconciler begins, and what has begun writes and launches nothing more; every process tree ends;
rows, objects and logs are deleted in one transaction, after which all that began before it
writes nothing (`store.generations`); directories and what is in memory go. Nothing of an account can
come back, and every name is free at once. Accounts themselves, keys, built environments, layers
and what is kept of AWS's public sample buckets stay.

A server that is killed meanwhile has either all rows or none; its mark in the data directory lets the
next start begin again, before anything runs.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from pathlib import Path

from sagebrush.access import principals
from sagebrush.compute.backends import LocalOrContainer
from sagebrush.compute.base import Exited, Gone
from sagebrush.engine.loop import Loop
from sagebrush.engine.outbox import Outbox
from sagebrush.errors import AwsError, Doc
from sagebrush.samples import table
from sagebrush.store import emptying
from sagebrush.workload import stage
from sagebrush.world import World

log = logging.getLogger(__name__)

MARK = "resetting"
"""In the data directory while it is emptied."""
PATIENCE = 20.0
"""Seconds that killed processes have to end; the kernel may have to free much memory."""
STEPS = 5.0
"""Seconds that steps which run have to end; longer ones end by themselves and change nothing."""
FILES = 0.01
"""Seconds that the removal of directories may take; the rest is removed in a thread."""
BLOBS = 32
"""Bodies that are removed at a time, in threads: no row names them, and a start sweeps the rest."""


class Reset:
    """Empties all accounts of one World (`World.reset`); one at a time, from any thread."""

    def __init__(self, world: World, loop: Loop, outbox: Outbox, backend: LocalOrContainer) -> None:
        self._world = world
        self._loop = loop
        self._outbox = outbox
        self._backend = backend
        self._alone = threading.Lock()
        self._mark = world.settings.home / MARK

    def __call__(self) -> Doc:
        """All accounts are empty; returns how many rows, objects and process trees there were.

        Takes milliseconds where nothing runs. Raises AwsError (500) where a process does not end in
        PATIENCE, and as `Db.write` does: nothing is deleted then.
        """
        with self._alone, self._loop.held(), self._outbox.held():
            with suppress(OSError):  # a full disk, which this frees
                self._mark.touch(mode=0o600)
            try:
                return self._empty()
            finally:
                self._mark.unlink(missing_ok=True)

    def go_on(self) -> None:
        """What a killed server had begun is done; before the loop starts, and anything runs."""
        if self._mark.exists():
            log.warning("the accounts were being emptied when the last server ended: once more")
            self()

    def _empty(self) -> Doc:
        world = self._world
        emptying.seal(world.db)
        self._backend.launched()
        ended = self._kill()
        world.tallies.drop()
        world.captures.drop()
        found = emptying.empty(world.db, table.OWNER)
        self._forget(found.last)
        if not self._loop.settled(STEPS):
            log.warning("steps still run for what was deleted; they change nothing")
        self._remove_directories()
        for at in range(0, len(found.blobs), BLOBS):  # each holds up readers for a moment
            world.objects.pool.submit(world.objects.discard, found.blobs[at : at + BLOBS])
        return {"rows": found.rows, "objects": found.objects, "processes": ended}

    def _kill(self) -> int:
        """Every process tree has ended; how many there were."""
        running = self._backend.adopt()
        for key in running:
            self._backend.stop(key, 0.0)
        until, pause = time.monotonic() + PATIENCE, 0.002
        while alive := [key for key in running if not self._ended(key)]:
            if time.monotonic() > until:
                words = f"These still run, so nothing was deleted: {', '.join(alive[:5])}"
                raise AwsError("InternalFailure", words, 500)
            time.sleep(pause)
            pause = min(0.05, 1.3 * pause)
        return len(running)

    def _ended(self, key: str) -> bool:
        return isinstance(self._backend.poll(key), Exited | Gone)

    def _forget(self, last: int) -> None:
        """Nothing in memory is of deleted rows; their ids are up to `last`."""
        world = self._world
        world.executing.empty()
        world.tallies.drop()
        world.function_counts.drop()
        world.unit_counts.drop()
        world.mappings_changed()
        world.functions.empty()
        world.captures.drop()  # of answers that were on their way meanwhile
        world.endpoints.empty(last)
        world.forward.demand.empty()
        world.curves.clear()
        world.rules = {}
        principals.forget(world)

    def _remove_directories(self) -> None:
        """No directory of a job is left, nor a notebook's volume."""
        world = self._world
        found = _inside(world.settings.home / "jobs")
        for path in found:
            for known in (self._backend, world.health, world.notebooks, world.endpoints):
                known.forget(path.name)
        found += _inside(world.settings.home / "notebooks")
        found += _inside(world.settings.home / "function-code")
        with world.layers.lock:  # of which a build may be looked at now
            stage.remove_all(found, FILES)


def _inside(folder: Path) -> list[Path]:
    """What is in the folder and is not being removed already."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if not path.name.startswith(stage.GOING)]
