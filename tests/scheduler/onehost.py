"""The queue's decisions as they were made when it knew one host: what they are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sagebrush.compute.host import Host

GRACE = 120.0
"""Seconds that one that was told to go may take, as AWS's spot interruptions do."""
TINY = 1e-9


@dataclass(frozen=True)
class Entry:
    """One that holds a part of the host, or waits for it."""

    key: str
    cpu: float
    """0: it takes CPU by share (an endpoint, a notebook)."""
    memory: int
    gpus: int = 0
    yields: bool = False
    """Its memory is nothing that jobs wait for (a notebook)."""
    role: str = ""
    priority: int = 0
    spot: bool = False
    idle: bool = False
    """Nobody uses it now: it goes when anyone needs the room (a warm pool)."""
    seconds: float = math.inf
    """How long it will probably hold."""
    seq: int = 0
    """Order of arrival."""
    held: tuple[int, ...] = ()
    """The GPUs that it holds."""
    started: float = 0.0
    evicted: float | None = None
    """When it was told to go."""
    promised: float | None = None
    """When it was to start at the latest, by the estimates of then."""
    first: float | None = None
    """When it came to the head of the queue, where it stays before its like until it starts."""

    @property
    def shares(self) -> bool:
        """Whether it takes CPU by share."""
        return self.cpu == 0

    def end(self, now: float) -> float:
        """When it will have let go, by estimates."""
        if self.evicted is not None:
            return max(now, self.evicted + GRACE)
        if self.shares or self.idle:
            return math.inf
        return max(now, self.started + self.seconds)


@dataclass(frozen=True)
class Room:
    """What is free: vCPUs, bytes for a job, bytes for a spot job and for one that takes CPU by share,
    GPUs."""

    cpu: float
    memory: int
    shared: int
    gpus: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """What changes now: who starts (with which GPUs), who is told to go, and what the head of the
    jobs that wait is promised."""

    starts: tuple[tuple[str, tuple[int, ...]], ...] = ()
    evicts: tuple[str, ...] = ()
    head: str = ""
    promised: float | None = None


def room(of: Host, held: Iterable[Entry]) -> Room:
    """What `held` leave of the host."""
    cpu, memory, shared, taken = of.cpus, of.memory, of.memory, set()
    for each in held:
        cpu -= each.cpu
        shared -= each.memory
        memory -= 0 if each.yields else each.memory
        taken.update(each.held)
    return Room(cpu, memory, shared, tuple(n for n in of.gpus if n not in taken))


def clamp(of: Host, entry: Entry) -> Entry:
    """`entry` asking for no more than the host has: on an empty one everything may start."""
    return replace(
        entry,
        cpu=min(entry.cpu, of.cpus),
        memory=min(entry.memory, of.memory),
        gpus=min(entry.gpus, len(of.gpus)),
    )


def short(free: Room, entry: Entry) -> tuple[str, ...]:
    """Which of cpu, memory and gpus are too few for `entry`."""
    found = []
    if entry.cpu > free.cpu + TINY:
        found.append("cpu")
    # a spot job would have to go again where it took what a notebook waits for
    if entry.memory > (free.shared if entry.shares or entry.spot else free.memory):
        found.append("memory")
    if entry.gpus > len(free.gpus):
        found.append("gpus")
    return tuple(found)


def fits(of: Host, held: Iterable[Entry], entry: Entry) -> bool:
    """Whether `entry` may hold its part beside `held`."""
    return not short(room(of, held), entry)


def dominant(of: Host, entries: Iterable[Entry]) -> float:
    """The largest part of the host's CPU, memory or GPUs that `entries` ask for together."""
    cpu = memory = gpus = 0.0
    for each in entries:
        cpu, memory, gpus = cpu + each.cpu, memory + each.memory, gpus + each.gpus
    return max(cpu / of.cpus, memory / of.memory, gpus / len(of.gpus) if of.gpus else 0.0)


def shadow(of: Host, held: Sequence[Entry], entry: Entry, now: float) -> float:
    """When `entry` could start if nobody else did, by estimates; inf where none says so."""
    free = room(of, held)
    if not short(free, entry):
        return now
    for end, each in sorted(((h.end(now), h) for h in held), key=lambda pair: pair[0]):
        if end == math.inf:
            break
        free = Room(
            free.cpu + each.cpu,
            free.memory + (0 if each.yields else each.memory),
            free.shared + each.memory,
            (*free.gpus, *each.held),
        )
        if not short(free, entry):
            return end
    return math.inf


def decide(of: Host, held: Sequence[Entry], waiting: Sequence[Entry], now: float) -> Step:
    """What to change now, given who holds and who waits."""
    queue = _Queue(of, list(held), now)
    asks = [clamp(of, each) for each in waiting]
    queue.sharing([each for each in asks if each.shares])
    queue.jobs([each for each in asks if not each.shares and not each.idle])
    queue.pools([each for each in asks if not each.shares and each.idle])
    return Step(tuple(queue.starts), tuple(queue.evicts), queue.head, queue.promised)


