"""How those that hold or wait stand in the table of reservations: places, reasons, likely starts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.compute.host import Host
from sagebrush.scheduler import queue
from sagebrush.scheduler.queue import Entry
from sagebrush.scheduler.sizes import amount, described
from sagebrush.store.reservations import Lane, Reservation, Reservations, Sum, total


@dataclass(frozen=True)
class Turn:
    """How an ask stands."""

    place: int
    """0: it holds its part of the host; 1: it is next."""
    gpus: tuple[int, ...] = ()
    """The GPUs that it holds."""
    reason: str = ""
    """Why it waits."""
    starts: float | None = None
    """When it will probably start, in epoch seconds, by past run times (or MaxRuntime: then it is
    the latest); None where nothing tells."""

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
    )


def standing(rows: Reservations, of: Host, now: float, key: str) -> Turn | None:
    """How what asked under `key` stands; None where nothing did."""
    row = rows.get(key)
    if row is None:
        return None
    mine = queue.clamp(of, entry(row))
    if row.held:
        return Turn(0, mine.held)
    others = [entry(each) for each in rows.held()]
    before = _before(rows, of, others, row)
    starts = None
    if not mine.shares and not before.unknown:
        first = mine if not before.jobs else _head(rows, of)
        when = math.inf if first is None else queue.shadow(of, others, first, now)
        starts = when + before.work if when < math.inf else None
    return Turn(before.jobs + 1, (), _reason(of, others, mine, before.jobs), starts)


def _head(rows: Reservations, of: Host) -> Entry | None:
    """The job that was last promised a start."""
    found = rows.head()
    return queue.clamp(of, entry(found)) if found else None


def _reason(of: Host, others: Sequence[Entry], mine: Entry, before: int) -> str:
    free = queue.room(of, others)
    short = queue.short(free, mine)
    if not short:
        return f"{before} before it" if before else "it is next"
    memory = free.shared if mine.shares or mine.spot else free.memory
    words = {
        "cpu": f"{max(0.0, free.cpu):.3g} vCPU",
        "memory": amount(max(0, memory)),
        "gpus": f"{len(free.gpus)} GPU",
    }
    asked = described(mine.cpu, mine.memory, mine.gpus)
    if mine.shares:
        asked = asked.partition(", ")[2]
    *many, last = asked.split(", ")
    asked = f"{', '.join(many)} and {last}" if many else last
    return f"{asked} are asked for, {' and '.join(words[each] for each in short)} are free"


def _before(rows: Reservations, of: Host, others: Sequence[Entry], mine: Reservation) -> Sum:
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
        turns = _turns(rows, (of, others), ((lane, rank, name), role), (own.jobs, seq))
        turns = min(waits.jobs, max(turns, sum(1 for row in heads if row.role == name)))
        part = turns / waits.jobs
        first.append(Sum(turns, waits.work * part, math.ceil(waits.unknown * part)))
    return total(first)


def _turns(
    rows: Reservations,
    where: tuple[Host, Sequence[Entry]],
    which: tuple[tuple[int, int, str], str],
    mine: tuple[int, int],
) -> int:
    """How many of another role, at `which`, go before one that `mine[0]` of its own role precede:
    the role that holds less takes the first turn, where they hold as much who came first."""
    (of, others), (place, role), (before, seq) = where, which, mine
    theirs, ours = (
        queue.dominant(of, (mate for mate in others if mate.role == name and not mate.shares))
        for name in (place[2], role)
    )
    if theirs == ours:
        return min(before + 1, rows.until(place, seq).jobs)
    return before + 1 if theirs < ours else before
