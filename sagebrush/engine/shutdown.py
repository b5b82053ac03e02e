"""A server that ends in peace: what runs is stopped as its user would, and has stored its results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from sagebrush.compute.backends import LocalOrContainer
from sagebrush.engine.loop import Loop
from sagebrush.facts import Running, Stop
from sagebrush.routing.functions.blanks import PREFIX as FUNCTIONS
from sagebrush.world import World

log = logging.getLogger(__name__)


def stop_jobs(
    world: World, loop: Loop, backend: LocalOrContainer, impatient: Callable[[], bool]
) -> None:
    """Jobs have been stopped as their Stop operations do and their models uploaded, notebook
    instances too, and no endpoint worker runs; or `impatient()` became true before."""
    found = list(stops(world))
    for kind, stop in found:
        for row in world.rows.select(kind.kind, stop.when):
            ctx = world.service_ctx(region=row.region, account=row.account)
            try:
                ctx.call(kind.service, stop.operation, {kind.id_member: row.name})
            except Exception:
                log.exception("%s %s could not be stopped", kind.kind, row.name)
    while any(world.rows.select(kind.kind, stop.until) for kind, stop in found):
        if impatient():
            break
        time.sleep(0.1)
    loop.stop(1.0)
    for key in _jobs(backend):
        backend.stop(key, 5.0)
    while _jobs(backend) and not impatient():
        time.sleep(0.05)


def _jobs(backend: LocalOrContainer) -> list[str]:
    """What runs, but for functions' environments: they end with the server, and others would follow."""
    return [key for key in backend.adopt() if not key.startswith(FUNCTIONS)]


def stops(world: World) -> Iterator[tuple[Running, Stop]]:
    """Kinds that are stopped, and how. First those that only start others, which would start more."""
    for kind in sorted(world.kinds.values(), key=lambda kind: kind.trees is not None):
        if kind.stop is not None:
            yield kind, kind.stop
