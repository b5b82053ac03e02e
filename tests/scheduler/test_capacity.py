"""Who may start: pure decisions, and the queue as the rows tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from sagebrush import services
from sagebrush.compute.host import Host
from sagebrush.scheduler import capacity, estimates, sizes
from sagebrush.scheduler.capacity import Ask
from sagebrush.scheduler.position import Position
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.reservations import Reservations
from sagebrush.store.rows import Row, Rows
from sagebrush.world import World

GIB = 1 << 30
LAPTOP = Host(2, 8 * GIB)


def job(key: str = "j", cpu: float = 2, memory: int = GIB, row: int = 1) -> Ask:
    return Ask(key, row, cpu, memory)


def endpoint(key: str = "e", memory: int = GIB) -> Ask:
    return Ask(key, 2, 0, memory)


def test_a_type_is_scaled_down_to_the_host_and_says_so() -> None:
    limits, banner = sizes.limits("ml.m5.24xlarge", LAPTOP)
    assert (limits.cpu, limits.memory, limits.name) == (2, 8 * GIB, "ml.m5.24xlarge")
    assert "ml.m5.24xlarge (96 vCPU, 384 GiB) is larger than this host" in banner
    assert "2 vCPU and 8.0 GiB" in banner
    assert sizes.limits("ml.m5.large", Host(2, 8 * GIB))[1] == ""


class Fixture:
    def __init__(self, home: Path) -> None:
        self.db = Db(home / "db")
        self.clock = lambda: 1000.0
        self.rows = Rows(self.db, self.clock)
        self.host = LAPTOP
        self.settings = Settings(home=home)
        self.kinds = services.running()
        self.woken = 0
        self.ids = [self.add(f"r{n}") for n in range(4)]

    def wake(self) -> None:
        self.woken += 1

    def add(self, name: str, kind: str = "training-job") -> int:
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
    assert capacity.admit(queue.world, Ask("n-1", desk, 0, 7 * GIB, yields=True)).place == 0
    assert capacity.admit(queue.world, endpoint("e", 2 * GIB)).place == 1
    assert capacity.admit(queue.world, job("j", memory=8 * GIB, row=queue.ids[0])).place == 0
    assert (
        capacity.admit(queue.world, Ask("n-2", desk, 0, GIB, yields=True)).place == 2
    )  # notebooks wait for jobs


def test_reservations_of_rows_that_are_gone_are_swept(queue: Fixture) -> None:
    capacity.admit(queue.world, job("j0", row=queue.ids[0]))
    queue.rows.delete(queue.ids[0])
    assert capacity.sweep(queue.world) == 1
    assert capacity.admit(queue.world, job("j1", row=queue.ids[1])).place == 0


def test_memory_is_counted_by_the_past_peak(queue: Fixture) -> None:
    limits, _ = sizes.limits("ml.m5.large", LAPTOP)
    assert estimates.expected_memory(queue.world, "base", limits) == GIB
    estimates.note_peak(queue.world, "base", "ml.m5.large", 3 * GIB)
    estimates.note_peak(queue.world, "base", "ml.m5.large", 2 * GIB)
    assert estimates.expected_memory(queue.world, "base", limits) == int(3 * GIB * 1.1)
    estimates.note_peak(queue.world, "base", "ml.m5.large", 100 * GIB)
    assert estimates.expected_memory(queue.world, "base", limits) == limits.memory


def test_a_turn_says_why_and_until_when(queue: Fixture) -> None:
    first = Ask("j0", queue.ids[0], 2, GIB, expected=600.0)
    capacity.admit(queue.world, first)
    second = capacity.admit(queue.world, Ask("j1", queue.ids[1], 2, GIB, expected=60.0))
    third = capacity.admit(queue.world, Ask("j2", queue.ids[2], 1, GIB, longest=30.0))
    assert (second.place, second.starts) == (1, 1600.0)
    assert second.reason == "2 vCPU and 1.0 GiB are asked for, 0 vCPU are free"
    assert (third.place, third.starts) == (2, 1660.0)
    assert second.words == (
        "waiting for capacity (position 1): 2 vCPU and 1.0 GiB are asked for, 0 vCPU are free;"
        " it will probably start by 1970-01-01 00:26 UTC"
    )
    assert capacity.position(queue.world, "j1") == second
    assert capacity.position(queue.world, "nobody") is None
    unknown = capacity.admit(queue.world, Ask("j3", queue.ids[3], 1, GIB, priority=-1))
    assert (unknown.place, unknown.starts) == (3, 1675.0)  # half of the host for half a minute


def test_places_under_fairness_and_priority(queue: Fixture) -> None:
    capacity.admit(queue.world, Ask("run", queue.ids[0], 2, GIB, role="a"))
    rows = [queue.add(f"w{n}") for n in range(6)]
    for n, role in enumerate("aaabbb"):
        capacity.admit(queue.world, Ask(f"w{n}", rows[n], 2, GIB, role=role))
    # the first was at the head before anyone else came, and stays there; then b, which holds nothing
    assert [capacity.place(queue.world, f"w{n}") for n in range(6)] == [1, 4, 6, 2, 3, 5]
    capacity.admit(queue.world, Ask("w2", rows[2], 2, GIB, role="a", priority=1))
    assert capacity.place(queue.world, "w2") == 1
    capacity.release(queue.world, "run")
    assert capacity.place(queue.world, "w2") == 0


def test_a_spot_job_and_an_idle_pool_are_told_to_go(queue: Fixture) -> None:
    one, two, three, four = queue.ids
    assert capacity.admit(queue.world, Ask("spot", one, 1, GIB, spot=True)).place == 0
    assert capacity.admit(queue.world, Ask("pool", two, 1, GIB)).place == 0
    capacity.admit(queue.world, Ask("pool", two, 1, GIB, idle=True))
    assert capacity.admit(queue.world, job("j", row=three)).place == 1
    assert capacity.evicted(queue.world, "spot")
    assert capacity.evicted(queue.world, "pool")
    assert not capacity.evicted(queue.world, "j")
    due = {row.id for n in (one, two) if (row := queue.rows.by_id(n)) and row.due_at == 1000.0}
    assert due == {one, two}
    assert capacity.hand_over(queue.world, "pool", Ask("next", four, 1, GIB)) is None
    capacity.release(queue.world, "spot")
    assert capacity.place(queue.world, "j") == 1
    capacity.release(queue.world, "pool")
    assert capacity.place(queue.world, "j") == 0


def test_a_warm_pool_is_handed_to_the_next_job_before_all_that_wait(queue: Fixture) -> None:
    pool, waits, mine, _ = queue.ids
    queue.host = Host(2, 8 * GIB, (7,))
    capacity.admit(queue.world, Ask("p", pool, 1, GIB, gpus=1))
    large = Ask("large", waits, 2, GIB, gpus=1)
    assert capacity.admit(queue.world, large).place == 1
    after = Ask("m", mine, 1, 2 * GIB, gpus=1)
    position = capacity.hand_over(queue.world, "p", after)
    assert position is not None
    assert (position.place, position.gpus) == (0, (7,))
    assert capacity.position(queue.world, "p") is None
    assert capacity.hand_over(queue.world, "m", Ask("x", mine, 2, GIB, gpus=1)) is None  # too large
    assert capacity.hand_over(queue.world, "m", Ask("x", mine, 1, GIB)) is None  # without its GPU


def test_an_endpoint_of_a_gpu_type_holds_its_gpu(queue: Fixture) -> None:
    queue.host = Host(2, 8 * GIB, (0,))
    held = capacity.admit(queue.world, Ask("e", queue.ids[0], 0, GIB, gpus=1))
    assert held.gpus == (0,)
    waits = capacity.admit(queue.world, Ask("j", queue.ids[1], 1, GIB, gpus=1))
    assert waits.reason == "1 vCPU, 1.0 GiB and 1 GPU are asked for, 0 GPU are free"
    assert waits.starts is None
    assert capacity.admit(queue.world, Ask("k", queue.ids[2], 1, GIB)).place == 0
    capacity.release(queue.world, "e")
    assert capacity.position(queue.world, "j") == Position(0, (0,), hosts=("local",))


def test_a_key_that_its_resource_no_longer_knows_is_swept(queue: Fixture) -> None:
    plan = {
        "key": "t-new",
        "past": [["t-past", None]],
        "tags": {"like": "t-old"},
        "reason": "t-old",
    }
    job = queue.rows.insert(Row("1", "r", "training-job", "job", "New", {}, plan, due_at=9e9)).id
    fleet = {"replicas": [{"key": "e-1", "was": {"env": {"key": "e-0"}}}], "active": {"key": "e-0"}}
    endpoint = queue.rows.insert(Row("1", "r", "endpoint", "e", "New", {}, fleet, due_at=9e9)).id
    pool = queue.add("w-1", "warm-pool")
    keys = {
        "t-old": job,
        "t-new": job,
        "t-past": job,
        "e-0": endpoint,
        "e-1": endpoint,
        "w-1": pool,
    }
    for key, row in keys.items():
        capacity.admit(queue.world, Ask(key, row, 0.1, GIB))
    assert capacity.sweep(queue.world) == 2
    left = {each.key for each in Reservations(queue.db.read).held()}
    assert left == {"t-new", "t-past", "e-1", "w-1"}
    assert capacity.sweep(queue.world) == 0


@pytest.mark.parametrize(
    ("tags", "priority"),
    [
        ({"sagebrush:priority": "7"}, 7),
        ({"sagebrush:priority": " -3 "}, -3),
        ({"sagebrush:priority": "+2"}, 2),
        ({"sagebrush:priority": "high"}, 0),
        ({"sagebrush:priority": "1e3"}, 0),
        ({"sagebrush:priority": "9999999999"}, 0),
        ({"sagebrush:priority": ""}, 0),
        ({"priority": "7"}, 0),
        ({}, 0),
    ],
)
def test_the_priority_of_tags(tags: dict[str, str], priority: int) -> None:
    assert capacity.priority(tags) == priority


def test_run_times_are_remembered_longer_ones_at_once(queue: Fixture) -> None:
    world = queue.world
    assert estimates.expected_seconds(world, "base", "ml.m5.large") == 0.0
    for seconds, expected in ((100.0, 100.0), (0.0, 100.0), (200.0, 200.0), (100.0, 170.0)):
        estimates.note_seconds(world, "base", "ml.m5.large", seconds)
        assert estimates.expected_seconds(world, "base", "ml.m5.large") == pytest.approx(expected)
    assert estimates.expected_seconds(world, "base", "ml.m5.xlarge") == 0.0
