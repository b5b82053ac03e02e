"""The `reservation` table: who holds, or waits for, a part of a host.

Beside it stands `waiting`, the sums of those that wait by place, which triggers keep up: what a place
in the queue is made of costs the same however many wait.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sagebrush.errors import Doc
from sagebrush.store.db import Params, Tx
from sagebrush.store.documents import parse

BUCKET = 256
"""How many arrival numbers share one sum in the table `waiting`."""


class Lane(IntEnum):
    """Lanes of the queue, as the table numbers them."""

    JOBS = 0
    SPOT = 1
    ENDPOINTS = 2
    NOTEBOOKS = 3
    POOLS = 4


@dataclass(frozen=True)
class Reservation:
    """One row: what is asked for or held under `key`, for the resource `row_id`.

    `rank` is minus the priority; `seconds` how long it is counted for (0: unknown), `work` the
    seconds of the whole host that this is; times are seconds since the epoch.
    """

    key: str
    row_id: int
    lane: int
    rank: int
    role: str
    cpu: float
    memory: int
    gpus: int
    work: float
    seconds: float
    idle: bool
    parts: tuple[tuple[float, int, int], ...] = ()
    """(cpu, memory, gpus) of each instance where there are several; (): all of it is one's."""
    held: bool = False
    hosts: tuple[str, ...] = ()
    """The id of the host of each instance, where it holds."""
    seq: int = 0
    """Order of arrival."""
    held_gpus: tuple[int, ...] = ()
    """The numbers of the GPUs that it holds on its hosts, one instance's after another's."""
    started: float | None = None
    """Since when it holds, in epoch seconds; None: it waits."""
    evicted: float | None = None
    """When it was asked to give way, in epoch seconds."""
    promised: float | None = None
    """The latest start that it was promised, in epoch seconds."""
    first: float | None = None
    """When it came to the head of the queue, in epoch seconds."""


@dataclass(frozen=True)
class Sum:
    """Of some that wait: how many, the seconds that they take the whole host, how many have no known
    time."""

    jobs: int = 0
    work: float = 0.0
    unknown: int = 0


COLUMNS = (
    "key, row_id, lane, rank, role, cpu, memory, gpus, work, seconds, idle, parts, held, hosts, seq,"
    " held_gpus, started, evicted, promised, first"
)
"""The columns of `Reservation`, in the order of its fields."""


