"""The history of CloudWatch's alarms: written once for each event, read by time, expired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.store.db import Db, Tx


@dataclass(frozen=True)
class Item:
    """One event of one alarm. `at` in seconds since the epoch; `data` is AWS's JSON."""

    alarm: str
    composite: bool
    at: float
    kind: str
    summary: str
    data: str


@dataclass(frozen=True)
class Sought:
    """Which items a page asks for; None asks for all. Times in seconds, both ends included."""

    alarm: str | None = None
    composites: Sequence[bool] = (False,)
    kind: str | None = None
    start: float | None = None
    end: float | None = None
    descending: bool = True


class AlarmHistory:
    """The items of all accounts and regions."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def add(self, account: str, region: str, items: Iterable[Item]) -> None:
        """The items are stored; one that is there already (a step that ran twice) is so once."""
        rows = [
            (account, region, i.alarm, i.composite, i.at, i.kind, i.summary, i.data) for i in items
        ]

        def work(tx: Tx) -> None:
            for row in rows:
                tx.run(
                    "INSERT OR IGNORE INTO alarm_history(account, region, name, composite, at,"
                    " kind, summary, data) VALUES(?,?,?,?,?,?,?,?)",
                    row,
                )

        if rows:
            self._db.write(work)

    def page(
        self, account: str, region: str, sought: Sought, after: Sequence[Any] | None, limit: int
    ) -> tuple[list[Item], list[Any] | None]:
        """Up to `limit` items by time and where the next page begins; None at the end.

        `after` is the second value of the page before.
        """
        marks = ",".join("?" * len(sought.composites))
        sql = f"SELECT * FROM alarm_history WHERE account=? AND region=? AND composite IN ({marks})"
        params: list[Any] = [account, region, *sought.composites]
        for test, value in (
            ("name=?", sought.alarm),
            ("kind=?", sought.kind),
            ("at>=?", sought.start),
            ("at<=?", sought.end),
        ):
            if value is not None:
                sql += f" AND {test}"
                params.append(value)
        way, sign = ("DESC", "<") if sought.descending else ("ASC", ">")
        if after is not None:
            sql += f" AND (at, id) {sign} (?, ?)"
            params += after
        sql += f" ORDER BY at {way}, id {way} LIMIT ?"
        found = self._db.read(sql, [*params, limit + 1])
        items = [
            Item(r["name"], bool(r["composite"]), r["at"], r["kind"], r["summary"], r["data"])
            for r in found[:limit]
        ]
        last = found[limit - 1] if len(found) > limit else None
        return items, [last["at"], last["id"]] if last else None

    def expire(self, before: float) -> int:
        """Items older than `before` are gone; how many."""
        return self._db.write(lambda tx: tx.run("DELETE FROM alarm_history WHERE at<?", (before,)))
