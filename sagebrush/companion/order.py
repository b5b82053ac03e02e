"""In which order an instance gets what a channel names, and which part of it."""

from __future__ import annotations

import random

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Sequence


def arranged(count: int, seed: int | None, epoch: int, shard: Sequence[int]) -> list[int]:
    """The places, of `count` things, that the instance `shard` (its number, of how many) gets in `epoch`.

    With a seed all are shuffled, differently in every epoch and alike on all instances; then they
    are dealt out in turn, so that a shuffle moves things between instances.
    """
    places = list(range(count))
    if seed is not None:
        random.Random(f"{seed}/{epoch}").shuffle(places)
    own, of = shard
    return places[own::of]
