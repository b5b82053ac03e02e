"""Which instance a copy of an inference component goes to, and how many instances copies need.

Pure: sizes and copies in, places and counts out. An instance has the vCPUs, memory and accelerators
that its type promises, all of them for copies (AWS keeps a part for itself that it does not publish).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sagebrush.scheduler.instances import Instance
from sagebrush.services.sagemaker.hosting.plan import Needs, Placed

SPREAD, BINPACK = "SPREAD", "BINPACK"
NONE: Needs = {"cpu": 0.0, "memory": 0, "most": 0, "accelerators": 0.0}


@dataclass(frozen=True)
class Room:
    """What is free: vCPUs, bytes of memory, accelerators."""

    cpu: float
    memory: float
    accelerators: float

    def without(self, needs: Needs) -> Room:
        """What is left beside a copy with these needs; negative where it does not fit."""
        return Room(
            self.cpu - needs["cpu"],
            self.memory - needs["memory"],
            self.accelerators - needs["accelerators"],
        )

    @property
    def enough(self) -> bool:
        """Whether nothing is short."""
        return min(self.cpu, self.memory, self.accelerators) >= -1e-9


def room_of(size: Instance) -> Room:
    """An empty instance."""
    return Room(size.cpus, size.memory, size.gpus)


def fits(size: Instance, needs: Needs) -> bool:
    """Whether a copy with these needs fits an empty instance."""
    return room_of(size).without(needs).enough


def left(size: Instance, copies: Mapping[str, Placed], instance: str) -> Room:
    """What the copies leave of the instance."""
    room = room_of(size)
    for copy in copies.values():
        if copy["instance"] == instance:
            room = room.without(copy["needs"])
    return room


def choose(
    size: Instance,
    instances: Sequence[str],
    copies: Mapping[str, Placed],
    wish: Placed,
    strategy: str = SPREAD,
) -> str | None:
    """The instance for `wish`; None where it fits none.

    SPREAD: that with the fewest copies of its component, then the one with most memory left.
    BINPACK: that with the least memory left. Of those that are alike the first.
    """
    rooms = {each: left(size, copies, each) for each in instances}
    open_ = [each for each in instances if rooms[each].without(wish["needs"]).enough]
    if not open_:
        return None
    if strategy == BINPACK:
        return min(open_, key=lambda each: rooms[each].memory)

    def own(instance: str) -> int:
        return sum(
            copy["instance"] == instance and copy["component"] == wish["component"]
            for copy in copies.values()
        )

    return min(open_, key=lambda each: (own(each), -rooms[each].memory))


def needed(
    size: Instance,
    instances: Sequence[str],
    copies: Mapping[str, Placed],
    bounds: tuple[int, int],
) -> int:
    """How many instances the copies need: those that hold some, and as many more as hold those that
    wait (first fit); within `bounds` (fewest, most)."""
    used = {copy["instance"] for copy in copies.values() if copy["instance"] in instances}
    rooms = [left(size, copies, each) for each in instances if each in used]
    for copy in copies.values():
        if copy["instance"] in used or not fits(size, copy["needs"]):
            continue
        for place, room in enumerate(rooms):
            if room.without(copy["needs"]).enough:
                rooms[place] = room.without(copy["needs"])
                break
        else:
            rooms.append(room_of(size).without(copy["needs"]))
    return max(bounds[0], min(bounds[1], len(rooms)))
