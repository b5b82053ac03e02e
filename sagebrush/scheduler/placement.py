"""What is free on each host, and where what is asked for goes: pure decisions over values.

An instance is on one host; the instances of one job may be on several. All of a job's go to one host
where one has room for them, since they reach each other faster there, and of such hosts to the one
that it leaves the least of: the larger holes stay whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sagebrush.compute.host import Host

GRACE = 120.0
"""Seconds that one that was asked to give way may take, as AWS's spot interruptions do."""
TINY = 1e-9


@dataclass(frozen=True)
class Part:
    """What one instance asks for: vCPUs (0: it takes CPU by share), bytes of memory, whole GPUs."""

    cpu: float
    memory: int
    gpus: int = 0


@dataclass(frozen=True)
class Placement:
    """Where one is: the host of each of its instances, and the GPUs that these have there, one
    instance's after another's."""

    hosts: tuple[str, ...]
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Homeless:
    """An instance that no host has room for once those of the same job before it are placed: `left`
    is what these leave."""

    part: Part
    left: Rooms


@dataclass(frozen=True)
class Entry:
    """One that holds parts of hosts, or waits for them."""

    key: str
    cpu: float
    """Of all its instances together. 0: it takes CPU by share (an endpoint, a notebook)."""
    memory: int
    gpus: int = 0
    yields: bool = False
    """Its memory is nothing that jobs wait for (a notebook)."""
    role: str = ""
    priority: int = 0
    spot: bool = False
    idle: bool = False
    """No job uses it now: it gives way when any ask needs the room (a warm pool)."""
    seconds: float = math.inf
    """How long it will probably hold."""
    seq: int = 0
    """Order of arrival."""
    held: tuple[int, ...] = ()
    """The GPUs that it holds (`Placement.gpus`)."""
    started: float = 0.0
    evicted: float | None = None
    """When it was asked to give way, in epoch seconds."""
    promised: float | None = None
    """When it was to start at the latest, by the estimates of then."""
    first: float | None = None
    """When it came to the head of the queue, where it stays before its peers until it starts."""
    parts: tuple[Part, ...] = ()
    """What each of its instances asks for, where there are several; (): all of it is one's."""
    hosts: tuple[str, ...] = ()
    """The hosts of its instances, where it holds (`Placement.hosts`); (): all are on the first."""

    @property
    def shares(self) -> bool:
        """Whether it takes CPU by share."""
        return self.cpu == 0

    @property
    def whole(self) -> Part:
        """All of it as if it were one instance."""
        return Part(self.cpu, self.memory, self.gpus)

    @property
    def instances(self) -> tuple[Part, ...]:
        """What each of its instances asks for."""
        return self.parts or (self.whole,)

    def end(self, now: float) -> float:
        """When it will have let go, by estimates."""
        if self.evicted is not None:
            return max(now, self.evicted + GRACE)
        if self.shares or self.idle:
            return math.inf
        return max(now, self.started + self.seconds)


@dataclass(frozen=True)
class Room:
    """What is free of a host: vCPUs, bytes for a job, bytes for a spot job and for one that takes CPU
    by share, GPUs."""

    cpu: float
    memory: int
    shared: int
    gpus: tuple[int, ...]


Rooms = Mapping[str, Room]
"""Id of a host -> what is free of it; in the order of the hosts."""


def rooms(hosts: Sequence[Host], held: Iterable[Entry] = ()) -> dict[str, Room]:
    """What `held` leave of the hosts."""
    cpu = {host.id: host.cpus for host in hosts}
    memory = {host.id: host.memory for host in hosts}
    first = hosts[0].id if hosts else ""
    shared, taken = dict(memory), {host.id: set[int]() for host in hosts}
    for each in held:
        for name, part, gpus in _uses(each, first):
            if name not in cpu:  # of a host that is not there any more
                continue
            cpu[name] -= part.cpu
            shared[name] -= part.memory
            memory[name] -= 0 if each.yields else part.memory
            taken[name].update(gpus)
    return {
        host.id: Room(
            cpu[host.id],
            memory[host.id],
            shared[host.id],
            tuple(n for n in host.gpus if n not in taken[host.id]),
        )
        for host in hosts
    }


def _uses(entry: Entry, first: str) -> Iterator[tuple[str, Part, tuple[int, ...]]]:
    """(host, what, GPUs) of what one holds: in one where all of it is on one host."""
    if len(set(entry.hosts)) <= 1:
        yield entry.hosts[0] if entry.hosts else first, entry.whole, entry.held
        return
    begin = 0
    for name, part in zip(entry.hosts, entry.instances, strict=True):
        yield name, part, entry.held[begin : begin + part.gpus]
        begin += part.gpus


def place(free: Rooms, entry: Entry) -> Placement | None:
    """Where `entry` goes now; None where there is no room for it."""
    whole = entry.whole
    alone = [name for name, room in free.items() if not lacks(room, entry, whole)]
    if alone:
        name = min(alone, key=lambda name: _left(free[name], entry, whole))
        return Placement((name,) * len(entry.instances), free[name].gpus[: entry.gpus])
    if not entry.parts or len(free) == 1:
        return None
    spread = _spread(free, entry)
    return spread if isinstance(spread, Placement) else None


def _spread(free: Rooms, entry: Entry) -> Placement | Homeless:
    """Where the instances go one by one, the largest first, or the first that has no room. (Of
    instances that are alike as many find room as can; of others not always.)"""
    left = dict(free)
    found: dict[int, tuple[str, tuple[int, ...]]] = {}
    largest = sorted(enumerate(entry.instances), key=lambda pair: _size(pair[1]), reverse=True)
    for number, part in largest:
        may = [name for name, room in left.items() if not lacks(room, entry, part)]
        if not may:
            return Homeless(part, left)
        name = min(may, key=lambda name: _left(left[name], entry, part))
        gpus = left[name].gpus[: part.gpus]
        found[number] = name, gpus
        left[name] = _less(left[name], entry, part, gpus)
    chosen = [found[number] for number in range(len(found))]
    gpus = tuple(n for _, some in chosen for n in some)
    return Placement(tuple(name for name, _ in chosen), gpus)


