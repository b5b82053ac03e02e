"""Which asks start next, and which give way: pure decisions over values.

Jobs go by priority, then fairly between roles (the role that holds the least of the host's scarcest
resource for it goes first: dominant resource fairness), then by arrival; spot jobs after all others.
The first that does not fit is the head: it is promised when it will start, and others start before
it only if by estimates that stays true (EASY backfill); once the promise is past, none does. So a
large job is delayed by what runs already, not by what came later. Endpoints and notebooks take CPU
by share and wait for memory and GPUs alone, in lanes of their own. All hosts have one queue; where on
them one goes says `placement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sagebrush.compute.host import Host
from sagebrush.scheduler.placement import (
    Entry,
    Placement,
    clamp,
    dominant,
    fits,
    place,
    rooms,
    shadow,
    short,
)


@dataclass(frozen=True)
class Start:
    """One that holds from now on, and where."""

    key: str
    placement: Placement


@dataclass(frozen=True)
class Step:
    """What changes now: which asks start, which are asked to give way, and the start (in epoch
    seconds, None: unknown) that is promised to the head of the jobs that wait."""

    starts: tuple[Start, ...] = ()
    evicts: tuple[str, ...] = ()
    head: str = ""
    promised: float | None = None


def decide(
    hosts: Sequence[Host], held: Sequence[Entry], waiting: Sequence[Entry], now: float
) -> Step:
    """The changes to make now, given which entries hold what of which host and which wait.

    A pure function of its arguments: it changes none of them, reads no clock and raises nothing for
    what does not fit, which simply waits. An entry counts with at most what the hosts have
    (`clamp`). One that is evicted keeps its part until it is released, and is not named again once
    its `evicted` is set. The caller stores the whole step in the transaction that it read in.
    """
    queue = _Queue(hosts, list(held), now)
    asks = [clamp(hosts, each) for each in waiting]
    queue.sharing([each for each in asks if each.shares])
    queue.jobs([each for each in asks if not each.shares and not each.idle])
    queue.pools([each for each in asks if not each.shares and each.idle])
    return Step(tuple(queue.starts), tuple(queue.evicts), queue.head, queue.promised)


class _Queue:
    """One decision while it is made."""

    def __init__(self, hosts: Sequence[Host], held: list[Entry], now: float) -> None:
        self.hosts, self.held, self.now = hosts, held, now
        self.free = rooms(hosts, held)
        self.starts: list[Start] = []
        self.evicts: list[str] = []
        self.head = ""
        self.promised: float | None = None
        self.short = False
        """Whether any entry waits for room."""

    # ---- endpoints and notebooks

    def sharing(self, asks: list[Entry]) -> None:
        """Starts each in its order; one that waits delays the later ones that need what it lacks. A
        notebook waits behind endpoints, never the other way round."""
        lacking: dict[bool, set[str]] = {False: set(), True: set()}
        for each in sorted(asks, key=lambda ask: (-ask.priority, ask.seq)):
            before = lacking[False] | (lacking[True] if each.yields else set())
            needs = {"memory"} | ({"gpus"} if each.gpus else set())
            if needs & before:
                continue
            if not self._start(each):
                self.short = True
                lacking[each.yields] |= set(short(self.free, each))
                self._make_room(each)
                stay = rooms(self.hosts, [h for h in self.held if h.evicted is None])
                if where := place(stay, each):  # what leaves, leaves for this one
                    self.held.append(_at(each, where))
                    self.free = rooms(self.hosts, self.held)

    # ---- jobs

    def jobs(self, asks: list[Entry]) -> None:
        """Starts what can in its order; then promises the head; then starts what fits around it."""
        left = list(asks)
        while left:
            first = min(left, key=self._order(left))
            left.remove(first)
            if self._start(first):
                continue
            self.short = True
            self._make_room(first)
            start = shadow(self.hosts, self.held, first, self.now)
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
        """Starts unused warm pools where no other entry waits for room."""
        for each in sorted(asks, key=lambda ask: ask.seq):
            if not self.short:
                self._start(each)

    def _beside(self, entry: Entry) -> bool:
        """True if endpoints and notebooks alone keep the job from ever starting: when they end is
        unknown, so the job delays no other."""
        jobs = [each for each in self.held if not each.shares and each.end(self.now) == math.inf]
        return fits(self.hosts, jobs, entry)

    def _order(
        self, left: Iterable[Entry]
    ) -> Callable[[Entry], tuple[bool, int, float, float, int]]:
        """The key that puts jobs in their order, given what is held now. One that came to the head
        stays there, so that it cannot lose its turn without end to roles that hold less."""
        roles: dict[str, list[Entry]] = {each.role: [] for each in left}
        for each in self.held:
            if each.role in roles and not each.shares:
                roles[each.role].append(each)
        parts = {role: dominant(self.hosts, found) for role, found in roles.items()}

        def key(each: Entry) -> tuple[bool, int, float, float, int]:
            head = math.inf if each.first is None else each.first
            return each.spot, -each.priority, head, parts[each.role], each.seq

        return key

    def _backfill(self, head: Entry, start: float, rest: Sequence[Entry]) -> None:
        """Those of `rest` start that fit, and after whose start the head can still start at `start`."""
        leaving = any(each.evicted is not None for each in self.held)
        for each in rest:
            where = place(self.free, each)
            if where is None or (each.spot and leaving):  # it would have to go again
                continue
            stay = [other for other in self.held if other.evicted is None]
            mine = _at(each, where)
            if (
                leaving
                and fits(self.hosts, stay, head)
                and not fits(self.hosts, [*stay, mine], head)
            ):
                continue  # others would have to go in its place
            then = [other for other in self.held if other.end(self.now) > start]
            if self.now + each.seconds > start:
                then.append(mine)
            if fits(self.hosts, then, head):
                self._start(each)

    # ---- changes

    def _start(self, entry: Entry) -> bool:
        """Whether there is room for `entry`; it holds its part then."""
        where = place(self.free, entry)
        if where is None:
            return False
        self.starts.append(Start(entry.key, where))
        self.held.append(replace(_at(entry, where), started=self.now))
        self.free = rooms(self.hosts, self.held)
        return True

    def _make_room(self, entry: Entry) -> None:
        """Asks spot jobs and idle pools to give way, where that lets `entry` start: as few as
        can be, idle ones first, then the newest. (For a spot job idle pools alone.)"""
        stay = [each for each in self.held if each.evicted is None]
        if fits(self.hosts, stay, entry):  # what goes already suffices
            return
        may = [each for each in stay if each.idle or (each.spot and not entry.spot)]
        may.sort(key=lambda each: (not each.idle, -each.started, -each.seq))
        firm = [each for each in stay if each not in may]
        if not may or not fits(self.hosts, firm, entry):
            return
        for each in may:
            if fits(self.hosts, [other for other in stay if other is not each], entry):
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
            if fits(self.hosts, [*firm, *(m for m in may if m not in gone)], entry):
                break
        for each in reversed(gone[:-1]):
            rest = [other for other in gone if other is not each]
            if fits(self.hosts, [*firm, *(m for m in may if m not in rest)], entry):
                gone = rest
        return gone


def _at(entry: Entry, where: Placement) -> Entry:
    """`entry` as it holds its part there."""
    return replace(entry, hosts=where.hosts, held=where.gpus)
