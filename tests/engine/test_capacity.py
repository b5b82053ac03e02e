"""Who may start: pure decisions, and the queue as the rows tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush.engine import capacity
from sagebrush.engine.capacity import Ask, Host
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.world import World

GIB = 1 << 30
LAPTOP = Host(2, 8 * GIB)


def job(key: str = "j", cpu: float = 2, memory: int = GIB, row: int = 1) -> Ask:
    return Ask(key, row, cpu, memory)


def endpoint(key: str = "e", memory: int = GIB) -> Ask:
    return Ask(key, 2, 0, memory)


def test_a_type_is_scaled_down_to_the_host_and_says_so() -> None:
    limits, banner = capacity.limits("ml.m5.24xlarge", LAPTOP)
    assert (limits.cpu, limits.memory, limits.name) == (2, 8 * GIB, "ml.m5.24xlarge")
    assert "ml.m5.24xlarge (96 vCPU, 384 GiB) is larger than this host" in banner
    assert "2 vCPU and 8.0 GiB" in banner
    assert capacity.limits("ml.m5.large", Host(2, 8 * GIB))[1] == ""


@pytest.mark.parametrize(
    ("files", "cpus", "memory"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"}, 1.5, GIB),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        (
            {
                "cpu/cpu.cfs_quota_us": "50000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "536870912\n",
            },
            0.5,
            GIB // 2,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None, None),
        ({}, None, None),
    ],
)
def test_the_host_is_what_its_cgroup_leaves(
    tmp_path: Path, files: dict[str, str], cpus: float | None, memory: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    plain, found = capacity.measure(Path("/nowhere")), capacity.measure(tmp_path)
    assert found == Host(cpus or plain.cpus, memory or plain.memory)


class Fixture:
    def __init__(self, home: Path) -> None:
        self.db = Db(home / "db")
        self.clock = lambda: 1000.0
        self.rows = Rows(self.db, self.clock)
        self.cache: dict[str, Any] = {"capacity.host": LAPTOP}
        self.settings = Settings(home=home)
        self.woken = 0
        self.ids = [self.add(f"r{n}") for n in range(4)]

    def wake(self) -> None:
        self.woken += 1

    def add(self, name: str, kind: str = "k") -> int:
        return self.rows.insert(Row("1", "r", kind, name, "New", {}, {}, due_at=9e9)).id

    @property
    def world(self) -> World:
        return cast(World, self)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.db.close()


def places(queue: Fixture, asks: list[Ask]) -> list[int]:
    return [capacity.admit(queue.world, ask).place for ask in asks]


def test_the_queue_moves_up_and_the_next_is_woken(queue: Fixture) -> None:
    asks = [job(f"j{n}", row=queue.ids[n]) for n in range(4)]
    assert places(queue, asks) == [0, 1, 2, 3]
    assert places(queue, asks) == [0, 1, 2, 3]  # repeatable
    assert capacity.place(queue.world, "j3") == 3
    assert capacity.place(queue.world, "j0") == 0
    capacity.release(queue.world, "j0")
    capacity.release(queue.world, "j0")
    assert queue.woken == 1
    row = queue.rows.by_id(queue.ids[1])
    assert row is not None
    assert row.due_at == 1000.0
    assert places(queue, asks[1:]) == [0, 1, 2]


def test_who_leaves_the_queue_lets_others_up(queue: Fixture) -> None:
    for n in range(3):
        capacity.admit(queue.world, job(f"j{n}", row=queue.ids[n]))
    capacity.release(queue.world, "j1")
    assert capacity.place(queue.world, "j2") == 1


def test_more_than_the_host_is_counted_as_the_host(queue: Fixture) -> None:
    assert capacity.admit(queue.world, job("big", cpu=96, memory=384 * GIB)).place == 0
    assert capacity.admit(queue.world, job("next", cpu=1)).place == 1


def test_no_job_waits_for_the_memory_of_a_notebook(queue: Fixture) -> None:
    desk = queue.add("desk", "notebook-instance")
    assert capacity.admit(queue.world, Ask("n-1", desk, 0, 7 * GIB)).place == 0
    assert capacity.admit(queue.world, endpoint("e", 2 * GIB)).place == 1
    assert capacity.admit(queue.world, job("j", memory=8 * GIB, row=queue.ids[0])).place == 0
    assert (
        capacity.admit(queue.world, Ask("n-2", desk, 0, GIB)).place == 2
    )  # notebooks wait for jobs


def test_reservations_of_rows_that_are_gone_are_swept(queue: Fixture) -> None:
    capacity.admit(queue.world, job("j0", row=queue.ids[0]))
    queue.rows.delete(queue.ids[0])
    assert capacity.sweep(queue.world) == 1
    assert capacity.admit(queue.world, job("j1", row=queue.ids[1])).place == 0


def test_memory_is_counted_by_the_past_peak(queue: Fixture) -> None:
    limits, _ = capacity.limits("ml.m5.large", LAPTOP)
    assert capacity.expected_memory(queue.world, "base", limits) == GIB
    capacity.note_peak(queue.world, "base", "ml.m5.large", 3 * GIB)
    capacity.note_peak(queue.world, "base", "ml.m5.large", 2 * GIB)
    assert capacity.expected_memory(queue.world, "base", limits) == int(3 * GIB * 1.1)
    capacity.note_peak(queue.world, "base", "ml.m5.large", 100 * GIB)
    assert capacity.expected_memory(queue.world, "base", limits) == limits.memory