class Reservations:
    """Reads reservations by `read`: by `Db.read` as of now, by `Tx.all` as a transaction sees them."""

    def __init__(self, read: Callable[[str, Params], list[sqlite3.Row]]) -> None:
        self._read = read

    def get(self, key: str) -> Reservation | None:
        """The reservation of that key, or None."""
        return next(self._select("key=?", (key,)), None)

    def held(self) -> list[Reservation]:
        """All reservations that hold a part of a host."""
        return list(self._select("held=1"))

    def waiting(self) -> int:
        """The number of reservations that wait."""
        return self._read("SELECT count(*) AS n FROM reservation WHERE held=0", ())[0]["n"]

    def places(self, lane: int, limit: int) -> list[tuple[int, str]]:
        """Up to `limit` (rank, role) of those that wait in the lane, the highest priority first."""
        rows = self._read(
            "SELECT DISTINCT rank, role FROM waiting WHERE lane=? ORDER BY rank, role LIMIT ?",
            (lane, limit),
        )
        return [(row["rank"], row["role"]) for row in rows]

    def next_of(self, place: tuple[int, int, str], limit: int) -> list[Reservation]:
        """The first `limit` that wait at (lane, rank, role), in their order."""
        where = "held=0 AND lane=? AND rank=? AND role=? ORDER BY seq LIMIT ?"
        return list(self._select(where, (*place, limit)))

    def heads(self, limit: int) -> list[Reservation]:
        """Up to `limit` that wait and came to the head of the queue once, the earliest first."""
        where = "held=0 AND first IS NOT NULL ORDER BY first LIMIT ?"
        return list(self._select(where, (limit,)))

    def heads_at(self, lane: int, rank: int) -> list[Reservation]:
        """All that wait in the lane with the rank, and came to the head of the queue once."""
        # "+": by the index of the few that are heads
        return list(
            self._select("held=0 AND first IS NOT NULL AND +lane=? AND +rank=?", (lane, rank))
        )

    def head(self) -> Reservation | None:
        """The first of those that wait and came to the head of the queue once: by lane, rank, time."""
        where = "held=0 AND first IS NOT NULL ORDER BY +lane, +rank, first LIMIT 1"
        return next(self._select(where), None)

    def above(self, lanes: Collection[int], rank: int, whole: Collection[int] = ()) -> Sum:
        """Those that wait in `lanes` with a higher priority than `rank` means, and all in the lanes
        `whole`."""
        where = f"lane IN ({_marks(lanes)}) AND rank<?"
        if whole:
            where = f"({where}) OR lane IN ({_marks(whole)})"
        return self._sum(where, (*lanes, rank, *whole))

    def beside(self, lane: int, rank: int, role: str) -> dict[str, Sum]:
        """Role -> the sum of its reservations that wait in the lane with that rank, without `role`."""
        rows = self._read(
            "SELECT role, sum(jobs) AS jobs, sum(work) AS work, sum(unknown) AS unknown"
            " FROM waiting WHERE lane=? AND rank=? AND role<>? GROUP BY role",
            (lane, rank, role),
        )
        return {row["role"]: Sum(row["jobs"], row["work"], row["unknown"]) for row in rows}

    def until(self, place: tuple[int, int, str], seq: int) -> Sum:
        """Those that wait at (lane, rank, role) and came before `seq`: sums, and one part of a bucket."""
        bucket = seq // BUCKET
        whole = self._sum("lane=? AND rank=? AND role=? AND bucket<?", (*place, bucket))
        part = self._read(
            "SELECT count(*) AS jobs, coalesce(sum(work), 0) AS work,"
            " coalesce(sum(seconds=0), 0) AS unknown FROM reservation"
            " WHERE held=0 AND lane=? AND rank=? AND role=? AND seq>=? AND seq<?",
            (*place, bucket * BUCKET, seq),
        )[0]
        return total([whole, Sum(part["jobs"], part["work"], part["unknown"])])

    def owners(self) -> Iterator[tuple[str, str, str, Doc]]:
        """(key, kind, name, plan) of each reservation and the resource that it is for; "" for kind
        and name where there is no such resource any more."""
        rows = self._read(
            "SELECT key, coalesce(kind, '') AS kind, coalesce(name, '') AS name,"
            " coalesce(plan, '{}') AS plan FROM reservation LEFT JOIN resource ON id=row_id",
            (),
        )
        for row in rows:
            yield row["key"], row["kind"], row["name"], parse(row["plan"])

    def _select(self, where: str, params: Sequence[object] = ()) -> Iterator[Reservation]:
        rows = self._read(f"SELECT {COLUMNS} FROM reservation WHERE {where}", params)
        return map(_reservation, rows)

    def _sum(self, where: str, params: Sequence[object]) -> Sum:
        """The sum of what `where` chooses of the table `waiting`."""
        row = self._read(
            "SELECT coalesce(sum(jobs), 0) AS jobs, coalesce(sum(work), 0) AS work,"
            f" coalesce(sum(unknown), 0) AS unknown FROM waiting WHERE {where}",
            params,
        )[0]
        return Sum(row["jobs"], row["work"], row["unknown"])


