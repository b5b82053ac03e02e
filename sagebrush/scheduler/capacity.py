"""Who holds what of this host, and who waits: the queue as rows, decided by `queue.decide`.

Every change (someone asks, someone lets go) decides anew in its own transaction: who starts holds
from then on and its row is due, so nobody who waits need ask often. Look-ahead, and the sums that a
place in the queue is made of, are bounded: a queue of ten thousand costs what one of ten does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sagebrush.compute.base import Limits
from sagebrush.scheduler import queue
from sagebrush.scheduler.position import (
    ENDPOINTS,
    JOBS,
    NOTEBOOKS,
    POOLS,
    SPOT,
    Select,
    Turn,
    entry,
    held,
    standing,
)
from sagebrush.scheduler.queue import Entry
from sagebrush.scheduler.quotas import check_quota, refuse
from sagebrush.scheduler.sizes import Host, Size, host, limits, share
from sagebrush.store.db import Tx
from sagebrush.world import World

__all__ = [
    "Ask",
    "Host",
    "Limits",
    "Size",
    "Turn",
    "admit",
    "check_quota",
    "evicted",
    "expected_memory",
    "expected_seconds",
    "hand_over",
    "limits",
    "note_peak",
    "note_seconds",
    "place",
    "priority",
    "refuse",
    "release",
    "share",
    "sweep",
    "turn",
]
PRIORITY = "sagebrush:priority"
"""The tag that holds a job's priority."""
LOOK = 64
"""How many that wait are looked at for each decision, at most, in each lane."""
ROLES = 256
"""How many roles (at as many priorities) are looked at."""


@dataclass(frozen=True)
class Ask:
    """What one process tree, or all of a job's together, wants: `cpu` 0 for one that takes CPU by
    share (an endpoint)."""

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
    """Nobody uses it now (a warm pool): it goes when anyone needs the room."""

    @property
    def seconds(self) -> float:
        """How long it is counted for: its likely time, no longer than it may; 0: unknown."""
        return min((each for each in (self.expected, self.longest) if each > 0), default=0.0)


def priority(tags: Mapping[str, str]) -> int:
    """The priority that a job's tags give it: 0 where they say none, or nothing that is one."""
    text = tags.get(PRIORITY, "").strip()
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) else 0


# ---- changes


def admit(world: World, ask: Ask) -> Turn:
    """How `ask` stands once it has its place: place 0 when it holds what it asks for.

    Repeatable. The first call takes the place; what changed since (its priority, that it is idle)
    holds from now on; `release` gives it back.
    """
    of, now = host(world), world.clock()

    def work(tx: Tx) -> tuple[Turn | None, bool]:
        _enter(tx, of, now, ask)
        others = _decide(tx, of, now) - {ask.row_id}
        return standing(tx.all, of, now, ask.key), bool(others)

    stands, others = world.db.write(work)
    if others:
        world.wake()
    assert stands is not None
    return stands


def release(world: World, key: str) -> None:
    """What was reserved, or waited, under `key` is free, and who holds it now is due. Repeatable."""
    of, now = host(world), world.clock()

    def work(tx: Tx) -> bool:
        gone = tx.run("DELETE FROM reservation WHERE key=?", (key,))
        return bool(gone and _decide(tx, of, now))

    if world.db.write(work, urgent=True):
        world.wake()


def hand_over(world: World, key: str, ask: Ask) -> Turn | None:
    """What is held under `key` is held under the ask's own key, without its turn in the queue (the
    job that goes on in a warm pool); None, and nothing changed, where that is not enough for it, or
    must be given up."""
    of, now = host(world), world.clock()

    def work(tx: Tx) -> Turn | None:
        others = held(tx.all)
        mine = next((each for each in others if each.key == key), None)
        wish = queue.clamp(of, Entry(ask.key, ask.cpu, ask.memory, ask.gpus))
        if mine is None or mine.evicted is not None:
            return None
        if wish.cpu > mine.cpu or wish.gpus != mine.gpus:
            return None
        wish = replace(wish, cpu=mine.cpu)
        if not queue.fits(of, [each for each in others if each is not mine], wish):
            return None
        tx.run(
            "UPDATE reservation SET key=?, row_id=?, memory=?, role=?, rank=?, lane=?, idle=?,"
            " seconds=?, started=? WHERE key=?",
            (
                ask.key, ask.row_id, wish.memory, ask.role, -ask.priority, _lane(ask),
                ask.idle, ask.seconds, now, key,
            ),
        )  # fmt: skip
        return standing(tx.all, of, now, ask.key)

    return world.db.write(work)


