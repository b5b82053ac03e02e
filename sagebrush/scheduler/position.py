"""How those that hold or wait stand in the table of reservations: places, reasons, likely starts."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sagebrush.scheduler import queue
from sagebrush.scheduler.queue import Entry
from sagebrush.scheduler.sizes import Host, amount, described
from sagebrush.store.db import Params

JOBS, SPOT, ENDPOINTS, NOTEBOOKS, POOLS = range(5)
"""Lanes of the queue."""
BUCKET = 256
"""As in the table `waiting`."""

Select = Callable[[str, Params], list[sqlite3.Row]]
Sum = tuple[int, float, int]
"""A number of jobs, the seconds that they take the whole host, how many have no known time."""


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


def entry(row: sqlite3.Row) -> Entry:
    """A row of the table as a value."""
    return Entry(
        row["key"],
        row["cpu"],
        row["memory"],
        row["gpus"],
        row["lane"] == NOTEBOOKS,
        row["role"],
        -row["rank"],
        row["lane"] == SPOT,
        bool(row["idle"]),
        row["seconds"] or math.inf,
        row["seq"],
        tuple(int(number) for number in row["held_gpus"].split(",") if number),
        row["started"] or 0.0,
        row["evicted"],
        row["promised"],
        row["first"],
    )


def held(select: Select) -> list[Entry]:
    """All that hold a part of the host."""
    return [entry(row) for row in select("SELECT * FROM reservation WHERE held=1", ())]


def standing(select: Select, of: Host, now: float, key: str) -> Turn | None:
    """How what asked under `key` stands; None where nothing did."""
    rows = select("SELECT * FROM reservation WHERE key=?", (key,))
    if not rows:
        return None
    row, mine = rows[0], queue.clamp(of, entry(rows[0]))
    if row["held"]:
        return Turn(0, mine.held)
    others = held(select)
    count, work, unknown = _before(select, of, others, row)
    starts = None
    if not mine.shares and not unknown:
        first = mine if not count else _head(select, of)
        when = math.inf if first is None else queue.shadow(of, others, first, now)
        starts = when + work if when < math.inf else None
    return Turn(count + 1, (), _reason(of, others, mine, count), starts)


def _head(select: Select, of: Host) -> Entry | None:
    """The job that was last promised a start."""
    rows = select(
        "SELECT * FROM reservation WHERE held=0 AND first IS NOT NULL"
        " ORDER BY +lane, +rank, first LIMIT 1",
        (),
    )
    return queue.clamp(of, entry(rows[0])) if rows else None


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


def _before(select: Select, of: Host, others: Sequence[Entry], mine: sqlite3.Row) -> Sum:
    """How many start before `mine`, the seconds that they take the whole host, and how many of them
    nobody knows the time of. By look-ups of the sums of each role, and one range of a bucket."""
    lane, rank, role, seq = mine["lane"], mine["rank"], mine["role"], mine["seq"]
    if lane == NOTEBOOKS:
        ahead = [_until(select, (each, rank, role), seq) for each in (ENDPOINTS, NOTEBOOKS)]
        return _sum([*ahead, *_totals(select, "lane IN (2, 3) AND rank<?", (rank,)).values()])
    before = {SPOT: " OR lane=0", POOLS: " OR lane IN (0, 1)"}.get(lane, "")
    lanes = f"(lane=? AND rank<?){before}"
    first = list(_totals(select, lanes, (lane, rank)).values())
    heads = select(  # "+": by the index of the few that are heads
        "SELECT * FROM reservation WHERE held=0 AND first IS NOT NULL AND +lane=? AND +rank=?",
        (lane, rank),
    )
    if mine["first"] is not None:  # it stays before its like
        earlier = [row for row in heads if row["first"] < mine["first"]]
        return _sum([*first, *((1, row["work"], int(row["seconds"] == 0)) for row in earlier)])
    own = _until(select, (lane, rank, role), seq)
    first.append(own)
    beside = _totals(select, "lane=? AND rank=? AND role<>?", (lane, rank, role))
    for place, total in beside.items():
        turns = _turns(select, (of, others), (place, role), (own[0], seq))
        turns = min(total[0], max(turns, sum(1 for row in heads if row["role"] == place[2])))
        part = turns / total[0]
        first.append((turns, total[1] * part, math.ceil(total[2] * part)))
    return _sum(first)


def _turns(
    select: Select,
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
        return min(before + 1, _until(select, place, seq)[0])
    return before + 1 if theirs < ours else before


def _sum(found: Sequence[Sum]) -> Sum:
    return sum(f[0] for f in found), sum(f[1] for f in found), sum(f[2] for f in found)


def _totals(
    select: Select, where: str, params: Sequence[object]
) -> dict[tuple[int, int, str], Sum]:
    """(lane, rank, role) -> all that wait there."""
    rows = select(
        "SELECT lane, rank, role, sum(jobs) AS jobs, sum(work) AS work, sum(unknown) AS unknown"
        f" FROM waiting WHERE {where} GROUP BY lane, rank, role",
        params,
    )
    return {(r["lane"], r["rank"], r["role"]): (r["jobs"], r["work"], r["unknown"]) for r in rows}


def _until(select: Select, place: tuple[int, int, str], seq: int) -> Sum:
    """Those of one lane, rank and role that came before `seq`."""
    bucket = seq // BUCKET
    whole = _totals(select, "lane=? AND rank=? AND role=? AND bucket<?", (*place, bucket))
    part = select(
        "SELECT count(*) AS jobs, coalesce(sum(work), 0) AS work,"
        " coalesce(sum(seconds=0), 0) AS unknown FROM reservation"
        " WHERE held=0 AND lane=? AND rank=? AND role=? AND seq>=? AND seq<?",
        (*place, bucket * BUCKET, seq),
    )[0]
    return _sum([*whole.values(), (part["jobs"], part["work"], part["unknown"])])
