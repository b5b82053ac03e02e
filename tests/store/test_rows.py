"""Leases: each due row is one holder's; a lost lease changes nothing; a touch is never lost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sagebrush.errors import Doc
from sagebrush.store.db import Db
from sagebrush.store.documents import dump, parse
from sagebrush.store.rows import Exists, Next, Row, Rows, merge


class Fixture(Rows):
    now = 1000.0


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Fixture]:
    db = Db(tmp_path / "db")
    made = Fixture(db, lambda: made.now)
    yield made
    db.close()


def a_row(name: str = "a", due: float | None = 1000.0) -> Row:
    return Row("1", "r", "k", name, "New", {"A": 1}, {"p": 1}, due_at=due)


def test_insert_get_and_clash(rows: Fixture) -> None:
    made = rows.insert(replace(a_row(), doc={"T": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)}))
    assert rows.get("1", "r", "k", "a") == made
    with pytest.raises(Exists):
        rows.insert(a_row())
    assert rows.get("1", "r", "k", "b") is None


def test_rows_are_chosen_by_account_and_by_what_they_hold(rows: Fixture) -> None:
    texts = ("", "a"), ("1", "a"), ("1", 'it\'s "b" $.é'), ("2", "a")
    for number, (account, name) in enumerate(texts):
        doc, plan = {"Name": name}, {"account": account or "1"}
        rows.insert(replace(a_row(f"n{number}"), account=account, doc=doc, plan=plan))
    assert [row.name for row in rows.select("k", account="1")] == ["n1", "n2"]
    whose = {"plan.account": "1", "doc.Name": "a"}
    assert [row.name for row in rows.select("k", texts=whose)] == ["n0", "n1"]
    assert [row.name for row in rows.select("k", texts={"doc.Name": texts[2][1]})] == ["n2"]
    assert rows.select("k", texts={"doc.Other": "a"}) == []
    assert [row.name for row in rows.select("k", holding=texts[2][1][2:])] == ["n2"]
    assert rows.select("k", holding="b.") == []


def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(rows: Fixture) -> None:
    rows.insert(a_row())
    (mine,) = rows.claim(30, 10)
    assert rows.claim(30, 10) == []
    assert rows.next_due() == 1030
    rows.now = 1031
    (theirs,) = rows.claim(30, 10)
    assert rows.apply(mine, Next("Done")) is False
    assert rows.apply(theirs, Next("Other", {"B": 2, "A": None}, {"q": 2}, due=5)) is True
    found = rows.by_id(mine.id)
    assert found is not None
    assert (found.status, found.doc, found.plan) == ("Other", {"B": 2}, {"p": 1, "q": 2})
    assert found.due_at == 1036


def test_renewed_lease_holds_and_a_lost_one_cannot_be_renewed(rows: Fixture) -> None:
    rows.insert(a_row())
    (mine,) = rows.claim(30, 10)
    rows.now = 1020
    assert rows.renew(mine, 30)
    rows.now = 1045
    assert rows.claim(30, 10) == []
    assert rows.apply(mine, Next("Done", due=None))
    assert rows.next_due() is None
    assert not rows.renew(mine, 30)


def test_a_touch_while_leased_is_kept_with_the_step(rows: Fixture) -> None:
    rows.insert(a_row())
    (mine,) = rows.claim(30, 10)
    rows.touch(mine.id)
    assert rows.claim(30, 10) == []
    assert rows.apply(mine, Next("Waiting", due=None))
    (again,) = rows.claim(30, 10)
    assert again.status == "Waiting"


def test_a_touch_survives_renewal(rows: Fixture) -> None:
    rows.insert(a_row())
    (mine,) = rows.claim(30, 10)
    rows.touch(mine.id)
    rows.now += 10
    rows.renew(mine, 30)
    assert rows.apply(mine, Next(due=None))
    assert len(rows.claim(30, 10)) == 1


def test_a_row_is_due_by_what_its_document_says(rows: Fixture) -> None:
    for name, place, arn in (
        ("a", ("1", "r"), "x"),
        ("b", ("1", "r"), "y"),
        ("c", ("2", "r"), "x"),
    ):
        row = replace(a_row(name, due=None), account=place[0], doc={"Arn": arn})
        rows.insert(row)
    assert rows.touch_named("k", ("1", "r"), "Arn", "x") == 1
    assert rows.touch_named("k", ("1", "other"), "Arn", "x") == 0
    assert rows.touch_named("other", ("1", "r"), "Arn", "x") == 0
    (mine,) = rows.claim(30, 10)
    assert mine.name == "a"
    rows.touch_named("k", ("1", "r"), "Arn", "x")  # while it is leased: the step is stored
    assert rows.apply(mine, Next("Done", due=500))
    assert [row.status for row in rows.claim(30, 10)] == ["Done"]


def test_leases_of_a_process_that_is_gone_are_taken_over(rows: Fixture) -> None:
    rows.insert(a_row("held"))
    rows.insert(a_row("later", 5000.0))
    rows.insert(a_row("never", None))
    rows.insert(replace(a_row("watched", 5000.0), kind="endpoint"))
    rows.insert(replace(a_row("over", 5000.0), kind="endpoint", status="Failed"))
    (held,) = rows.claim(30, 10)
    rows.take_over({"endpoint": ("Failed",), "notebook-instance": ()})
    assert sorted(row.name for row in rows.claim(30, 10)) == ["held", "watched"]
    assert not rows.apply(held, Next("done"))


def test_a_step_that_did_not_see_a_change_is_dropped(rows: Fixture) -> None:
    rows.insert(a_row())
    (mine,) = rows.claim(30, 10)
    rows.update(mine.id, lambda row: replace(row, plan={**row.plan, "stop": True}))
    assert rows.apply(mine, Next("Done")) is False
    (again,) = rows.claim(30, 10)
    assert (again.status, again.plan) == ("New", {"p": 1, "stop": True})


def test_update_may_refuse_or_leave_alone(rows: Fixture) -> None:
    made = rows.insert(a_row())

    def refuse(row: Row) -> Row:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        rows.update(made.id, refuse)
    assert rows.update(made.id, lambda row: None) == made
    assert rows.update(12345, lambda row: row) is None
    assert rows.delete(made.id)
    assert not rows.delete(made.id)


def test_next_due_skips_nothing_when_many_are_leased(rows: Fixture) -> None:
    for n in range(150):
        rows.insert(a_row(f"r{n}", 900.0 + n / 1000))
    rows.insert(a_row("late", 1010.0))
    assert len(rows.claim(30, 150)) == 150
    assert rows.next_due() == 1010


@pytest.mark.costs("ten thousand rows")
def test_ten_thousand_idle_rows_cost_the_claim_nothing(rows: Fixture) -> None:
    def many(tx):  # type: ignore[no-untyped-def]
        for n in range(10_000):
            rows.insert_in(tx, a_row(f"r{n}", 9e9))

    rows._db.write(many)
    plans = rows._db.read(
        "EXPLAIN QUERY PLAN SELECT id FROM resource WHERE due_at<=1 AND"
        " (lease_until IS NULL OR lease_until<1) ORDER BY due_at LIMIT 5"
    )
    assert any("resource_due" in row["detail"] for row in plans)
    assert rows.claim(30, 10) == []


def test_merge_removes_members_set_to_none() -> None:
    assert merge({"a": 1, "b": 2}, {"a": None, "c": 3}) == {"b": 2, "c": 3}


# Documents ----------------------------------------------------------------------------------------

MOMENT = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "doc",
    [
        {"HyperParameters": {"$time": "abc"}},
        {"HyperParameters": {"$bytes": "zz"}, "CreationTime": MOMENT},
        {"a": [{"$time": 5.0}, {"$bytes": "00"}, {"$other": 1}], "b": b"\x00"},
        {"a": {"$$time": 5.0}, "b": {"$$$bytes": [{"$time": 1}]}},
        {"a": {"$time": 1, "$bytes": ""}, "b": {"": 1}, "c": {"$": {"$": MOMENT}}},
        {"a": '{"$time":1}', "b": {"x": '{"$'}},
        {"$time": 1e300},
    ],
)
def test_users_own_names_are_never_read_as_ours(doc: Doc) -> None:
    assert parse(dump(doc)) == doc


def test_what_an_earlier_version_stored_can_be_read() -> None:
    """One such row stopped every list of its kind, and the loop."""
    assert parse('{"H":{"$time":"abc"},"B":{"$bytes":"zz"},"T":{"$time":1767312000.0}}') == {
        "H": {"$time": "abc"},
        "B": {"$bytes": "zz"},
        "T": MOMENT,
    }


def test_the_id_of_a_deleted_row_is_never_anothers(rows: Fixture) -> None:
    ids = []
    for _ in range(3):
        ids.append(rows.insert(a_row()).id)
        rows.delete(ids[-1])
    assert len(set(ids)) == 3
