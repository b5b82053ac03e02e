"""Which asks hold what of which host, and which wait: the queue as rows, decided by `queue.decide`.

Every change (an ask, a release) decides again in its own transaction: an ask that starts holds its
part from then on and its row is due, so none that waits need ask often. Look-ahead, and the sums
that make up a place in the queue, are bounded: a queue of ten thousand costs what one of ten does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sagebrush.compute.host import Host
from sagebrush.scheduler import placement, queue
from sagebrush.scheduler.placement import Entry, Part
from sagebrush.scheduler.position import Position, entry, position_of
from sagebrush.store.db import Tx
from sagebrush.store.reservations import Changes, Lane, Reservation, Reservations
from sagebrush.world import World

PRIORITY = "sagebrush:priority"
"""The tag that holds a job's priority."""
LOOK = 64
"""How many that wait are looked at for each decision, at most, in each lane."""
ROLES = 256
"""How many roles (at as many priorities) are looked at."""


@dataclass(frozen=True)
class Ask:
    """What one process tree, or all of a job's together, wants: `cpu` 0 for one that takes CPU by
    share (an endpoint). `parts` is what each instance wants of that, where there are several."""

    key: str
    row_id: int
    cpu: float
    memory: int
    yields: bool = False
    """Held by what is mostly idle and would never give it back (a notebook): no job waits for it."""
    gpus: int = 0
    role: str = ""
    priority: int = 0
    spot: bool = False
    expected: float = 0.0
    """Seconds that it will probably run; 0: unknown."""
    longest: float = 0.0
    """Seconds that it may run at most; 0: unknown."""
    idle: bool = False
    """No job uses it now (a warm pool): it gives way when any ask needs the room."""
    parts: tuple[Part, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it is counted for: its likely time, no longer than it may; 0: unknown."""
        return min((each for each in (self.expected, self.longest) if each > 0), default=0.0)


def priority(tags: Mapping[str, str]) -> int:
    """The priority that a job's tags give it: 0 where they say none, or nothing that is one."""
    text = tags.get(PRIORITY, "").strip()
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) else 0


def hosts_of(world: World) -> Sequence[Host]:
    """All hosts of the queue: this one alone."""
    return (world.host,)


# ---- changes


def admit(world: World, ask: Ask) -> Position:
    """Where `ask` stands now: place 0 when it holds its part of the hosts, else it waits.

    The first call for `ask.key` takes a place in the queue; a later one updates it (priority,
    role, whether it is idle, and its size while it waits), and decides again for all. One that
    holds keeps its part until `release`, even after it was asked to give way (`evicted`). Whether
    it is granted is the returned place, never an exception; raises as `Db.write` does.
    """
    hosts, now = hosts_of(world), world.clock()

    def work(tx: Tx) -> tuple[Position | None, bool]:
        rows = Changes(tx)
        _enter(rows, hosts, now, ask)
        others = _decide(rows, hosts, now) - {ask.row_id}
        return position_of(rows, hosts, now, ask.key), bool(others)

    found, others = world.db.write(work)
    if others:
        world.wake()
    assert found is not None
    return found


def release(world: World, key: str) -> None:
    """Frees what was held or waited under `key`; the rows of asks that start now are due.

    Repeatable. Urgent: it succeeds on a full disk too, as far as the reserve lasts.
    """
    hosts, now = hosts_of(world), world.clock()

    def work(tx: Tx) -> bool:
        rows = Changes(tx)
        return bool(rows.delete([key]) and _decide(rows, hosts, now))

    if world.db.write(work, urgent=True):
        world.wake()


def hand_over(world: World, key: str, ask: Ask) -> Position | None:
    """Gives what is held under `key` to the ask's own key, ahead of the queue (the next job of a
    warm pool). Returns None, and changes nothing, where it is not held, is not enough for the ask,
    or was asked to give way."""
    hosts, now = hosts_of(world), world.clock()

    def work(tx: Tx) -> Position | None:
        rows = Changes(tx)
        others = [entry(each) for each in rows.held()]
        mine = next((each for each in others if each.key == key), None)
        wish = placement.clamp(hosts, _wish(ask))
        if mine is None or mine.evicted is not None:
            return None
        if wish.cpu > mine.cpu or wish.gpus != mine.gpus or wish.parts or mine.parts:
            return None
        wish = replace(wish, cpu=mine.cpu)
        there = [each for each in hosts if each.id in mine.hosts]
        if not placement.fits(there, [each for each in others if each is not mine], wish):
            return None
        new = replace(_reservation(hosts, ask), memory=wish.memory, role=ask.role)
        rows.hand_over(key, new, now)
        return position_of(rows, hosts, now, ask.key)

    return world.db.write(work)


