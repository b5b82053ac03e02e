"""What the lives of training and processing jobs have in common: times, files on their way, lost
instances."""

from __future__ import annotations

import time
from collections.abc import Callable

from sagebrush.engine import group
from sagebrush.engine.group import Standing
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

ENDED = ("Completed", "Failed", "Stopped")
POLL = 5.0
"""Seconds between looks at a running job; its end is told by the backend at once."""
QUEUE = 60.0
"""Seconds after which a waiting job asks again by itself; it is woken when its turn comes."""
GONE = 5.0
"""Seconds for which nothing may be known of a launched job."""
FOLLOW = 10.0
"""Seconds that the other instances have to end after one of them failed."""
SETTLED = 1.0
"""Seconds since its last change after which a file of a running job is taken to be whole."""
LOOK = 0.5
"""Seconds between looks for a stop while files are on their way."""


class Interrupted(Exception):
    """The job was asked to stop, or to give way, while its files were on their way."""


def watch(
    world: World, row: Row, called_off: Callable[[World, Row], object] = lambda _, __: False
) -> Callable[[], None]:
    """Raises Interrupted once the job is asked to stop, or is called off; looks every LOOK seconds at
    most."""
    last = time.monotonic()

    def check() -> None:
        nonlocal last
        if time.monotonic() - last < LOOK:
            return
        last = time.monotonic()
        now = world.rows.by_id(row.id)
        if now is None or ("stop" in now.plan and "stop" not in row.plan) or called_off(world, now):
            raise Interrupted

    return check


def vanished(world: World, row: Row, standing: Standing) -> Next | None:
    """What to do about launched instances of which nothing is known; None once they are lost and the
    others have ended.

    One may only be starting: the server may have been killed right after the launch and be back
    before its supervisor.
    """
    now = world.clock()
    since = row.plan.get("gone", now)
    if now - since < GONE:
        return Next(plan={"gone": since}, due=1.0)
    if standing.alive:
        group.stop(world.backend, standing, 0)
        return Next(plan={"gone": since}, due=1.0)
    return None