def sweep(world: World) -> int:
    """Reservations that leaked are gone (their resource is, or knows nothing of their key); how many
    there were. Who waited for them is due."""
    of, now = host(world), world.clock()
    sql = (
        "DELETE FROM reservation WHERE NOT EXISTS(SELECT 1 FROM resource WHERE id=row_id"
        " AND (name=key OR instr(plan, '\"' || key || '\"')))"
    )

    def work(tx: Tx) -> tuple[int, bool]:
        return tx.run(sql), bool(_decide(tx, of, now))

    gone, others = world.db.write(work)
    if others:
        world.wake()
    return gone


def _lane(ask: Ask) -> int:
    if ask.cpu > 0:
        return POOLS if ask.idle else SPOT if ask.spot else JOBS
    return NOTEBOOKS if ask.yields else ENDPOINTS


def _enter(tx: Tx, of: Host, now: float, ask: Ask) -> None:
    """The ask is in the table as it is now."""
    small = queue.clamp(of, Entry(ask.key, ask.cpu, ask.memory, ask.gpus))
    lane = _lane(ask)
    role = ask.role if lane in (JOBS, SPOT, POOLS) else ""
    work = queue.dominant(of, [small]) * ask.seconds
    may = (lane, -ask.priority, role, ask.idle, ask.seconds)
    size = (small.cpu, small.memory, small.gpus, work)
    found = tx.one("SELECT * FROM reservation WHERE key=?", (ask.key,))
    if found is None:
        tx.run(
            "INSERT INTO reservation(key, row_id, cpu, memory, gpus, work, lane, rank, role, idle,"
            " seconds, held, since, seq) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?,"
            " (SELECT coalesce(max(seq), 0) + 1 FROM reservation))",
            (ask.key, ask.row_id, *size, *may, now),
        )
        return
    if found["evicted"] is not None:  # who was told to go is not busy again
        may = (found["lane"], *may[1:3], found["idle"], ask.seconds)
    if tuple(found[name] for name in ("lane", "rank", "role", "idle", "seconds")) != may:
        tx.run(
            "UPDATE reservation SET lane=?, rank=?, role=?, idle=?, seconds=? WHERE key=?",
            (*may, ask.key),
        )
    if not found["held"] and tuple(found[n] for n in ("cpu", "memory", "gpus", "work")) != size:
        tx.run(
            "UPDATE reservation SET cpu=?, memory=?, gpus=?, work=? WHERE key=?",
            (*size, ask.key),
        )


def _decide(tx: Tx, of: Host, now: float) -> set[int]:
    """What `queue.decide` says holds; the rows that are due for it."""
    waiting = _candidates(tx.all)
    if not waiting:
        return set()
    step = queue.decide(of, held(tx.all), waiting, now)
    for key, gpus in step.starts:
        tx.run(
            "UPDATE reservation SET held=1, started=?, held_gpus=?, promised=NULL WHERE key=?",
            (now, ",".join(map(str, gpus)), key),
        )
    for key in step.evicts:
        tx.run("UPDATE reservation SET evicted=? WHERE key=?", (now, key))
    if step.head:
        tx.run(
            "UPDATE reservation SET promised=?, first=coalesce(first, ?)"
            " WHERE key=? AND (first IS NULL OR promised IS NOT ?)",
            (step.promised, now, step.head, step.promised),
        )
    due: set[int] = set()
    for key in (*(key for key, _ in step.starts), *step.evicts):
        owner = tx.one("SELECT row_id FROM reservation WHERE key=?", (key,))
        if owner is not None:
            due.add(owner["row_id"])
    for row_id in due:
        tx.run("UPDATE resource SET due_at=? WHERE id=? AND due_at IS NOT NULL", (now, row_id))
    return due


