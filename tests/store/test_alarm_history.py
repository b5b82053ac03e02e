"""The history of alarms: one item once, pages by time, expiry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.store.alarm_history import AlarmHistory, Item, Sought
from sagebrush.store.db import Db


@pytest.fixture
def items(tmp_path: Path) -> Iterator[AlarmHistory]:
    db = Db(tmp_path / "db")
    yield AlarmHistory(db)
    db.close()


def item(at: float, name: str = "a", kind: str = "StateUpdate", composite: bool = False) -> Item:
    return Item(name, composite, at, kind, f"at {at}", "{}")


def test_an_item_is_there_once(items: AlarmHistory) -> None:
    items.add("1", "r", [item(1.0), item(2.0)])
    items.add("1", "r", [item(1.0)])
    found, more = items.page("1", "r", Sought(), None, 10)
    assert ([each.at for each in found], more) == ([2.0, 1.0], None)
    assert items.page("1", "other", Sought(), None, 10) == ([], None)


def test_pages_by_time(items: AlarmHistory) -> None:
    items.add("1", "r", [item(float(i // 2), kind=f"K{i}") for i in range(7)])
    seen, after = [], None
    while True:
        found, after = items.page("1", "r", Sought(descending=False), after, 2)
        seen += [each.kind for each in found]
        if after is None:
            break
    assert seen == [f"K{i}" for i in range(7)]


def test_what_is_sought(items: AlarmHistory) -> None:
    items.add("1", "r", [item(1.0), item(2.0, "b"), item(3.0, kind="Action"),
                         item(4.0, "c", composite=True)])  # fmt: skip

    def at(sought: Sought) -> list[float]:
        return [each.at for each in items.page("1", "r", sought, None, 10)[0]]

    assert at(Sought("a")) == [3.0, 1.0]
    assert at(Sought(kind="Action")) == [3.0]
    assert at(Sought(composites=[True])) == [4.0]
    assert at(Sought(composites=[True, False])) == [4.0, 3.0, 2.0, 1.0]
    assert at(Sought(start=2.0, end=3.0)) == [3.0, 2.0]


def test_old_items_go(items: AlarmHistory) -> None:
    items.add("1", "r", [item(1.0), item(2.0)])
    assert items.expire(2.0) == 1
    assert [each.at for each in items.page("1", "r", Sought(), None, 10)[0]] == [2.0]
