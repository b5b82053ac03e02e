"""What follows from a change: stored with it or not at all; edges, from either end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.store import changes
from sagebrush.store.changes import Changes
from sagebrush.store.db import Db
from sagebrush.store.derived import Derived
from sagebrush.store.edges import AT_ONCE, Edge, EdgeReader
from sagebrush.store.rows import Row, Rows

PLACE = ("1", "r", "association")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Db]:
    made = Db(tmp_path / "db")
    yield made
    made.close()


def row(kind: str, name: str, status: str = "") -> Row:
    return Row("1", "r", kind, name, status, {})


def edge(source: str, destination: str) -> Edge:
    return Edge(*PLACE, source, destination, {"Type": "Produced"}, 5.0)


def record(found: Changes, old: Row | None, new: Row | None) -> None:
    if new is not None and old is None:
        found.insert(row("record", new.name))
        found.link(edge(new.name, "record"))
    if new is not None and new.status == "Bad":
        raise ValueError(new.name)


def test_what_follows_is_stored_with_the_change_or_left_out_whole(db: Db) -> None:
    rows, edges = Rows(db, lambda: 5.0), EdgeReader(db.read)
    rows.changed = Derived(rows, {"job": [record]}).changed
    job = rows.insert(row("job", "a"))
    rows.insert(row("other", "b"))
    assert [each.name for each in rows.select("record")] == ["a"]
    rows.insert(
        row("job", "c", "Bad")
    )  # its record could not be made: the job is there all the same
    assert [each.name for each in rows.select("job")] == ["a", "c"]
    assert [each.name for each in rows.select("record")] == ["a"]
    assert edges.select(PLACE) == [edge("a", "record")]

    def refuse(_: object) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        rows.insert(row("job", "d"), refuse)
    assert len(rows.select("record")) == 1
    rows.update(job.id, lambda found: replace(found, status="Done"))
    assert len(rows.select("record")) == 1


def test_edges_from_either_end(db: Db) -> None:
    rows, edges = Rows(db, lambda: 5.0), EdgeReader(db.read)

    def draw(found: Changes) -> list[bool]:
        return [found.link(edge(*ends)) for ends in ("ab", "ac", "bc", "ab")]

    assert changes.together(db, rows, draw) == [True, True, True, False]
    assert [each.destination for each in edges.select(PLACE, source="a")] == ["b", "c"]
    assert [each.source for each in edges.select(PLACE, destination="c")] == ["a", "b"]
    assert edges.select(PLACE, "a", "b") == [edge("a", "b")]
    assert edges.select(("2", "r", "association")) == []
    assert {e.destination for e in edges.beside(PLACE, ["a", "b"], onward=True)} == {"b", "c"}
    many = [f"none-{number}" for number in range(AT_ONCE)]
    assert [e.source for e in edges.beside(PLACE, [*many, "b"], onward=False)] == ["a"]
    assert changes.together(db, rows, lambda found: found.unlink(PLACE, "a", "b"))
    assert not changes.together(db, rows, lambda found: found.unlink(PLACE, "a", "b"))
    assert len(edges.select(PLACE)) == 2
