"""What carries out asynchronous invocations and event source mappings, as the server starts and stops it."""

from __future__ import annotations

import asyncio

from sagebrush.services.lambda_ import provisioning, rows
from sagebrush.services.lambda_.asynchronous import Asynchronous
from sagebrush.services.lambda_.polling import Polling
from sagebrush.world import World

SOON, DAY = 60.0, 86400.0
"""Seconds to the first look for packages that nothing names, and between two."""


class Workers:
    """The workers of one World."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asynchronous = Asynchronous(world)
        self._polling = Polling(world)
        self._loop: asyncio.AbstractEventLoop | None = None

    def resume(self) -> None:
        """What was in flight when the last server ended waits again; before `start`."""
        self._asynchronous.resume()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """They work from now on; provisioned environments are begun. In the loop's thread."""
        self._asynchronous.start(loop)
        self._polling.start(loop)
        provisioning.start(self._world)
        self._loop = loop
        loop.call_later(SOON, self._sweep)

    def _sweep(self) -> None:
        """Packages that nothing names are removed, now and once a day."""
        if self._loop is not None:
            self._loop.run_in_executor(None, rows.sweep, self._world)
            self._loop.call_later(DAY, self._sweep)

    def stop(self) -> None:
        """Nothing is begun any more. In any thread; repeatable."""
        self._loop = None
        self._asynchronous.stop()
        self._polling.stop()

    def wake(self) -> None:
        """All is looked at now: the clock has gone on. In any thread."""
        self._asynchronous.wake()
        self._polling.wake()
