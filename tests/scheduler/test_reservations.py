"""Random histories of reservations in the database: nothing leaks, nothing is overdrawn, sums are true."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush import services
from sagebrush.compute.host import Host
from sagebrush.scheduler import capacity
from sagebrush.scheduler.capacity import Ask
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.world import World

GIB = 1 << 30
HOST = Host(8, 32 * GIB, (0, 1, 5))


class Plant:
    """A server's database that can be stopped and opened again."""

    def __init__(self, home: Path) -> None:
        self.home, self.now, self.count = home, 1000.0, 0
        self.kinds = services.running()
        self.host = HOST
        self.asked: set[int] = set()
        self.settings = Settings(home=home)
        self.open()

    def open(self) -> None:
        self.db = Db(self.home / "db")
        self.rows = Rows(self.db, self.clock)

    def restart(self) -> None:
        self.db.close()
        self.open()

    def clock(self) -> float:
        return self.now

    def wake(self) -> None:
        pass

    @property
    def world(self) -> World:
        return cast(World, self)

    def row(self, kind: str, key: str) -> int:
        """A resource whose plan knows `key`; its id."""
        self.count += 1
        row = Row("1", "r", kind, f"r{self.count}", "New", {}, {"key": key}, due_at=9e9)
        return self.rows.insert(row).id

    def clear(self) -> None:
        def work(tx: Any) -> None:
            tx.run("DELETE FROM reservation")
            tx.run("DELETE FROM resource")

        self.db.write(work)
        self.asked.clear()

    def check(self) -> None:
        """What is held fits; the sums that places are made of are what the rows say."""
        held = self.db.read("SELECT * FROM reservation WHERE held=1")
        assert sum(row["cpu"] for row in held) <= HOST.cpus + 1e-6
        assert sum(row["memory"] for row in held if row["lane"] != 3) <= HOST.memory
        gpus = [n for row in held for n in row["held_gpus"].split(",") if n]
        assert len(gpus) == len(set(gpus))
        assert {int(n) for n in gpus} <= set(HOST.gpus)
        for row in held:
            assert len([n for n in row["held_gpus"].split(",") if n]) == row["gpus"]
        for row in self.db.read("SELECT * FROM reservation WHERE evicted IS NOT NULL"):
            assert row["held"]
            assert row["lane"] == 1 or row["idle"]
        told = self.db.read("SELECT * FROM waiting ORDER BY lane, rank, role, bucket")
        true = self.db.read(
            "SELECT lane, rank, role, seq / 256 AS bucket, count(*) AS jobs, sum(work) AS work,"
            " sum(seconds=0) AS unknown FROM reservation WHERE held=0"
            " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        assert [tuple(row)[:5] + tuple(row)[6:] for row in told] == [
            tuple(row)[:5] + tuple(row)[6:] for row in true
        ]
        for one, other in zip(told, true, strict=True):
            assert one["work"] == pytest.approx(other["work"], abs=1e-6)
        due = {row["id"] for row in self.db.read("SELECT id FROM resource WHERE due_at<9e9")}
        owners = {row["row_id"] for row in held if row["started"] == self.now}
        assert owners - due <= self.asked, "who starts is due, unless it was told when it asked"


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    """In memory where the system has such a place: thousands of commits are made."""
    fast = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(dir=fast if fast.is_dir() else None))
    made = Plant(home)
    yield made
    made.db.close()
    shutil.rmtree(home)


ASKS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["job", "job", "job", "spot", "endpoint", "notebook", "pool"]),
        "cpu": st.sampled_from([0.5, 1.0, 2.0, 8.0, 64.0]),
        "memory": st.sampled_from([1, 4, 16, 64]),
        "gpus": st.sampled_from([0, 0, 0, 1, 2, 8]),
        "role": st.sampled_from(["a", "b", ""]),
        "priority": st.integers(-1, 1),
        "expected": st.sampled_from([0.0, 30.0, 300.0]),
        "longest": st.sampled_from([0.0, 60.0, 86400.0]),
    }
)
STEPS = st.one_of(
    st.tuples(st.just("ask"), ASKS),
    st.tuples(
        st.sampled_from(
            ["release", "again", "priority", "idle", "hand", "yield", "lose", "forget"]
        ),
        st.integers(0, 20),
    ),
    st.tuples(st.sampled_from(["wait", "sweep"]), st.integers(0, 200)),
)


