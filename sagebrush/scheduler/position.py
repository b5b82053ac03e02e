"""How those that hold or wait stand in the table of reservations: places, reasons, likely starts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.compute.host import Host
from sagebrush.scheduler import placement
from sagebrush.scheduler.placement import Entry, Part, Room, Rooms
from sagebrush.scheduler.sizes import amount, described
from sagebrush.store.reservations import Lane, Reservation, Reservations, Sum, total


@dataclass(frozen=True)
class Position:
    """Where an ask stands: it holds what it asks for, or waits in the queue."""

    place: int
    """0: it holds its part of the hosts; 1: it is next."""
    gpus: tuple[int, ...] = ()
    """The GPUs that it holds, one instance's after another's."""
    reason: str = ""
    """Why it waits."""
    starts: float | None = None
    """When it will probably start, in epoch seconds, by past run times (or MaxRuntime: then it is
    the latest); None where it is unknown."""
    hosts: tuple[str, ...] = ()
    """The ids of the hosts of its instances, where it holds; one id: all of them are there."""

    @property
    def words(self) -> str:
        """Why it waits, as a status message says it."""
        text = f"waiting for capacity (position {self.place}): {self.reason}"
        if self.starts is None:
            return text
        when = dt.datetime.fromtimestamp(self.starts, dt.UTC)
        return f"{text}; it will probably start by {when:%Y-%m-%d %H:%M} UTC"


def entry(row: Reservation) -> Entry:
    """A reservation as the queue's decisions take it."""
    return Entry(
        row.key,
        row.cpu,
        row.memory,
        row.gpus,
        row.lane == Lane.NOTEBOOKS,
        row.role,
        -row.rank,
        row.lane == Lane.SPOT,
        row.idle,
        row.seconds or math.inf,
        row.seq,
        row.held_gpus,
        row.started or 0.0,
        row.evicted,
        row.promised,
        row.first,
        tuple(Part(*part) for part in row.parts),
        row.hosts,
    )


def position_of(rows: Reservations, hosts: Sequence[Host], now: float, key: str) -> Position | None:
    """Where what asked under `key` stands; None where nothing did."""
    row = rows.get(key)
    if row is None:
        return None
    if row.held:
        return Position(0, row.held_gpus, hosts=row.hosts)
    mine = placement.clamp(hosts, entry(row))
    others = [entry(each) for each in rows.held()]
    before = _before(rows, hosts, others, row)
    starts = None
    if not mine.shares and not before.unknown:
        first = mine if not before.jobs else _head(rows, hosts)
        when = math.inf if first is None else placement.shadow(hosts, others, first, now)
        starts = when + before.work if when < math.inf else None
    return Position(before.jobs + 1, (), _reason(hosts, others, mine, before.jobs), starts)


def _head(rows: Reservations, hosts: Sequence[Host]) -> Entry | None:
    """The job that was last promised a start."""
    found = rows.head()
    return placement.clamp(hosts, entry(found)) if found else None


def _reason(hosts: Sequence[Host], others: Sequence[Entry], mine: Entry, before: int) -> str:
    free = placement.rooms(hosts, others)
    short = placement.short(free, mine)
    if not short:
        return f"{before} before it" if before else "it is next"
    there = placement.together(free)
    if placement.lacks(there, mine, mine.whole):
        have = " and ".join(_free(there, mine)[each] for each in short)
        return f"{_asked(mine, mine.whole)} are asked for, {have} are free"
    return _scattered(free, mine)


def _scattered(free: Rooms, mine: Entry) -> str:
    """Why one waits that all hosts together have room for: no one has it for one of its instances."""
    lost = placement.homeless(free, mine)
    asked, rooms = _asked(mine, lost.part), tuple(lost.left.values())
    alone = {
        "cpu": max(room.cpu for room in rooms) + placement.TINY < lost.part.cpu,
        "memory": max(_memory(room, mine) for room in rooms) < lost.part.memory,
        "gpus": max(len(room.gpus) for room in rooms) < lost.part.gpus,
    }
    most = placement.Room(
        max(room.cpu for room in rooms),
        max(room.memory for room in rooms),
        max(room.shared for room in rooms),
        max((room.gpus for room in rooms), key=len),
    )
    words = [_free(most, mine)[name] for name in ("cpu", "memory", "gpus") if alone[name]]
    if not words:  # one has this, another that
        return f"{asked} are asked for on one host, none of {len(free)} has all of it free"
    return f"{asked} are asked for on one host, at most {' and '.join(words)} are free on one"


def _memory(room: Room, mine: Entry) -> int:
    return room.shared if mine.shares or mine.spot else room.memory


def _free(room: Room, mine: Entry) -> dict[str, str]:
    """What is free, in words, for one like `mine`."""
    return {
        "cpu": f"{max(0.0, room.cpu):.3g} vCPU",
        "memory": amount(max(0, _memory(room, mine))),
        "gpus": f"{len(room.gpus)} GPU",
    }


def _asked(mine: Entry, part: Part) -> str:
    """What is asked for, in words."""
    asked = described(part.cpu, part.memory, part.gpus)
    if mine.shares:
        asked = asked.partition(", ")[2]
    *many, last = asked.split(", ")
    return f"{', '.join(many)} and {last}" if many else last


def _before(
    rows: Reservations, hosts: Sequence[Host], others: Sequence[Entry], mine: Reservation
) -> Sum:
    """Those that start before `mine`. By look-ups of the sums of each role, and one range of a bucket."""
    lane, rank, role, seq = mine.lane, mine.rank, mine.role, mine.seq
    if lane == Lane.NOTEBOOKS:
        lanes = (Lane.ENDPOINTS, Lane.NOTEBOOKS)
        ahead = [rows.until((each, rank, role), seq) for each in lanes]
        return total([*ahead, rows.above(lanes, rank)])
    whole = {Lane.SPOT: (Lane.JOBS,), Lane.POOLS: (Lane.JOBS, Lane.SPOT)}.get(Lane(lane), ())
    first = [rows.above((lane,), rank, whole)]
    heads = rows.heads_at(lane, rank)
    if mine.first is not None:  # it stays before its like
        earlier = [each for each in heads if (each.first or 0.0) < mine.first]
        return total([*first, *(Sum(1, row.work, int(row.seconds == 0)) for row in earlier)])
    own = rows.until((lane, rank, role), seq)
    first.append(own)
    for name, waits in rows.beside(lane, rank, role).items():
        turns = _turns(rows, (hosts, others), ((lane, rank, name), role), (own.jobs, seq))
        turns = min(waits.jobs, max(turns, sum(1 for row in heads if row.role == name)))
        part = turns / waits.jobs
        first.append(Sum(turns, waits.work * part, math.ceil(waits.unknown * part)))
    return total(first)


def _turns(
    rows: Reservations,
    where: tuple[Sequence[Host], Sequence[Entry]],
    which: tuple[tuple[int, int, str], str],
    mine: tuple[int, int],
) -> int:
    """How many of another role, at `which`, go before one that `mine[0]` of its own role precede:
    the role that holds less takes the first turn, where they hold as much who came first."""
    (hosts, others), (place, role), (before, seq) = where, which, mine
    theirs, ours = (
        placement.dominant(
            hosts, (mate for mate in others if mate.role == name and not mate.shares)
        )
        for name in (place[2], role)
    )
    if theirs == ours:
        return min(before + 1, rows.until(place, seq).jobs)
    return before + 1 if theirs < ours else before