# ---- who may be next


def _candidates(select: Select) -> list[Entry]:
    """Those that wait and may be next: the first of each role in each lane, by priority, and who was
    promised a start."""
    found = {}
    for lane in (JOBS, SPOT, ENDPOINTS, NOTEBOOKS, POOLS):
        groups = _groups(select, lane)
        left = LOOK
        for number, (rank, role) in enumerate(groups):
            each = max(2, left // (len(groups) - number))
            rows = select(
                "SELECT * FROM reservation WHERE held=0 AND lane=? AND rank=? AND role=?"
                " ORDER BY seq LIMIT ?",
                (lane, rank, role, each),
            )
            left -= len(rows)
            found |= {row["key"]: row for row in rows}
    promised = select(
        "SELECT * FROM reservation WHERE held=0 AND first IS NOT NULL ORDER BY first LIMIT ?",
        (LOOK,),
    )
    found |= {row["key"]: row for row in promised}
    return [entry(row) for row in found.values()]


def _groups(select: Select, lane: int) -> list[tuple[int, str]]:
    """The priorities and roles that wait in the lane, the highest priority first."""
    rows = select(
        "SELECT DISTINCT rank, role FROM waiting WHERE lane=? ORDER BY rank, role LIMIT ?",
        (lane, ROLES),
    )
    return [(row["rank"], row["role"]) for row in rows]


# ---- how things stand


def turn(world: World, key: str) -> Turn | None:
    """How what asked under `key` stands now; None where nothing did."""
    return standing(world.db.read, host(world), world.clock(), key)


def place(world: World, key: str) -> int:
    """The place in the queue of what waits under `key` (1 is next), 0 when it does not wait."""
    stands = turn(world, key)
    return stands.place if stands else 0


def evicted(world: World, key: str) -> bool:
    """Whether what `key` holds is needed by another, to whom it has to give way."""
    found = world.db.read_one("SELECT evicted FROM reservation WHERE key=?", (key,))
    return found is not None and found["evicted"] is not None


# ---- what the past tells


def expected_memory(world: World, image: str, limits: Limits) -> int:
    """Bytes to count for a job of `image`: its past peak with a tenth more, else the default.

    Never more than the type's own size.
    """
    found = world.db.read_one(
        "SELECT bytes FROM peak WHERE image=? AND instance=?", (image, limits.name)
    )
    guess = int(found["bytes"] * 1.1) if found else world.settings.memory_default
    return min(guess, limits.memory) if limits.memory else guess


def note_peak(world: World, image: str, type_name: str, peak: int) -> None:
    """A job of `image` used `peak` bytes at most; the largest is kept."""
    if peak > 0:
        sql = (
            "INSERT INTO peak VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET"
            " bytes=max(bytes, excluded.bytes)"
        )
        world.db.write(lambda tx: tx.run(sql, (image, type_name, peak)), urgent=True)


def expected_seconds(world: World, image: str, type_name: str) -> float:
    """Seconds that a job of `image` will probably run; 0 where none has yet."""
    found = world.db.read_one(
        "SELECT seconds FROM runtime WHERE image=? AND instance=?", (image, type_name)
    )
    return found["seconds"] if found else 0.0


def note_seconds(world: World, image: str, type_name: str, seconds: float) -> None:
    """A job of `image` ran for `seconds`. Longer ones count at once, shorter ones bit by bit: the
    queue's promises depend on it."""
    if seconds > 0:
        sql = (
            "INSERT INTO runtime VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET"
            " seconds=max(excluded.seconds, 0.7 * seconds + 0.3 * excluded.seconds)"
        )
        world.db.write(lambda tx: tx.run(sql, (image, type_name, seconds)), urgent=True)