class Changes(Reservations):
    """Reads and changes reservations inside one transaction."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx.all)
        self._tx = tx

    def insert(self, new: Reservation, now: float) -> None:
        """Inserts `new`, which waits from `now` on, last in the order of arrival."""
        self._tx.run(
            "INSERT INTO reservation(key, row_id, cpu, memory, gpus, work, parts, lane, rank, role,"
            " idle, seconds, held, since, seq) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?,"
            " (SELECT coalesce(max(seq), 0) + 1 FROM reservation))",
            (
                new.key, new.row_id, new.cpu, new.memory, new.gpus, new.work, _dumped(new.parts),
                new.lane, new.rank, new.role, new.idle, new.seconds, now,
            ),
        )  # fmt: skip

    def reorder(self, new: Reservation) -> None:
        """Updates the lane, rank, role, seconds and `idle` of the reservation of that key."""
        self._tx.run(
            "UPDATE reservation SET lane=?, rank=?, role=?, idle=?, seconds=? WHERE key=?",
            (new.lane, new.rank, new.role, new.idle, new.seconds, new.key),
        )

    def resize(self, new: Reservation) -> None:
        """Updates the CPU, memory, GPUs, work and parts that the reservation of that key asks for."""
        self._tx.run(
            "UPDATE reservation SET cpu=?, memory=?, gpus=?, work=?, parts=? WHERE key=?",
            (new.cpu, new.memory, new.gpus, new.work, _dumped(new.parts), new.key),
        )

    def hand_over(self, key: str, new: Reservation, now: float) -> None:
        """What is held under `key` is held by `new` from `now` on: all but CPU, GPUs and hosts is its."""
        self._tx.run(
            "UPDATE reservation SET key=?, row_id=?, memory=?, role=?, rank=?, lane=?, idle=?,"
            " seconds=?, started=? WHERE key=?",
            (
                new.key, new.row_id, new.memory, new.role, new.rank, new.lane, new.idle,
                new.seconds, now, key,
            ),
        )  # fmt: skip

    def start(self, key: str, hosts: Sequence[str], gpus: Sequence[int], now: float) -> None:
        """What waited under `key` holds its part of these hosts (one for each instance), and the GPUs
        with these numbers there, from `now` on."""
        self._tx.run(
            "UPDATE reservation SET held=1, started=?, hosts=?, held_gpus=?, promised=NULL"
            " WHERE key=?",
            (now, ",".join(hosts), ",".join(map(str, gpus)), key),
        )

    def evict(self, key: str, now: float) -> None:
        """Records that the holder of `key` was asked to give way at `now`."""
        self._tx.run("UPDATE reservation SET evicted=? WHERE key=?", (now, key))

    def promise(self, key: str, promised: float | None, now: float) -> None:
        """Records that what waits under `key` heads the queue, and that start as its promise."""
        self._tx.run(
            "UPDATE reservation SET promised=?, first=coalesce(first, ?)"
            " WHERE key=? AND (first IS NULL OR promised IS NOT ?)",
            (promised, now, key, promised),
        )

    def delete(self, keys: Iterable[str]) -> int:
        """What was held, or waited, under the keys is gone; how many there were."""
        sql = "DELETE FROM reservation WHERE key=?"
        return sum(self._tx.run(sql, (key,)) for key in keys)

    def make_due(self, row_ids: Iterable[int], now: float) -> None:
        """Those of the resources that are ever due are due now."""
        for row_id in row_ids:
            self._tx.run(
                "UPDATE resource SET due_at=? WHERE id=? AND due_at IS NOT NULL", (now, row_id)
            )


def total(sums: Iterable[Sum]) -> Sum:
    """The total of the given sums."""
    found = list(sums)
    return Sum(
        sum(each.jobs for each in found),
        sum(each.work for each in found),
        sum(each.unknown for each in found),
    )


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))


def _dumped(parts: Sequence[tuple[float, int, int]]) -> str:
    return json.dumps(parts, separators=(",", ":")) if parts else ""


def _reservation(row: sqlite3.Row) -> Reservation:
    gpus, hosts, parts = row["held_gpus"], row["hosts"], row["parts"]
    return Reservation(
        row["key"], row["row_id"], row["lane"], row["rank"], row["role"], row["cpu"],
        row["memory"], row["gpus"], row["work"], row["seconds"], bool(row["idle"]),
        tuple(tuple(part) for part in json.loads(parts)) if parts else (), bool(row["held"]),
        tuple(hosts.split(",")) if hosts else (), row["seq"],
        tuple(map(int, gpus.split(","))) if gpus else (), row["started"], row["evicted"], row["promised"], row["first"],
    )  # fmt: skip
