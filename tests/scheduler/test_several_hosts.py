"""Several hosts: where instances go, what no one host has, and histories that overdraw none of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush import services
from sagebrush.compute.host import LOCAL, Host
from sagebrush.scheduler import capacity, placement, queue
from sagebrush.scheduler.capacity import Ask
from sagebrush.scheduler.placement import Entry, Part, Placement
from sagebrush.scheduler.queue import Start
from sagebrush.store import db as database
from sagebrush.store.db import Db
from sagebrush.store.reservations import Reservations
from sagebrush.store.rows import Row, Rows
from sagebrush.world import World
from tests.scheduler import onehost

GIB = 1 << 30
SMALL = Host(4, 16 * GIB)
LARGE = Host(8, 64 * GIB, id="large")
GPUS = Host(8, 32 * GIB, (0, 1), "gpus")
ALL = (SMALL, LARGE, GPUS)


def job(key: str, *parts: tuple[float, int, int], **more: Any) -> Entry:
    """A job whose instances ask for (vCPUs, GiB, GPUs)."""
    found = tuple(Part(cpu, memory * GIB, gpus) for cpu, memory, gpus in parts)
    number = int("".join(c for c in key if c.isdigit()) or 0)
    return Entry(
        key,
        sum(part.cpu for part in found),
        sum(part.memory for part in found),
        sum(part.gpus for part in found),
        parts=found if len(found) > 1 else (),
        **{"seq": number, **more},
    )


def at(entry: Entry, *hosts: str, gpus: tuple[int, ...] = ()) -> Entry:
    """It holds its part there."""
    return replace(entry, hosts=hosts, held=gpus)


def starts(hosts: Sequence[Host], held: Sequence[Entry], *waiting: Entry) -> dict[str, Any]:
    found = queue.decide(hosts, held, waiting, 0.0).starts
    return {start.key: start.placement.hosts for start in found}


# ---- where


def test_one_goes_to_the_host_that_it_leaves_the_least_of() -> None:
    assert starts(ALL, [], job("j1", (2, 1, 0))) == {"j1": ("local",)}
    assert starts(ALL, [], job("j1", (5, 1, 0))) == {"j1": ("large",)}
    assert starts(ALL, [], job("j1", (2, 40, 0))) == {"j1": ("large",)}
    step = queue.decide(ALL, [], [job("j1", (1, 1, 1)), job("j2", (1, 1, 1))], 0.0)
    assert step.starts == (
        Start("j1", Placement(("gpus",), (0,))),
        Start("j2", Placement(("gpus",), (1,))),
    )


def test_a_host_with_gpus_is_kept_for_those_who_need_one_while_it_can_be() -> None:
    pair = (GPUS, LARGE)
    assert starts(pair, [], job("j1", (8, 1, 0))) == {"j1": ("large",)}
    full = [at(job("j0", (8, 1, 0)), "large")]
    assert starts(pair, full, job("j1", (8, 1, 0))) == {"j1": ("gpus",)}


def test_an_instance_never_spans_hosts() -> None:
    held = [at(job("a", (2, 1, 0)), "local"), at(job("b", (6, 1, 0)), "large")]
    pair = (SMALL, LARGE)  # 2 vCPUs are free on each
    assert starts(pair, held, job("j1", (3, 1, 0))) == {}
    free = placement.rooms(pair, held)
    assert placement.short(free, job("j1", (3, 1, 0))) == ("cpu",)
    assert placement.short(free, job("j1", (5, 1, 0))) == ("cpu",)
    assert starts(pair, held, job("j1", (2, 1, 0), (2, 1, 0))) == {"j1": ("local", "large")}
    assert starts(pair, held, job("j1", (3, 1, 0), (1, 1, 0))) == {}
    with pytest.raises(LookupError):
        placement.homeless(free, job("j1", (2, 1, 0)))


def test_the_instances_of_a_job_share_a_host_where_one_has_room_for_all() -> None:
    assert starts((SMALL, LARGE), [], job("j1", *[(2, 1, 0)] * 4)) == {"j1": ("large",) * 4}
    found = starts((SMALL, LARGE), [], job("j1", *[(2, 1, 0)] * 6))["j1"]
    assert sorted(found) == ["large"] * 4 + ["local"] * 2
    mixed = job("j1", (1, 1, 0), (8, 40, 0), (4, 1, 1))
    step = queue.decide(ALL, [], [mixed], 0.0)
    assert step.starts == (Start("j1", Placement(("local", "large", "gpus"), (0,))),)


def test_gpus_are_told_in_the_order_of_the_instances() -> None:
    other = Host(8, 32 * GIB, (4, 5, 6), "other")
    ask = job("j1", (1, 1, 1), (1, 1, 3), (1, 1, 1))
    (start,) = queue.decide((GPUS, other), [], [ask], 0.0).starts
    assert start.placement == Placement(("gpus", "other", "gpus"), (0, 4, 5, 6, 1))
    holds = at(ask, *start.placement.hosts, gpus=start.placement.gpus)
    free = placement.rooms((GPUS, other), [holds])
    assert [room.gpus for room in free.values()] == [(), ()]
    assert (free["gpus"].cpu, free["other"].cpu) == (6, 7)


def test_nobody_asks_for_more_than_there_is() -> None:
    pair = (SMALL, GPUS)
    assert placement.clamp(pair, job("j", (96, 400, 0))).whole == Part(8, 32 * GIB)
    assert placement.clamp(pair, job("j", (96, 1, 8))).whole == Part(8, GIB, 2)
    two = job("j", (96, 1, 0), (1, 1, 0))
    assert placement.clamp(pair, two).parts == (Part(8, GIB), Part(1, GIB))
    fits = job("j", (8, 1, 0), (4, 1, 0))
    assert placement.clamp(pair, fits) is fits
    many = placement.clamp(pair, job("j", *[(8, 1, 0)] * 3))  # they share one, as on one host
    assert (many.parts, many.whole) == ((), Part(8, 3 * GIB))


def test_what_is_held_on_a_host_that_is_gone_takes_nothing_of_others() -> None:
    lost = at(job("j0", (4, 1, 0), seconds=9.0), "gone")
    assert starts((SMALL,), [lost], job("j1", (4, 1, 0))) == {"j1": ("local",)}
    full = at(job("j2", (4, 1, 0), seconds=99.0), "local")
    assert placement.shadow((SMALL,), [lost, full], job("j1", (4, 1, 0)), 0.0) == 99.0


# ---- order


def test_what_cannot_delay_the_head_passes_it_on_another_host() -> None:
    held = [
        at(job("a", (6, 1, 0), seconds=100.0), "large"),
        at(job("b", (2, 1, 0), seconds=500.0), "local"),
    ]
    head, small = job("j1", (8, 1, 0)), job("j2", (2, 1, 0))
    step = queue.decide((SMALL, LARGE), held, [head, small], 0.0)
    assert (step.head, step.promised) == ("j1", 100.0)
    assert step.starts == (Start("j2", Placement(("local",))),)  # for ever: not where the head goes
    filled = [*held, at(job("c", (2, 1, 0), seconds=500.0), "local")]
    assert starts((SMALL, LARGE), filled, head, small) == {}
    brief = replace(small, seconds=99.0)
    assert starts((SMALL, LARGE), filled, head, brief) == {"j2": ("large",)}


def test_only_what_is_on_a_host_that_helps_gives_way() -> None:
    held = [
        at(job("s1", (8, 1, 0), spot=True, started=1.0, seconds=1e6), "large"),
        at(job("s2", (4, 1, 0), spot=True, started=2.0, seconds=1e6), "local"),
    ]
    assert queue.decide((SMALL, LARGE), held, [job("j1", (5, 1, 0))], 3.0).evicts == ("s1",)
    assert queue.decide((SMALL, LARGE), held, [job("j1", (4, 1, 0))], 3.0).evicts == ("s2",)
    spread = job("j1", *[(4, 1, 0)] * 3)
    assert sorted(queue.decide((SMALL, LARGE), held, [spread], 3.0).evicts) == ["s1", "s2"]


def test_fairness_counts_all_hosts() -> None:
    held = [at(job("a0", (4, 1, 0), role="a", seconds=9.0), "local")]
    held.append(at(job("b0", (3, 1, 0), role="b", seconds=9.0), "large"))
    waiting = [job("a1", (4, 1, 0), role="a"), job("b2", (4, 1, 0), role="b")]
    assert placement.dominant((SMALL, LARGE), held) == 7 / 12
    assert starts((SMALL, LARGE), held, *waiting) == {"b2": ("large",)}


# ---- histories

SIZE = st.tuples(
    st.sampled_from([0.5, 1.0, 2.0, 4.0, 9.0]), st.integers(1, 40), st.sampled_from([0, 0, 0, 1, 2])
)
ASKS = st.tuples(
    st.lists(SIZE, min_size=1, max_size=4),
    st.sampled_from(["job", "job", "spot", "endpoint", "notebook", "idle"]),
    st.sampled_from("ab"),
    st.integers(-1, 1),
    st.floats(1.0, 300.0),
    st.booleans(),
)


def entry_of(number: int, ask: Any) -> Entry:
    sizes, kind, role, priority, seconds, _ = ask
    if kind in ("endpoint", "notebook"):
        sizes = [(0.0, *sizes[0][1:])]
    return job(
        f"k{number}",
        *sizes,
        yields=kind == "notebook",
        role=role,
        priority=priority,
        spot=kind == "spot",
        idle=kind == "idle",
        seconds=seconds,
    )


def check(hosts: Sequence[Host], held: Sequence[Entry]) -> None:
    """No host gives more than it has, and none of its GPUs twice."""
    for of in hosts:
        cpu, memory, gpus = 0.0, 0, list[int]()
        for each in held:
            begin = 0
            assert len(each.hosts) == len(each.instances)
            assert len(each.held) == each.gpus
            for name, part in zip(each.hosts, each.instances, strict=True):
                if name == of.id:
                    cpu, memory = cpu + part.cpu, memory + (0 if each.yields else part.memory)
                    gpus += each.held[begin : begin + part.gpus]
                begin += part.gpus
        assert cpu <= of.cpus + 1e-6
        assert memory <= of.memory
        assert len(gpus) == len(set(gpus))
        assert set(gpus) <= set(of.gpus)


class Plant:
    """Hosts over time."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts, self.now = hosts, 0.0
        self.held: list[Entry] = []
        self.waiting: list[Entry] = []

    def step(self) -> None:
        done = queue.decide(self.hosts, self.held, self.waiting, self.now)
        asked = {each.key: each for each in self.waiting}
        for start in done.starts:
            fewer = placement.clamp(self.hosts, asked.pop(start.key))
            where = {"hosts": start.placement.hosts, "held": start.placement.gpus}
            self.held.append(replace(fewer, started=self.now, **where))
        self.held = [
            replace(each, evicted=self.now) if each.key in done.evicts else each
            for each in self.held
        ]
        self.waiting = [
            replace(each, promised=done.promised, first=each.first or self.now)
            if each.key == done.head
            else each
            for each in asked.values()
        ]
        check(self.hosts, self.held)


