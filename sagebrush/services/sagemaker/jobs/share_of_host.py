"""How jobs that one resource started, and that may run concurrently, share the host."""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.scheduler.sizes import Size, share
from sagebrush.store.rows import Row
from sagebrush.world import World

AT_ONCE = "TrialsAtOnce"
"""A member of the job's document, set by its parent: how many of the parent's jobs may run at
once."""
LEAST = 1.0
"""vCPUs that such a job has at least."""


def beside(world: World, types: Sequence[str], wanted: int) -> int:
    """How many jobs on instances of these types can run concurrently here, `wanted` at most.

    As many as get at least one CPU each, and the GPUs that a single one would get.
    """
    host = world.host
    alone, _ = share(types, host)
    if not world.settings.scale_down:
        return max(1, min(wanted, int(host.cpus // sum(each.cpu for each in alone))))
    for count in range(min(wanted, int(host.cpus // (LEAST * len(types)))), 1, -1):
        mine = share([*types] * count, host)[0][: len(types)]
        gpus = [each.gpus for each in mine] == [each.gpus for each in alone]
        if gpus and min(each.cpu for each in mine) >= LEAST:
            return count
    return 1


def sizes(world: World, row: Row, types: Sequence[str]) -> tuple[list[Size], str]:
    """The size of each of the job's instances, and a sentence that says if they are scaled down.

    On AWS each job has a machine of its own. Here those of a tuning job that may run concurrently
    are scaled down together where the host is too small for them, as the instances of one job are.
    """
    wanted = row.doc.get(AT_ONCE, 1) if world.settings.scale_down else 1
    count = beside(world, types, wanted) if wanted > 1 else 1
    found, told = share([*types] * count, world.host)
    return found[: len(types)], told
