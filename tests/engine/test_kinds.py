"""Generic verbs: lists page without repeating or hiding a row; times, names and tokens."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sagebrush.credentials import Caller
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError
from sagebrush.settings import Settings
from sagebrush.store.db import Db
from sagebrush.store.rows import Row, Rows
from sagebrush.world import Ctx, World

KIND = Kind("thing", "Thing", running=None)


class Fixture:
    def __init__(self, home: Path) -> None:
        self.now = 1_000_000.0
        self.db = Db(home / "db")
        self.rows = Rows(self.db, self.clock)
        self.settings = Settings(home=home)
        caller = Caller("arn:aws:iam::1:root", "1", "1")
        self.ctx = Ctx(cast(World, self), "123456789012", "us-east-1", caller, "id")

    def clock(self) -> float:
        return self.now

    def wake(self) -> None:
        pass

    def add(self, name: str, status: str = "New") -> Row:
        row = kinds.create(self.ctx, KIND, {"ThingName": name}, status)
        self.now += 1
        return row

    def list(self, **request: Any) -> list[str]:
        return [t["ThingName"] for t in kinds.list_page(self.ctx, KIND, request)["Things"]]


@pytest.fixture
def things(tmp_path: Path) -> Iterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    made.db.close()


def when(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def test_filters_and_orders(things: Fixture) -> None:
    for name, status in (("b-One", "New"), ("A-two", "Old"), ("c-one", "New")):
        things.add(name, status)
    assert things.list() == ["c-one", "A-two", "b-One"]
    assert things.list(SortOrder="Ascending") == ["b-One", "A-two", "c-one"]
    assert things.list(SortBy="Name", SortOrder="Ascending") == ["A-two", "b-One", "c-one"]
    assert things.list(SortBy="Status", SortOrder="Ascending") == ["b-One", "c-one", "A-two"]
    assert things.list(NameContains="ONE") == ["c-one", "b-One"]
    assert things.list(NameContains="%") == []
    assert things.list(StatusEquals="Old") == ["A-two"]
    assert things.list(CreationTimeAfter=when(1_000_000)) == ["c-one", "A-two"]
    assert things.list(CreationTimeBefore=when(1_000_001)) == ["b-One"]
    assert things.list(LastModifiedTimeAfter=when(1_000_001)) == ["c-one"]


def test_lists_go_by_the_times_that_are_told(things: Fixture) -> None:
    """Not by when the row was last written, which every look at a log does."""
    old, new = things.add("old"), things.add("new")
    changed = {**new.doc, "LastModifiedTime": when(1_000_010.25)}
    things.rows.update(new.id, lambda row: replace(row, doc=changed))
    things.now += 100
    things.rows.update(old.id, lambda row: replace(row, plan={"offset": 1}))
    assert things.list(SortBy="LastModifiedTime") == ["new", "old"]
    assert things.list(LastModifiedTimeAfter=when(1_000_000)) == ["new"]
    assert things.list(LastModifiedTimeAfter=when(1_000_010.25)) == []
    assert things.list(LastModifiedTimeBefore=when(1_000_010.251)) == ["new", "old"]


@pytest.mark.parametrize("order", [{}, {"SortBy": "Name"}, {"SortBy": "Status"}])
@pytest.mark.parametrize("way", ["Ascending", "Descending"])
def test_pages_hold_every_row_once_though_rows_come_and_go(
    things: Fixture, order: dict[str, str], way: str
) -> None:
    for n in range(25):
        things.add(f"t{n:02d}", "ab"[n % 2])
    seen: list[str] = []
    request: dict[str, Any] = {"MaxResults": 4, "SortOrder": way, **order}
    while True:
        page = kinds.list_page(things.ctx, KIND, request)
        seen += [t["ThingName"] for t in page["Things"]]
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
        if len(seen) == 8:
            gone = kinds.find(things.ctx, KIND, seen[0])
            things.rows.delete(gone.id)
    assert sorted(seen) == [f"t{n:02d}" for n in range(25)]


@pytest.mark.parametrize("token", ["nonsense", "bm9uc2Vuc2U=", "WzFd", "e30=", "ü"])
def test_foreign_tokens_are_refused(things: Fixture, token: str) -> None:
    with pytest.raises(AwsError, match="Invalid pagination token because"):
        things.list(NextToken=token)
    with pytest.raises(AwsError, match="Invalid pagination token because"):
        kinds.paginate([1, 2], token, 1)


@pytest.mark.costs("ten thousand rows")
def test_a_page_of_many_reads_only_its_rows(things: Fixture) -> None:
    big = {"Text": "x" * 3000}
    rows = [
        Row("123456789012", "us-east-1", "thing", f"r{n}", "New", big, {}, created=float(n))
        for n in range(10_000)
    ]
    things.db.write(lambda tx: [things.rows.insert_in(tx, row) for row in rows])
    begun = time.process_time()
    for _ in range(20):
        kinds.list_page(things.ctx, KIND, {"MaxResults": 10})
    assert (time.process_time() - begun) / 20 < 0.02
    plan = things.db.read(
        "EXPLAIN QUERY PLAN SELECT * FROM resource WHERE account='1' AND region='r' AND kind='k'"
        " ORDER BY created DESC, id DESC LIMIT 10"
    )
    assert not any("TEMP B-TREE" in row["detail"] for row in plan)
