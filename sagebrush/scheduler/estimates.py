"""What jobs will probably need, by what those of the same image needed before: memory and time."""

from __future__ import annotations

from sagebrush.compute.base import Limits
from sagebrush.store import past_runs
from sagebrush.world import World


def expected_memory(world: World, image: str, limits: Limits) -> int:
    """Bytes to count for a job of `image`: its past peak with a tenth more, else the default.

    Never more than the type's own size.
    """
    past = past_runs.peak(world.db, image, limits.name)
    guess = world.settings.memory_default if past is None else int(past * 1.1)
    return min(guess, limits.memory) if limits.memory else guess


def note_peak(world: World, image: str, type_name: str, peak: int) -> None:
    """A job of `image` used `peak` bytes at most; the largest is kept."""
    if peak > 0:
        past_runs.note_peak(world.db, image, type_name, peak)


def expected_seconds(world: World, image: str, type_name: str) -> float:
    """Seconds that a job of `image` will probably run; 0 where none has yet."""
    return past_runs.seconds(world.db, image, type_name) or 0.0


def note_seconds(world: World, image: str, type_name: str, seconds: float) -> None:
    """A job of `image` ran for `seconds`. Longer ones count at once, shorter ones bit by bit: the
    queue's promises depend on it."""
    if seconds > 0:
        past_runs.note_seconds(world.db, image, type_name, seconds)