class History:
    """What one example does, step by step."""

    def __init__(self, plant: Plant) -> None:
        self.plant, self.asks = plant, dict[str, Ask]()

    def ask(self, wish: dict[str, Any]) -> None:
        key, kind = f"k{self.plant.count}", wish["kind"]
        row = self.plant.row("training-job", key)
        values = {name: value for name, value in wish.items() if name not in ("kind", "memory")}
        if kind in ("endpoint", "notebook"):
            values |= {"cpu": 0.0}
        ask = Ask(
            key,
            row,
            memory=wish["memory"] * GIB,
            spot=kind == "spot",
            idle=kind == "pool",
            yields=kind == "notebook",
            **values,
        )
        self.admit(ask)

    def admit(self, ask: Ask) -> None:
        self.asks[ask.key] = ask
        position = capacity.admit(self.plant.world, ask)
        if not position.place:
            self.plant.asked.add(ask.row_id)
        assert position == capacity.position(self.plant.world, ask.key)
        assert bool(position.place) == bool(position.reason)
        assert len(position.gpus) == (0 if position.place else min(ask.gpus, len(HOST.gpus)))

    def change(self, ask: Ask, **values: Any) -> None:
        self.admit(Ask(**{**vars(ask), **values}))

    def drop(self, ask: Ask) -> None:
        del self.asks[ask.key]
        capacity.release(self.plant.world, ask.key)

    def act(self, what: str, number: int) -> None:
        """One step on one of those that asked."""
        world, asks = self.plant.world, list(self.asks.values())
        if what == "wait":
            self.plant.now += number
        if what == "sweep" and number < 20:
            self.plant.restart()
            assert capacity.sweep(world) == 0
        if not asks or what in ("wait", "sweep"):
            return
        ask = asks[number % len(asks)]
        holds = (position := capacity.position(world, ask.key)) is not None and not position.place
        if what == "release":
            self.drop(ask)
        elif what == "again":
            self.admit(ask)
        elif what == "priority":
            self.change(ask, priority=ask.priority + number % 3)
        elif what == "idle" and holds and ask.cpu:
            self.change(ask, idle=not ask.idle)
        elif what == "hand" and holds and ask.idle:
            key = f"k{self.plant.count}"
            after = Ask(
                **{
                    **vars(ask),
                    "key": key,
                    "row_id": self.plant.row("training-job", key),
                    "idle": False,
                }
            )
            told = capacity.evicted(world, ask.key)
            if capacity.hand_over(world, ask.key, after) is None:
                assert told
            else:
                del self.asks[ask.key]
                self.asks[key] = after
                self.plant.asked.add(after.row_id)
        elif what == "yield" and capacity.evicted(world, ask.key):
            self.drop(ask)
        elif what == "lose":
            self.plant.rows.delete(ask.row_id)
            del self.asks[ask.key]
            assert capacity.sweep(world) == 1
        elif what == "forget":  # the resource goes on under another key: this one leaked
            self.plant.rows.update(ask.row_id, lambda row: Row(**{**vars(row), "plan": {}}))
            del self.asks[ask.key]
            assert capacity.sweep(world) == 1


@pytest.mark.costs("plays random histories")
@given(st.lists(STEPS, max_size=25))
def test_no_history_leaks_or_overdraws(plant: Plant, steps: list[tuple[str, Any]]) -> None:
    plant.clear()
    history = History(plant)
    for what, value in steps:
        if what == "ask":
            history.ask(value)
        else:
            history.act(what, value)
        plant.check()
    kept = {row["key"] for row in plant.db.read("SELECT key FROM reservation")}
    assert kept == set(history.asks)
    while history.asks:  # all that run end, one after another: everybody has had a turn
        plant.now += 1e6
        holders = [
            ask
            for ask in history.asks.values()
            if (position := capacity.position(plant.world, ask.key)) and not position.place
        ]
        assert holders, "nothing runs, and somebody waits"
        history.drop(holders[0])
        plant.check()
    assert plant.db.read("SELECT * FROM reservation") == []
    assert plant.db.read("SELECT * FROM waiting") == []