@pytest.mark.costs("plays random histories")
@given(st.sampled_from([ALL[:2], ALL]), st.lists(ASKS, min_size=1, max_size=16))
def test_no_history_overdraws_a_host(hosts: Sequence[Host], asks: list[Any]) -> None:
    plant = Plant(hosts)
    for number, ask in enumerate(asks):
        plant.waiting.append(entry_of(number, ask))
        plant.step()
        if ask[-1] and plant.held:
            plant.held.pop(number % len(plant.held))
            plant.step()
        plant.now += 30.0
    for _ in range(len(asks) + 1):
        plant.now += 1e6
        plant.held = []
        plant.step()
    assert plant.waiting == [], "everybody had a turn"


@pytest.mark.costs("plays random histories")
@given(st.lists(ASKS, min_size=1, max_size=16))
def test_on_one_host_instances_are_decided_on_as_one(asks: list[Any]) -> None:
    """As they were when the queue knew one host, and only what all instances ask for together."""
    of, names = replace(GPUS, id=LOCAL), [field.name for field in fields(onehost.Entry)]
    plant = Plant([of])

    def then(entries: Sequence[Entry]) -> list[onehost.Entry]:
        return [onehost.Entry(**{name: getattr(each, name) for name in names}) for each in entries]

    for number, ask in enumerate(asks):
        plant.waiting.append(entry_of(number, ask))
        was = onehost.decide(of, then(plant.held), then(plant.waiting), plant.now)
        new = queue.decide([of], plant.held, plant.waiting, plant.now)
        assert [(start.key, start.placement.gpus) for start in new.starts] == list(was.starts)
        assert (new.evicts, new.head, new.promised) == (was.evicts, was.head, was.promised)
        for each in (*plant.held, *plant.waiting):
            mine, old = placement.clamp([of], each), onehost.clamp(of, then([each])[0])
            assert (mine.cpu, mine.memory, mine.gpus) == (old.cpu, old.memory, old.gpus)
            start = onehost.shadow(of, then(plant.held), old, plant.now)
            assert placement.shadow([of], plant.held, mine, plant.now) == start
        plant.step()
        if ask[-1] and plant.held:
            plant.held.pop(number % len(plant.held))
            plant.step()
        plant.now += 30.0