def _size(part: Part) -> tuple[int, float, int]:
    return part.gpus, part.cpu, part.memory


def _left(room: Room, entry: Entry, part: Part) -> tuple[float, ...]:
    """What the host would have left: GPUs first, they are the fewest."""
    gpus, memory = len(room.gpus) - part.gpus, room.shared - part.memory
    return (gpus, memory) if entry.shares else (gpus, room.cpu - part.cpu, memory)


def _less(room: Room, entry: Entry, part: Part, gpus: tuple[int, ...]) -> Room:
    return Room(
        room.cpu - part.cpu,
        room.memory - (0 if entry.yields else part.memory),
        room.shared - part.memory,
        tuple(n for n in room.gpus if n not in gpus),
    )


def _more(room: Room, entry: Entry, part: Part, gpus: tuple[int, ...]) -> Room:
    return Room(
        room.cpu + part.cpu,
        room.memory + (0 if entry.yields else part.memory),
        room.shared + part.memory,
        (*room.gpus, *gpus),
    )


def together(free: Rooms) -> Room:
    """What is free of all hosts, as if it were one."""
    first, *others = free.values()
    for room in others:
        first = Room(
            first.cpu + room.cpu,
            first.memory + room.memory,
            first.shared + room.shared,
            (*first.gpus, *room.gpus),
        )
    return first


def lacks(room: Room, entry: Entry, part: Part) -> tuple[str, ...]:
    """Which of cpu, memory and gpus are too few for the `part` of `entry`."""
    found = []
    if part.cpu > room.cpu + TINY:
        found.append("cpu")
    # a spot job would have to go again where it took what a notebook waits for
    if part.memory > (room.shared if entry.shares or entry.spot else room.memory):
        found.append("memory")
    if part.gpus > len(room.gpus):
        found.append("gpus")
    return tuple(found)


def short(free: Rooms, entry: Entry) -> tuple[str, ...]:
    """Which of cpu, memory and gpus are too few for `entry`: on all hosts together, or, where those
    would do, on the host that lacks the fewest for the instance that finds no room."""
    if place(free, entry) is not None:
        return ()
    if found := lacks(together(free), entry, entry.whole):
        return found
    lost = homeless(free, entry)
    return min((lacks(room, entry, lost.part) for room in lost.left.values()), key=len)


def homeless(free: Rooms, entry: Entry) -> Homeless:
    """Which instance of one that cannot be placed finds no room. Raises LookupError where all do."""
    spread = _spread(free, entry)
    if isinstance(spread, Placement):
        raise LookupError(f"there is room for {entry.key}")
    return spread


def clamp(hosts: Sequence[Host], entry: Entry) -> Entry:
    """`entry` asking for no more than the hosts have: on empty ones everything may start.

    No instance asks for more than one host has. Where its instances do not find room together
    even then, all of them share the host that has most of what they ask for.
    """
    wanted = entry.whole
    whole = _clamped(hosts, wanted)
    if entry.parts and len(hosts) > 1:
        parts = tuple(_clamped(hosts, part) for part in entry.parts)
        fewer = replace(
            entry,
            cpu=sum(part.cpu for part in parts),
            memory=sum(part.memory for part in parts),
            gpus=sum(part.gpus for part in parts),
            parts=parts,
        )
        if place(rooms(hosts), fewer) is not None:
            return fewer if parts != entry.parts else entry
    if whole == wanted:
        return entry
    return replace(entry, cpu=whole.cpu, memory=whole.memory, gpus=whole.gpus, parts=())


def _clamped(hosts: Sequence[Host], part: Part) -> Part:
    """The part as the host that has most of it gives it: GPUs count first, then CPU."""
    found = [
        Part(
            min(part.cpu, host.cpus), min(part.memory, host.memory), min(part.gpus, len(host.gpus))
        )
        for host in hosts
    ]
    return max(found, key=_size)


def fits(hosts: Sequence[Host], held: Iterable[Entry], entry: Entry) -> bool:
    """Whether `entry` may hold its part in addition to `held`."""
    return place(rooms(hosts, held), entry) is not None


def dominant(hosts: Sequence[Host], entries: Iterable[Entry]) -> float:
    """The largest part of all hosts' CPU, memory or GPUs that `entries` ask for together."""
    cpu = memory = gpus = 0.0
    for each in entries:
        cpu, memory, gpus = cpu + each.cpu, memory + each.memory, gpus + each.gpus
    there = sum(len(host.gpus) for host in hosts)
    return max(
        cpu / sum(host.cpus for host in hosts),
        memory / sum(host.memory for host in hosts),
        gpus / there if there else 0.0,
    )


def shadow(hosts: Sequence[Host], held: Sequence[Entry], entry: Entry, now: float) -> float:
    """When `entry` could start if no other did, in epoch seconds by estimates; inf where unknown."""
    free = rooms(hosts, held)
    if place(free, entry) is not None:
        return now
    for end, each in sorted(((h.end(now), h) for h in held), key=lambda pair: pair[0]):
        if end == math.inf:
            break
        for name, part, gpus in _uses(each, next(iter(free), "")):
            if name in free:
                free[name] = _more(free[name], each, part, gpus)
        if place(free, entry) is not None:
            return end
    return math.inf
