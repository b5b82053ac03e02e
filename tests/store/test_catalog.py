"""Buckets that are kept in memory: no change is missed, whoever reads meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sagebrush.store import catalog, emptying
from sagebrush.store.catalog import KNOWN, Bucket
from sagebrush.store.db import Db, Params, Tx

US, THEM = "111111111111", "222222222222"
Change = Callable[[Db, int], object]


class Counting(Db):
    """A database that counts reads, and may be changed between one and its use."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads = 0
        self.meanwhile: Callable[[], object] | None = None

    def read(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        self.reads += 1
        rows = super().read(sql, params)
        then, self.meanwhile = self.meanwhile, None
        if then is not None:
            then()
        return rows


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(tmp_path / "db")
    add(made, US)
    yield made
    made.close()


def add(db: Db, account: str, name: str = "b") -> None:
    new = Bucket(0, account, name, "us-east-1", 0.0, {})
    db.write(lambda tx: catalog.add_bucket(tx, new))


def policy(db: Db, number: int) -> None:
    db.write(lambda tx: catalog.configure_bucket(tx, number, "Policy", "deny"))


def removal(db: Db, number: int) -> None:
    db.write(lambda tx: catalog.remove_bucket(tx, number))


def another(db: Db, number: int) -> None:
    removal(db, number)
    add(db, THEM)


def seen(db: Db) -> tuple[str, object] | None:
    found = catalog.known_bucket(db, "b")
    return None if found is None else (found.account, found.config.get("Policy"))


CHANGES = pytest.mark.parametrize(
    ("change", "after"),
    [
        (policy, (US, "deny")),
        (removal, None),
        (another, (THEM, None)),
        (lambda db, _: emptying.empty(db, "amazon"), None),
    ],
    ids=["policy", "deletion", "another account's", "reset"],
)


@CHANGES
def test_a_change_is_seen_once_it_is_answered(db: Counting, change: Change, after: object) -> None:
    found = catalog.known_bucket(db, "b")
    assert found is not None
    change(db, found.id)
    assert seen(db) == after


@CHANGES
def test_a_change_while_the_row_is_read(db: Counting, change: Change, after: object) -> None:
    """The older row that is read meanwhile is not kept."""
    row = db.read("SELECT id FROM bucket")[0]
    db.meanwhile = lambda: change(db, row["id"])
    assert seen(db) == (US, None)
    assert seen(db) == after


def test_it_is_read_once(db: Counting) -> None:
    for _ in range(3):
        assert seen(db) == (US, None)
    assert db.reads == 1


def test_a_bucket_that_is_not_there_is_looked_for_again(db: Counting) -> None:
    assert catalog.known_bucket(db, "later") is None
    add(db, US, "later")
    assert catalog.known_bucket(db, "later") is not None


def test_a_change_that_shares_its_commit_with_one_that_fails(db: Counting) -> None:
    found = catalog.known_bucket(db, "b")
    assert found is not None

    def both(tx: Tx) -> None:  # the writer is busy, so that the next two share a group
        failed = db.submit(lambda tx: tx.run("no SQL"))
        done = db.submit(lambda tx: catalog.configure_bucket(tx, found.id, "Policy", "deny"))
        futures.extend([failed, done])

    futures: list[Future[Any]] = []
    db.write(both)
    with pytest.raises(sqlite3.OperationalError):
        futures[0].result()
    futures[1].result()
    assert seen(db) == (US, "deny")


def test_only_so_many_are_kept(db: Counting) -> None:
    names = [f"b-{number}" for number in range(KNOWN + 1)]

    def work(tx: Tx) -> None:
        for name in names:
            catalog.add_bucket(tx, Bucket(0, US, name, "us-east-1", 0.0, {}))

    db.write(work)
    for name in names:
        assert catalog.known_bucket(db, name) is not None
    assert len(db.kept) <= KNOWN