# ---- in the database


class Server:
    """What admission needs of a world."""

    def __init__(self, home: Path) -> None:
        self.db = Db(home / "db")
        self.clock = lambda: 1000.0
        self.rows = Rows(self.db, self.clock)
        self.kinds = services.running()
        self.host = SMALL
        self.world = cast(World, self)

    def wake(self) -> None: ...

    def admit(self, key: str, *parts: tuple[float, int, int], **more: Any) -> capacity.Position:
        row = Row("1", "r", "training-job", key, "New", {}, {"key": key}, due_at=9e9)
        found = job(key, *parts)
        ask = Ask(
            key,
            self.rows.insert(row).id,
            found.cpu,
            found.memory,
            gpus=found.gpus,
            parts=found.parts,
            **more,
        )
        return capacity.admit(self.world, ask)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(capacity, "hosts_of", lambda world: ALL)
    made = Server(tmp_path)
    yield made
    made.db.close()


def test_a_reservation_names_the_hosts_of_its_instances(server: Server) -> None:
    turn = server.admit("j1", (1, 1, 1), (8, 40, 0), (4, 1, 0))
    assert (turn.place, turn.hosts, turn.gpus) == (0, ("gpus", "large", "local"), (0,))
    row = Reservations(server.db.read).get("j1")
    assert row is not None
    assert row.hosts == ("gpus", "large", "local")
    assert row.parts == ((1, GIB, 1), (8, 40 * GIB, 0), (4, GIB, 0))
    assert server.admit("j2", (8, 1, 0)).place == 1
    assert server.admit("j3", (7, 1, 0)).hosts == ()
    capacity.release(server.world, "j1")
    position = capacity.position(server.world, "j2")
    assert position is not None
    assert position.hosts == ("large",)
    assert capacity.place(server.world, "j3") == 0