class _Queue:
    """One decision while it is made."""

    def __init__(self, of: Host, held: list[Entry], now: float) -> None:
        self.of, self.held, self.now = of, held, now
        self.free = room(of, held)
        self.starts: list[tuple[str, tuple[int, ...]]] = []
        self.evicts: list[str] = []
        self.head = ""
        self.promised: float | None = None
        self.short = False
        """Whether anyone waits for room."""

    # ---- endpoints and notebooks

    def sharing(self, asks: list[Entry]) -> None:
        """Each in its order; one that waits holds up its like, where they need what it lacks. A
        notebook waits behind endpoints, never the other way round."""
        lacking: dict[bool, set[str]] = {False: set(), True: set()}
        for each in sorted(asks, key=lambda ask: (-ask.priority, ask.seq)):
            before = lacking[False] | (lacking[True] if each.yields else set())
            needs = {"memory"} | ({"gpus"} if each.gpus else set())
            if needs & before:
                continue
            lacks = short(self.free, each)
            if lacks:
                self.short = True
                lacking[each.yields] |= set(lacks)
                self._make_room(each)
                stay = room(self.of, [other for other in self.held if other.evicted is None])
                if not short(stay, each):  # what leaves, leaves for this one
                    self.held.append(replace(each, held=stay.gpus[: each.gpus]))
                    self.free = room(self.of, self.held)
            else:
                self._start(each)

    # ---- jobs

    def jobs(self, asks: list[Entry]) -> None:
        """All that can start in their order; then the head's promise; then what fits beside it."""
        left = list(asks)
        while left:
            first = min(left, key=self._order(left))
            left.remove(first)
            if not short(self.free, first):
                self._start(first)
                continue
            self.short = True
            self._make_room(first)
            start = shadow(self.of, self.held, first, self.now)
            if start < math.inf or not self._beside(first):
                break
        else:
            return
        self.head = first.key
        known = [t for t in (first.promised, start) if t is not None and t < math.inf]
        self.promised = min(known, default=None)
        overdue = first.promised is not None and self.now >= first.promised
        if start < math.inf and not overdue:
            self._backfill(first, start, sorted(left, key=self._order(left)))

    def pools(self, asks: list[Entry]) -> None:
        """Warm pools that nobody uses yet take what nobody waits for."""
        for each in sorted(asks, key=lambda ask: ask.seq):
            if not self.short and not short(self.free, each):
                self._start(each)

    def _beside(self, entry: Entry) -> bool:
        """Whether endpoints and notebooks alone keep the job from ever starting: nobody knows when
        they go, and so it holds up nobody."""
        jobs = [each for each in self.held if not each.shares and each.end(self.now) == math.inf]
        return fits(self.of, jobs, entry)

    def _order(
        self, left: Iterable[Entry]
    ) -> Callable[[Entry], tuple[bool, int, float, float, int]]:
        """The key that puts jobs in their order, given who holds what now. One that came to the head
        stays there, so that it cannot lose its turn for ever to roles that hold less."""
        roles: dict[str, list[Entry]] = {each.role: [] for each in left}
        for each in self.held:
            if each.role in roles and not each.shares:
                roles[each.role].append(each)
        parts = {role: dominant(self.of, found) for role, found in roles.items()}

        def key(each: Entry) -> tuple[bool, int, float, float, int]:
            head = math.inf if each.first is None else each.first
            return each.spot, -each.priority, head, parts[each.role], each.seq

        return key

    def _backfill(self, head: Entry, start: float, rest: Sequence[Entry]) -> None:
        """Those of `rest` start that fit, and after whose start the head can still start at `start`."""
        leaving = any(each.evicted is not None for each in self.held)
        for each in rest:
            if short(self.free, each) or (each.spot and leaving):  # it would have to go again
                continue
            stay = [other for other in self.held if other.evicted is None]
            mine = replace(each, held=self.free.gpus[: each.gpus])
            if leaving and fits(self.of, stay, head) and not fits(self.of, [*stay, mine], head):
                continue  # others would have to go in its place
            then = [other for other in self.held if other.end(self.now) > start]
            if self.now + each.seconds > start:
                then.append(mine)
            if fits(self.of, then, head):
                self._start(each)

    # ---- changes

    def _start(self, entry: Entry) -> None:
        gpus = self.free.gpus[: entry.gpus]
        self.starts.append((entry.key, gpus))
        self.held.append(replace(entry, held=gpus, started=self.now))
        self.free = room(self.of, self.held)

    def _make_room(self, entry: Entry) -> None:
        """Spot jobs and idle pools are told to go, where that lets `entry` start: as few as can be,
        idle ones first, then the newest. (For a spot job idle pools alone.)"""
        stay = [each for each in self.held if each.evicted is None]
        if fits(self.of, stay, entry):  # what goes already suffices
            return
        may = [each for each in stay if each.idle or (each.spot and not entry.spot)]
        may.sort(key=lambda each: (not each.idle, -each.started, -each.seq))
        firm = [each for each in stay if each not in may]
        if not may or not fits(self.of, firm, entry):
            return
        for each in may:
            if fits(self.of, [other for other in stay if other is not each], entry):
                chosen = [each]
                break
        else:
            chosen = self._fewest(firm, may, entry)
        self.evicts += [each.key for each in chosen]
        self.held = [replace(h, evicted=self.now) if h in chosen else h for h in self.held]

    def _fewest(self, firm: list[Entry], may: list[Entry], entry: Entry) -> list[Entry]:
        """Of `may`, in order, enough to let `entry` start, and none that need not go."""
        gone: list[Entry] = []
        for each in may:
            gone.append(each)
            if fits(self.of, [*firm, *(m for m in may if m not in gone)], entry):
                break
        for each in reversed(gone[:-1]):
            rest = [other for other in gone if other is not each]
            if fits(self.of, [*firm, *(m for m in may if m not in rest)], entry):
                gone = rest
        return gone
