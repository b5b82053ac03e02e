"""Events: stored with the change that they tell of where somebody could consume them, and consumed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.store.db import Db
from sagebrush.store.events import Event, Events, Interest
from sagebrush.store.rows import Next, Row, Rows

ROW = Row("1", "r", "job", "a", "New", {"Name": "a"})


def told(old: Row | None, new: Row | None) -> Sequence[Event]:
    """One event for each change of a status, and for the end of a row."""
    row = new or old
    assert row is not None
    if old is not None and new is not None and old.status == new.status:
        return []
    status = new.status if new else "Deleted"
    return [Event(row.account, row.region, "aws.test", "Job State Change", {"Status": status})]


class Fixture:
    """Rows whose changes are events."""

    def __init__(self, home: Path, interest: Interest) -> None:
        self.now = 1000.0
        self.db = Db(home / "db")
        self.rows = Rows(self.db, lambda: self.now)
        self.events = Events(self.db, lambda: self.now, {"job": told}, interest)
        self.rows.changed = self.events.changed
        self.heard: list[int] = []
        self.events.stored = lambda: self.heard.append(len(self.statuses()))

    def statuses(self) -> list[str]:
        return [each.event.detail["Status"] for each in self.events.due(100)]


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path, Interest(kinds=("rule",)))
    yield made
    made.db.close()


def rule(things: Fixture, account: str = "1", region: str = "r") -> Row:
    return things.rows.insert(Row(account, region, "rule", "any", "Enabled", {}))


def test_every_way_to_change_a_row_tells(things: Fixture) -> None:
    rule(things)
    row = things.rows.insert(replace(ROW, due_at=1000.0))
    assert things.heard == [1], "told once it is on disk"
    (leased,) = things.rows.claim(30.0, 10)
    assert things.rows.apply(leased, Next("Running"))
    things.rows.update(row.id, lambda row: replace(row, status="Done"))
    things.rows.update(row.id, lambda row: replace(row, plan={"private": 1}))
    things.rows.delete(row.id)
    assert things.statuses() == ["New", "Running", "Done", "Deleted"]
    event = things.events.due(1)[0].event
    assert (event.at, len(event.id)) == (1000.0, 36)


def test_where_nobody_could_consume_it_an_event_is_not_stored(things: Fixture) -> None:
    rule(things, "2")
    rule(things, "1", "other")
    row = things.rows.insert(ROW)
    things.events.put([Event("1", "r", "mine", "t", {"Status": "a"})]).result()
    assert (things.statuses(), things.heard) == ([], [])
    rule(things)
    things.rows.update(row.id, lambda row: replace(row, status="Done"))
    things.events.put([Event("1", "r", "mine", "t", {"Status": "b"}, at=7.0, id="i")]).result()
    assert things.statuses() == ["Done", "b"]
    assert things.events.due(9)[-1].event == Event(
        "1", "r", "mine", "t", {"Status": "b"}, (), 7.0, "i"
    )


@pytest.mark.parametrize(("interest", "count"), [(Interest(), 0), (Interest(always=True), 1)])
def test_an_interest_in_everything_or_in_nothing(
    tmp_path: Path, interest: Interest, count: int
) -> None:
    things = Fixture(tmp_path, interest)
    things.rows.insert(ROW)
    assert len(things.statuses()) == count
    things.db.close()


def test_a_change_that_was_undone_tells_nothing(things: Fixture) -> None:
    rule(things)
    row = things.rows.insert(ROW)

    def refuse(reader: object) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        things.rows.update(row.id, lambda row: replace(row, status="Done"), refuse)
    (leased, *_) = [*things.rows.claim(30.0, 10), row]
    assert not things.rows.apply(leased, Next("Running")), "not leased"
    assert things.statuses() == ["New"]


def test_a_source_that_raises_does_not_undo_the_change(things: Fixture) -> None:
    rule(things)

    def bad(old: Row | None, new: Row | None) -> Sequence[Event]:
        if new is not None and new.status == "Odd":
            raise KeyError("no such member")
        return [Event("1", "r", "aws.test", "t", {"Status": object()})]

    things.rows.changed = Events(
        things.db, lambda: 1.0, {"job": bad}, Interest(always=True)
    ).changed
    row = things.rows.insert(ROW)
    things.rows.update(row.id, lambda row: replace(row, status="Odd"))
    found = things.rows.by_id(row.id)
    assert found is not None
    assert (found.status, things.statuses()) == ("Odd", [])


def test_an_event_is_consumed_once(things: Fixture) -> None:
    rule(things)
    things.rows.insert(ROW)
    (stored,) = things.events.due(9)
    things.events.postpone(stored.number, 1010.0)
    assert (things.events.due(9), things.events.next_due()) == ([], 1010.0)
    things.now = 1010.0
    assert [each.failures for each in things.events.due(9)] == [1]
    assert things.db.write(lambda tx: things.events.take_in(tx, stored.number))
    assert not things.db.write(lambda tx: things.events.take_in(tx, stored.number))
    assert things.events.next_due() is None