def test_a_reason_tells_what_no_one_host_has(server: Server) -> None:
    for n, parts in enumerate([(2, 1, 0), (6, 1, 0), (6, 1, 1)]):
        assert server.admit(f"r{n}", parts).place == 0
    assert server.admit("j1", (3, 1, 0)).reason == (
        "3 vCPU and 1.0 GiB are asked for on one host, at most 2 vCPU are free on one"
    )
    assert server.admit("j2", (2, 1, 0), (3, 1, 0)).reason == (
        "3 vCPU and 1.0 GiB are asked for on one host, at most 2 vCPU are free on one"
    )
    assert server.admit("j3", (7, 1, 0)).reason == (
        "7 vCPU and 1.0 GiB are asked for, 6 vCPU are free"
    )
    assert server.admit("j4", (1, 1, 2)).reason.startswith(
        "1 vCPU, 1.0 GiB and 2 GPU are asked for,"
    )
    assert server.admit("j5", (1, 1, 1), (1, 1, 1)).reason.endswith(" 1 GPU are free")


def test_a_reason_where_one_host_has_this_and_another_that(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = (Host(2, 8 * GIB, (0,)), Host(8, 64 * GIB, (0,), "b"))
    monkeypatch.setattr(capacity, "hosts_of", lambda world: pair)
    assert server.admit("r1", (1, 1, 1)).hosts == ("local",)
    assert server.admit("r2", (1, 1, 1)).hosts == ("b",)
    capacity.release(server.world, "r1")  # its GPU is free where 16 GiB never are
    assert server.admit("j1", (1, 16, 1)).reason == (
        "1 vCPU, 16.0 GiB and 1 GPU are asked for on one host, none of 2 has all of it free"
    )


def test_reservations_of_older_versions_are_of_this_host(tmp_path: Path) -> None:
    scripts = sorted(database.MIGRATIONS.glob("*.sql"))
    with sqlite3.connect(tmp_path / "db") as old:
        old.execute("CREATE TABLE migration(name TEXT PRIMARY KEY)")
        for script in scripts:
            if not script.name.endswith("_hosts.sql"):
                old.executescript(script.read_text())
                old.execute("INSERT INTO migration VALUES(?)", (script.name,))
        for key, held in (("runs", 1), ("waits", 0)):
            old.execute(
                "INSERT INTO reservation(key, row_id, cpu, memory, held, since, seq)"
                " VALUES(?, 1, 2, 1024, ?, 0, ?)",
                (key, held, held),
            )
    old.close()
    new = Db(tmp_path / "db")
    rows = Reservations(new.read)
    found = [(row.key, row.hosts, row.parts) for key in ("runs", "waits") if (row := rows.get(key))]
    assert found == [("runs", ("local",), ()), ("waits", (), ())]
    new.close()
