"""The loop: due rows have their step, whatever a reconciler raises; nothing runs twice at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from sagebrush.engine.kinds import Kind
from sagebrush.engine.loop import GIVE_UP, Loop
from sagebrush.store.db import Db
from sagebrush.store.deliveries import Deliveries
from sagebrush.store.events import Events, Interest
from sagebrush.store.messages import Messages, Send
from sagebrush.store.rows import Next, Row, Rows
from sagebrush.world import World


class Fixture:
    """Rows of one kind, whose reconciler is `step`."""

    def __init__(self, home: Path) -> None:
        self.now = 1000.0
        self.clock: Callable[[], float] = lambda: self.now
        self.db = Db(home / "db")
        self.rows = Rows(self.db, lambda: self.clock())
        self.messages = Messages(self.db, lambda: self.clock())
        self.events = Events(self.db, lambda: self.clock(), {}, Interest())
        self.deliveries = Deliveries(self.db, lambda: self.clock())
        self.world = cast(World, self)
        self.steps: list[str] = []
        self.step: Callable[[Row], Next] = lambda row: Next("Done")
        self.kind = Kind("thing", "Thing", running=None, reconcile=self._reconcile)
        self.loop = Loop(self.world, {"thing": self.kind}, threads=4)

    def _reconcile(self, world: World, row: Row) -> Next:
        self.steps.append(row.name)
        return self.step(row)

    def add(self, name: str = "a", due: float | None = None, kind: str = "thing") -> Row:
        due = self.clock() if due is None else due
        return self.rows.insert(Row("1", "r", kind, name, "New", {}, {}, due_at=due))

    def find(self, row: Row) -> Row:
        found = self.rows.by_id(row.id)
        assert found is not None
        return found


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.loop.stop()
    made.db.close()


def test_due_rows_have_one_step_and_others_none(things: Fixture) -> None:
    first, later = things.add("first"), things.add("later", 2000.0)
    assert things.loop.run_once() == 1
    assert things.find(first).status == "Done"
    assert things.find(later).status == "New"
    things.now = 2000.0
    assert things.loop.run_once() == 1
    assert things.steps == ["first", "later"]


def test_an_exception_backs_off_and_a_success_forgets_it(things: Fixture) -> None:
    row = things.add()

    def fail(row: Row) -> Next:
        raise RuntimeError("broken")

    things.step = fail
    waits = []
    for _ in range(3):
        things.loop.run_once()
        due = things.find(row).due_at
        assert due is not None
        waits.append(due - things.now)
        things.now = due
    assert waits == [1.0, 2.0, 4.0]
    things.step = lambda row: Next("Running", due=5)
    things.loop.run_once()
    assert things.find(row).plan == {}
    assert things.find(row).status == "Running"


def test_a_resource_that_always_fails_is_failed_with_the_reason(things: Fixture) -> None:
    row = things.add()

    def fail(row: Row) -> Next:
        raise RuntimeError("the disk melted")

    things.step = fail
    for _ in range(GIVE_UP + 5):
        things.loop.run_once()
        things.now += 100
    found = things.find(row)
    assert found.status == "Failed"
    assert "RuntimeError: the disk melted" in found.doc["FailureReason"]
    assert len(things.steps) == GIVE_UP
    assert found.due_at is None


def test_a_kind_fails_in_its_own_way(things: Fixture) -> None:

    def broken(world: World, row: Row) -> Next:
        return Next(due=1 / 0)

    kind = Kind(
        "own",
        "Own",
        running=None,
        reconcile=broken,
        fail=lambda w, r, why: Next("Broken", {"W": why}),
    )
    loop = Loop(things.world, {"own": kind})
    row = things.add(kind="own")
    for _ in range(GIVE_UP):
        loop.run_once()
        things.now += 100
    assert things.find(row).status == "Broken"
    assert "ZeroDivisionError" in things.find(row).doc["W"]


def test_a_kind_that_nobody_reconciles_is_due_no_more(things: Fixture) -> None:
    row = things.add(kind="stranger")
    things.loop.run_once()
    assert things.find(row).due_at is None
    assert things.find(row).status == "New"


def test_the_running_loop_wakes_at_once_and_stops(things: Fixture) -> None:
    things.clock = time.time
    done = threading.Event()

    def step(row: Row) -> Next:
        done.set()
        return Next("Done")

    things.step = step
    things.loop.start()
    row = things.add(due=time.time())
    things.loop.wake()
    assert done.wait(60)
    things.loop.stop()
    assert things.find(row).status == "Done"


def test_the_loop_comes_back_for_rows_that_become_due(things: Fixture) -> None:
    things.clock = time.time
    done = threading.Event()
    things.step = lambda row: Next("Again", due=0.01) if len(things.steps) < 5 else _done(done)
    things.add(due=time.time())
    things.loop.start()
    assert done.wait(60)
    assert len(things.steps) == 5


def _done(event: threading.Event) -> Next:
    event.set()
    return Next("Done")


def test_a_slow_step_keeps_its_lease_and_is_not_run_beside_itself(things: Fixture) -> None:
    things.clock = time.time
    things.loop = Loop(things.world, {"thing": things.kind}, threads=4, lease=0.2)
    gate, entered = threading.Event(), threading.Event()

    def slow(row: Row) -> Next:
        entered.set()
        gate.wait(10)
        return Next("Done")

    things.step = slow
    row = things.add(due=time.time())
    things.loop.start()
    assert entered.wait(60)
    until = time.monotonic() + 0.8  # four leases
    while time.monotonic() < until:
        assert things.rows.claim(0.2, 10) == []
        gate.wait(0.05)
    gate.set()
    things.loop.stop()
    assert things.steps == ["a"]
    assert things.find(row).status == "Done"


def test_a_full_disk_does_not_end_the_loop(things: Fixture) -> None:
    things.clock = time.time
    real, calls = things.rows.claim, []
    done = threading.Event()
    things.step = lambda row: _done(done)

    def claim(lease: float, limit: int) -> list[Row]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("No space left on device")
        return real(lease, limit)

    things.rows.claim = claim  # type: ignore[method-assign]
    things.add(due=time.time())
    things.loop.start()
    until = time.monotonic() + 5
    while not done.wait(0.02) and time.monotonic() < until:
        things.loop.wake()
    assert done.is_set()


def test_the_end_of_a_job_makes_its_owner_due(things: Fixture) -> None:
    row = things.add(due=9e9)
    things.db.write(
        lambda tx: tx.run(
            "INSERT INTO reservation(key, row_id, cpu, memory, held, since, seq)"
            " VALUES('k', ?, 1, 1, 1, 0, 1)",
            (row.id,),
        )
    )
    things.loop.changed("k")
    assert things.loop.run_once() == 1
    things.loop.changed("unknown")
    assert things.loop.run_once() == 0


def test_a_step_that_a_full_disk_refused_is_stored_soon(things: Fixture) -> None:
    real, calls = things.rows.apply, []

    def apply(row: Row, step: Next) -> object:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("No space left on device")
        return real(row, step)

    things.rows.apply = apply  # type: ignore[method-assign]
    row = things.add(due=0.0)
    assert things.loop.run_once() == 1
    assert len(calls) == 3
    assert things.find(row).status == "Done"


DAY = 86_400.0


def test_a_clock_that_is_set_back_holds_nothing_up(things: Fixture) -> None:
    things.step = lambda row: Next(due=1.0)
    things.add()
    assert things.loop.run_once() == 1
    things.now -= DAY
    assert things.loop.run_once() == 1, "it waited for a second of the next day"
    assert things.loop.run_once() == 0, "it is rushed once"
    things.now += 1
    assert things.loop.run_once() == 1


def test_a_clock_that_is_set_back_hides_no_message(things: Fixture) -> None:
    row = things.add(due=9e9)
    things.messages.put(row.id, [Send("u", "x")]).result()
    assert things.loop.run_once() == 0
    things.now -= 3600
    assert not things.messages.any_visible(row.id)
    things.loop.run_once()
    assert things.messages.any_visible(row.id)


def test_a_clock_that_was_set_back_while_no_server_ran(things: Fixture) -> None:
    row = things.add()
    assert [each.id for each in things.rows.claim(30, 10)] == [row.id], "its holder ends here"
    things.now -= DAY
    assert things.loop.run_once() == 1
    assert things.find(row).status == "Done"


def test_a_clock_that_is_corrected_changes_nothing(things: Fixture) -> None:
    later = things.add("later", 1030.0)
    assert things.loop.run_once() == 0
    things.now -= 2
    assert things.loop.run_once() == 0
    assert things.find(later).due_at == 1030.0
