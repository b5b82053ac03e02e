"""How trials of a tuning job that may run at once share the host."""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.engine import capacity
from sagebrush.engine.capacity import Size
from sagebrush.store.rows import Row
from sagebrush.world import World

AT_ONCE = "TrialsAtOnce"
"""A trial's member that says how many of its tuning job may run beside one another."""
LEAST = 1.0
"""vCPUs that a trial has at least."""


def sizes(world: World, row: Row, types: Sequence[str]) -> tuple[list[Size], str]:
    """What each instance of the job gets, of these types, and the sentence that says if it is less.

    On AWS each trial has a machine of its own. Here as many of a tuning job's run beside one
    another as may, and as have a CPU each and the GPUs that one alone would have; where the host is
    too small for them they are scaled down together, as the instances of one job are.
    """
    host = capacity.host(world)
    alone = capacity.share(types, host)
    wanted = row.doc.get(AT_ONCE, 1) if world.settings.scale_down else 1
    for count in range(min(wanted, int(host.cpus // (LEAST * len(types)))), 1, -1):
        found, told = capacity.share([*types] * count, host)
        mine = found[: len(types)]
        gpus = [each.gpus for each in mine] == [each.gpus for each in alone[0]]
        if gpus and min(each.cpu for each in mine) >= LEAST:
            return mine, told
    return alone
