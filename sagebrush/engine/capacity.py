"""Who may start: jobs reserve CPU among themselves, endpoints and notebooks share it; memory by past
peak, though no job waits for what idle notebooks might use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sagebrush.compute import gpus
from sagebrush.compute.base import Limits
from sagebrush.engine.instances import Instance, instance
from sagebrush.store.db import Tx
from sagebrush.world import World

CGROUPS = Path("/sys/fs/cgroup")
YIELDING = "notebook-instance"
"""The kind of rows whose reservations yield."""


@dataclass(frozen=True)
class Host:
    """What there is to share out: CPUs (a quota may make it a fraction), bytes of memory, GPUs."""

    cpus: float
    memory: int
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ask:
    """What one process tree wants: `cpu` 0 for one that takes CPU by share (an endpoint)."""

    key: str
    row_id: int
    cpu: float
    memory: int
    yields: bool = False
    """Held by what is mostly idle and would never give it back (a notebook): no job waits for it."""


def measure(cgroups: Path = CGROUPS) -> Host:
    """This host, as its cgroup limits it (v2 and v1)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus: float = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    quota = _words(cgroups / "cpu.max") or [
        *_words(cgroups / "cpu/cpu.cfs_quota_us"),
        *_words(cgroups / "cpu/cpu.cfs_period_us"),
    ]
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]):
        cpus = min(cpus, max(int(quota[0]) / int(quota[1]), 0.1))
    for file in (cgroups / "memory.max", cgroups / "memory/memory.limit_in_bytes"):
        limit = _words(file)
        if limit and limit[0].isdigit():
            memory = min(memory, int(limit[0]))
    return Host(cpus, memory, gpus.devices(os.environ))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def host(world: World) -> Host:
    """The host's measure, taken once."""
    if "capacity.host" not in world.cache:
        world.cache["capacity.host"] = measure()
    return world.cache["capacity.host"]


def limits(type_name: str, of: Host) -> tuple[Limits, str]:
    """The limits of an instance type on this host, and the sentence that says if it is scaled down.

    The sentence is "" where the type fits. Raises LookupError for what is no instance type.
    """
    wanted = instance(type_name)
    given = Limits(
        cpu=min(wanted.cpus, of.cpus),
        memory=min(wanted.memory, of.memory),
        gpus=of.gpus[: wanted.gpus],
        name=type_name,
    )
    whole = (given.cpu, given.memory, len(given.gpus))
    if whole == (wanted.cpus, wanted.memory, wanted.gpus):
        return given, ""
    return given, _scaled(wanted, given)


def _scaled(wanted: Instance, given: Limits) -> str:
    asked = f", {wanted.gpus} GPU" if wanted.gpus else ""
    had = f" and {len(given.gpus) or 'no'} GPU" if wanted.gpus else ""
    return (
        f"Sagebrush: {wanted.name} ({wanted.cpus:g} vCPU, {wanted.memory / 2**30:g} GiB{asked}) is"
        f" larger than this host: running with {given.cpu:g} vCPU and"
        f" {given.memory / 2**30:.1f} GiB{had}"
    )


def decide(of: Host, held: Sequence[Ask], ahead: Sequence[Ask], ask: Ask) -> bool:
    """Whether `ask` may start now, given who holds what and who asked before it and still waits.

    An ask that takes CPU by share waits for memory alone, and only behind its like; a job waits
    behind every job that asked earlier, so that a large one is not overtaken for ever, and never for
    memory that yields. On an empty host everything may start: limits were scaled to the host before.
    """
    if any((other.cpu > 0) == (ask.cpu > 0) for other in ahead):
        return False
    if ask.cpu > 0:
        held = [other for other in held if not other.yields]
    if sum(a.memory for a in held) + ask.memory > of.memory and held:
        return False
    used = sum(a.cpu for a in held)
    return ask.cpu == 0 or used == 0 or used + ask.cpu <= of.cpus + 1e-9


def admit(world: World, ask: Ask) -> int:
    """0 when `ask` holds its reservation (now or since before), else its place in the queue.

    Repeatable. The first call takes the place; `release` gives it back.
    """
    of = host(world)
    ask = replace(ask, cpu=min(ask.cpu, of.cpus), memory=min(ask.memory, of.memory))

    def work(tx: Tx) -> int:
        mine = tx.one("SELECT held, seq FROM reservation WHERE key=?", (ask.key,))
        if mine is None:
            tx.run(
                "INSERT INTO reservation(key, row_id, cpu, memory, held, since, seq) VALUES"
                "(?, ?, ?, ?, 0, ?, (SELECT coalesce(max(seq), 0) + 1 FROM reservation))",
                (ask.key, ask.row_id, ask.cpu, ask.memory, world.clock()),
            )
            mine = tx.one("SELECT held, seq FROM reservation WHERE key=?", (ask.key,))
        assert mine is not None
        if mine["held"]:
            return 0
        held = _asks(tx, "held=1", ())
        ahead = _asks(
            tx, "held=0 AND seq<? AND (cpu>0)=? ORDER BY seq LIMIT 1", (mine["seq"], ask.cpu > 0)
        )
        if decide(of, held, ahead, ask):
            tx.run("UPDATE reservation SET held=1 WHERE key=?", (ask.key,))
            _wake_next(tx, world.clock())
            return 0
        return _place(tx, ask.key)

    return world.db.write(work)


def _asks(tx: Tx, where: str, params: Sequence[object]) -> list[Ask]:
    rows = tx.all(
        "SELECT key, row_id, cpu, memory, (SELECT kind FROM resource WHERE id=row_id) AS kind"
        f" FROM reservation WHERE {where}",
        params,
    )
    return [Ask(r["key"], r["row_id"], r["cpu"], r["memory"], r["kind"] == YIELDING) for r in rows]


def _place(tx: Tx, key: str) -> int:
    found = tx.one(
        "SELECT count(*) AS n FROM reservation r, (SELECT seq, cpu>0 AS job FROM reservation"
        " WHERE key=?) mine WHERE r.held=0 AND r.seq<=mine.seq AND (r.cpu>0)=mine.job",
        (key,),
    )
    return found["n"] if found else 0


def place(world: World, key: str) -> int:
    """The place in the queue of what waits under `key` (1 is next), 0 when it does not wait."""
    found = world.db.read_one(
        "SELECT count(*) AS n FROM reservation r, (SELECT seq, cpu>0 AS job FROM reservation"
        " WHERE key=? AND held=0) mine WHERE r.held=0 AND r.seq<=mine.seq AND (r.cpu>0)=mine.job",
        (key,),
    )
    return found["n"] if found else 0


def release(world: World, key: str) -> None:
    """What was reserved, or waited, under `key` is free, and who waits first is due. Repeatable."""

    def work(tx: Tx) -> int:
        gone = tx.run("DELETE FROM reservation WHERE key=?", (key,))
        if gone:
            _wake_next(tx, world.clock())
        return gone

    if world.db.write(work, urgent=True):
        world.wake()


def _wake_next(tx: Tx, now: float) -> None:
    """The first that waits of either sort is due."""
    for sort in ("cpu>0", "cpu=0"):
        tx.run(
            "UPDATE resource SET due_at=? WHERE due_at IS NOT NULL AND id=(SELECT row_id FROM"
            f" reservation WHERE held=0 AND {sort} ORDER BY seq LIMIT 1)",
            (now,),
        )


def sweep(world: World) -> int:
    """Reservations of resources that no longer exist are gone; how many there were."""
    sql = "DELETE FROM reservation WHERE row_id NOT IN (SELECT id FROM resource)"
    return world.db.write(lambda tx: tx.run(sql))


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