def sweep(world: World) -> int:
    """Removes leaked reservations (their resource is gone, or does not go by their key); how many
    there were. The rows of asks that start instead are due."""
    hosts, now = hosts_of(world), world.clock()

    def work(tx: Tx) -> tuple[int, bool]:
        rows = Changes(tx)
        return rows.delete(list(_leaked(world, rows))), bool(_decide(rows, hosts, now))

    gone, others = world.db.write(work)
    if others:
        world.wake()
    return gone


def _leaked(world: World, rows: Reservations) -> Iterator[str]:
    """The keys of reservations whose resource is gone, or does not go by them."""
    for key, kind, name, plan in rows.owners():
        facts = world.kinds.get(kind)
        if facts is None or (key != name and key not in facts.keys(plan)):
            yield key


def _lane(ask: Ask) -> Lane:
    if ask.cpu > 0:
        return Lane.POOLS if ask.idle else Lane.SPOT if ask.spot else Lane.JOBS
    return Lane.NOTEBOOKS if ask.yields else Lane.ENDPOINTS


def _reservation(hosts: Sequence[Host], ask: Ask) -> Reservation:
    """The ask as a reservation that waits."""
    small = placement.clamp(hosts, _wish(ask))
    lane = _lane(ask)
    return Reservation(
        key=ask.key,
        row_id=ask.row_id,
        lane=lane,
        rank=-ask.priority,
        role=ask.role if lane in (Lane.JOBS, Lane.SPOT, Lane.POOLS) else "",
        cpu=small.cpu,
        memory=small.memory,
        gpus=small.gpus,
        work=placement.dominant(hosts, [small]) * ask.seconds,
        seconds=ask.seconds,
        idle=ask.idle,
        parts=tuple((part.cpu, part.memory, part.gpus) for part in small.parts),
    )


def _wish(ask: Ask) -> Entry:
    """What the ask wants of hosts, without role or priority."""
    return Entry(ask.key, ask.cpu, ask.memory, ask.gpus, parts=ask.parts)


def _enter(rows: Changes, hosts: Sequence[Host], now: float, ask: Ask) -> None:
    """Inserts the ask, or updates its row in the table to what it asks now."""
    new, old = _reservation(hosts, ask), rows.get(ask.key)
    if old is None:
        rows.insert(new, now)
        return
    if old.evicted is not None:  # one that was asked to give way is not busy again
        new = replace(new, lane=old.lane, idle=old.idle)
    if _order(old) != _order(new):
        rows.reorder(new)
    if not old.held and _size(old) != _size(new):
        rows.resize(new)


def _order(row: Reservation) -> tuple[object, ...]:
    return row.lane, row.rank, row.role, row.idle, row.seconds


def _size(row: Reservation) -> tuple[object, ...]:
    return row.cpu, row.memory, row.gpus, row.work, row.parts


def _decide(rows: Changes, hosts: Sequence[Host], now: float) -> set[int]:
    """Stores what `queue.decide` returns; the ids of the resources that are due for it."""
    waiting = _candidates(rows)
    if not waiting:
        return set()
    holders = rows.held()
    step = queue.decide(hosts, [*map(entry, holders)], [*map(entry, waiting)], now)
    for start in step.starts:
        rows.start(start.key, start.placement.hosts, start.placement.gpus, now)
    for key in step.evicts:
        rows.evict(key, now)
    if step.head:
        rows.promise(step.head, step.promised, now)
    changed = {*(start.key for start in step.starts), *step.evicts}
    due = {each.row_id for each in (*waiting, *holders) if each.key in changed}
    rows.make_due(due, now)
    return due


# ---- who may be next


def _candidates(rows: Reservations) -> list[Reservation]:
    """Those that wait and may be next: the first of each role in each lane, by priority, and who was
    promised a start."""
    found: list[Reservation] = []
    for lane in (Lane.JOBS, Lane.SPOT, Lane.ENDPOINTS, Lane.NOTEBOOKS, Lane.POOLS):
        places, left = rows.places(lane, ROLES), LOOK
        for number, (rank, role) in enumerate(places):
            some = rows.next_of((lane, rank, role), max(2, left // (len(places) - number)))
            left -= len(some)
            found += some
    return list({each.key: each for each in (*found, *rows.heads(LOOK))}.values())


# ---- positions


def position(world: World, key: str) -> Position | None:
    """Where the ask of `key` stands now; None where there is none."""
    return position_of(Reservations(world.db.read), hosts_of(world), world.clock(), key)


def place(world: World, key: str) -> int:
    """The place in the queue of what waits under `key` (1 is next), 0 when it does not wait."""
    found = position(world, key)
    return found.place if found else 0


def evicted(world: World, key: str) -> bool:
    """Whether the holder of `key` was asked to give way; it then has to `release` it."""
    found = Reservations(world.db.read).get(key)
    return found is not None and found.evicted is not None
